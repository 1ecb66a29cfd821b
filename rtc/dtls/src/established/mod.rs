//! A connection after its handshake: records of epoch 1, on the caller's thread.
//!
//! webrtc-dtls shakes hands and is let go. What follows is one AEAD a record
//! (RFC 5246 section 6.2.3.3, RFC 5288), which needs no task: a datagram would
//! go from the media thread to a task of ours, from there to one of
//! webrtc-dtls's and all the way back, each time by a wake-up, and every idle
//! peer would keep their buffers.
//!
//! Nothing in the clear passes any more: an alert that anybody can write must
//! not end a connection.

mod keys;
mod open;
mod seal;

use tokio::time::Instant;
use transom_rtc_proto::port::{DtlsAction, DtlsEvent, DtlsRole};
use webrtc_dtls::state::KeyLogData;

use crate::flights::LastFlight;
use crate::guard::fragment::take_fragment;
use crate::guard::record::{ContentType, Record, take_record};
use crate::guard::{ALERT_RECORD, FINISHED_RECORD, GCM_OVERHEAD, message};
use crate::mailbox::{DtlsStats, Outbox};
use open::Opener;
pub(crate) use seal::Sealed;
use seal::Sealer;

/// Longest application data taken or sent: SCTP's packets fit a datagram.
const MAX_APPLICATION_DATA: usize = 2048;

/// Records taken from one datagram; what follows them is refused. Honest peers
/// send one or two, and each costs a cipher before it is known to be forged.
const MAX_RECORDS: usize = 16;

const LEVEL_FATAL: u8 = 2;
const CLOSE_NOTIFY: [u8; 2] = [1, 0];

/// What is left of a connection once both ends have the keys.
pub(crate) struct Established {
    role: DtlsRole,
    sealer: Sealer,
    opener: Opener,
    began: Instant,
    last_flight: LastFlight,
}

/// Whether the connection goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    GoesOn,
    Over,
}

impl Established {
    /// Goes on after the handshake that `secrets` came of, in which `before` was
    /// sealed already. `None` where those are no secrets.
    pub(crate) fn new(
        role: DtlsRole,
        secrets: &KeyLogData,
        before: &Sealed,
        last_flight: LastFlight,
    ) -> Option<Self> {
        let (ours, theirs) = (&secrets.local_random, &secrets.remote_random);
        let (client, server) = match role {
            DtlsRole::Client => (ours, theirs),
            DtlsRole::Server => (theirs, ours),
        };
        let [client, server] = keys::expand(&secrets.master_secret, client, server)?;
        let (local, remote) = match role {
            DtlsRole::Client => (client, server),
            DtlsRole::Server => (server, client),
        };
        Some(Self {
            role,
            sealer: Sealer::new(&local, before)?,
            opener: Opener::new(&remote)?,
            began: Instant::now(),
            last_flight,
        })
    }

    /// Does what the core asks. What comes of it is in `out` at once.
    pub(crate) fn handle_action(
        &mut self,
        action: DtlsAction,
        out: &mut Outbox,
        stats: &mut DtlsStats,
    ) -> Next {
        match action {
            DtlsAction::Start(_) => Next::GoesOn,
            DtlsAction::Datagram(datagram) => self.on_datagram(&datagram, out, stats),
            DtlsAction::Send(data) => {
                if data.len() > MAX_APPLICATION_DATA {
                    stats.queue_full += 1;
                } else {
                    self.put(ContentType::ApplicationData, &data, out, stats);
                }
                Next::GoesOn
            }
            DtlsAction::Close => {
                self.put(ContentType::Alert, &CLOSE_NOTIFY, out, stats);
                Next::Over
            }
        }
    }

    fn on_datagram(&mut self, datagram: &[u8], out: &mut Outbox, stats: &mut DtlsStats) -> Next {
        let mut rest = datagram;
        for _ in 0..MAX_RECORDS {
            if rest.is_empty() {
                return Next::GoesOn;
            }
            let Some(record) = take_record(&mut rest) else {
                break;
            };
            match self.on_record(&record, out, stats) {
                Some(Next::GoesOn) => {}
                Some(Next::Over) => return Next::Over,
                None => stats.records_refused += 1,
            }
        }
        stats.records_refused += u64::from(!rest.is_empty()); // all that follows counts as one
        Next::GoesOn
    }

    /// `None` for a record that is not to be had.
    fn on_record(
        &mut self,
        record: &Record<'_>,
        out: &mut Outbox,
        stats: &mut DtlsStats,
    ) -> Option<Next> {
        match (record.epoch, record.content) {
            (1, ContentType::ApplicationData) if is_text(record.body.len()) => {
                let data = self.opener.open(record)?;
                out.put(DtlsEvent::Received(data), stats);
            }
            (1, ContentType::Alert) if record.body.len() == ALERT_RECORD => {
                let alert = self.opener.open(record)?;
                return Some(self.on_alert(&alert, out, stats));
            }
            // The Finished message again. No other handshake record has a meaning now.
            (1, ContentType::Handshake) if record.body.len() == FINISHED_RECORD => {
                self.repeat_last_flight(out, stats);
            }
            (0, ContentType::Handshake) => {
                let mut body = record.body;
                let fragment = take_fragment(&mut body)?;
                if !message::is_expected(self.role, fragment.kind) {
                    return None;
                }
                self.repeat_last_flight(out, stats);
            }
            _ => return None, // there is no renegotiation, and so no epoch 2
        }
        Some(Next::GoesOn)
    }

    fn on_alert(&mut self, alert: &[u8], out: &mut Outbox, stats: &mut DtlsStats) -> Next {
        let closes = alert.get(1) == CLOSE_NOTIFY.get(1);
        if closes {
            // RFC 5246 section 7.2.1 asks for one in return.
            self.put(ContentType::Alert, &CLOSE_NOTIFY, out, stats);
        }
        if !closes && alert.first() != Some(&LEVEL_FATAL) {
            return Next::GoesOn;
        }
        out.put(DtlsEvent::Closed, stats);
        Next::Over
    }

    /// The client's copy of our last flight was lost: again, now and then.
    fn repeat_last_flight(&mut self, out: &mut Outbox, stats: &mut DtlsStats) {
        if let Some(datagram) = self.last_flight.repeat(self.began.elapsed()) {
            out.put(DtlsEvent::Datagram(datagram), stats);
        }
    }

    fn put(&mut self, content: ContentType, body: &[u8], out: &mut Outbox, stats: &mut DtlsStats) {
        match self.sealer.seal(content, body) {
            Some(record) => out.put(DtlsEvent::Datagram(record), stats),
            None => stats.queue_full += 1, // after 2^48 records
        }
    }
}

/// Whether so long a body may be application data that is taken.
const fn is_text(len: usize) -> bool {
    len >= GCM_OVERHEAD && len <= GCM_OVERHEAD + MAX_APPLICATION_DATA
}

/// What a record is authenticated with (RFC 5246 section 6.2.3.3): its epoch
/// and sequence number, its type, the version, and the length of its text.
fn aad(place: [u8; 8], content: ContentType, len: usize) -> Option<[u8; 13]> {
    let [a, b] = u16::try_from(len).ok()?.to_be_bytes();
    let mut aad = [0; 13];
    let (head, tail) = aad.split_at_mut(place.len());
    head.copy_from_slice(&place);
    tail.copy_from_slice(&[content as u8, 0xfe, 0xfd, a, b]);
    Some(aad)
}

#[cfg(test)]
mod tests;
