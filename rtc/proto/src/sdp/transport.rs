//! The one transport of a session: what BUNDLE leaves of the m-lines' own
//! (RFC 9143), checked the same way in an offer and in an answer.

use alloc::vec::Vec;

use super::attribute::Setup;
use super::description::{SessionDescription, TransportDescription};
use super::{Fingerprint, NegotiationError};
use crate::ice::{Candidate, IceCredentials};
use crate::id::Mid;
use crate::port::DtlsRole;

/// The other end's side of the transport.
#[derive(Clone, Debug)]
pub(super) struct RemoteTransport {
    pub(super) ice: IceCredentials,
    pub(super) candidates: Vec<Candidate>,
    pub(super) fingerprints: Vec<Fingerprint>,
    pub(super) setup: Option<Setup>,
}

impl SessionDescription {
    /// The accepted m-lines in the order of their bundle, the tagged one first
    /// (RFC 9143 section 7.3.1). A lone m-line needs no group.
    pub(super) fn bundled(&self, accepted: &[usize]) -> Result<Vec<usize>, NegotiationError> {
        if let [_] = accepted {
            return Ok(accepted.to_vec());
        }
        let mid_of = |index: &usize| self.media.get(*index).and_then(|m| m.mid);
        for group in &self.bundle {
            let order: Vec<usize> = group
                .iter()
                .filter_map(|mid| accepted.iter().find(|i| mid_of(i) == Some(*mid)))
                .copied()
                .collect();
            if order.len() == accepted.len() {
                return Ok(order);
            }
        }
        Err(NegotiationError::NotBundled)
    }

    /// The group that an answer with the m-lines `order` belongs to.
    fn bundle_of(&self, order: &[usize]) -> Option<&Vec<Mid>> {
        let mids = self.mids(order);
        self.bundle
            .iter()
            .filter(|_| mids.len() == order.len())
            .find(|group| mids.iter().all(|mid| group.contains(mid)))
    }

    /// The group of an answer to this, if there is one: it names nothing that
    /// the offer's did not (RFC 9143 section 7.3).
    pub(super) fn answered_bundle(&self, order: &[usize]) -> Option<Vec<Mid>> {
        self.bundle_of(order).map(|_| self.mids(order))
    }

    /// The tags of `order`; none where the m-lines have none.
    fn mids(&self, order: &[usize]) -> Vec<Mid> {
        order
            .iter()
            .filter_map(|i| self.media.get(*i).and_then(|m| m.mid))
            .collect()
    }

    /// The m-line that the group of the m-lines `order` names first: a bundled
    /// offer has its transport there.
    pub(super) fn tag_of(&self, order: &[usize]) -> Option<usize> {
        let tag = self.bundle_of(order)?.first()?;
        self.media.iter().position(|m| m.mid == Some(*tag))
    }

    /// Whose transport counts: that of the first accepted m-line, then that of
    /// the tagged one where it was not accepted, then the session's.
    pub(super) fn remote_transport(
        &self,
        order: &[usize],
    ) -> Result<RemoteTransport, NegotiationError> {
        let first = order.first().copied();
        let sections: Vec<&TransportDescription> = [first, self.tag_of(order)]
            .into_iter()
            .flatten()
            .filter_map(|i| self.media.get(i))
            .map(|m| &m.transport)
            .chain([&self.transport])
            .collect();

        let ice = sections
            .iter()
            .find_map(|t| Some((t.ice_ufrag.as_deref()?, t.ice_pwd.as_deref()?)))
            .and_then(|(ufrag, pwd)| IceCredentials::new(ufrag, pwd))
            .ok_or(NegotiationError::NoIceCredentials)?;
        let fingerprints = sections
            .iter()
            .map(|t| &t.fingerprints)
            .find(|f| !f.is_empty())
            .ok_or(NegotiationError::NoFingerprint)?;
        // Candidates belong to the credentials they stand beside.
        let candidates = sections
            .iter()
            .filter(|t| t.ice_ufrag.as_deref().is_none_or(|u| u == ice.ufrag()))
            .map(|t| &t.candidates)
            .find(|c| !c.is_empty());
        Ok(RemoteTransport {
            candidates: candidates.cloned().unwrap_or_default(),
            fingerprints: fingerprints.clone(),
            setup: sections.iter().find_map(|t| t.setup),
            ice,
        })
    }
}

/// Our role from the other end's `a=setup` (RFC 8842 section 5).
/// `undecided` is what `actpass` leaves to us; an answer leaves nothing.
pub(super) fn dtls_role(
    remote: Option<Setup>,
    undecided: Option<DtlsRole>,
) -> Result<DtlsRole, NegotiationError> {
    match remote {
        Some(Setup::Active) => Ok(DtlsRole::Server),
        Some(Setup::Passive) => Ok(DtlsRole::Client),
        Some(Setup::ActPass) | None => undecided.ok_or(NegotiationError::BadSetup),
        Some(Setup::HoldConn) => Err(NegotiationError::BadSetup),
    }
}

pub(super) const fn setup_of(role: DtlsRole) -> Setup {
    match role {
        DtlsRole::Client => Setup::Active,
        DtlsRole::Server => Setup::Passive,
    }
}
