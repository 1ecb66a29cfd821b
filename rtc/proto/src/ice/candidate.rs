use core::net::SocketAddr;

/// How a candidate's bytes travel (RFC 8839 section 5.1, RFC 6544 section 4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// UDP.
    Udp,
    /// TCP; this end waits for the connection.
    TcpPassive,
    /// TCP; this end connects.
    TcpActive,
    /// TCP simultaneous open.
    TcpSimultaneousOpen,
}

/// Where a candidate came from (RFC 8445 section 5.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CandidateKind {
    /// An address of an interface.
    Host,
    /// What a STUN server saw.
    ServerReflexive,
    /// What a connectivity check revealed.
    PeerReflexive,
    /// An address on a TURN server.
    Relayed,
}

impl CandidateKind {
    /// Type preference (RFC 8445 section 5.1.2.2).
    const fn preference(self) -> u32 {
        match self {
            Self::Host => 126,
            Self::PeerReflexive => 110,
            Self::ServerReflexive => 100,
            Self::Relayed => 0,
        }
    }
}

/// An address that may work. One component only: RTP and RTCP share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Candidate {
    /// Where it came from.
    pub kind: CandidateKind,
    /// How its bytes travel.
    pub transport: Transport,
    /// Where checks are sent to.
    pub addr: SocketAddr,
    /// The higher, the sooner tried.
    pub priority: u32,
}

impl Candidate {
    /// A UDP host candidate. `local_preference` (0 to 65535) orders the
    /// candidates of one end among themselves.
    pub const fn host(addr: SocketAddr, local_preference: u16) -> Self {
        Self {
            kind: CandidateKind::Host,
            transport: Transport::Udp,
            addr,
            priority: Self::priority_of(CandidateKind::Host, local_preference),
        }
    }

    /// RFC 8445 section 5.1.2.1, for component 1.
    pub const fn priority_of(kind: CandidateKind, local_preference: u16) -> u32 {
        (kind.preference() << 24) | ((local_preference as u32) << 8) | 255
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priority_of_the_rfcs_formula() {
        assert_eq!(
            Candidate::priority_of(CandidateKind::Host, 65_535),
            2_130_706_431
        );
    }
}
