//! Peers that have ended, until their goodbye has left.

use std::time::Duration;

use transom_rtc_dtls::Dtls;
use transom_rtc_proto::peer::Peer;
use transom_rtc_proto::time::Instant;

use super::egress::Egress;
use super::world::{close_dtls, contained, pump};

/// A neighbour that has not said goodbye by then is cut off.
const PATIENCE: Duration = Duration::from_millis(500);

/// Goodbyes waited for at a time; more are cut off at once.
const MAX: usize = 256;

/// BYE and close_notify leave at once, but a handshake under way ends by its task, a
/// moment later.
#[derive(Default)]
pub(super) struct Farewells {
    leaving: Vec<Leaving>,
}

struct Leaving {
    peer: Peer,
    dtls: Dtls,
    until: Instant,
}

impl Farewells {
    pub(super) fn push(&mut self, now: Instant, mut peer: Peer, dtls: Dtls, egress: &mut Egress) {
        let pumped = contained(|| {
            pump(now, &mut peer, &dtls, egress);
            close_dtls(&dtls);
            let finished = dtls.is_finished(); // asked before its last words are taken
            pump(now, &mut peer, &dtls, egress);
            finished
        });
        if pumped == Some(false) && self.leaving.len() < MAX {
            self.leaving.push(Leaving {
                peer,
                dtls,
                until: now + PATIENCE,
            });
        }
    }

    /// Sends what there is, and lets go of those that are done.
    pub(super) fn poll(&mut self, now: Instant, egress: &mut Egress) {
        self.leaving.retain_mut(|l| {
            let finished = l.dtls.is_finished();
            let said = contained(|| {
                pump(now, &mut l.peer, &l.dtls, egress);
            });
            said.is_some() && !finished && now < l.until
        });
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.leaving.iter().map(|l| l.until).min()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.leaving.is_empty()
    }
}
