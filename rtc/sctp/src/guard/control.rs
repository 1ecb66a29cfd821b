//! Everything but DATA.

use transom_rtc_proto::port::StreamId;

use super::window::TsnWindow;
use super::{Guard, MAX_RESETS, Output, Refusal, after};
use crate::packet::{Chunk, chunk, params, push_param, u16_at, u32_at};

/// Types below 128 that are understood or of no use, ERROR (9), HEARTBEAT ACK
/// (5), AUTH (15) and the like among the latter. Unknown ones end the packet.
pub(super) const KNOWN: &[u8] = &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// Longest information of a HEARTBEAT, which is sent back.
const MAX_HEARTBEAT: usize = 256;
/// Tag, window, stream counts and TSN of an INIT.
const INIT_LEN: usize = 16;
/// Least window of an INIT (RFC 9260 section 3.3.2).
const MIN_WINDOW: u32 = 1500;

const PARAM_HEARTBEAT: u16 = 1;
const PARAM_COOKIE: u16 = 7;
const PARAM_OUTGOING_RESET: u16 = 13;
const PARAM_RESPONSE: u16 = 16;
const PARAM_EXTENSIONS: u16 = 0x8008;
const PARAM_FORWARD_TSN: u16 = 0xc000;
/// Sequence numbers and TSN of a reset request, before the streams.
const RESET_LEN: usize = 12;

impl Guard {
    pub(super) fn control(&mut self, chunk: &Chunk<'_>, out: &mut Output) -> Result<(), Refusal> {
        let value = chunk.value;
        let kept = match chunk.kind {
            chunk::INIT | chunk::INIT_ACK => self.init(chunk.kind, value, out)?,
            chunk::SACK => sack(value),
            chunk::HEARTBEAT => heartbeat(value),
            chunk::ABORT => {
                out.admitted.goodbye = true;
                // Its causes are for people.
                Some(Vec::new())
            }
            chunk::SHUTDOWN if value.len() == 4 => {
                out.admitted.goodbye = true;
                Some(value.to_vec())
            }
            chunk::COOKIE_ECHO if !value.is_empty() => Some(value.to_vec()),
            chunk::COOKIE_ACK | chunk::SHUTDOWN_ACK | chunk::SHUTDOWN_COMPLETE => Some(Vec::new()),
            chunk::RE_CONFIG => return self.re_config(value, out),
            chunk::FORWARD_TSN => self.forward_tsn(value)?,
            _ => None,
        };
        match kept {
            Some(value) => out.control(chunk.kind, &value),
            None => out.admitted.ignored += 1,
        }
        Ok(())
    }

    /// Keeps the parameters that matter; sctp-proto refuses an INIT for one
    /// that it does not know.
    fn init(
        &mut self,
        kind: u8,
        value: &[u8],
        out: &mut Output,
    ) -> Result<Option<Vec<u8>>, Refusal> {
        let (fixed, rest) = value
            .split_first_chunk::<INIT_LEN>()
            .ok_or(Refusal::Packet)?;
        let number = |at| u32_at(fixed, at).unwrap_or_default();
        let (tag, credit, tsn) = (number(0), number(4), number(12));
        let streams = [u16_at(fixed, 8), u16_at(fixed, 10)];
        if tag == 0 || credit < MIN_WINDOW || streams.contains(&Some(0)) {
            return Err(Refusal::Packet);
        }
        let mut kept = fixed.to_vec();
        for (kind, content) in params(rest).ok_or(Refusal::Packet)? {
            if [PARAM_COOKIE, PARAM_EXTENSIONS, PARAM_FORWARD_TSN].contains(&kind) {
                push_param(&mut kept, kind, content);
            }
        }
        if self.peer_tag == 0 {
            self.peer_tag = tag;
            self.window = Some(TsnWindow::new(tsn));
        } else if self.peer_tag != tag {
            // One association a peer.
            return Err(Refusal::Packet);
        }
        out.admitted.init |= kind == chunk::INIT;
        Ok(Some(kept))
    }

    /// Each parameter goes on in a chunk of its own: sctp-proto gives the
    /// association up for pairs in an order it does not expect.
    fn re_config(&mut self, value: &[u8], out: &mut Output) -> Result<(), Refusal> {
        for (kind, content) in params(value).ok_or(Refusal::Packet)? {
            let kept = match kind {
                PARAM_OUTGOING_RESET => self.reset(content)?,
                PARAM_RESPONSE => content.len() >= 8,
                _ => false,
            };
            if kept {
                let mut param = Vec::new();
                push_param(&mut param, kind, content);
                out.control(chunk::RE_CONFIG, &param);
            } else {
                out.admitted.ignored += 1;
            }
        }
        Ok(())
    }

    fn reset(&mut self, content: &[u8]) -> Result<bool, Refusal> {
        let Some(window) = &self.window else {
            return Err(Refusal::Packet);
        };
        let (Some(last), Some(list)) = (u32_at(content, 8), content.get(RESET_LEN..)) else {
            return Ok(false);
        };
        // An empty list means all streams; nobody closes channels like that.
        if list.is_empty() || !list.len().is_multiple_of(2) {
            return Ok(false);
        }
        let streams: Vec<u16> = list
            .chunks_exact(2)
            .map(|s| u16::from_be_bytes([s[0], s[1]]))
            .collect();
        if streams.iter().any(|s| self.streams.contains(&StreamId(*s))) {
            self.resets += 1;
            // sctp-proto answers each with a request of its own, and keeps
            // that until it is answered.
            if self.resets > MAX_RESETS {
                return Err(Refusal::Hostile);
            }
        }
        if after(last, window.cumulative()) {
            self.reset_at = Some((last, streams));
        }
        Ok(true)
    }

    fn forward_tsn(&mut self, value: &[u8]) -> Result<Option<Vec<u8>>, Refusal> {
        let (Some(tsn), Some(window)) = (u32_at(value, 0), &mut self.window) else {
            return Ok(None);
        };
        if !value.len().is_multiple_of(4) || !window.forward(tsn) {
            return Ok(None);
        }
        self.settle_reset();
        Ok(Some(value.to_vec()))
    }
}

/// Gaps in order and apart, so that none is gone through twice. What came
/// twice at the other end is of no interest here.
fn sack(value: &[u8]) -> Option<Vec<u8>> {
    let gaps = usize::from(u16_at(value, 8)?);
    let duplicates = usize::from(u16_at(value, 10)?);
    if value.len() != 12 + 4 * (gaps + duplicates) {
        return None;
    }
    let mut kept = value.get(..12 + 4 * gaps)?.to_vec();
    let mut last = 0;
    for gap in kept.get(12..)?.chunks_exact(4) {
        let (start, end) = (u16_at(gap, 0)?, u16_at(gap, 2)?);
        if start <= last || end < start {
            return None;
        }
        last = end;
    }
    kept.get_mut(10..12)?.fill(0);
    Some(kept)
}

fn heartbeat(value: &[u8]) -> Option<Vec<u8>> {
    let [(PARAM_HEARTBEAT, info)] = params(value)?[..] else {
        return None;
    };
    (info.len() <= MAX_HEARTBEAT).then(|| {
        let mut kept = Vec::new();
        push_param(&mut kept, PARAM_HEARTBEAT, info);
        kept
    })
}
