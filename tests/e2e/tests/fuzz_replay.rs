//! The fuzz targets over their committed corpora, and over what a seeded hand makes of them: every
//! beginning of every input, and bytes changed here and there. Any panic fails.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "this crate is tests only"
)]

use std::fs;
use std::path::{Path, PathBuf};

#[path = "../../fuzz/src/lib.rs"]
#[allow(unreachable_pub, reason = "there it is a crate of its own")]
mod targets;

/// Changed copies of each input.
const CHANGED: u32 = 2_000;

#[test]
fn control() {
    replay("control", targets::control);
}

#[test]
fn stun() {
    replay("stun", targets::stun);
}

#[test]
fn rtp() {
    replay("rtp", targets::rtp);
}

#[test]
fn rtcp() {
    replay("rtcp", targets::rtcp);
}

#[test]
fn sdp() {
    replay("sdp", targets::sdp);
}

#[test]
fn h264() {
    replay("h264", targets::h264);
}

#[test]
fn dtls() {
    replay("dtls", targets::dtls);
}

#[test]
fn dcep() {
    replay("dcep", targets::dcep);
}

#[test]
fn sctp() {
    replay("sctp", targets::sctp);
}

#[test]
fn srtp() {
    replay("srtp", targets::srtp);
}

#[test]
fn relay() {
    replay("relay", targets::relay);
}

#[test]
fn lease() {
    replay("lease", targets::lease);
}

/// A million inputs.
#[test]
#[ignore = "by cargo xtask test --full --only fuzz-length"]
fn lease_at_length() {
    at_length("lease", 1_000_000, targets::lease);
}

#[test]
fn program() {
    replay("program", targets::program);
}

#[test]
fn mavlink() {
    replay("mavlink", targets::mavlink);
}

#[test]
fn record() {
    replay("record", targets::record);
}

/// A million inputs.
#[test]
#[ignore = "by cargo xtask test --full --only fuzz-length"]
fn record_at_length() {
    at_length("record", 1_000_000, targets::record);
}

/// Forty million inputs: some minutes.
#[test]
#[ignore = "by cargo xtask test --full --only fuzz-length"]
fn control_at_length() {
    at_length("control", 40_000_000, targets::control);
}

/// A million inputs.
#[test]
#[ignore = "by cargo xtask test --full --only fuzz-length"]
fn relay_at_length() {
    at_length("relay", 1_000_000, targets::relay);
}

/// A million inputs.
#[test]
#[ignore = "by cargo xtask test --full --only fuzz-length"]
fn program_at_length() {
    at_length("program", 1_000_000, targets::program);
}

/// A million inputs.
#[test]
#[ignore = "by cargo xtask test --full --only fuzz-length"]
fn mavlink_at_length() {
    at_length("mavlink", 1_000_000, targets::mavlink);
}

/// Conversations cut, joined and changed.
fn at_length(name: &str, count: u32, target: fn(&[u8]) -> bool) {
    let inputs: Vec<Vec<u8>> = corpus(name)
        .iter()
        .map(|path| fs::read(path).expect("an input"))
        .collect();
    let mut random = Random(0xc0de);
    let mut pool = inputs.clone();
    let mut taken = 0_u32;
    for number in 0..count {
        let mut input = pool[random.below(pool.len())].clone();
        if random.below(2) == 0 {
            let other = &pool[random.below(pool.len())];
            let (front, back) = (random.below(input.len() + 1), random.below(other.len() + 1));
            input.truncate(front);
            input.extend_from_slice(&other[back..]);
            input.truncate(1000);
        }
        for _ in 0..random.below(4) {
            if !input.is_empty() {
                let at = random.below(input.len());
                input[at] = random.below(256) as u8;
            }
        }
        taken += u32::from(target(&input));
        if number % 1000 == 0 {
            // The pool wanders off from the corpus and is called back by it.
            match random.below(4) {
                0 => pool.clone_from(&inputs),
                _ => pool.push(input),
            }
        }
    }
    println!("{count} inputs, {taken} of them taken");
    assert!(taken > 1000);
}

fn replay(name: &str, target: fn(&[u8]) -> bool) {
    let mut taken = 0;
    for path in corpus(name) {
        let input = fs::read(&path).expect("an input");
        println!("{}", path.display());
        taken += u32::from(target(&input));
        for len in 0..input.len() {
            target(&input[..len]);
        }
        let mut random = Random(0x5eed);
        for _ in 0..CHANGED {
            let mut changed = input.clone();
            for _ in 0..=random.below(4) {
                let at = random.below(changed.len());
                changed[at] = random.below(256) as u8;
            }
            target(&changed);
        }
    }
    assert!(
        taken > 0,
        "no input of the corpus gets past the first check"
    );
}

fn corpus(name: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz/corpus")
        .join(name);
    let mut inputs: Vec<PathBuf> = fs::read_dir(&folder)
        .expect("a corpus")
        .map(|entry| entry.expect("an input").path())
        .collect();
    inputs.sort();
    assert!(!inputs.is_empty(), "{} is empty", folder.display());
    inputs
}

/// xorshift32: the same changes in every run.
struct Random(u32);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0 as usize % bound.max(1)
    }
}
