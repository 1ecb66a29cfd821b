//! What we send of the handshake, seen from outside webrtc-dtls.
//!
//! It repeats a flight at a fixed interval for ever, and its last flight as
//! server never: the client whose copy was lost would retransmit in vain. Here
//! the interval backs off (RFC 6347 section 4.2.4.1), and the last flight is
//! kept to be sent again, byte for byte, when the client asks for it.

use std::time::Duration;

/// Longest time between two retransmissions.
const MAX_INTERVAL: Duration = Duration::from_secs(1);
/// Least time between two answers to a repeated flight of the client.
const MIN_REPEAT_INTERVAL: Duration = Duration::from_millis(40);
/// Answers to repeated flights of the client, all in all.
const MAX_REPEATS: u32 = 256;

const CHANGE_CIPHER_SPEC: u8 = 20;
const HANDSHAKE: u8 = 22;

/// Follows the datagrams of the handshake on their way out. Times are since
/// the start of the handshake.
#[derive(Debug)]
pub(crate) struct Flights {
    base_interval: Duration,
    interval: Duration,
    /// A retransmission before this is one too many.
    not_before: Duration,
    /// Message sequence number with which the current flight begins.
    first: Option<u16>,
    highest: Option<u16>,
    /// Something came in since the flight was last sent.
    heard: bool,
    /// Whether the datagrams of the current round leave.
    passing: bool,
    last: Vec<u8>,
}

/// The server's last flight, kept for a client whose copy was lost.
#[derive(Debug, Default)]
pub(crate) struct LastFlight {
    datagram: Vec<u8>,
    repeated: Option<Duration>,
    repeats: u32,
}

impl Flights {
    pub(crate) fn new(interval: Duration) -> Self {
        Self {
            base_interval: interval,
            interval,
            not_before: Duration::ZERO,
            first: None,
            highest: None,
            heard: true,
            passing: true,
            last: Vec::new(),
        }
    }

    /// Handshake input was given to webrtc-dtls.
    pub(crate) fn on_input(&mut self) {
        self.heard = true;
    }

    /// Whether a datagram that webrtc-dtls sends shall leave.
    pub(crate) fn admit(&mut self, now: Duration, datagram: &[u8]) -> bool {
        let Some(seq) = leading_message_seq(datagram) else {
            if datagram.first() == Some(&CHANGE_CIPHER_SPEC) {
                self.last = datagram.to_vec();
                // Leads the last flight of a server, or follows what a client began.
                return self.passing || std::mem::take(&mut self.heard);
            }
            return self.passing;
        };
        if self.highest.is_none_or(|h| seq > h) {
            if std::mem::take(&mut self.heard) {
                self.first = Some(seq);
                self.interval = self.base_interval;
                self.not_before = now + self.interval;
            }
            self.highest = Some(seq);
            self.passing = true;
        } else if self.first == Some(seq) {
            self.passing = std::mem::take(&mut self.heard) || now >= self.not_before;
            if self.passing {
                self.interval = (self.interval * 2).min(MAX_INTERVAL);
                self.not_before = now + self.interval;
            }
        }
        self.passing
    }

    /// What was sent last, once the handshake is complete.
    pub(crate) fn take_last(&mut self) -> LastFlight {
        LastFlight {
            datagram: std::mem::take(&mut self.last),
            ..LastFlight::default()
        }
    }
}

impl LastFlight {
    #[cfg(test)]
    pub(crate) fn of(datagram: Vec<u8>) -> Self {
        Self {
            datagram,
            ..Self::default()
        }
    }

    /// The flight, if the client may have it again now. The time is since any
    /// moment before the first call.
    pub(crate) fn repeat(&mut self, now: Duration) -> Option<Vec<u8>> {
        let soon = |at: Duration| now.saturating_sub(at) < MIN_REPEAT_INTERVAL;
        if self.datagram.is_empty()
            || self.repeats >= MAX_REPEATS
            || self.repeated.is_some_and(soon)
        {
            return None;
        }
        self.repeated = Some(now);
        self.repeats += 1;
        Some(self.datagram.clone())
    }
}

/// The message sequence number of a datagram of our own that begins with a
/// handshake record in the clear.
fn leading_message_seq(datagram: &[u8]) -> Option<u16> {
    let header: &[u8; 13 + 6] = datagram.first_chunk()?;
    let in_the_clear = header[0] == HANDSHAKE && header[3..5] == [0, 0];
    in_the_clear.then(|| u16::from_be_bytes([header[17], header[18]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn message(seq: u8) -> Vec<u8> {
        let mut datagram = vec![HANDSHAKE, 0xfe, 0xfd, 0, 0];
        datagram.resize(13 + 12, 0);
        datagram[18] = seq;
        datagram
    }

    #[test]
    fn retransmissions_back_off() {
        let mut flights = Flights::new(MS(100));
        let mut left = vec![];
        for tick in 0..100 {
            let (a, b) = (
                flights.admit(MS(100 * tick), &message(0)),
                flights.admit(MS(100 * tick), &message(1)),
            );
            assert_eq!(a, b); // a flight leaves whole or not at all
            if a {
                left.push(100 * tick);
            }
        }
        assert_eq!(left[..7], [0, 100, 300, 700, 1500, 2500, 3500]);
    }

    #[test]
    fn an_answer_is_not_a_retransmission() {
        let mut flights = Flights::new(MS(100));
        assert!(flights.admit(MS(0), &message(0)));
        assert!(!flights.admit(MS(1), &message(0)));
        flights.on_input();
        assert!(flights.admit(MS(2), &message(0)));
        flights.on_input();
        assert!(flights.admit(MS(3), &message(1)));
    }

    #[test]
    fn the_last_flight_is_repeated_now_and_then() {
        let mut flights = Flights::new(MS(100));
        assert_eq!(flights.take_last().repeat(MS(0)), None);
        let last = [&[CHANGE_CIPHER_SPEC][..], &[0; 80]].concat();
        flights.on_input();
        assert!(flights.admit(MS(0), &last));
        let mut flight = flights.take_last();
        assert_eq!(flight.repeat(MS(50)), Some(last.clone()));
        assert_eq!(flight.repeat(MS(60)), None);
        let sent = (1..1000).filter(|i| flight.repeat(MS(50 + 100 * i)).is_some());
        assert_eq!(sent.count(), 255);
    }
}
