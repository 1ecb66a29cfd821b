//! A worker beside the ingress thread: it seals and sends to its own share of
//! the subscribers. It never reads the port.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Sender, TryRecvError};

use mio::{Events, Poll};
use transom_rtc_proto::time::Instant;

use super::clock::Clock;
use super::link::{Inbox, Note, Order, Parcel};
use super::mailbox::Bell;
use super::turn::{LAST_WORDS, Turn, flush};
use super::world::World;

/// Orders obeyed before what is collected is sent: a burst of pictures that
/// waits is one batch, but nobody waits for ever.
const ORDERS_A_TURN: usize = 64;

/// Datagrams handled in a turn, behind the orders.
const PARCELS_A_TURN: usize = 64;

/// What the loop owns.
pub(super) struct WorkerThread {
    pub(super) poll: Poll,
    pub(super) inbox: Inbox,
    /// To the ingress thread, and what wakes it.
    pub(super) notes: Sender<Note>,
    pub(super) ingress: Arc<Bell>,
    pub(super) world: World,
    pub(super) turn: Turn,
    pub(super) clock: Clock,
}

impl WorkerThread {
    /// Runs until told to shut down, or until the ingress thread has ended.
    pub(super) fn run(mut self) {
        let mut ready = Events::with_capacity(4);
        let mut shutdown: Option<Instant> = None;
        let mut more = true;
        loop {
            let now = self.clock.now();
            let wait = match more {
                true => Some(std::time::Duration::ZERO),
                false => self.turn.wait(now, &mut self.world),
            };
            if let Err(error) = self.poll.poll(&mut ready, wait)
                && error.kind() != io::ErrorKind::Interrupted
            {
                tracing::error!(%error, "a worker cannot wait and ends");
                return;
            }
            let now = self.clock.now();
            let obeyed = self.obey(now);
            more = matches!(obeyed, Obeyed::More);
            if matches!(obeyed, Obeyed::Shutdown) && shutdown.is_none() {
                self.world.close_all(now);
                shutdown = Some(now + LAST_WORDS);
            }
            let (world, sockets) = (&mut self.world, &self.turn.sockets);
            world.select_due(now);
            world.fan_out(now, |egress| flush(egress, sockets));
            // What a check proves is known to the ingress thread before the
            // answer leaves: the next datagram may be here as soon as that.
            self.report();
            self.turn.finish(now, &mut self.world);
            self.report();
            if shutdown.is_some_and(|at| at <= now || !self.world.has_farewells()) {
                return;
            }
        }
    }

    fn obey(&mut self, now: Instant) -> Obeyed {
        for _ in 0..ORDERS_A_TURN {
            match self.inbox.orders.try_recv() {
                Ok(Order::Shutdown) | Err(TryRecvError::Disconnected) => return Obeyed::Shutdown,
                Ok(order) => obey(now, &mut self.world, order),
                Err(TryRecvError::Empty) => return self.open_parcels(now),
            }
        }
        self.open_parcels(now);
        Obeyed::More
    }

    fn open_parcels(&mut self, now: Instant) -> Obeyed {
        let mut opened = 0;
        for parcel in self.inbox.parcels.try_iter().take(PARCELS_A_TURN) {
            open(now, &mut self.world, parcel);
            opened += 1;
        }
        match opened < PARCELS_A_TURN {
            true => Obeyed::All,
            false => Obeyed::More,
        }
    }

    /// Tells the ingress thread what it has to know.
    fn report(&mut self) {
        if self.world.notes.is_empty() {
            return;
        }
        for note in self.world.notes.drain(..) {
            // It fails only where the ingress thread has ended.
            let _ = self.notes.send(note);
        }
        self.ingress.ring();
    }
}

/// Does what the ingress thread wants of a worker's world.
pub(super) fn obey(now: Instant, world: &mut World, order: Order) {
    match order {
        Order::AddSubscriber { key, setup } => world.add_subscriber(now, key, *setup),
        Order::Remove { key } => world.remove(now, key),
        Order::Tracks { stream, tracks } => world.set_tracks(stream, &tracks),
        Order::Past(slab) => world.take_slab(now, &slab, true),
        Order::Media(slab) => world.take_slab(now, &slab, false),
        Order::Channel(outgoing) => world.send_on_channel(outgoing),
        Order::ForgetStream { stream } => world.forget_stream(stream),
        Order::Clock {
            stream,
            kind,
            generation,
            clock,
        } => world.set_clock(stream, kind, generation, clock),
        Order::Knock(answers) => {
            answers.fetch_add(1, Ordering::Relaxed);
        }
        Order::Shutdown => world.close_all(now),
    }
}

/// Takes a datagram that the ingress thread passed on.
pub(super) fn open(now: Instant, world: &mut World, mut parcel: Parcel) {
    let Parcel { key, path, .. } = parcel;
    if world.handle_datagram(now, key, path, &mut parcel.payload) {
        world.note_heard(now, key);
    }
}

enum Obeyed {
    All,
    More,
    Shutdown,
}
