//! The machine's floor: the same packets at the same times, sealed and sent to
//! as many sockets, and nothing else. No server can do with less.

mod sealer;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use transom_rtc_udp::{RecvBatch, SocketConfig, Transmit, UdpSocket};

use crate::call::open_socket;
use crate::cipher::CipherKind;
use crate::clock::Clock;
use crate::process;
use crate::quantile::quantile;
use crate::schedule::{PublisherKind, Schedule, Slot};
use sealer::{FloorError, Sealer};

/// Bytes sealed before they are sent: as our server does it.
const FLUSH_AT: usize = 192 * 1024;

/// How long the receivers wait for what is on its way.
const DRAIN: Duration = Duration::from_millis(200);

/// What to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FloorConfig {
    pub(crate) subscribers: usize,
    pub(crate) publisher: PublisherKind,
    pub(crate) cipher: CipherKind,
    /// Time of one run.
    pub(crate) measure: Duration,
    pub(crate) runs: usize,
}

/// What one run gave.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FloorRun {
    pub(crate) sent: u64,
    pub(crate) received: u64,
    /// Of the sending thread.
    pub(crate) cpu: Duration,
    pub(crate) took: Duration,
}

impl FloorRun {
    /// CPU time a packet, microseconds.
    #[allow(clippy::cast_precision_loss)] // packets of one run
    pub(crate) fn us_per_packet(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.sent.max(1) as f64
    }
}

/// All runs, and the one in the middle.
#[derive(Clone, Debug)]
pub(crate) struct FloorOutcome {
    pub(crate) runs: Vec<FloorRun>,
}

impl FloorOutcome {
    /// Median, least and most of the CPU time a packet, microseconds.
    pub(crate) fn us_per_packet(&self) -> (f64, f64, f64) {
        let mut us: Vec<f64> = self.runs.iter().map(FloorRun::us_per_packet).collect();
        let mut at = |share| quantile(&mut us, share).unwrap_or(0.0);
        (at(0.5), at(0.0), at(1.0))
    }
}

/// Runs it.
pub(crate) fn run(config: &FloorConfig) -> Result<FloorOutcome, FloorError> {
    let runs = (0..config.runs.max(1)).map(|_| run_once(config));
    Ok(FloorOutcome {
        runs: runs.collect::<Result<_, _>>()?,
    })
}

fn run_once(config: &FloorConfig) -> Result<FloorRun, FloorError> {
    let sockets = (0..config.subscribers).map(|_| open_socket());
    let sockets = sockets.collect::<io::Result<Vec<_>>>()?;
    let mut receivers = Vec::new();
    for (index, socket) in sockets.iter().enumerate() {
        receivers.push(Receiver {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, socket.local_addr().port())),
            sealer: Sealer::new(config.cipher.profile_of(index))?,
        });
    }
    let drain = Drain::start(sockets)?;
    let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let sender = Sender {
        socket: UdpSocket::bind(any, &SocketConfig::default())?,
        receivers,
        payload: [0x5a; 1500],
        buf: Vec::with_capacity(2 * FLUSH_AT),
        transmits: Vec::new(),
        sent: 0,
    };
    let schedule = Schedule::of(config.publisher);
    let measure = config.measure;
    // A thread of its own, so that its CPU time is that of the work alone.
    let work = thread::spawn(move || sender.run(&schedule, measure));
    let (sent, cpu, took) = work.join().map_err(|_| FloorError::Panicked)??;
    thread::sleep(DRAIN);
    Ok(FloorRun {
        sent,
        received: drain.end()?,
        cpu,
        took,
    })
}

struct Receiver {
    address: SocketAddr,
    sealer: Sealer,
}

struct Sender {
    socket: UdpSocket,
    receivers: Vec<Receiver>,
    /// What every packet holds, as much of it as it is long: nobody opens them.
    payload: [u8; 1500],
    buf: Vec<u8>,
    transmits: Vec<Transmit>,
    sent: u64,
}

impl Sender {
    fn run(
        mut self,
        schedule: &Schedule,
        measure: Duration,
    ) -> Result<(u64, Duration, Duration), FloorError> {
        let clock = Clock::new();
        let begun = clock.now();
        let mut walk = schedule.walk();
        let mut batch: Vec<Slot> = Vec::new();
        let cpu = process::own_thread();
        loop {
            let due = clock.now().since(begun);
            if due >= measure {
                break;
            }
            batch.clear();
            batch.extend(std::iter::from_fn(|| walk.take(due)));
            if !batch.is_empty() {
                self.fan_out(&batch)?;
            }
            thread::sleep(walk.next_at().saturating_sub(clock.now().since(begun)));
        }
        let cpu = process::own_thread().saturating_sub(cpu);
        Ok((self.sent, cpu, clock.now().since(begun)))
    }

    fn fan_out(&mut self, batch: &[Slot]) -> Result<(), FloorError> {
        for at in 0..self.receivers.len() {
            let Some(receiver) = self.receivers.get_mut(at) else {
                break;
            };
            let mut run: Option<Transmit> = None;
            for slot in batch {
                let start = self.buf.len();
                let payload = self.payload.get(..slot.len).unwrap_or(&self.payload);
                receiver.sealer.seal(&mut self.buf, slot, payload)?;
                let end = self.buf.len();
                self.sent += 1;
                match &mut run {
                    Some(run) if run.segment_size == Some(end - start) => run.range.end = end,
                    _ => self.transmits.extend(run.replace(Transmit {
                        local: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
                        remote: receiver.address,
                        range: start..end,
                        segment_size: Some(end - start),
                    })),
                }
            }
            self.transmits.extend(run);
            if self.buf.len() >= FLUSH_AT {
                self.flush()?;
            }
        }
        self.flush()
    }

    fn flush(&mut self) -> Result<(), FloorError> {
        let mut at = 0;
        while let Some(left) = self.transmits.get_mut(at..).filter(|l| !l.is_empty()) {
            at += self.socket.send_batch(left, &self.buf)?;
        }
        self.transmits.clear();
        self.buf.clear();
        Ok(())
    }
}

/// Takes and counts what the sender sends, on a thread of its own.
struct Drain {
    stop: Arc<AtomicBool>,
    received: Arc<AtomicU64>,
    thread: JoinHandle<io::Result<()>>,
}

impl Drain {
    fn start(sockets: Vec<UdpSocket>) -> io::Result<Self> {
        let mut poll = Poll::new()?;
        for (index, socket) in sockets.iter().enumerate() {
            let fd = socket.as_raw_fd();
            let registry = poll.registry();
            registry.register(&mut SourceFd(&fd), Token(index), Interest::READABLE)?;
        }
        let stop = Arc::new(AtomicBool::new(false));
        let received = Arc::new(AtomicU64::new(0));
        let (told, count) = (Arc::clone(&stop), Arc::clone(&received));
        let thread = thread::spawn(move || {
            let mut ready = Events::with_capacity(1024);
            let mut batch = RecvBatch::new(64, 2048);
            while !told.load(Ordering::Relaxed) {
                poll.poll(&mut ready, Some(Duration::from_millis(20)))?;
                for event in &ready {
                    let Some(socket) = sockets.get(event.token().0) else {
                        continue;
                    };
                    while let Ok(datagrams) = socket.recv(&mut batch) {
                        count.fetch_add(datagrams as u64, Ordering::Relaxed);
                        if !batch.is_full() {
                            break;
                        }
                    }
                }
            }
            Ok(())
        });
        Ok(Self {
            stop,
            received,
            thread,
        })
    }

    fn end(self) -> Result<u64, FloorError> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| FloorError::Panicked)??;
        Ok(self.received.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_arrives_whichever_the_cipher() {
        for (publisher, cipher) in [
            (PublisherKind::Burst, CipherKind::Gcm),
            (PublisherKind::Paced, CipherKind::Cm),
            (PublisherKind::Chromium, CipherKind::Mixed),
        ] {
            let outcome = run(&FloorConfig {
                subscribers: 3,
                publisher,
                cipher,
                measure: Duration::from_millis(300),
                runs: 1,
            });
            let run = outcome.expect("runs").runs[0];
            assert!(run.sent > 3 * 30, "{run:?}");
            assert_eq!(run.received, run.sent);
        }
    }
}
