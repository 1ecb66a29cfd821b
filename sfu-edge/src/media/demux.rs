//! Whose datagram is this?

use std::collections::HashMap;
use std::net::SocketAddr;

use transom_rtc_proto::stun;

/// Addresses remembered for one peer: the newest ones. A peer uses a few (one
/// an interface and family); a hostile one may try to use many.
const MAX_ADDRESSES: usize = 16;

/// Finds peers by the address of the other end, once a check from there was
/// authenticated, and before that by the username fragment in the check.
#[derive(Debug, Default)]
pub(super) struct Demux {
    by_addr: HashMap<SocketAddr, u32>,
    by_ufrag: HashMap<Box<str>, u32>,
}

impl Demux {
    /// Makes a peer known by our username fragment.
    pub(super) fn insert(&mut self, ufrag: &str, key: u32) {
        self.by_ufrag.insert(ufrag.into(), key);
    }

    /// Addresses and fragments known.
    #[cfg(test)]
    pub(super) fn len(&self) -> (usize, usize) {
        (self.by_addr.len(), self.by_ufrag.len())
    }

    /// Forgets a peer.
    pub(super) fn remove(&mut self, ufrag: &str, addresses: &[SocketAddr]) {
        let key = self.by_ufrag.remove(ufrag);
        for addr in addresses {
            if self.by_addr.get(addr).copied() == key {
                self.by_addr.remove(addr);
            }
        }
    }

    /// The peer that a datagram from `remote` is for. A check names its peer,
    /// so that an address can pass from one session to the next.
    pub(super) fn find(&self, remote: SocketAddr, datagram: &[u8]) -> Option<u32> {
        if let Some(username) = stun::peek_username(datagram) {
            // RFC 8445 section 7.2.2: the receiver's fragment comes first.
            let ours = username.split(':').next()?;
            return self.by_ufrag.get(ours).copied();
        }
        self.by_addr.get(&remote).copied()
    }

    /// The peer that is found by `remote`.
    pub(super) fn owner(&self, remote: SocketAddr) -> Option<u32> {
        self.by_addr.get(&remote).copied()
    }

    /// The peer `key` may be found by `remote` from now on; `addresses` is what
    /// it is found by so far.
    pub(super) fn bind(&mut self, key: u32, remote: SocketAddr, addresses: &mut Vec<SocketAddr>) {
        if self.by_addr.insert(remote, key) == Some(key) {
            return;
        }
        if addresses.len() >= MAX_ADDRESSES {
            let oldest = addresses.remove(0);
            if self.by_addr.get(&oldest) == Some(&key) {
                self.by_addr.remove(&oldest);
            }
        }
        addresses.push(remote);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(port: u16) -> SocketAddr {
        ([127, 0, 0, 1], port).into()
    }

    #[test]
    fn addresses_of_one_peer_are_bounded_and_leave_with_it() {
        let mut demux = Demux::default();
        let mut addresses = Vec::new();
        demux.insert("ufrag", 7);
        for port in 0..100 {
            demux.bind(7, addr(port), &mut addresses);
        }
        assert_eq!(addresses.len(), MAX_ADDRESSES);
        assert_eq!(demux.by_addr.len(), MAX_ADDRESSES);
        assert_eq!(demux.find(addr(99), &[128]), Some(7));
        assert_eq!(demux.find(addr(0), &[128]), None);
        demux.remove("ufrag", &addresses);
        assert!(demux.by_addr.is_empty() && demux.by_ufrag.is_empty());
    }

    #[test]
    fn an_address_may_pass_to_another_peer() {
        let mut demux = Demux::default();
        let (mut first, mut second) = (Vec::new(), Vec::new());
        demux.insert("one", 1);
        demux.insert("two", 2);
        demux.bind(1, addr(9), &mut first);
        demux.bind(2, addr(9), &mut second);
        demux.remove("one", &first);
        assert_eq!(demux.find(addr(9), &[128]), Some(2));
    }
}
