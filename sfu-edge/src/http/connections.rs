use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// How many connections there may be, of everybody and of one address.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) total: usize,
    pub(super) per_address: usize,
}

/// The connections that are open at all doors.
#[derive(Debug)]
pub(super) struct OpenConnections {
    bounds: Bounds,
    by_address: Mutex<HashMap<IpAddr, usize>>,
}

impl OpenConnections {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            by_address: Mutex::default(),
        }
    }
}

/// One open connection's place.
pub(super) struct Slot {
    open: Arc<OpenConnections>,
    client: IpAddr,
}

impl Slot {
    pub(super) fn take(open: &Arc<OpenConnections>, client: IpAddr) -> Option<Self> {
        let mut by_address = open
            .by_address
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let total: usize = by_address.values().sum();
        let mine = by_address.get(&client).copied().unwrap_or(0);
        if total >= open.bounds.total || mine >= open.bounds.per_address {
            return None;
        }
        by_address.insert(client, mine + 1);
        Some(Self {
            open: Arc::clone(open),
            client,
        })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut by_address = self
            .open
            .by_address
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(mine) = by_address.get_mut(&self.client) {
            *mine -= 1;
            if *mine == 0 {
                by_address.remove(&self.client);
            }
        }
    }
}
