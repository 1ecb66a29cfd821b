//! Bytes into frames, within a bound: <https://mavlink.io/en/guide/serialization.html>.

use mavlink::MAVLinkV2MessageRaw;
use mavlink::dialects::common::MavMessage;

/// A frame begins so.
const STX: u8 = 0xfd;
/// The header, with its first byte.
const HEADER: usize = 10;
/// Behind the payload.
const CHECKSUM: usize = 2;
/// Behind that, if the frame is signed.
const SIGNATURE: usize = 13;
/// The largest frame.
const LONGEST: usize = HEADER + 255 + CHECKSUM + SIGNATURE;
/// Of the incompatibility flags: it is signed. Frames with others are not to be read.
const SIGNED: u8 = 1;

/// A frame with a good checksum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Whose it is.
    pub system: u8,
    /// Which part of that.
    pub component: u8,
    /// What it is.
    pub id: u32,
    bytes: MAVLinkV2MessageRaw,
}

impl Frame {
    /// The payload, whose zeros at the end may be missing.
    pub fn payload(&self) -> &[u8] {
        self.bytes.payload()
    }
}

/// Holds the beginning of a frame whose end has not come.
#[derive(Debug)]
pub struct Frames {
    bytes: [u8; LONGEST],
    len: usize,
}

impl Default for Frames {
    fn default() -> Self {
        Self {
            bytes: [0; LONGEST],
            len: 0,
        }
    }
}

/// What the beginning of the buffer is.
enum Begins {
    /// A frame of so many bytes.
    Frame(usize),
    /// Perhaps one.
    Wait,
    /// None.
    Noise,
}

impl Frames {
    /// Takes bytes in and gives each frame of the dialect `common` whose checksum is good to `each`. What is no
    /// such frame is skipped: MAVLink 1, other dialects, noise.
    pub fn push(&mut self, mut bytes: &[u8], mut each: impl FnMut(&Frame)) {
        while !bytes.is_empty() {
            let room = self.bytes.get_mut(self.len..).unwrap_or_default();
            let (now, later) = bytes.split_at(room.len().min(bytes.len()));
            room.iter_mut().zip(now).for_each(|(to, from)| *to = *from);
            self.len += now.len();
            bytes = later;
            self.take(&mut each);
        }
    }

    /// Nothing of what came before belongs to what comes.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Gives what is whole, and keeps less than a frame.
    fn take(&mut self, each: &mut impl FnMut(&Frame)) {
        let mut at = 0;
        loop {
            let rest = self.bytes.get(at..self.len).unwrap_or_default();
            match begins(rest) {
                Begins::Frame(len) => match frame(rest.get(..len).unwrap_or_default()) {
                    Some(frame) => {
                        each(&frame);
                        at += len;
                    }
                    // The next frame may begin within it.
                    None => at += 1,
                },
                Begins::Noise => at += 1,
                Begins::Wait => break,
            }
        }
        self.bytes.copy_within(at..self.len, 0);
        self.len -= at;
    }
}

fn begins(bytes: &[u8]) -> Begins {
    let (Some(&stx), len) = (bytes.first(), bytes.len()) else {
        return Begins::Wait;
    };
    if stx != STX {
        return Begins::Noise;
    }
    let (Some(&payload), Some(&flags)) = (bytes.get(1), bytes.get(2)) else {
        return Begins::Wait;
    };
    let signature = match flags {
        0 => 0,
        SIGNED => SIGNATURE,
        _ => return Begins::Noise,
    };
    let whole = HEADER + usize::from(payload) + CHECKSUM + signature;
    match len < whole {
        true => Begins::Wait,
        false => Begins::Frame(whole),
    }
}

fn frame(bytes: &[u8]) -> Option<Frame> {
    let mut raw = MAVLinkV2MessageRaw::new();
    raw.as_mut_slice()
        .get_mut(..bytes.len())?
        .copy_from_slice(bytes);
    let id = raw.message_id();
    raw.has_valid_crc::<MavMessage>().then(|| Frame {
        system: u8::try_from(raw.system_id()).unwrap_or(0),
        component: raw.component_id(),
        id,
        bytes: raw,
    })
}

#[cfg(test)]
mod tests {
    use mavlink::MavHeader;
    use mavlink::dialects::common::{ATTITUDE_DATA, HEARTBEAT_DATA};

    use super::*;

    fn bytes(data: &impl mavlink::MessageData) -> Vec<u8> {
        let mut raw = MAVLinkV2MessageRaw::new();
        let header = MavHeader {
            system_id: 7,
            component_id: 1,
            sequence: 0,
        };
        raw.serialize_message_data(header, data);
        raw.raw_bytes().to_vec()
    }

    fn ids(chunks: &[&[u8]]) -> Vec<u32> {
        let mut frames = Frames::default();
        let mut ids = Vec::new();
        for chunk in chunks {
            frames.push(chunk, |frame| ids.push(frame.id));
        }
        ids
    }

    #[test]
    fn frames_are_found_in_whatever_comes() {
        let attitude = bytes(&ATTITUDE_DATA {
            yaw: 1.0,
            ..ATTITUDE_DATA::default()
        });
        let heartbeat = bytes(&HEARTBEAT_DATA::default());
        let mut broken = attitude.clone();
        broken[12] ^= 1;
        let noise = [0xfd, 3, 0, 0xfe, 9, 9, 0xfd, 0xff, 2];
        let all = [
            &noise,
            attitude.as_slice(),
            &broken,
            &heartbeat,
            &heartbeat,
            &noise,
            &attitude,
        ]
        .concat();
        let found = [30, 0, 0, 30];
        let single: Vec<&[u8]> = all.chunks(1).collect();
        // What noise announces may swallow no more than one frame's worth, which then is looked at anew.
        let tail = vec![0; LONGEST];
        let wholly = ids(&[&all, &tail]);
        assert_eq!(wholly, found);
        assert_eq!(ids(&[single.as_slice(), &[&tail]].concat()), found);
    }

    #[test]
    fn a_signed_frame_is_read_and_one_with_unknown_flags_is_not() {
        let mut signed = bytes(&HEARTBEAT_DATA::default());
        signed[2] = SIGNED;
        let end = signed.len() - 2;
        let crc = mavlink::calculate_crc(&signed[1..end], 50);
        signed[end..].copy_from_slice(&crc.to_le_bytes());
        signed.extend([0x55; SIGNATURE]);
        assert_eq!(ids(&[&signed]), [0]);
        let mut odd = bytes(&HEARTBEAT_DATA::default());
        odd[2] = 2;
        assert!(ids(&[&odd, &[0; LONGEST]]).is_empty());
    }
}
