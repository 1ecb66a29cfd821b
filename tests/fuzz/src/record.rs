//! Files of the log of what happened.

use transom_record::frame::{self, MARKER, Scan};

/// Whatever a disk gives back: each place is told to be an entry or not, always further on; and the same once
/// more with every checksum made right, so that what it guards is reached.
pub fn record(data: &[u8]) -> bool {
    let taken = read(data);
    let mut sealed = data.to_vec();
    for at in 0..sealed.len() {
        seal(&mut sealed, at);
    }
    read(&sealed) || taken
}

fn seal(data: &mut [u8], at: usize) {
    let Some(frame) = data.get_mut(at..) else {
        return;
    };
    let Some((head, body)) = frame.split_first_chunk_mut::<8>() else {
        return;
    };
    let len = usize::from(u16::from_be_bytes([head[2], head[3]]));
    let Some(body) = body.get(..frame::PREFIX - 8 + len) else {
        return;
    };
    if head[..2] == MARKER {
        let sum = frame::checksum(&[&head[2..4], body]).to_be_bytes();
        head[4..].copy_from_slice(&sum);
    }
}

fn read(data: &[u8]) -> bool {
    let (mut at, mut taken) = (0, false);
    loop {
        match frame::scan(data, at) {
            Scan::Entry(entry, next) => {
                assert!(next > at && next <= data.len(), "it does not go on");
                let line = transom_record::line(&entry);
                assert!(!line.contains('\n'), "more than one line");
                let again = written_and_read(*entry);
                // A text that was no UTF-8 may have been cut; after that it stays.
                assert_eq!(written_and_read(again.clone()), again);
                (at, taken) = (next, true);
            }
            Scan::Damage(next) => {
                assert!(next > at && next < data.len(), "it does not go on");
                at = next;
            }
            Scan::End => return taken,
        }
    }
}

fn written_and_read(mut entry: transom_record::Entry) -> transom_record::Entry {
    let mut bytes = Vec::new();
    frame::emit(&mut entry, &mut bytes);
    let (again, len) = frame::parse(&bytes).expect("what was written is read");
    assert_eq!(len, bytes.len());
    again
}
