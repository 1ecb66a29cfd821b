//! Who holds the lease of one stream, who asks for it, and until when. A value: it sends nothing; the
//! room does what a change means for the device.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use transom_control::wire::{LeaseHolder, LeaseName, LeaseParty, LeaseResult};
use transom_control::{Lease, Source, State};
use transom_rtc_proto::time::Instant;

use super::counters::DropReason;
use crate::media::channels::Speaker;

/// How long a firm lease lasts without a word of its holder: several of a page's renewals.
pub(super) const FIRM: Duration = Duration::from_secs(6);
/// How long a holder may think about an asking; then it counts as denied.
pub(super) const ASKING: Duration = Duration::from_secs(10);
/// How long nobody else may take the lease after an arm: as long as it is
/// repeated. By then the device's reports say whether it is armed.
const ARMING: Duration = Duration::from_secs(2);

/// Leases whose answers may be under way. Those who press stop at the same time take the lease from each other
/// until each has an answer; these are enough for a second's way there and back.
const GIVEN: usize = 32;

/// None is above it, so that nobody drives any more.
pub(super) const LAST_LEASE: Lease = Lease(u32::MAX);

/// An operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Who {
    pub(super) key: u32,
    source: Source,
    name: LeaseName,
}

impl Who {
    pub(super) fn new(speaker: &Speaker) -> Self {
        Self {
            key: speaker.key,
            source: source_of(speaker),
            name: speaker.rights.name,
        }
    }

    const fn party(&self) -> LeaseParty {
        LeaseParty {
            source: self.source,
            name: self.name,
        }
    }
}

impl fmt::Display for Who {
    /// As its session in the log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.source.0)
    }
}

/// What the server stamps into an operator's commands, and calls them in notices. Zero is its own.
pub(super) fn source_of(speaker: &Speaker) -> Source {
    Source(speaker.session.tag_bits().max(1))
}

/// The holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hold {
    pub(super) who: Who,
    /// Until when nobody else may take it, where it was asked for; every word of the holder puts that off.
    firm: Option<Instant>,
    /// When the holder armed last, under this lease.
    armed: Option<Instant>,
}

impl Hold {
    /// Whether the device may move by the holder's word.
    pub(super) const fn has_armed(&self) -> bool {
        self.armed.is_some()
    }
}

/// Whose the present lease is.
#[derive(Clone, Copy, Debug, Default)]
enum Voice {
    /// Nobody's, or the server's.
    #[default]
    None,
    Holder(Hold),
    /// One who stopped the holder. Nobody drives.
    Stopper(u32),
}

/// Somebody who wants it handed over: one at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Asking {
    who: Who,
    /// Of the request.
    number: u32,
    until: Instant,
}

/// The answer to a request of this key.
pub(super) type Answer = (u32, u32, LeaseResult);

#[derive(Debug, Default)]
pub(super) struct DriveLease {
    /// The highest given so far.
    number: Lease,
    voice: Voice,
    asking: Option<Asking>,
    /// Who had the latest leases; the oldest goes first.
    given: VecDeque<(Lease, u32)>,
}

impl DriveLease {
    pub(super) const fn number(&self) -> Lease {
        self.number
    }

    pub(super) const fn hold(&self) -> Option<&Hold> {
        match &self.voice {
            Voice::Holder(hold) => Some(hold),
            Voice::None | Voice::Stopper(_) => None,
        }
    }

    pub(super) fn is_held_by(&self, key: u32) -> bool {
        self.hold().is_some_and(|hold| hold.who.key == key)
    }

    /// Whether this one has stopped the last holder, and nobody has taken the lease since.
    pub(super) fn is_stopped_by(&self, key: u32) -> bool {
        matches!(self.voice, Voice::Stopper(by) if by == key)
    }

    /// Whether nobody else may take it: the holder drives, is about to, or holds it firmly.
    pub(super) fn is_taken(&self, now: Instant, device: State) -> bool {
        self.hold().is_some_and(|hold| {
            let arming = hold.armed.is_some_and(|at| now.since(at) < ARMING);
            hold.firm.is_some_and(|until| now < until) || device == State::Armed || arming
        })
    }

    /// Whose commands an answer under this lease is about.
    pub(super) fn given_to(&self, lease: Lease) -> Option<u32> {
        let given = self.given.iter().rev().find(|(l, _)| *l == lease);
        given.map(|(_, key)| *key)
    }

    /// Whether so many numbers are left.
    pub(super) fn has_left(&self, count: u32) -> bool {
        LAST_LEASE.0 - self.number.0 >= count
    }

    pub(super) fn raise(&mut self) -> Result<(), DropReason> {
        let next = self.number.0.checked_add(1).ok_or(DropReason::NoLease)?;
        self.number = Lease(next);
        Ok(())
    }

    /// The device knows this number: none below it is of any use. Whether it was news.
    pub(super) fn follow(&mut self, lease: Lease) -> bool {
        let news = lease > self.number;
        self.number = self.number.max(lease);
        news
    }

    /// Another device: numbers that the former claimed do not bind it.
    pub(super) fn unlock(&mut self) {
        if self.number == LAST_LEASE {
            self.number = Lease(0);
        }
    }

    /// Gives the lease under a new number, firmly or until the device rests.
    pub(super) fn give(&mut self, now: Instant, who: Who, firm: bool) -> Result<(), DropReason> {
        self.raise()?;
        self.voice = Voice::Holder(Hold {
            who,
            firm: firm.then(|| now + FIRM),
            armed: None,
        });
        self.note_given(who.key);
        Ok(())
    }

    /// The holder says something. A firm lease lasts on, a request makes it firm.
    pub(super) fn renew(&mut self, now: Instant, firm: bool) {
        if let Voice::Holder(hold) = &mut self.voice
            && (firm || hold.firm.is_some())
        {
            hold.firm = Some(now + FIRM);
        }
    }

    /// The holder arms.
    pub(super) fn arm(&mut self, now: Instant) {
        if let Voice::Holder(hold) = &mut self.voice {
            hold.armed = Some(now);
        }
    }

    /// Somebody stops whoever drives. At the end of the numbers a stop still passes.
    pub(super) fn stop(&mut self, key: u32) {
        let _ = self.raise();
        self.voice = Voice::Stopper(key);
        self.note_given(key);
    }

    /// Takes the lease from its holder, if there is one.
    pub(super) fn take_away(&mut self) -> Option<Hold> {
        match std::mem::take(&mut self.voice) {
            Voice::Holder(hold) => Some(hold),
            Voice::None | Voice::Stopper(_) => None,
        }
    }

    /// This one wants it. What becomes of that.
    pub(super) fn ask(&mut self, now: Instant, who: Who, number: u32) -> LeaseResult {
        match &mut self.asking {
            Some(asking) if asking.who.key == who.key => {
                asking.number = number;
                LeaseResult::Asked
            }
            Some(_) => LeaseResult::Busy,
            None => {
                self.asking = Some(Asking {
                    who,
                    number,
                    until: now + ASKING,
                });
                LeaseResult::Asked
            }
        }
    }

    /// Who asks.
    pub(super) fn asker(&self) -> Option<Who> {
        self.asking.map(|asking| asking.who)
    }

    /// Who asks, where that is the one of this source.
    pub(super) fn asks(&self, about: Source) -> Option<Who> {
        self.asker().filter(|who| who.source == about)
    }

    /// Nobody asks any more; what the one who did is to be told.
    pub(super) fn end_asking(&mut self, result: LeaseResult) -> Option<Answer> {
        let asking = self.asking.take()?;
        Some((asking.who.key, asking.number, result))
    }

    /// The peer is gone; whether it was the one who asks.
    pub(super) fn forget(&mut self, key: u32) -> bool {
        self.given.retain(|(_, k)| *k != key);
        self.withdraw(key)
    }

    /// This one asks no more; whether it did.
    pub(super) fn withdraw(&mut self, key: u32) -> bool {
        let asked = self.asking.is_some_and(|asking| asking.who.key == key);
        self.asking = self.asking.filter(|_| !asked);
        asked
    }

    /// Whether the holder's time is over.
    pub(super) fn is_expired(&self, now: Instant) -> bool {
        let firm = self.hold().and_then(|hold| hold.firm);
        firm.is_some_and(|until| until <= now)
    }

    /// Whether the holder has thought for too long.
    pub(super) fn is_lapsed(&self, now: Instant) -> bool {
        self.asking.is_some_and(|asking| asking.until <= now)
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let firm = self.hold().and_then(|hold| hold.firm);
        let asking = self.asking.map(|asking| asking.until);
        firm.into_iter().chain(asking).min()
    }

    /// Who holds it, as notices say.
    pub(super) fn told(&self, now: Instant) -> Option<LeaseHolder> {
        let hold = self.hold()?;
        let left = |until: Instant| {
            let left = until.as_micros().saturating_sub(now.as_micros()) / 1000;
            u32::try_from(left).unwrap_or(u32::MAX)
        };
        Some(LeaseHolder {
            party: hold.who.party(),
            firm_ms: hold.firm.map(left),
            asker: self.asking.map(|a| (a.who.party(), left(a.until))),
        })
    }

    /// Of [`told`](Self::told), what is worth telling when it changes.
    pub(super) fn outline(&self) -> Outline {
        let hold = self.hold();
        Outline {
            holder: hold.map(|hold| (hold.who.key, hold.firm.is_some(), self.number)),
            asker: self.asking.map(|asking| asking.who.key),
        }
    }

    fn note_given(&mut self, key: u32) {
        if self.given.len() >= GIVEN {
            self.given.pop_front();
        }
        self.given.push_back((self.number, key));
    }
}

/// Who holds it, how and under which number; and who asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Outline {
    holder: Option<(u32, bool, Lease)>,
    asker: Option<u32>,
}
