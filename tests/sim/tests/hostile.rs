//! A peer that holds the keys and sends what it likes, and links that mangle:
//! nothing makes the other end panic, spin or answer out of proportion.

#![allow(clippy::expect_used, reason = "a test fails where it fails")]

use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use transom_rtc_proto::id::MediaTime;
use transom_rtc_proto::peer::{Event, Frame, Peer, Received, TrackId};
use transom_rtc_proto::port::{Srtp, SrtpFactory, SrtpKey, SrtpProfile};
use transom_rtc_proto::rtp::{PacketKind, classify};
use transom_rtc_proto::time::{Instant, WallTime};
use transom_tests_sim::fake::FakeSrtp;
use transom_tests_sim::link::LinkConfig;
use transom_tests_sim::pair::{Pair, PairConfig};

const VIDEO: TrackId = TrackId(1);

/// A second of a session at 10 % loss, and all that both ends sent in it: what
/// the offerer sent, then what the answerer did.
fn session(seed: u64) -> (Pair, [Vec<Vec<u8>>; 2]) {
    let link = LinkConfig {
        loss: 0.1,
        duplication: 0.05,
        reordering: 0.1,
        delay: Duration::from_millis(10),
        jitter: Duration::from_millis(5),
    };
    let lite = seed.is_multiple_of(2);
    let mut pair = Pair::new(PairConfig { link, lite, seed });
    pair.offerer.tap = Some(Vec::new());
    pair.answerer.tap = Some(Vec::new());
    pair.run_until(Duration::from_secs(15), Pair::is_connected)
        .expect("connects");
    for number in 0..30 {
        send_frame(&mut pair, number);
        run_without_spinning(&mut pair, Duration::from_millis(33));
    }
    let sent = [&mut pair.offerer, &mut pair.answerer].map(|e| e.tap.take().unwrap_or_default());
    (pair, sent)
}

fn send_frame(pair: &mut Pair, number: u32) {
    let mut data = vec![0, 0, 0, 1, 0x65, 0x80];
    data.resize(4000, 0x55);
    let frame = Frame {
        data: &data,
        timestamp: MediaTime(number * 3000),
        captured: pair.now,
        wall: WallTime::from_unix_micros(pair.now.as_micros()),
    };
    let now = pair.now;
    // A peer that was ended by what it got has nothing to send with.
    let _ = pair.offerer.peer.send_frame(now, VIDEO, &frame);
}

/// Each deadline that has been handled leaves one that lies ahead.
fn run_without_spinning(pair: &mut Pair, d: Duration) {
    let end = pair.now + d;
    pair.drain();
    while let Some(next) = pair.next_event().filter(|at| *at < end) {
        pair.advance_to(next);
        for peer in [&pair.offerer.peer, &pair.answerer.peer] {
            if let Some((at, timer)) = peer.poll_timeout() {
                assert!(
                    at > pair.now,
                    "{timer:?} is due again at {at}, now {}",
                    pair.now
                );
            }
        }
    }
    pair.now = end;
}

#[test]
fn a_deadline_that_was_handled_lies_ahead() {
    for seed in 0..20 {
        let (mut pair, _) = session(seed);
        let now = pair.now;
        pair.answerer.peer.request_key_frame(now, VIDEO);
        run_without_spinning(&mut pair, Duration::from_secs(8));
        // Nothing gets through any more, until both give up.
        pair.set_link(LinkConfig::clean(Duration::from_millis(10)).with_loss(1.0));
        for number in 30..60 {
            send_frame(&mut pair, number);
            run_without_spinning(&mut pair, Duration::from_millis(33));
        }
        run_without_spinning(&mut pair, Duration::from_secs(60));
        assert!(!pair.is_connected());
        assert_eq!(pair.next_event(), None);
    }
}

/// Opens and seals what one end sends: the stand-in for DTLS agrees on the
/// same keys each time.
fn layer_of(client: bool) -> Box<dyn Srtp> {
    let profile = SrtpProfile::AeadAes128Gcm;
    let at: u8 = if client { 0 } else { 16 };
    let key: Vec<u8> = (at..at + 16).collect();
    let key = SrtpKey::new(profile, &key, &[0; 12]).expect("the lengths");
    FakeSrtp.create(profile, &key, &key).expect("a layer")
}

struct Dice(ChaCha8Rng);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0.next_u32() as usize % n.max(1)
    }

    fn byte(&mut self) -> u8 {
        self.0.next_u32().to_be_bytes()[0]
    }

    /// Flips, cuts, grows, swaps and splices.
    fn mangle(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            match self.below(7) {
                0 => bytes.truncate(at),
                1 => bytes.extend(std::iter::repeat_n(self.byte(), self.below(64))),
                2 if !bytes.is_empty() => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][self.below(5)],
                3 if !bytes.is_empty() => bytes[at] ^= 1 << self.below(8),
                // The header is where it hurts.
                4 if bytes.len() > 24 => bytes[self.below(24)] = self.byte(),
                5 => {
                    bytes.truncate(at);
                    bytes.extend_from_slice(&other[self.below(other.len())..]);
                }
                _ if !bytes.is_empty() => bytes[at] = self.byte(),
                _ => {}
            }
        }
    }

    /// A compound of feedback whose lengths hold together and whose contents do as they like.
    fn feedback(&mut self, likeness: &[u8]) -> Vec<u8> {
        let mut compound = Vec::new();
        for _ in 0..=self.below(20) {
            let words = self.below(12);
            let (format, kind) = [
                (1, 205),
                (15, 205),
                (1, 206),
                (4, 206),
                (15, 206),
                (1, 200),
                (2, 201),
                (1, 202),
                (1, 203),
            ][self.below(9)];
            compound.extend([0x80 | format, kind, 0, words as u8]);
            let body = compound.len();
            compound.extend((0..4 * words).map(|_| self.byte()));
            // Sources that are known, wherever they may stand.
            for at in (body..compound.len()).step_by(4).take(3) {
                if likeness.len() >= 12 && self.below(2) == 0 {
                    compound[at..at + 4].copy_from_slice(&likeness[8..12]);
                }
            }
        }
        compound
    }
}

/// Everything the peer wants to say now: datagrams, actions and events.
fn empty(peer: &mut Peer, now: Instant) -> usize {
    let mut said = 0;
    let mut buf = Vec::new();
    while let Some(sent) = peer.poll_transmit(now, &mut buf, 8) {
        said += sent.len.div_ceil(sent.segment_size.unwrap_or(sent.len));
        buf.clear();
    }
    while peer.poll_dtls(now).is_some() {
        said += 1;
    }
    while peer.poll_event().is_some() {
        said += 1;
    }
    said
}

#[test]
fn what_a_peer_with_the_keys_sends_is_survived() {
    for seed in 0..24 {
        let (mut pair, sent) = session(seed);
        let mut dice = Dice(ChaCha8Rng::seed_from_u64(seed));
        // Which end is attacked: who receives media, or who sends it.
        let sender_attacked = seed % 4 >= 2;
        let pool = &sent[usize::from(sender_attacked)];
        let reverse = &sent[usize::from(!sender_attacked)];
        let likeness = reverse.iter().rfind(|d| classify(d) == PacketKind::Rtp);
        let likeness = likeness.cloned().unwrap_or_default();
        let end = if sender_attacked {
            &mut pair.offerer
        } else {
            &mut pair.answerer
        };
        let path = end.peer.path().expect("connected");
        let mut layer = layer_of(!sender_attacked);
        let mut now = pair.now;
        let (mut said, mut given, mut taken) = (0, 0, 0);
        for _ in 0..4000 {
            now += Duration::from_micros(dice.below(3000) as u64);
            if end.peer.close_reason().is_some() {
                break; // a goodbye was among it
            }
            let mut datagram = attack(&mut dice, pool, &likeness, layer.as_mut());
            let received = end.peer.handle_datagram(now, path, &mut datagram);
            taken += usize::from(!matches!(received, Received::Dropped(_)));
            given += 1;
            if dice.below(4) == 0 {
                said += empty(&mut end.peer, now);
            }
            while let Some((at, timer)) = end.peer.poll_timeout().filter(|(at, _)| *at <= now) {
                end.peer.handle_timeout(now);
                said += empty(&mut end.peer, now);
                let next = end.peer.poll_timeout();
                assert!(
                    next.is_none_or(|(next, _)| next > at),
                    "{timer:?} does not move on from {at}"
                );
            }
        }
        said += empty(&mut end.peer, now);
        assert!(given > 50, "seed {seed}: ended after {given}");
        assert!(
            taken > given / 20,
            "seed {seed}: {taken} of {given} got far"
        );
        // A NACK may ask for much, and each request is good for one repair; but
        // no end of it.
        assert!(said < 20 * given + 1000, "seed {seed}: {said} for {given}");
        end.peer.close(now);
        empty(&mut end.peer, now);
        assert_eq!(end.peer.poll_timeout(), None);
    }
}

/// One datagram: of the session, mangled before or after it was sealed, or feedback.
fn attack(dice: &mut Dice, pool: &[Vec<u8>], likeness: &[u8], layer: &mut dyn Srtp) -> Vec<u8> {
    let mut datagram = pool[dice.below(pool.len())].clone();
    let other = &pool[dice.below(pool.len())];
    let is_media = matches!(classify(&datagram), PacketKind::Rtp | PacketKind::Rtcp);
    if dice.below(4) == 0 {
        datagram = dice.feedback(likeness);
    } else if is_media && dice.below(4) > 0 {
        let len = layer.unprotect_rtp(&mut datagram).expect("well sealed");
        datagram.truncate(len);
        dice.mangle(&mut datagram, other);
    } else {
        if dice.below(4) > 0 {
            dice.mangle(&mut datagram, other);
        }
        return datagram;
    }
    let len = datagram.len();
    datagram.resize(len + 20, 0);
    let sealed = layer.protect_rtp(&mut datagram, len).expect("has room");
    datagram.truncate(sealed);
    datagram
}

/// A datagram full of feedback, each on another packet of which nothing was told yet.
#[test]
fn only_so_much_feedback_of_one_datagram_is_digested() {
    let (mut pair, sent) = session(1);
    let is_media = |d: &&Vec<u8>| classify(d) == PacketKind::Rtp;
    let media = sent[0].iter().rfind(is_media).expect("media");
    // Packets are counted from zero.
    let first = sent[0].iter().filter(is_media).count() as u16;
    pair.set_link(LinkConfig::clean(Duration::from_millis(10)).with_loss(1.0));
    for number in 30..50 {
        send_frame(&mut pair, number);
        run_without_spinning(&mut pair, Duration::from_millis(33));
    }
    let mut feedback = Vec::new();
    for number in first + 20..first + 60 {
        feedback.extend([0x8f, 205, 0, 5, 0, 0, 0, 9]);
        feedback.extend(&media[8..12]);
        feedback.extend(number.to_be_bytes());
        feedback.extend([0, 1, 0, 0, 1, 0, 0x20, 1, 4, 0]);
    }
    let len = feedback.len();
    feedback.resize(len + 20, 0);
    let sealed = layer_of(false).protect_rtcp(&mut feedback, len);
    feedback.truncate(sealed.expect("has room"));
    let path = pair.offerer.peer.path().expect("connected");
    let now = pair.now;
    pair.offerer.peer.handle_datagram(now, path, &mut feedback);
    let events = std::iter::from_fn(|| pair.offerer.peer.poll_event());
    let told = events.filter(|e| matches!(e, Event::Feedback { .. }));
    assert_eq!(told.count(), 4);
}
