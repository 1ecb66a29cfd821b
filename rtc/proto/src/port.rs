//! The ports: what the core asks of the crates that cannot live in it.
//!
//! DTLS is a neighbour with messages (its handshake has tasks and timers of its
//! own); SRTP and SCTP are layers with calls. All are bounded by whoever implements
//! them.

mod sctp;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

pub use sctp::{
    Delivery, Ppid, Reliability, Sctp, SctpConfig, SctpError, SctpEvent, SctpFactory, SctpFailure,
    SctpStats, StreamId,
};

use crate::id::Ssrc;

/// SRTP protection profiles (RFC 5764 section 4.1.2, RFC 7714 section 14.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SrtpProfile {
    /// AES-128 in counter mode with an 80-bit HMAC-SHA1 tag.
    Aes128CmSha1_80,
    /// AES-128-GCM with a 128-bit tag.
    AeadAes128Gcm,
}

impl SrtpProfile {
    /// Master key length, bytes.
    pub const KEY_LEN: usize = 16;

    /// Master salt length, bytes.
    pub const fn salt_len(self) -> usize {
        match self {
            Self::Aes128CmSha1_80 => 14,
            Self::AeadAes128Gcm => 12,
        }
    }

    /// Bytes that protection adds to an RTP packet.
    pub const fn rtp_overhead(self) -> usize {
        match self {
            Self::Aes128CmSha1_80 => 10,
            Self::AeadAes128Gcm => 16,
        }
    }

    /// Bytes that protection adds to an RTCP packet: the tag and the SRTCP index.
    pub const fn rtcp_overhead(self) -> usize {
        self.rtp_overhead() + 4
    }

    /// Bytes to export for both directions (RFC 5764 section 4.2).
    pub const fn keying_material_len(self) -> usize {
        2 * (Self::KEY_LEN + self.salt_len())
    }
}

/// Most that any profile adds to a packet, bytes.
pub const MAX_SRTP_OVERHEAD: usize = 20;

/// A master key and salt for one direction.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SrtpKey {
    key: [u8; SrtpProfile::KEY_LEN],
    salt: [u8; 14],
    salt_len: u8,
}

impl SrtpKey {
    /// A key of the lengths that `profile` asks for; `None` for other lengths.
    pub fn new(profile: SrtpProfile, key: &[u8], salt: &[u8]) -> Option<Self> {
        if salt.len() != profile.salt_len() {
            return None;
        }
        let mut held = [0; 14];
        held[..salt.len()].copy_from_slice(salt);
        #[allow(clippy::cast_possible_truncation)] // at most 14
        let salt_len = salt.len() as u8;
        Some(Self {
            key: key.try_into().ok()?,
            salt: held,
            salt_len,
        })
    }

    /// The master key.
    pub const fn key(&self) -> &[u8; SrtpProfile::KEY_LEN] {
        &self.key
    }

    /// The master salt, as long as the profile asks.
    pub fn salt(&self) -> &[u8] {
        &self.salt[..usize::from(self.salt_len)]
    }
}

impl fmt::Debug for SrtpKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SrtpKey(..)") // never in a log
    }
}

/// Why a packet was not protected or unprotected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum SrtpError {
    /// Too short, or its header does not hold together.
    #[error("malformed packet")]
    Malformed,
    /// The tag does not verify.
    #[error("authentication failed")]
    Authentication,
    /// Seen before, or too old to tell (RFC 3711 section 3.3.2).
    #[error("replayed packet")]
    Replay,
    /// No room for one more source on this peer.
    #[error("too many sources")]
    TooManySources,
    /// This (key, SSRC, index) was sealed before: sealing it again would reuse a nonce.
    #[error("packet index already sealed")]
    IndexReused,
    /// The buffer has no room for the tag.
    #[error("buffer too small")]
    BufferTooSmall,
    /// The layer below failed; the peer should be ended.
    #[error("internal failure")]
    Internal,
}

/// SRTP and SRTCP for one peer, both directions (RFC 3711, RFC 7714).
///
/// An implementation bounds its state whatever arrives: an unknown source
/// costs nothing lasting until a tag of it has verified.
pub trait Srtp: Send {
    /// Seals the RTP packet `buf[..len]` in place and returns its new length.
    /// A (source, index) pair is sealed at most once.
    fn protect_rtp(&mut self, buf: &mut [u8], len: usize) -> Result<usize, SrtpError>;

    /// Opens an SRTP packet in place and returns the length of the plain packet.
    fn unprotect_rtp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError>;

    /// Seals the RTCP packet `buf[..len]` in place and returns its new length.
    fn protect_rtcp(&mut self, buf: &mut [u8], len: usize) -> Result<usize, SrtpError>;

    /// Opens an SRTCP packet in place and returns the length of the plain packet.
    fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError>;

    /// Names a source that signalling announced, so that it need not pass probation.
    fn admit(&mut self, ssrc: Ssrc);

    /// Asks for the memory that [`Srtp::protect_rtp`] of a packet of `ssrc` will read; without one,
    /// no more than where that lies. See [`Peer::prefetch`](crate::peer::Peer::prefetch).
    fn prefetch(&self, ssrc: Option<Ssrc>) {
        let _ = ssrc;
    }
}

/// Makes the SRTP layer of a peer once its keys are known.
pub trait SrtpFactory: Send + Sync {
    /// A layer that seals with `local` and opens with `remote`.
    fn create(
        &self,
        profile: SrtpProfile,
        local: &SrtpKey,
        remote: &SrtpKey,
    ) -> Result<Box<dyn Srtp>, SrtpError>;
}

/// Which end of the DTLS handshake we are (`a=setup`, RFC 8842).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DtlsRole {
    /// `setup:active`: sends the ClientHello.
    Client,
    /// `setup:passive`.
    Server,
}

/// What the core asks of its DTLS neighbour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DtlsAction {
    /// A pair is valid: begin the handshake.
    Start(DtlsRole),
    /// A datagram of the DTLS range (RFC 7983) came from the validated pair.
    Datagram(Vec<u8>),
    /// Send this as application data (SCTP's packets).
    Send(Vec<u8>),
    /// End: send close_notify and forget everything.
    Close,
}

/// What the DTLS neighbour tells the core.
#[derive(Clone, PartialEq, Eq)]
pub enum DtlsEvent {
    /// Send this to the peer over the selected pair.
    Datagram(Vec<u8>),
    /// The handshake is complete. The core checks the certificate against the
    /// signalled fingerprint before it uses the keys.
    Connected {
        /// The negotiated profile.
        profile: SrtpProfile,
        /// `profile.keying_material_len()` bytes exported with the label
        /// `EXTRACTOR-dtls_srtp`: client key, server key, client salt, server salt.
        keying_material: Vec<u8>,
        /// The peer's end-entity certificate, DER.
        certificate: Vec<u8>,
    },
    /// Application data arrived.
    Received(Vec<u8>),
    /// The handshake or the connection failed.
    Failed(DtlsFailure),
    /// The peer sent close_notify or a fatal alert.
    Closed,
}

impl fmt::Debug for DtlsEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Datagram(d) => write!(f, "Datagram({} bytes)", d.len()),
            Self::Connected { profile, .. } => write!(f, "Connected({profile:?})"),
            Self::Received(d) => write!(f, "Received({} bytes)", d.len()),
            Self::Failed(e) => write!(f, "Failed({e:?})"),
            Self::Closed => f.write_str("Closed"),
        }
    }
}

/// Why DTLS failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum DtlsFailure {
    /// The handshake was refused or broke off.
    #[error("DTLS handshake failed")]
    Handshake,
    /// No SRTP profile in common.
    #[error("no SRTP protection profile in common")]
    NoProfile,
    /// The peer sent what no honest peer sends.
    #[error("hostile DTLS input")]
    Hostile,
    /// The neighbour panicked; the panic was caught.
    #[error("DTLS task panicked")]
    Panicked,
    /// The neighbour could not be started.
    #[error("DTLS could not be started")]
    Unavailable,
}
