use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use crate::channel::ChannelLimits;
use crate::ice::{Candidate, IceRole};
use crate::port::{SctpFactory, SrtpFactory};
use crate::sdp::Session;

/// Largest datagram we make, bytes of UDP payload: fits a 1280-byte IPv6 path.
pub const DEFAULT_MTU: usize = 1200;

/// Longest a DTLS handshake may take once a pair is valid.
pub const DEFAULT_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(15);

/// Who packetizes, keeps and repairs what the peer sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendMode {
    /// The peer does: its owner hands in frames.
    Frames,
    /// The owner does: it hands in packets, and answers the NACKs that the peer raises.
    Forward,
}

/// What a peer is made of.
#[derive(Clone)]
pub struct PeerConfig {
    /// What offer and answer agreed on.
    pub session: Session,
    /// Our role in ICE.
    pub ice_role: IceRole,
    /// Whether we are an ICE lite agent.
    pub ice_lite: bool,
    /// Our candidates, as signalled.
    pub local_candidates: Vec<Candidate>,
    /// Makes the SRTP layer.
    pub srtp: Arc<dyn SrtpFactory>,
    /// Makes the SCTP association, where the session has data channels. Without
    /// it they stay silent: negotiate none then.
    pub sctp: Option<Arc<dyn SctpFactory>>,
    /// Bounds of the data channels.
    pub channel_limits: ChannelLimits,
    /// Who packetizes.
    pub send_mode: SendMode,
    /// Largest datagram we make, bytes.
    pub mtu: usize,
    /// Longest a DTLS handshake may take.
    pub handshake_timeout: Duration,
}

impl PeerConfig {
    /// A configuration with the usual bounds.
    pub fn new(session: Session, ice_role: IceRole, srtp: Arc<dyn SrtpFactory>) -> Self {
        Self {
            session,
            ice_role,
            ice_lite: false,
            local_candidates: Vec::new(),
            srtp,
            sctp: None,
            channel_limits: ChannelLimits::default(),
            send_mode: SendMode::Frames,
            mtu: DEFAULT_MTU,
            handshake_timeout: DEFAULT_HANDSHAKE_TIMEOUT,
        }
    }
}

impl fmt::Debug for PeerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerConfig")
            .field("ice_role", &self.ice_role)
            .field("ice_lite", &self.ice_lite)
            .field("tracks", &self.session.tracks.len())
            .finish_non_exhaustive()
    }
}
