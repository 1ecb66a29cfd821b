//! Datagrams on their way out, collected so that many leave in one call.

use std::io;

use transom_rtc_proto::ice::Path;
use transom_rtc_udp::{Transmit, UdpSocket};

/// Bytes collected before they are sent: a few GSO sends' worth.
const FLUSH_AT: usize = 192 * 1024;

/// Sealed datagrams lying one after the other, and where each run of them goes.
#[derive(Debug, Default)]
pub(super) struct Egress {
    buf: Vec<u8>,
    runs: Vec<Run>,
    transmits: Vec<Transmit>,
    /// Datagrams that found the socket full.
    dropped: u64,
}

/// Consecutive datagrams for one path that the kernel may segment.
#[derive(Debug)]
struct Run {
    transmit: Transmit,
    /// The last one was shorter: nothing may follow.
    closed: bool,
}

impl Egress {
    /// The buffer to append one datagram to; then call [`Egress::commit`].
    pub(super) fn buf(&mut self) -> &mut Vec<u8> {
        &mut self.buf
    }

    /// What was appended from `start` on is one datagram, or several of
    /// `segment_size` bytes, for `path`.
    pub(super) fn commit(&mut self, path: Path, start: usize, segment_size: Option<usize>) {
        let end = self.buf.len();
        let len = end - start;
        if len == 0 {
            return;
        }
        let size = segment_size.unwrap_or(len);
        if let Some(run) = self.runs.last_mut() {
            let t = &mut run.transmit;
            let same_path = t.local == path.local && t.remote == path.remote;
            let run_size = t.segment_size.unwrap_or(t.range.len());
            if same_path && !run.closed && size == run_size && t.range.end == start {
                t.segment_size = Some(run_size);
                t.range.end = end;
                run.closed = !len.is_multiple_of(size);
                return;
            }
            if same_path && !run.closed && len < run_size && t.range.end == start {
                t.segment_size = Some(run_size);
                t.range.end = end;
                run.closed = true;
                return;
            }
        }
        self.runs.push(Run {
            transmit: Transmit {
                local: path.local,
                remote: path.remote,
                range: start..end,
                segment_size,
            },
            closed: !len.is_multiple_of(size),
        });
    }

    /// Whether it is time to send what is collected.
    pub(super) fn is_full(&self) -> bool {
        self.buf.len() >= FLUSH_AT
    }

    /// Sends everything that `socket` takes. What a full socket does not take
    /// is dropped and counted, as a router on the way would: waiting would
    /// hold up every peer for one.
    pub(super) fn flush(&mut self, socket: &UdpSocket) -> io::Result<()> {
        if self.runs.is_empty() {
            self.buf.clear();
            return Ok(());
        }
        self.transmits.clear();
        self.transmits
            .extend(self.runs.drain(..).map(|run| run.transmit));
        let mut at = 0;
        let mut retried = false;
        let result = loop {
            match socket.send_batch(&mut self.transmits[at..], &self.buf) {
                Ok(taken) => {
                    at += taken;
                    if at >= self.transmits.len() {
                        break Ok(());
                    }
                    if retried {
                        break Err(io::ErrorKind::WouldBlock.into());
                    }
                    retried = true;
                }
                Err(e) => break Err(e),
            }
        };
        if at < self.transmits.len() {
            let left = self.transmits[at..].iter();
            self.dropped += left.map(datagrams).sum::<u64>();
        }
        self.buf.clear();
        match result {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(()),
            other => other,
        }
    }

    /// How much is collected.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.buf.len()
    }

    /// Takes what is collected, a datagram each, in place of a socket.
    #[cfg(test)]
    pub(super) fn take_datagrams(&mut self) -> Vec<(Path, Vec<u8>)> {
        let mut taken = Vec::new();
        for run in self.runs.drain(..) {
            let Transmit {
                local,
                remote,
                range,
                segment_size,
            } = run.transmit;
            let bytes = &self.buf[range];
            let each = bytes.chunks(segment_size.unwrap_or(bytes.len()));
            taken.extend(each.map(|datagram| (Path { local, remote }, datagram.to_vec())));
        }
        self.buf.clear();
        taken
    }

    /// Datagrams dropped since the last call.
    pub(super) fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }
}

fn datagrams(t: &Transmit) -> u64 {
    t.range
        .len()
        .div_ceil(t.segment_size.unwrap_or(t.range.len()).max(1)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(port: u16) -> Path {
        Path {
            local: ([127, 0, 0, 1], 7082).into(),
            remote: ([127, 0, 0, 1], port).into(),
        }
    }

    fn push(egress: &mut Egress, port: u16, len: usize) {
        let start = egress.buf().len();
        egress.buf().resize(start + len, 0);
        egress.commit(path(port), start, None);
    }

    fn runs(egress: &Egress) -> Vec<(u16, usize, Option<usize>)> {
        let run = |r: &Run| {
            (
                r.transmit.remote.port(),
                r.transmit.range.len(),
                r.transmit.segment_size,
            )
        };
        egress.runs.iter().map(run).collect()
    }

    #[test]
    fn equal_datagrams_for_one_path_leave_together() {
        let mut egress = Egress::default();
        for len in [1000, 1000, 1000, 600, 1000] {
            push(&mut egress, 1, len);
        }
        assert_eq!(runs(&egress), [(1, 3600, Some(1000)), (1, 1000, None)]);
    }

    #[test]
    fn a_longer_one_or_another_path_begins_a_new_run() {
        let mut egress = Egress::default();
        push(&mut egress, 1, 100);
        push(&mut egress, 1, 101);
        push(&mut egress, 2, 101);
        assert_eq!(
            runs(&egress),
            [(1, 100, None), (1, 101, None), (2, 101, None)]
        );
    }

    #[test]
    fn segmented_pieces_join_only_where_whole() {
        let mut egress = Egress::default();
        let start = egress.buf().len();
        egress.buf().resize(start + 2500, 0);
        egress.commit(path(1), start, Some(1000));
        push(&mut egress, 1, 1000);
        assert_eq!(runs(&egress), [(1, 2500, Some(1000)), (1, 1000, None)]);
    }
}
