//! Ready packets on their way to one receiver.

use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use super::FIRST_REPORT;
use super::packet::{Outgoing, SendError};
use super::sealer::Plain;
use super::track::SendTrack;
use crate::peer::report;
use crate::peer::timer::{Timer, TimerTable};
use crate::port::Srtp;
use crate::stream::TwccSender;
use crate::time::Instant;

/// Reports that come quickly one after the other, so that sound and picture are
/// in step soon, whatever of them is lost.
const LIVELY_REPORTS: u8 = 4;
/// Between the later ones, of a clock that the receiver knows: the least that RFC
/// 3550 section 6.2 recommends. Clocks part by a fraction of a millisecond meanwhile.
const SETTLED_INTERVAL: Duration = Duration::from_secs(5);

/// Seals packets of one track, one after the other. What is the same for all
/// packets of a batch is looked up when it is made.
pub struct Forwarder<'a> {
    now: Instant,
    track: &'a mut SendTrack,
    transport: &'a mut Option<TwccSender>,
    srtp: &'a mut dyn Srtp,
    timers: &'a mut TimerTable,
    armed: bool,
}

impl<'a> Forwarder<'a> {
    pub(super) fn new(
        now: Instant,
        track: &'a mut SendTrack,
        transport: &'a mut Option<TwccSender>,
        srtp: &'a mut dyn Srtp,
        timers: &'a mut TimerTable,
    ) -> Self {
        Self {
            now,
            track,
            transport,
            srtp,
            timers,
            armed: false,
        }
    }

    /// Seals a packet and appends it to `buf`; returns its length. Each output
    /// sequence number is sealed at most once.
    ///
    /// # Errors
    /// [`SendError::Seal`] where the number was sealed before, or where a
    /// receiver could not tell which it is; nothing is appended then.
    pub fn forward(
        &mut self,
        packet: &Outgoing<'_>,
        buf: &mut Vec<u8>,
    ) -> Result<usize, SendError> {
        let sealer = &mut self.track.sealer;
        let payload_len = packet.payload.len();
        let plain = Plain {
            pt: sealer.pt,
            ssrc: sealer.ssrc,
            seq: packet.seq,
            timestamp: packet.timestamp,
            marker: packet.marker,
            original: None,
            transport_seq: sealer.transport_seq(self.now, payload_len, self.transport),
            payload: packet.payload,
            padding: packet.padding,
        };
        let len = sealer.seal(&plain, self.srtp, buf)?;
        self.track.tally.note_sent(false, payload_len, len);
        if !self.track.active {
            self.begin();
        }
        Ok(len)
    }

    /// Something was sent since the last report: another is due.
    fn begin(&mut self) {
        self.track.active = true;
        let after = match self.track.reports {
            0 => FIRST_REPORT,
            1..LIVELY_REPORTS => report::INTERVAL,
            _ => SETTLED_INTERVAL,
        };
        self.timers.arm(Timer::Report, report::due(self.now, after));
        self.armed = true;
    }

    /// Whether a timer of the peer was set: only then is its
    /// [`poll_timeout`](crate::peer::Peer::poll_timeout) another.
    pub fn has_armed(&self) -> bool {
        self.armed
    }
}

impl fmt::Debug for Forwarder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forwarder")
            .field("track", &self.track.id)
            .finish_non_exhaustive()
    }
}
