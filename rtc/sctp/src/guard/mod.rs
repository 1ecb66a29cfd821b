//! What stands between the other end and sctp-proto.
//!
//! A packet is read chunk by chunk. What an honest peer sends goes on, in
//! packets written anew: DATA apart from everything else, since sctp-proto
//! keeps the whole packet for as long as it keeps a byte of it. What it does not
//! know or would choke on is left out; what no honest peer sends ends the
//! association.

mod control;
mod window;

use std::collections::BTreeSet;

use bytes::Bytes;
use transom_rtc_proto::port::{SctpConfig, StreamId};

use crate::packet::{Chunk, Header, Writer, chunk, parse, u16_at, u32_at};
use window::{Place, TsnWindow};

/// Longest packet taken, bytes: what DTLS hands over at most.
const MAX_PACKET: usize = 2048;
/// Chunks of a packet; one of 1,200 bytes has room for 60 of DATA.
const MAX_CHUNKS: usize = 128;
/// Chunks that may wait to be part of a whole message whose turn it is.
/// sctp-proto counts their bytes only, and looks at all of them for each.
const MAX_PENDING: usize = 512;
/// Stream resets asked for by the other end and not yet complete.
const MAX_RESETS: usize = 64;

/// TSN, stream, sequence number, PPID.
const DATA_HEADER: usize = 12;
const FLAG_BEGIN: u8 = 2;
const FLAG_IMMEDIATE: u8 = 8;

/// What goes on to sctp-proto, in order.
#[derive(Debug, Default)]
pub(crate) struct Admitted {
    pub(crate) packets: Vec<Bytes>,
    /// There is an INIT of the other end among them.
    pub(crate) init: bool,
    /// It ends the association: ABORT, or the beginning of SHUTDOWN.
    pub(crate) goodbye: bool,
    /// Chunks left out.
    pub(crate) ignored: u64,
}

/// Why a packet does not go on at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It does not hold together, is not for us or not for now.
    Packet,
    /// No honest peer sends this: the association must end.
    Hostile,
}

/// Admits what comes of one association.
#[derive(Debug)]
pub(crate) struct Guard {
    local_port: u16,
    remote_port: u16,
    max_streams: usize,
    max_message: usize,
    /// The other end's tag; 0 before its INIT or INIT ACK.
    peer_tag: u32,
    /// Its TSNs, once they are known.
    window: Option<TsnWindow>,
    /// Streams that sctp-proto has.
    streams: BTreeSet<StreamId>,
    /// Chunks that it holds, at most.
    pending: usize,
    /// Resets under way, which sctp-proto answers with its own.
    resets: usize,
    /// Streams that are reset once everything up to the TSN has come.
    reset_at: Option<(u32, Vec<u16>)>,
    /// Bytes of the message that is coming in, taken as if nothing was lost.
    message: usize,
    /// A message went over the bound.
    pub(crate) too_large: bool,
}

impl Guard {
    pub(crate) fn new(config: &SctpConfig) -> Self {
        Self {
            local_port: config.local_port,
            remote_port: config.remote_port,
            max_streams: config.max_streams,
            max_message: config.max_receive_message,
            peer_tag: 0,
            window: None,
            streams: BTreeSet::new(),
            pending: 0,
            resets: 0,
            reset_at: None,
            message: 0,
            too_large: false,
        }
    }

    /// Reads a packet; `established` once the handshake is over.
    pub(crate) fn admit(&mut self, packet: &[u8], established: bool) -> Result<Admitted, Refusal> {
        if packet.len() > MAX_PACKET {
            return Err(Refusal::Packet);
        }
        let (header, chunks) = parse(packet).ok_or(Refusal::Packet)?;
        if header.source != self.remote_port || header.destination != self.local_port {
            return Err(Refusal::Packet);
        }
        let chunks: Vec<Chunk<'_>> = chunks
            .take(MAX_CHUNKS + 1)
            .collect::<Result<_, _>>()
            .map_err(|_| Refusal::Packet)?;
        if chunks.is_empty() || chunks.len() > MAX_CHUNKS {
            return Err(Refusal::Packet);
        }
        let mut out = Output::new(header);
        for chunk in &chunks {
            match chunk.kind {
                chunk::DATA => self.data(chunk, &mut out)?,
                chunk::INIT | chunk::INIT_ACK if chunks.len() > 1 || established => {
                    return Err(Refusal::Packet);
                }
                // An unknown one that says so ends the packet (RFC 9260 section 3.2).
                kind if kind & 0x80 == 0 && !control::KNOWN.contains(&kind) => {
                    out.admitted.ignored += 1;
                    break;
                }
                _ => self.control(chunk, &mut out)?,
            }
        }
        Ok(out.finish())
    }

    /// The other end's tag, for packets that are not sctp-proto's.
    pub(crate) const fn peer_tag(&self) -> Option<u32> {
        match self.peer_tag {
            0 => None,
            tag => Some(tag),
        }
    }

    pub(crate) fn has(&self, stream: StreamId) -> bool {
        self.streams.contains(&stream)
    }

    pub(crate) fn streams(&self) -> impl Iterator<Item = StreamId> {
        self.streams.iter().copied()
    }

    /// Makes room for a stream; `false` where there is none.
    pub(crate) fn add(&mut self, stream: StreamId) -> bool {
        if !self.streams.contains(&stream) && self.streams.len() >= self.max_streams {
            return false;
        }
        self.streams.insert(stream);
        true
    }

    /// sctp-proto has dropped the stream.
    pub(crate) fn forget(&mut self, stream: StreamId) {
        self.streams.remove(&stream);
    }

    /// A reset is complete, or has failed.
    pub(crate) fn reset_over(&mut self) {
        self.resets = self.resets.saturating_sub(1);
    }

    /// A message of so many chunks was taken up.
    pub(crate) fn delivered(&mut self, chunks: usize) {
        self.pending = self.pending.saturating_sub(chunks);
    }

    /// Learns from a packet of ours how much sctp-proto holds: the window that
    /// a SACK tells of is whole where it is nothing. So what was given up half
    /// way does not count for ever.
    pub(crate) fn on_sent(&mut self, packet: &[u8], receive_buffer: usize) {
        let Some((_, chunks)) = parse(packet) else {
            return;
        };
        let whole = |chunk: Chunk<'_>| {
            let credit = u32_at(chunk.value, 4);
            chunk.kind == chunk::SACK && credit.is_some_and(|c| c as usize >= receive_buffer)
        };
        if chunks.flatten().any(whole) {
            self.pending = 0;
        }
    }

    fn data(&mut self, chunk: &Chunk<'_>, out: &mut Output) -> Result<(), Refusal> {
        let value = chunk.value;
        let (Some(tsn), Some(stream)) = (u32_at(value, 0), u16_at(value, 4)) else {
            return Err(Refusal::Hostile);
        };
        // Without data it would cost nothing of the window (RFC 9260 section
        // 3.3.1 says ABORT).
        if value.len() <= DATA_HEADER {
            return Err(Refusal::Hostile);
        }
        let Some(window) = &mut self.window else {
            return Err(Refusal::Packet);
        };
        let place = window.place(tsn);
        let full = place == Place::Latest && self.pending >= MAX_PENDING;
        // Whoever uses a stream's number again before the reset is over waits.
        let early = self
            .reset_at
            .as_ref()
            .is_some_and(|(at, streams)| after(tsn, *at) && streams.contains(&stream));
        if place == Place::Beyond || full || (early && place != Place::Old) {
            out.admitted.ignored += 1;
            return Ok(());
        }
        if place != Place::Old {
            window.insert(tsn);
            self.pending += 1;
            let len = value.len() - DATA_HEADER;
            let before = match chunk.flags & FLAG_BEGIN {
                0 => self.message,
                _ => 0,
            };
            self.message = before.saturating_add(len);
            self.too_large |= self.message > self.max_message;
            if !self.add(StreamId(stream)) {
                return Err(Refusal::Hostile);
            }
        }
        self.settle_reset();
        // Answered at once, not with the next packet or in 200 ms: a message
        // that stands alone is what robots get, and its loss is to be seen.
        out.data(chunk.flags | FLAG_IMMEDIATE, value);
        Ok(())
    }

    fn settle_reset(&mut self) {
        if let (Some(window), Some((at, _))) = (&self.window, &self.reset_at)
            && window.covers(*at)
        {
            self.reset_at = None;
        }
    }
}

/// Whether `a` follows `b` (RFC 1982).
const fn after(a: u32, b: u32) -> bool {
    a.wrapping_sub(b).cast_signed() > 0
}

/// The packets that go on.
struct Output {
    header: Header,
    writer: Option<(bool, Writer)>,
    admitted: Admitted,
}

impl Output {
    fn new(header: Header) -> Self {
        Self {
            header,
            writer: None,
            admitted: Admitted::default(),
        }
    }

    fn data(&mut self, flags: u8, value: &[u8]) {
        self.writer(true).chunk(chunk::DATA, flags, value);
    }

    fn control(&mut self, kind: u8, value: &[u8]) {
        self.writer(false).chunk(kind, 0, value);
    }

    /// Begins another packet where data follows something else, or the reverse.
    fn writer(&mut self, data: bool) -> &mut Writer {
        if self.writer.as_ref().is_some_and(|(d, _)| *d != data) {
            self.flush();
        }
        let header = self.header;
        &mut self
            .writer
            .get_or_insert_with(|| (data, Writer::new(header)))
            .1
    }

    fn flush(&mut self) {
        if let Some((_, writer)) = self.writer.take() {
            self.admitted.packets.push(writer.finish());
        }
    }

    fn finish(mut self) -> Admitted {
        self.flush();
        self.admitted
    }
}

#[cfg(test)]
mod tests;
