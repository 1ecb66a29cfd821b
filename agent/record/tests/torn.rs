//! Whatever a loss of power or a bad card does to the files: what is whole is read, and the log goes on.

#![allow(clippy::expect_used, reason = "tests")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use support::Dir;
use transom_record::frame::{self, Scan};
use transom_record::{
    Event, Found, Note, Reader, RecordFigures, Setpoint, StoreConfig, Tail, Writer, WriterConfig,
};

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound.max(1)).expect("small")).expect("small")
    }
}

fn writer(dir: &Path) -> Writer {
    let config = WriterConfig {
        store: StoreConfig {
            dir: dir.to_owned(),
            max_bytes: 1024 * 1024,
        },
        sync_after: Duration::from_secs(10),
        boot: [7; 16],
        pid: 1,
        version: "test".to_owned(),
    };
    Writer::new(config, Arc::new(RecordFigures::default()))
}

/// Some hundred entries of several kinds, in at least two files.
fn write(dir: &Path, dice: &mut Dice, entries: u64) {
    let mut writer = writer(dir);
    for at in 0..entries {
        let event = match dice.below(4) {
            0 => Event::Stop { reason: 1 },
            1 => Event::Note(Note {
                warning: false,
                text: "x".repeat(dice.below(256)),
            }),
            _ => Event::Setpoint(Setpoint {
                seq: 9,
                age_us: None,
                axes: [0x5452; 8],
            }),
        };
        writer.push(at, at, 0, event);
    }
    writer.finish(entries);
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let all = fs::read_dir(dir).expect("the directory");
    let mut all: Vec<_> = all.map(|entry| entry.expect("an entry").path()).collect();
    all.retain(|path| path.extension().is_some_and(|ext| ext == "rec"));
    all.sort();
    all
}

/// Each frame's bytes, by its number.
fn frames(dir: &Path) -> BTreeMap<u64, Vec<u8>> {
    let mut all = BTreeMap::new();
    for path in files(dir) {
        let bytes = fs::read(path).expect("a file");
        let mut at = transom_record::HEADER_LEN;
        while let Scan::Entry(entry, next) = frame::scan(&bytes, at) {
            all.insert(entry.seq, bytes[at..next].to_vec());
            at = next;
        }
    }
    all
}

fn harm(dir: &Path, dice: &mut Dice) {
    let files = files(dir);
    for _ in 0..=dice.below(3) {
        let path = &files[dice.below(files.len())];
        let Ok(mut bytes) = fs::read(path) else {
            continue;
        };
        let at = dice.below(bytes.len());
        match dice.below(7) {
            0 => bytes.truncate(at),
            1 => bytes[at] ^= 1 << dice.below(8),
            2 => {
                let end = (at + dice.below(5000)).min(bytes.len());
                bytes[at..end].fill(0);
            }
            3 => {
                let end = (at + dice.below(600)).min(bytes.len());
                for byte in &mut bytes[at..end] {
                    *byte = u8::try_from(dice.below(256)).expect("a byte");
                }
            }
            4 => {
                let more = dice.below(3000);
                bytes.extend((0..more).map(|_| b"TR\0\x20"[dice.below(4)]));
            }
            5 => {
                let end = (at + dice.below(3000)).min(bytes.len());
                bytes.drain(at..end);
            }
            _ => {
                let _ = fs::remove_file(path);
                continue;
            }
        }
        fs::write(path, bytes).expect("harm is done");
    }
}

/// The numbers of all entries, and how many bytes were none.
fn read(dir: &Path) -> (Vec<u64>, u64) {
    let mut reader = Reader::open(dir).expect("a directory");
    let (mut seqs, mut damaged) = (Vec::new(), 0);
    while let Some(found) = reader.next(Tail::Final).expect("a directory") {
        match found {
            Found::Entry(entry) => seqs.push(entry.seq),
            Found::Damage { bytes, .. } => damaged += bytes,
            Found::Gap { after, before } => assert_ne!(after + 1, before),
            Found::Unreadable { .. } => {}
        }
    }
    (seqs, damaged)
}

#[test]
fn of_a_thousand_harmed_logs_all_that_is_whole_is_read_and_each_goes_on() {
    for seed in 0..1000 {
        let dir = Dir::new();
        let mut dice = Dice(seed);
        write(dir.path(), &mut dice, 1300);
        let written = frames(dir.path());
        assert!(files(dir.path()).len() >= 2 && written.len() >= 1300);
        assert_eq!(read(dir.path()).0.len(), written.len());
        harm(dir.path(), &mut dice);
        // What is still there, whole, by the bytes themselves.
        let mut left = BTreeSet::new();
        for path in files(dir.path()) {
            left.extend(whole(&fs::read(path).expect("a file"), &written));
        }
        let (seqs, _) = read(dir.path());
        let read_now: BTreeSet<u64> = seqs.iter().copied().collect();
        assert_eq!(read_now, left, "seed {seed}");
        assert!(seqs.iter().all(|seq| written.contains_key(seq)), "{seed}");

        write(dir.path(), &mut dice, 50);
        let (after, _) = read(dir.path());
        let new = &after[after.len() - 50..];
        assert!(
            new.is_sorted() && after.len() > seqs.len() + 50 - 1,
            "{seed}"
        );
        let last = seqs.iter().max().copied().unwrap_or(0);
        assert!(new.iter().all(|seq| *seq > last.min(new[0])), "{seed}");
        // The torn end was cut off, so that nothing is written behind rubbish.
        let last = files(dir.path()).pop().expect("a file");
        let bytes = fs::read(last).expect("the file");
        let (mut at, mut end) = (transom_record::HEADER_LEN, 0);
        loop {
            match frame::scan(&bytes, at) {
                Scan::Entry(_, next) => (at, end) = (next, next),
                Scan::Damage(next) => at = next,
                Scan::End => break,
            }
        }
        assert_eq!(end, bytes.len(), "seed {seed}");
    }
}

/// The numbers of those whose bytes stand in `file` as they were written.
fn whole(file: &[u8], written: &BTreeMap<u64, Vec<u8>>) -> BTreeSet<u64> {
    let mut found = BTreeSet::new();
    for (at, window) in file.windows(8).enumerate().skip(8) {
        let seq = u64::from_be_bytes(window.try_into().expect("eight bytes"));
        let Some(frame) = written.get(&seq) else {
            continue;
        };
        if file.get(at - 8..at - 8 + frame.len()) == Some(frame) {
            found.insert(seq);
        }
    }
    found
}
