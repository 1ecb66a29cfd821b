//! All subscribers, on one thread: an epoll loop over their sockets.

use std::io;
use std::os::fd::AsRawFd;
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
    pub(crate) posted: Instant,
    pub(crate) answered: Instant,
}

/// What is known when it is over.
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
    thread: JoinHandle<io::Result<Farewell>>,
}

enum Command {
    Join(Box<Seat>, oneshot::Sender<Result<(), CloseReason>>),
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
            subscribers: Vec::new(),
            bell: Arc::new(Bell {
                rung: Mutex::default(),
                waker: Arc::clone(&waker),
            }),
            tally: Tally::default(),
        };
        let thread = thread::Builder::new().name("subscribers".into());
        Ok(Self {
            commands,
            waker,
            thread: thread.spawn(move || room.run())?,
        })
    }

    /// Lets one more in; says when its first RTP packet is here.
    pub(crate) fn join(&self, seat: Seat) -> oneshot::Receiver<Result<(), CloseReason>> {
        let (sender, first_rtp) = oneshot::channel();
        self.command(Command::Join(Box::new(seat), sender));
        first_rtp
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
    rung: Mutex<Vec<usize>>,
    waker: Arc<Waker>,
}

impl Bell {
    fn ring(&self, index: usize) {
        let mut rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        rung.push(index);
        let _ = self.waker.wake();
    }

    fn take(&self) -> Vec<usize> {
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
    subscribers: Vec<Subscriber>,
    bell: Arc<Bell>,
    tally: Tally,
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
                if let Some(subscriber) = self.subscribers.get_mut(event.token().0) {
                    // Each by its own time: a round of hundreds takes milliseconds.
                    let now = self.clock.now();
                    subscriber.receive(now, &mut batch, &mut self.tally)?;
                }
            }
            let now = self.clock.now();
            for index in self.bell.take() {
                if let Some(subscriber) = self.subscribers.get_mut(index) {
                    subscriber.settle(now, &mut self.tally)?;
                }
            }
            if self.obey(now)? {
                return self.farewell(now);
            }
            if now >= tick {
                for subscriber in &mut self.subscribers {
                    subscriber.handle_timeout(now, &mut self.tally)?;
                }
                tick = now + TICK;
            }
        }
    }

    /// Whether it is time to go.
    fn obey(&mut self, now: Instant) -> io::Result<bool> {
        while let Ok(command) = self.commands.try_recv() {
            match command {
                Command::Join(seat, first_rtp) => self.join(now, *seat, first_rtp)?,
                Command::Mark(done) => {
                    self.tally = Tally::default();
                    self.subscribers.iter_mut().for_each(Subscriber::mark);
                    let _ = done.send(());
                }
                Command::Read(reply) => {
                    let mut tally = self.tally.clone();
                    for subscriber in &self.subscribers {
                        subscriber.sum_up(&mut tally);
                    }
                    let _ = reply.send(tally);
                }
                Command::End => return Ok(true),
            }
        }
        Ok(false)
    }

    fn join(
        &mut self,
        now: Instant,
        seat: Seat,
        first_rtp: oneshot::Sender<Result<(), CloseReason>>,
    ) -> io::Result<()> {
        let index = self.subscribers.len();
        let bell = Arc::clone(&self.bell);
        let config = SubscriberConfig {
            certificate: seat.certificate,
            profile: seat.profile,
            loss_ppm: seat.loss_ppm,
            posted: seat.posted,
            answered: seat.answered,
            wake: Arc::new(move || bell.ring(index)),
            first_rtp,
        };
        let mut subscriber = Subscriber::new(now, &self.runtime, seat.link, config);
        let fd = subscriber.socket().as_raw_fd();
        let mut source = SourceFd(&fd);
        let registry = self.poll.registry();
        registry.register(&mut source, Token(index), Interest::READABLE)?;
        subscriber.settle(now, &mut self.tally)?; // the first checks leave
        self.subscribers.push(subscriber);
        Ok(())
    }

    fn farewell(mut self, now: Instant) -> io::Result<Farewell> {
        let mut farewell = Farewell::default();
        for subscriber in &mut self.subscribers {
            farewell.joins.push(subscriber.join());
            farewell.closed.extend(subscriber.closed());
            farewell.transport_cc += usize::from(subscriber.has_transport_cc());
            subscriber.close(now)?;
        }
        Ok(farewell)
    }
}
