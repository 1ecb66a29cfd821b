//! Numbers on the wire, each with a type of its own.

/// Microseconds of the device's monotonic clock; 53 bits, so that a page's numbers hold them (285 years).
///
/// Zero means "none" where a stamp is optional.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp(u64);

impl Stamp {
    /// No stamp.
    pub const NONE: Self = Self(0);
    /// The greatest: 2^53 - 1.
    pub const MAX: Self = Self((1 << 53) - 1);

    /// So many microseconds; more than [`Stamp::MAX`] counts as that.
    pub const fn from_micros(micros: u64) -> Self {
        if micros > Self::MAX.0 {
            Self::MAX
        } else {
            Self(micros)
        }
    }

    /// Microseconds.
    pub const fn micros(self) -> u64 {
        self.0
    }

    /// Microseconds from `earlier` until this; zero where it is later.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// So many microseconds later.
    pub const fn plus(self, micros: u64) -> Self {
        Self::from_micros(self.0.saturating_add(micros))
    }
}

/// Place of a command in its sender's order, over both channels. Rises; there is no wrapping, since 32 bits
/// last for years at 50 commands a second and begin anew with every lease.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub u32);

/// Opened by an arm, carried by its setpoints, voided by a stop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u32);

impl Epoch {
    /// In a stop: whatever the epoch is. Never opened.
    pub const ALL: Self = Self(u32::MAX);

    /// The one that an arm opens; `None` at the end of the numbers.
    pub const fn next(self) -> Option<Self> {
        match self.0.checked_add(1) {
            Some(next) if next != Self::ALL.0 => Some(Self(next)),
            _ => None,
        }
    }
}

/// One press of a button that switches something. Rises within a lease, so that it is done once, however
/// often it is repeated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Press(pub u32);

/// Rises each time that the right to drive passes on; stamped by the server, zero without one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lease(pub u32);

/// Who sent a command; stamped by the server, zero without one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source(pub u32);

/// The data channel that a message came by, or is to go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// `control`: unordered, without retransmission. Setpoints, repetitions, reports.
    Control,
    /// `control-reliable`: ordered. The first copy of arm, disarm and stop.
    Reliable,
}

impl Channel {
    /// The label that the channel is opened with.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::Reliable => "control-reliable",
        }
    }

    /// The one with this label.
    pub fn from_label(label: &str) -> Option<Self> {
        [Self::Control, Self::Reliable]
            .into_iter()
            .find(|channel| channel.label() == label)
    }
}
