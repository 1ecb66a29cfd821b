//! The policy of sending: what goes into one system call, and what follows
//! from its result. The call itself is an argument, so that every refusal of a
//! kernel can be played in a test.

use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::counters::Tally;
use crate::{MAX_GSO_BYTES, MAX_GSO_SEGMENTS, MAX_MESSAGES, Transmit};

/// Datagrams up to this size fit every IPv6 link (1280 bytes less the headers):
/// a kernel that will not segment to it has a reason other than the link's MTU.
const SAFE_SEGMENT: u16 = 1232;

/// One message of a sendmmsg call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Message {
    /// Index of the transmit it belongs to.
    pub(crate) transmit: usize,
    /// Its bytes.
    pub(crate) range: Range<usize>,
    /// Size that the kernel is to cut the bytes to; `None` for one datagram.
    pub(crate) segment_size: Option<u16>,
}

impl Message {
    fn datagrams(&self) -> usize {
        match self.segment_size {
            Some(size) => self.range.len().div_ceil(usize::from(size).max(1)),
            None => 1,
        }
    }

    /// The place just after this message.
    const fn end(&self) -> Cursor {
        Cursor {
            transmit: self.transmit,
            offset: self.range.end,
        }
    }
}

/// A place in a list of transmits: in the one of this index, at this offset of the buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Cursor {
    transmit: usize,
    offset: usize,
}

/// Whether the kernel segments, as far as known. Shared by all that send on a socket.
#[derive(Debug)]
pub(crate) struct Gso(AtomicBool);

impl Gso {
    pub(crate) const fn new(supported: bool) -> Self {
        Self(AtomicBool::new(supported))
    }

    pub(crate) fn in_use(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn switch_off(&self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// Sends `transmits` over `contents` by as few calls of `sendmmsg` as may be
/// and returns how many transmits were dealt with, sent or refused. Where that
/// is fewer than all, the socket is full, and the range of the next one starts
/// at what is still to be sent.
///
/// # Errors
/// `WouldBlock` where nothing at all could be sent, and what says that the socket itself is gone.
pub(crate) fn send_batch(
    transmits: &mut [Transmit],
    contents: &[u8],
    gso: &Gso,
    tally: &Tally,
    mut sendmmsg: impl FnMut(&[Transmit], &[Message]) -> io::Result<usize>,
) -> io::Result<usize> {
    let mut messages = [const { Message::empty() }; MAX_MESSAGES];
    let mut cursor = Cursor::default();
    // Before this place nothing is left to the kernel to segment.
    let mut singly_until = Cursor::default();
    // The segmented message that was refused, until it is known whether its datagrams pass singly.
    let mut suspect: Option<(Message, i32)> = None;

    let blocked = loop {
        let gso_in_use = gso.in_use();
        let planned = plan(transmits, contents.len(), cursor, &mut messages, |at| {
            gso_in_use && at >= singly_until
        });
        let Some(messages) = messages.get(..planned).filter(|m| !m.is_empty()) else {
            break None;
        };
        match sendmmsg(transmits, messages) {
            Ok(sent) => {
                let Some(last) = sent.checked_sub(1).and_then(|i| messages.get(i)) else {
                    break Some(io::ErrorKind::WouldBlock.into());
                };
                cursor = last.end();
                let taken = messages.iter().take(sent);
                tally.send_calls.add(1);
                tally.sent.add(taken.map(Message::datagrams).sum());
                if let Some((message, errno)) = suspect.take() {
                    tally.gso_refused.add(1);
                    if switches_off(&message, errno) {
                        gso.switch_off();
                    }
                }
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => break Some(e),
            Err(e) if is_fatal(&e) => return Err(e),
            Err(e) => {
                let Some(first) = messages.first() else {
                    break None;
                };
                if let (Some(_), Some(errno)) = (first.segment_size, gso_refusal(&e)) {
                    // Its datagrams one by one, to learn whose fault it was.
                    singly_until = first.end();
                    suspect = Some((first.clone(), errno));
                } else {
                    // The path is at fault: this message is lost, as any datagram may be.
                    let lost = suspect.take().map_or_else(|| first.clone(), |(m, _)| m);
                    tally.refused.add(lost.datagrams());
                    cursor = lost.end();
                }
            }
        }
    };

    let Some(error) = blocked else {
        count_malformed(transmits, contents.len(), tally);
        return Ok(transmits.len());
    };
    let taken = settle(transmits, contents.len(), cursor);
    count_malformed(
        transmits.get(..taken).unwrap_or_default(),
        contents.len(),
        tally,
    );
    if taken == 0 { Err(error) } else { Ok(taken) }
}

/// Lays out the messages from `cursor` on and returns how many there are.
fn plan(
    transmits: &[Transmit],
    contents_len: usize,
    cursor: Cursor,
    messages: &mut [Message; MAX_MESSAGES],
    may_segment: impl Fn(Cursor) -> bool,
) -> usize {
    let mut planned = 0;
    for (index, transmit) in transmits.iter().enumerate().skip(cursor.transmit) {
        if !transmit.is_well_formed(contents_len) {
            continue;
        }
        let mut offset = transmit.range.start;
        if index == cursor.transmit {
            offset = offset.max(cursor.offset);
        }
        while offset < transmit.range.end {
            let Some(slot) = messages.get_mut(planned) else {
                return planned;
            };
            let place = Cursor {
                transmit: index,
                offset,
            };
            let left = transmit.range.end - offset;
            let (len, segment_size) = message_size(left, transmit.segment_size, may_segment(place));
            *slot = Message {
                transmit: index,
                range: offset..offset + len,
                segment_size,
            };
            offset += len;
            planned += 1;
        }
    }
    planned
}

/// How many of `left` bytes go into the next message, and whether the kernel is to segment them.
fn message_size(left: usize, segment_size: Option<usize>, gso: bool) -> (usize, Option<u16>) {
    let Some(size) = segment_size.filter(|size| *size < left) else {
        return (left, None);
    };
    let segments = (MAX_GSO_BYTES / size).min(MAX_GSO_SEGMENTS);
    match u16::try_from(size) {
        Ok(segment) if gso && segments > 1 => (left.min(segments * size), Some(segment)),
        _ => (size, None),
    }
}

/// Moves the range of a transmit sent in part to what is left of it. Returns
/// how many transmits before it need no further care.
fn settle(transmits: &mut [Transmit], contents_len: usize, cursor: Cursor) -> usize {
    let Some(transmit) = transmits.get_mut(cursor.transmit) else {
        return transmits.len();
    };
    let start = transmit.range.start.max(cursor.offset);
    if !transmit.is_well_formed(contents_len) || start >= transmit.range.end {
        return cursor.transmit + 1;
    }
    transmit.range.start = start;
    cursor.transmit
}

fn count_malformed(transmits: &[Transmit], contents_len: usize, tally: &Tally) {
    let malformed = |t: &&Transmit| !t.is_well_formed(contents_len);
    tally
        .malformed
        .add(transmits.iter().filter(malformed).count());
}

impl Message {
    const fn empty() -> Self {
        Self {
            transmit: 0,
            range: 0..0,
            segment_size: None,
        }
    }
}

/// Whether the kernel will refuse the next segmented message too. A segment
/// may also have been too long for that one link, which says nothing of others.
const fn switches_off(refused: &Message, errno: i32) -> bool {
    match (errno, refused.segment_size) {
        (errno::EIO, _) => true,
        (errno::EINVAL, Some(size)) => size <= SAFE_SEGMENT,
        _ => false,
    }
}

/// The error number of what may be a refusal to segment: EIO where the device
/// cannot checksum or the route transforms, EINVAL where the kernel does not
/// know the option or, as EMSGSIZE, the segment does not fit the link.
fn gso_refusal(e: &io::Error) -> Option<i32> {
    e.raw_os_error()
        .filter(|e| matches!(*e, errno::EIO | errno::EINVAL | errno::EMSGSIZE))
}

/// Whether the socket itself is unusable, so that no message would pass.
fn is_fatal(e: &io::Error) -> bool {
    matches!(
        e.raw_os_error(),
        Some(errno::EBADF | errno::ENOTSOCK | errno::EFAULT)
    )
}

#[cfg(unix)]
mod errno {
    pub(super) use libc::{EBADF, EFAULT, EINVAL, EIO, EMSGSIZE, ENOTSOCK};
}

/// Numbers that no Windows socket error has: nothing is segmented there.
#[cfg(not(unix))]
mod errno {
    pub(super) const EBADF: i32 = -1;
    pub(super) const EFAULT: i32 = -2;
    pub(super) const EINVAL: i32 = -3;
    pub(super) const EIO: i32 = -4;
    pub(super) const EMSGSIZE: i32 = -5;
    pub(super) const ENOTSOCK: i32 = -6;
}

#[cfg(test)]
mod tests;
