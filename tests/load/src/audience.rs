//! All subscribers, on one thread: an epoll loop over their sockets.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use transom_rtc_dtls::Certificate;
use transom_rtc_proto::peer::CloseReason;
use transom_rtc_proto::port::SrtpProfile;
use transom_rtc_proto::time::Instant;
use transom_rtc_udp::RecvBatch;

use crate::call::Link;
use crate::clock::Clock;
use crate::rogue::Rogue;
use crate::subscriber::{JoinTimes, Subscriber, SubscriberConfig};
use crate::tally::Tally;

/// What wakes the loop that is no subscriber.
const BELL: Token = Token(usize::MAX);

/// How often timers are looked at: finer than any feedback needs.
const TICK: Duration = Duration::from_millis(5);

/// Datagrams taken in one call, and the longest that is expected.
const BATCH: usize = 64;
const DATAGRAM: usize = 2048;

/// One more subscriber.
pub(crate) struct Seat {
    pub(crate) link: Link,
    pub(crate) certificate: Certificate,
    pub(crate) profile: SrtpProfile,
    pub(crate) loss_ppm: u32,
    pub(crate) rogue: Option<Rogue>,
    pub(crate) posted: Instant,
    pub(crate) answered: Instant,
}

/// Which subscriber; none has the number of another that left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SeatNo(usize);

/// What is known when it is over, of all but rogues.
#[derive(Debug, Default)]
pub(crate) struct Farewell {
    pub(crate) joins: Vec<JoinTimes>,
    /// Subscribers that the server ended, or that ended otherwise.
    pub(crate) closed: Vec<CloseReason>,
    /// Subscribers that send transport-wide feedback.
    pub(crate) transport_cc: usize,
}

/// The subscribers.
pub(crate) struct Audience {
    commands: Sender<Command>,
    waker: Arc<Waker>,
    next: AtomicUsize,
    thread: JoinHandle<io::Result<Farewell>>,
}

enum Command {
    Join(SeatNo, Box<Seat>, oneshot::Sender<Result<(), CloseReason>>),
    Leave(SeatNo),
    Mark(Sender<()>),
    Read(Sender<Tally>),
    End,
}

impl Audience {
    /// Nobody, yet.
    pub(crate) fn start(runtime: Handle, clock: Clock) -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), BELL)?);
        let (commands, receiver) = mpsc::channel();
        let room = Room {
            poll,
            runtime,
            clock,
            commands: receiver,
            subscribers: BTreeMap::new(),
            asleep: Vec::new(),
            farewell: Farewell::default(),
            bell: Arc::new(Bell {
                rung: Mutex::default(),
                waker: Arc::clone(&waker),
            }),
            tally: Tally::default(),
            rogues_tally: Tally::default(),
        };
        let thread = thread::Builder::new().name("subscribers".into());
        Ok(Self {
            commands,
            waker,
            next: AtomicUsize::new(0),
            thread: thread.spawn(move || room.run())?,
        })
    }

    /// Lets one more in; says when its first RTP packet is here.
    pub(crate) fn join(&self, seat: Seat) -> (SeatNo, oneshot::Receiver<Result<(), CloseReason>>) {
        let number = SeatNo(self.next.fetch_add(1, Ordering::Relaxed));
        let (sender, first_rtp) = oneshot::channel();
        self.command(Command::Join(number, Box::new(seat), sender));
        (number, first_rtp)
    }

    /// Lets one go.
    pub(crate) fn leave(&self, number: SeatNo) {
        self.command(Command::Leave(number));
    }

    /// Begins to count.
    pub(crate) fn mark(&self) {
        let (sender, done) = mpsc::channel();
        self.command(Command::Mark(sender));
        let _ = done.recv(); // where the thread is gone, `end` says why
    }

    /// What was counted since the mark.
    pub(crate) fn read(&self) -> Tally {
        let (sender, tally) = mpsc::channel();
        self.command(Command::Read(sender));
        tally.recv().unwrap_or_default()
    }

    /// Says goodbye for all.
    pub(crate) fn end(self) -> io::Result<Farewell> {
        self.command(Command::End);
        let ended = self.thread.join();
        ended.unwrap_or_else(|_| Err(io::Error::other("the subscribers' thread panicked")))
    }

    fn command(&self, command: Command) {
        // Where the thread is gone, `end` says why.
        let _ = self.commands.send(command);
        let _ = self.waker.wake();
    }
}

/// Which DTLS neighbours have something to say.
struct Bell {
    rung: Mutex<Vec<SeatNo>>,
    waker: Arc<Waker>,
}

impl Bell {
    fn ring(&self, number: SeatNo) {
        let mut rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        rung.push(number);
        let _ = self.waker.wake();
    }

    fn take(&self) -> Vec<SeatNo> {
        let mut rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *rung)
    }
}

/// What the thread owns.
struct Room {
    poll: Poll,
    runtime: Handle,
    clock: Clock,
    commands: Receiver<Command>,
    subscribers: BTreeMap<SeatNo, Subscriber>,
    /// Rogues that are slow: their sockets stay open, and nobody reads them.
    asleep: Vec<Subscriber>,
    farewell: Farewell,
    bell: Arc<Bell>,
    tally: Tally,
    /// What rogues see, which is of no interest.
    rogues_tally: Tally,
}

impl Room {
    fn run(mut self) -> io::Result<Farewell> {
        let mut ready = Events::with_capacity(1024);
        let mut batch = RecvBatch::new(BATCH, DATAGRAM);
        let mut tick = self.clock.now();
        loop {
            let wait = tick.since(self.clock.now());
            if let Err(error) = self.poll.poll(&mut ready, Some(wait))
                && error.kind() != io::ErrorKind::Interrupted
            {
                return Err(error);
            }
            for event in &ready {
                // Each by its own time: a round of hundreds takes milliseconds.
                let now = self.clock.now();
                self.with(SeatNo(event.token().0), |subscriber, tally| {
                    subscriber.receive(now, &mut batch, tally)
                })?;
            }
            let now = self.clock.now();
            for number in self.bell.take() {
                self.with(number, |subscriber, tally| subscriber.settle(now, tally))?;
            }
            if self.obey(now)? {
                for number in self.numbers() {
                    self.leave(now, number)?;
                }
                return Ok(self.farewell);
            }
            if now >= tick {
                for subscriber in self.subscribers.values_mut() {
                    let tally = match subscriber.rogue() {
                        None => &mut self.tally,
                        Some(_) => &mut self.rogues_tally,
                    };
                    subscriber.handle_timeout(now, tally)?;
                }
                tick = now + TICK;
            }
        }
    }

    /// Does something with a subscriber and the tally that it counts in, if it is
    /// still here.
    fn with(
        &mut self,
        number: SeatNo,
        f: impl FnOnce(&mut Subscriber, &mut Tally) -> io::Result<()>,
    ) -> io::Result<()> {
        let Some(subscriber) = self.subscribers.get_mut(&number) else {
            return Ok(());
        };
        let tally = match subscriber.rogue() {
            None => &mut self.tally,
            Some(_) => &mut self.rogues_tally,
        };
        f(subscriber, tally)
    }

    fn numbers(&self) -> Vec<SeatNo> {
        self.subscribers.keys().copied().collect()
    }

    /// Whether it is time to go.
    fn obey(&mut self, now: Instant) -> io::Result<bool> {
        while let Ok(command) = self.commands.try_recv() {
            match command {
                Command::Join(number, seat, first_rtp) => {
                    self.join(now, number, *seat, first_rtp)?;
                }
                Command::Leave(number) => self.leave(now, number)?,
                Command::Mark(done) => {
                    self.mark(now)?;
                    let _ = done.send(());
                }
                Command::Read(reply) => {
                    let mut tally = self.tally.clone();
                    let subscribers = self.subscribers.values();
                    for subscriber in subscribers.filter(|s| s.rogue().is_none()) {
                        subscriber.sum_up(&mut tally);
                    }
                    let _ = reply.send(tally);
                }
                Command::End => return Ok(true),
            }
        }
        Ok(false)
    }

    fn mark(&mut self, now: Instant) -> io::Result<()> {
        self.tally = Tally::default();
        for number in self.numbers() {
            let Some(subscriber) = self.subscribers.get_mut(&number) else {
                continue;
            };
            subscriber.mark(now);
            let rogue = subscriber.rogue();
            if !matches!(rogue, Some(Rogue::Dead | Rogue::Slow)) {
                continue;
            }
            let Some(subscriber) = self.subscribers.remove(&number) else {
                continue;
            };
            self.deregister(&subscriber)?;
            if rogue == Some(Rogue::Slow) {
                self.asleep.push(subscriber);
            }
        }
        Ok(())
    }

    fn join(
        &mut self,
        now: Instant,
        number: SeatNo,
        seat: Seat,
        first_rtp: oneshot::Sender<Result<(), CloseReason>>,
    ) -> io::Result<()> {
        let bell = Arc::clone(&self.bell);
        let config = SubscriberConfig {
            certificate: seat.certificate,
            profile: seat.profile,
            loss_ppm: seat.loss_ppm,
            rogue: seat.rogue,
            posted: seat.posted,
            answered: seat.answered,
            wake: Arc::new(move || bell.ring(number)),
            first_rtp,
        };
        let subscriber = Subscriber::new(now, &self.runtime, seat.link, config);
        let fd = subscriber.socket().as_raw_fd();
        let mut source = SourceFd(&fd);
        let registry = self.poll.registry();
        registry.register(&mut source, Token(number.0), Interest::READABLE)?;
        self.subscribers.insert(number, subscriber);
        // The first checks leave.
        self.with(number, |subscriber, tally| subscriber.settle(now, tally))
    }

    fn leave(&mut self, now: Instant, number: SeatNo) -> io::Result<()> {
        let Some(mut subscriber) = self.subscribers.remove(&number) else {
            return Ok(());
        };
        self.deregister(&subscriber)?;
        if subscriber.rogue().is_none() {
            let farewell = &mut self.farewell;
            farewell.joins.push(subscriber.join());
            farewell.closed.extend(subscriber.closed());
            farewell.transport_cc += usize::from(subscriber.has_transport_cc());
        }
        subscriber.close(now)
    }

    fn deregister(&self, subscriber: &Subscriber) -> io::Result<()> {
        let fd = subscriber.socket().as_raw_fd();
        self.poll.registry().deregister(&mut SourceFd(&fd))
    }
}
