//! What goes wrong.

use std::fmt;

/// One of the things that go wrong while a robot moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The page is closed in Chromium.
    PageClosed,
    /// Every process of Chromium is killed.
    BrowserKilled,
    /// An operator says goodbye.
    OperatorLeaves,
    /// An operator's process is killed.
    OperatorKilled,
    /// The server is killed.
    SfuKilled,
    /// The agent's network interface is switched off; later it is there again.
    NetworkCut,
    /// Every thread of the agent's async runtime is held up.
    RuntimeBlocked,
    /// The agent's main process is killed.
    MainKilled,
    /// It aborts.
    MainAborted,
    /// The kernel kills it for want of memory.
    MainOutOfMemory,
    /// It is stopped, and goes on later.
    MainStopped,
    /// 30 of 100 datagrams are lost, on either side of the server and both ways, and then the operator is gone.
    Loss,
    /// Nothing gets through for two seconds, and then all of it at once.
    StallBurst,
    /// Every datagram comes again, 0.1 and 3 s later, and the operator is gone.
    ReplayedPackets,
    /// An operator says nothing new, and everything that it said over again.
    ReplayedCommands,
    /// Another operator overrides the lease and arms; the first one drives on.
    LeaseTaken,
    /// The operator's clock is an hour wrong, and its process is killed.
    ClockWrong,
    /// The page's picture stands still, and its commands go on.
    BlindPage,
}

/// From which moment the limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// When the operator sent the last command that the robot obeyed: not after it came to the agent.
    Sent,
    /// When the robot obeyed it, where the network in between is what is wrong.
    Obeyed,
    /// When the fault happened.
    Cause,
    /// When the picture that the operator had last was as old as it may be.
    Picture,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::PageClosed,
        Self::BrowserKilled,
        Self::OperatorLeaves,
        Self::OperatorKilled,
        Self::SfuKilled,
        Self::NetworkCut,
        Self::RuntimeBlocked,
        Self::MainKilled,
        Self::MainAborted,
        Self::MainOutOfMemory,
        Self::MainStopped,
        Self::Loss,
        Self::StallBurst,
        Self::ReplayedPackets,
        Self::ReplayedCommands,
        Self::LeaseTaken,
        Self::ClockWrong,
        Self::BlindPage,
    ];

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PageClosed => "page-closed",
            Self::BrowserKilled => "browser-killed",
            Self::OperatorLeaves => "operator-leaves",
            Self::OperatorKilled => "operator-killed",
            Self::SfuKilled => "sfu-killed",
            Self::NetworkCut => "network-cut",
            Self::RuntimeBlocked => "runtime-blocked",
            Self::MainKilled => "main-killed",
            Self::MainAborted => "main-aborted",
            Self::MainOutOfMemory => "main-out-of-memory",
            Self::MainStopped => "main-stopped",
            Self::Loss => "loss-30",
            Self::StallBurst => "stall-burst",
            Self::ReplayedPackets => "replayed-packets",
            Self::ReplayedCommands => "replayed-commands",
            Self::LeaseTaken => "lease-taken",
            Self::ClockWrong => "clock-wrong",
            Self::BlindPage => "blind-page",
        }
    }

    /// That of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.name() == name)
    }

    /// Whether it takes a browser.
    pub const fn is_in_browser(self) -> bool {
        matches!(self, Self::PageClosed | Self::BrowserKilled)
    }

    /// From when its limit counts.
    pub const fn from(self) -> From {
        match self {
            Self::Loss => From::Obeyed,
            // A browser tells nobody when it sends; from then on it does not.
            Self::PageClosed | Self::BrowserKilled | Self::LeaseTaken => From::Cause,
            Self::BlindPage => From::Picture,
            _ => From::Sent,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for From {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sent => "last command sent",
            Self::Obeyed => "last command obeyed",
            Self::Cause => "fault",
            Self::Picture => "picture too old",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_name_of_its_own() {
        for fault in Fault::ALL {
            assert_eq!(Fault::named(fault.name()), Some(fault));
        }
    }
}
