//! What stands between the peer and its DTLS and SRTP ports.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;

use transom_rtc_prefetch::prefetch_line;

use super::event::{CloseReason, DropReason};
use super::keys;
use crate::id::Ssrc;
use crate::port::{
    DtlsAction, DtlsEvent, DtlsFailure, DtlsRole, Srtp, SrtpError, SrtpFactory, SrtpProfile,
};
use crate::sdp::{Fingerprint, Session};

/// Datagrams of the neighbour that may wait for the network. Beyond them the
/// newest is dropped: DTLS retransmits.
const MAX_OUTGOING: usize = 32;
/// Bytes of datagrams and data that may wait for the neighbour, likewise: a window
/// of SCTP may come in one batch.
const MAX_WAITING: usize = 320 * 1024;
/// What each of them costs besides its bytes.
const OVERHEAD: usize = 64;

/// The DTLS handshake as the core sees it, and the keys that come of it.
pub(super) struct Secure {
    role: DtlsRole,
    fingerprints: Vec<Fingerprint>,
    factory: Arc<dyn SrtpFactory>,
    state: State,
    srtp: Option<Box<dyn Srtp>>,
    profile: Option<SrtpProfile>,
    actions: VecDeque<DtlsAction>,
    /// Bytes in `actions`.
    waiting: usize,
    outgoing: VecDeque<Vec<u8>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// No pair is valid yet.
    Waiting,
    Handshaking,
    Connected,
    Closed,
}

/// What follows from what the neighbour said.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Nothing,
    /// The keys are there and the certificate is the right one.
    Connected,
    Data(Vec<u8>),
    Closed(CloseReason),
}

impl Secure {
    pub(super) fn new(session: &Session, factory: Arc<dyn SrtpFactory>) -> Self {
        Self {
            role: session.dtls_role,
            fingerprints: session.fingerprints.clone(),
            factory,
            state: State::Waiting,
            srtp: None,
            profile: None,
            actions: VecDeque::new(),
            waiting: 0,
            outgoing: VecDeque::new(),
        }
    }

    /// A pair is valid. `true` where this begins the handshake.
    pub(super) fn start(&mut self) -> bool {
        if self.state != State::Waiting {
            return false;
        }
        self.state = State::Handshaking;
        self.actions.push_back(DtlsAction::Start(self.role));
        true
    }

    pub(super) fn is_connected(&self) -> bool {
        self.state == State::Connected
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.state == State::Handshaking
    }

    pub(super) fn profile(&self) -> Option<SrtpProfile> {
        self.profile
    }

    pub(super) fn has_keys(&self) -> bool {
        self.srtp.is_some()
    }

    /// The SRTP layer, once the keys are known.
    pub(super) fn srtp(&mut self) -> Option<&mut Box<dyn Srtp>> {
        self.srtp.as_mut()
    }

    /// Asks for where the SRTP layer is.
    pub(super) fn prefetch(&self) {
        prefetch_line(&self.srtp);
    }

    /// Asks for what sealing a packet of `ssrc` will read; without one, for where that is.
    pub(super) fn prefetch_srtp(&self, ssrc: Option<Ssrc>) {
        if let Some(srtp) = &self.srtp {
            srtp.prefetch(ssrc);
        }
    }

    /// A datagram of the DTLS range from a validated pair.
    pub(super) fn on_datagram(&mut self, datagram: &[u8]) -> Result<(), DropReason> {
        if matches!(self.state, State::Waiting | State::Closed) {
            return Err(DropReason::UnvalidatedPath);
        }
        self.act(DtlsAction::Datagram(datagram.into()))
    }

    /// Sends application data.
    pub(super) fn send(&mut self, data: Vec<u8>) -> Result<(), DropReason> {
        if self.state != State::Connected {
            return Err(DropReason::NoKeys);
        }
        self.act(DtlsAction::Send(data))
    }

    fn act(&mut self, action: DtlsAction) -> Result<(), DropReason> {
        let waiting = self.waiting + size(&action);
        if waiting > MAX_WAITING {
            return Err(DropReason::QueueFull);
        }
        self.waiting = waiting;
        self.actions.push_back(action);
        Ok(())
    }

    pub(super) fn close(&mut self) {
        let begun = matches!(self.state, State::Handshaking | State::Connected);
        self.state = State::Closed;
        if begun {
            self.actions.push_back(DtlsAction::Close);
        }
    }

    pub(super) fn poll_action(&mut self) -> Option<DtlsAction> {
        let action = self.actions.pop_front()?;
        self.waiting -= size(&action);
        Some(action)
    }

    /// Whether another datagram of the neighbour would be kept.
    pub(super) fn has_room(&self) -> bool {
        self.outgoing.len() < MAX_OUTGOING
    }

    pub(super) fn poll_datagram(&mut self) -> Option<Vec<u8>> {
        self.outgoing.pop_front()
    }

    pub(super) fn on_event(&mut self, event: DtlsEvent) -> Outcome {
        match event {
            // Also once closed: close_notify has to get out.
            DtlsEvent::Datagram(datagram) => {
                if self.has_room() {
                    self.outgoing.push_back(datagram);
                }
                Outcome::Nothing
            }
            _ if self.state == State::Closed => Outcome::Nothing,
            DtlsEvent::Connected {
                profile,
                keying_material,
                certificate,
            } => match self.connect(profile, &keying_material, &certificate) {
                Ok(true) => Outcome::Connected,
                Ok(false) => Outcome::Nothing,
                Err(reason) => Outcome::Closed(reason),
            },
            DtlsEvent::Received(data) if self.state == State::Connected => Outcome::Data(data),
            DtlsEvent::Received(_) => Outcome::Nothing,
            DtlsEvent::Failed(failure) => Outcome::Closed(CloseReason::Dtls(failure)),
            DtlsEvent::Closed => Outcome::Closed(CloseReason::Remote),
        }
    }

    /// RFC 8122 section 6.2: without the right certificate there is no connection.
    fn connect(
        &mut self,
        profile: SrtpProfile,
        keying_material: &[u8],
        certificate: &[u8],
    ) -> Result<bool, CloseReason> {
        if self.state != State::Handshaking {
            return Ok(false);
        }
        if !self.fingerprints.iter().any(|f| f.matches(certificate)) {
            return Err(CloseReason::FingerprintMismatch);
        }
        let keys = keys::split(profile, self.role, keying_material)
            .ok_or(CloseReason::Dtls(DtlsFailure::Handshake))?;
        let layer = self.factory.create(profile, &keys.local, &keys.remote);
        self.srtp = Some(layer.map_err(|_| CloseReason::Srtp)?);
        self.profile = Some(profile);
        self.state = State::Connected;
        Ok(true)
    }
}

impl From<SrtpError> for DropReason {
    fn from(error: SrtpError) -> Self {
        match error {
            SrtpError::Authentication => Self::Authentication,
            SrtpError::Replay => Self::Replay,
            SrtpError::TooManySources => Self::TooManySources,
            _ => Self::Malformed,
        }
    }
}

/// What an action costs of the room for those that wait. What changes the state has room always.
fn size(action: &DtlsAction) -> usize {
    match action {
        DtlsAction::Datagram(bytes) | DtlsAction::Send(bytes) => OVERHEAD + bytes.len(),
        DtlsAction::Start(_) | DtlsAction::Close => 0,
    }
}
