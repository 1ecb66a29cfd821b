//! Datagrams on their way out, collected so that many leave in one call.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use transom_rtc_proto::ice::Path;
use transom_rtc_udp::Transmit;

use super::udp_port::UdpPort;

/// Bytes collected before they are sent: a few GSO sends' worth.
const FLUSH_AT: usize = 192 * 1024;

/// Sealed datagrams lying one after the other, and where each run of them goes.
#[derive(Debug)]
pub(super) struct Egress {
    buf: Vec<u8>,
    runs: Vec<Run>,
    transmits: Vec<Transmit>,
    /// Where datagrams go.
    path: Path,
    /// No run of this path is open.
    begun: bool,
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

impl Default for Egress {
    fn default() -> Self {
        let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        Self {
            buf: Vec::new(),
            runs: Vec::new(),
            transmits: Vec::new(),
            path: Path {
                local: nowhere,
                remote: nowhere,
            },
            begun: true,
            dropped: 0,
        }
    }
}

impl Egress {
    /// The buffer to append one datagram to; then call [`Egress::commit`].
    pub(super) fn buf(&mut self) -> &mut Vec<u8> {
        &mut self.buf
    }

    /// Datagrams that follow by [`Egress::commit_more`] are for `path`.
    pub(super) fn begin(&mut self, path: Path) {
        self.path = path;
        let goes_on = self.runs.last().is_some_and(|run| {
            run.transmit.local == path.local && run.transmit.remote == path.remote
        });
        self.begun = !goes_on;
    }

    /// What was appended from `start` on is one datagram for the path that was begun.
    pub(super) fn commit_more(&mut self, start: usize) {
        self.put(start, None);
    }

    /// What was appended from `start` on is one datagram, or several of
    /// `segment_size` bytes, for `path`.
    pub(super) fn commit(&mut self, path: Path, start: usize, segment_size: Option<usize>) {
        self.begin(path);
        self.put(start, segment_size);
    }

    fn put(&mut self, start: usize, segment_size: Option<usize>) {
        let end = self.buf.len();
        let len = end - start;
        if len == 0 {
            return;
        }
        let size = segment_size.unwrap_or(len);
        let is_whole = len == size || len.is_multiple_of(size);
        // The first of a path begins a run of its own.
        let run = self
            .runs
            .last_mut()
            .filter(|run| !self.begun && !run.closed);
        if let Some(run) = run
            && run.transmit.range.end == start
        {
            let t = &mut run.transmit;
            let run_size = t.segment_size.unwrap_or(t.range.len());
            // Only the last one of a run may be shorter.
            if size == run_size || len < run_size {
                t.segment_size = Some(run_size);
                t.range.end = end;
                run.closed = !is_whole || len < run_size;
                return;
            }
        }
        self.begun = false;
        self.runs.push(Run {
            transmit: Transmit {
                local: self.path.local,
                remote: self.path.remote,
                range: start..end,
                segment_size,
            },
            closed: !is_whole,
        });
    }

    /// Whether it is time to send what is collected.
    pub(super) fn is_full(&self) -> bool {
        self.buf.len() >= FLUSH_AT
    }

    /// Sends everything that `sockets` take. What a full socket does not take
    /// is dropped and counted, as a router on the way would: waiting would
    /// hold up every peer for one.
    pub(super) fn flush(&mut self, sockets: &UdpPort) -> io::Result<()> {
        self.transmits.clear();
        self.transmits
            .extend(self.runs.drain(..).map(|run| run.transmit));
        let dropped = &mut self.dropped;
        let result = sockets.send(&mut self.transmits, &self.buf, |left| {
            *dropped += left.iter().map(datagrams).sum::<u64>();
        });
        self.buf.clear();
        result
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
