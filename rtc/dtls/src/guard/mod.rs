//! What stands between the network and webrtc-dtls during the handshake.
//!
//! Records of epoch 0 are anybody's. They are parsed here, fragments are put
//! together under caps, and webrtc-dtls gets whole handshake messages, once
//! each and in order, in records that the guard numbers. Records of epoch 1
//! are enciphered and pass as they came, if their size is one that
//! `TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256` gives them.
//!
//! Once the handshake is complete, [`Established`](crate::established::Established)
//! takes the guard's place.

pub(crate) mod fragment;
pub(crate) mod message;
mod reader;
mod reassembly;
pub(crate) mod record;

use transom_rtc_proto::port::{DtlsRole, SrtpProfile};

use fragment::{FRAGMENT_HEADER, Fragment, frame_message, take_fragment};
use reassembly::{Offered, Reassembly};
use record::{ContentType, Record, frame, take_record};

/// Handshake bytes of one peer. A handshake has less than 10 KB; the rest is
/// for a peer that retransmits all it has every 100 ms for half a minute.
const MAX_HANDSHAKE_BYTES: u64 = 1 << 20;
/// Handshake fragments of one peer.
const MAX_FRAGMENTS: u32 = 8192;
/// Handshake messages of one peer; the longest handshake has eight in epoch 0.
const MAX_MESSAGES: u16 = 32;
/// Retransmitted ClientHellos that are answered.
const MAX_HELLO_RETRANSMISSIONS: u32 = 128;
/// Records that look like the Finished message and are tried.
const MAX_FINISHED: u32 = 320;
/// Records kept from before the Finished message, which they overtook.
const MAX_EARLY: usize = 8;

/// What AES-GCM adds to a record: explicit nonce and tag (RFC 5288 section 3).
pub(crate) const GCM_OVERHEAD: usize = 8 + 16;
/// Finished: header and 12 bytes of verify_data (RFC 5246 section 7.4.9).
pub(crate) const FINISHED_RECORD: usize = FRAGMENT_HEADER + 12 + GCM_OVERHEAD;
/// An alert: level and description.
pub(crate) const ALERT_RECORD: usize = 2 + GCM_OVERHEAD;

const LEVEL_FATAL: u8 = 2;
const CLOSE_NOTIFY: u8 = 0;

/// The peer went over a cap of the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hostile;

/// Admits datagrams of one peer, record by record.
#[derive(Debug)]
pub(crate) struct Guard {
    role: DtlsRole,
    reassembly: Reassembly,
    /// Next sequence number of epoch 0 towards webrtc-dtls.
    sequence_number: u64,
    profiles: Option<Vec<SrtpProfile>>,
    early: Vec<Vec<u8>>,
    counters: Counters,
}

#[derive(Debug, Default)]
struct Counters {
    handshake_bytes: u64,
    fragments: u32,
    hello_retransmissions: u32,
    finished: u32,
    refused: u64,
}

/// What came of one datagram.
#[derive(Debug, Default)]
pub(crate) struct Admitted {
    /// Datagrams for webrtc-dtls.
    pub(crate) datagrams: Vec<Vec<u8>>,
    /// An alert is among them.
    pub(crate) alert: bool,
}

impl Guard {
    pub(crate) fn new(role: DtlsRole) -> Self {
        Self {
            role,
            reassembly: Reassembly::default(),
            sequence_number: 0,
            profiles: None,
            early: Vec::new(),
            counters: Counters::default(),
        }
    }

    /// The SRTP profiles that the ClientHello offers, once it is whole.
    pub(crate) fn offered_profiles(&self) -> Option<&[SrtpProfile]> {
        self.profiles.as_deref()
    }

    /// Records refused so far.
    pub(crate) fn refused(&self) -> u64 {
        self.counters.refused
    }

    /// Handshake bytes counted so far.
    pub(crate) fn handshake_bytes(&self) -> u64 {
        self.counters.handshake_bytes
    }

    /// Takes a datagram of the peer apart.
    pub(crate) fn handle_datagram(&mut self, datagram: &[u8]) -> Result<Admitted, Hostile> {
        let mut admitted = Admitted::default();
        let mut rest = datagram;
        while !rest.is_empty() {
            let Some(record) = take_record(&mut rest) else {
                self.counters.refused += 1; // with all that follows: its length is not known
                break;
            };
            let taken = match record.epoch {
                0 => self.on_clear(&record, &mut admitted)?,
                1 => self.on_early(&record, &mut admitted),
                _ => false, // there is no renegotiation, and so no epoch 2
            };
            if !taken {
                self.counters.refused += 1;
            }
        }
        Ok(admitted)
    }

    /// The handshake is complete: returns what came early of what follows it.
    pub(crate) fn into_early(self) -> Vec<Vec<u8>> {
        self.early
    }

    /// A record in the clear, during the handshake.
    fn on_clear(&mut self, record: &Record<'_>, out: &mut Admitted) -> Result<bool, Hostile> {
        Ok(match record.content {
            ContentType::Handshake => return self.on_fragments(record, out),
            // Carries nothing but its place, which `on_early` gives it anew.
            ContentType::ChangeCipherSpec => record.body == [1],
            ContentType::Alert => match *record.body {
                [level, description] if level == LEVEL_FATAL || description == CLOSE_NOTIFY => {
                    out.alert = true;
                    out.datagrams
                        .push(self.frame(ContentType::Alert, &[level, description]));
                    true
                }
                _ => false,
            },
            ContentType::ApplicationData => false,
        })
    }

    fn on_fragments(&mut self, record: &Record<'_>, out: &mut Admitted) -> Result<bool, Hostile> {
        self.counters.handshake_bytes += record.bytes.len() as u64;
        if self.counters.handshake_bytes > MAX_HANDSHAKE_BYTES {
            return Err(Hostile);
        }
        let mut body = record.body;
        while !body.is_empty() {
            self.counters.fragments += 1;
            if self.counters.fragments > MAX_FRAGMENTS {
                return Err(Hostile);
            }
            let Some(fragment) = take_fragment(&mut body) else {
                return Ok(false);
            };
            if !message::is_expected(self.role, fragment.kind) {
                return Ok(false);
            }
            match self.reassembly.offer(&fragment) {
                Offered::Taken => self.on_messages(out)?,
                Offered::Old => self.on_repeated(&fragment, out),
                Offered::Refused => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Passes on the messages that are whole now.
    fn on_messages(&mut self, out: &mut Admitted) -> Result<(), Hostile> {
        while let Some(message) = self.reassembly.take() {
            if message.seq >= MAX_MESSAGES || !message::is_well_formed(message.kind, &message.body)
            {
                // It cannot be left out, and webrtc-dtls must not see it.
                return Err(Hostile);
            }
            if message.kind == message::CLIENT_HELLO && self.profiles.is_none() {
                self.profiles = Some(message::offered_profiles(&message.body));
            }
            let body = frame_message(message.kind, message.seq, &message.body);
            out.datagrams
                .push(self.frame(ContentType::Handshake, &body));
        }
        Ok(())
    }

    /// A retransmission is news to webrtc-dtls in one place only: it sends its
    /// HelloVerifyRequest again when it sees a ClientHello, and not by a timer.
    /// Any handshake record makes it look; an empty one leaves nothing behind.
    fn on_repeated(&mut self, fragment: &Fragment<'_>, out: &mut Admitted) {
        let first_hello = fragment.kind == message::CLIENT_HELLO
            && fragment.offset == 0
            && self.reassembly.next_seq() == 1;
        if first_hello && self.counters.hello_retransmissions < MAX_HELLO_RETRANSMISSIONS {
            self.counters.hello_retransmissions += 1;
            let body = frame_message(message::CLIENT_HELLO, 0, &[]);
            out.datagrams
                .push(self.frame(ContentType::Handshake, &body));
        }
    }

    /// An enciphered record before the handshake is complete.
    fn on_early(&mut self, record: &Record<'_>, out: &mut Admitted) -> bool {
        match record.content {
            ContentType::Handshake if record.body.len() == FINISHED_RECORD => {
                if self.counters.finished >= MAX_FINISHED {
                    return false;
                }
                self.counters.finished += 1;
                // Whether or not the ChangeCipherSpec arrived, the epoch says that it was sent.
                let mut datagram = self.frame(ContentType::ChangeCipherSpec, &[1]);
                datagram.extend_from_slice(record.bytes);
                out.datagrams.push(datagram);
                true
            }
            // The other end was done sooner than we are; this is opened when we are.
            ContentType::ApplicationData | ContentType::Alert
                if record.body.len() >= GCM_OVERHEAD && self.early.len() < MAX_EARLY =>
            {
                self.early.push(record.bytes.to_vec());
                true
            }
            _ => false,
        }
    }

    fn frame(&mut self, content: ContentType, body: &[u8]) -> Vec<u8> {
        let sequence_number = self.sequence_number;
        self.sequence_number += 1;
        frame(content, sequence_number, body)
    }
}

#[cfg(test)]
mod tests;
