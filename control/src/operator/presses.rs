//! Presses that switch something, repeated until they are answered.

use crate::numbers::{Press, Seq, Stamp};
use crate::state::AckResult;
use crate::switch::Output;
use crate::wire::Order;

const REPEAT_US: u64 = 150_000;
const WITHIN_US: u64 = 2_000_000;

/// A press and what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pressed {
    /// What it switches.
    pub output: Output,
    /// Zero is off, one is on.
    pub value: u16,
    /// The device's latest answer; `None` before one.
    pub answer: Option<AckResult>,
    /// Whether it waits for an answer, or for a further one.
    pub waits: bool,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    press: Press,
    pressed: Pressed,
    ms: u16,
    /// The first and the latest command that said it.
    seqs: Option<(Seq, Seq)>,
    until: u64,
    next: u64,
}

/// The latest press. One at a time: the device takes them in rising order, so that an earlier one would come
/// to nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Presses {
    latest: Option<Entry>,
    count: u32,
}

impl Presses {
    pub(super) fn push(&mut self, now_us: u64, output: Output, value: u16, ms: u16) {
        self.count = self.count.saturating_add(1);
        self.latest = Some(Entry {
            press: Press(self.count),
            pressed: Pressed {
                output,
                value,
                answer: None,
                waits: true,
            },
            ms,
            seqs: None,
            until: now_us.saturating_add(WITHIN_US),
            next: now_us,
        });
    }

    pub(super) fn latest(&self) -> Option<Pressed> {
        self.latest.map(|entry| entry.pressed)
    }

    /// When it is to be said again.
    pub(super) fn next(&self) -> Option<u64> {
        let entry = self.latest.filter(|entry| entry.pressed.waits)?;
        Some(entry.next.min(entry.until))
    }

    /// What to say at `now_us`, and whether it is the first time.
    pub(super) fn due(&mut self, now_us: u64, echo: Stamp) -> Option<(Order, bool)> {
        let entry = self.latest.as_mut().filter(|entry| entry.pressed.waits)?;
        if now_us >= entry.until {
            entry.pressed.waits = false;
            return None;
        }
        if now_us < entry.next {
            return None;
        }
        entry.next = now_us.saturating_add(REPEAT_US);
        let Pressed { output, value, .. } = entry.pressed;
        let order = Order::Switch {
            press: entry.press,
            echo,
            output,
            value,
            ms: entry.ms,
        };
        Some((order, entry.seqs.is_none()))
    }

    /// That it was said as this.
    pub(super) fn said(&mut self, seq: Seq) {
        if let Some(entry) = &mut self.latest {
            let first = entry.seqs.map_or(seq, |(first, _)| first);
            entry.seqs = Some((first, seq));
        }
    }

    pub(super) fn on_ack(&mut self, seq: Seq, result: AckResult) {
        let Some(entry) = &mut self.latest else {
            return;
        };
        let is_its = |(first, last)| first <= seq && seq <= last;
        if !entry.seqs.is_some_and(is_its) || !entry.pressed.waits {
            return;
        }
        entry.pressed.answer = Some(result);
        // A fresh copy may have what a stale one had not.
        entry.pressed.waits = matches!(
            result,
            AckResult::Stale | AckResult::Received | AckResult::Busy
        );
    }

    /// The link is gone: what was pressed then is not to happen later.
    pub(super) fn forget(&mut self) {
        self.latest = None;
    }
}
