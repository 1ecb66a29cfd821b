//! What the ingress thread and the workers beside it say to each other.
//!
//! Orders go down a bounded queue, notes come up an unbounded one whose length
//! the orders bound: a worker says at most a few words about each. Neither side
//! waits for the other.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use transom_rtc_proto::ice::Path;
use transom_rtc_proto::peer::{ClockReference, TrackId};
use transom_rtc_proto::sdp::{Codec, MediaKind};

use super::api::{PeerSetup, StreamKey};
use super::mailbox::Bell;
use super::slab::Slab;

/// Orders that may wait for a worker. At 30 pictures and 50 sounds a second of
/// ten streams it is more than a second's; who is that late loses pictures.
const ROOM: usize = 1024;

/// A published track as a worker that does not have its publisher is told of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct TrackHead {
    pub(super) kind: MediaKind,
    pub(super) codec: Codec,
    pub(super) id: TrackId,
    pub(super) generation: u32,
}

/// What a worker is told.
#[derive(Debug)]
pub(super) enum Order {
    /// Make this peer.
    AddSubscriber { key: u32, setup: Box<PeerSetup> },
    /// End this peer.
    Remove { key: u32 },
    /// The stream has these tracks from now on.
    Tracks {
        stream: StreamKey,
        tracks: Vec<TrackHead>,
    },
    /// What a late joiner begins with: not to be sent to those who are there.
    Past(Arc<Slab>),
    /// Nobody of this worker's reads the stream any more.
    ForgetStream { stream: StreamKey },
    /// The publisher's clock, from a sender report of a track.
    Clock {
        stream: StreamKey,
        kind: MediaKind,
        clock: ClockReference,
    },
    /// A datagram for a peer.
    Datagram {
        key: u32,
        path: Path,
        payload: Box<[u8]>,
    },
    /// Fresh packets of a stream.
    Media(Arc<Slab>),
    /// End every session, then the thread.
    Shutdown,
}

/// What a worker's world tells the ingress thread.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Note {
    /// A connectivity check of this peer came from there and is genuine.
    Validated { key: u32, remote: SocketAddr },
    /// The peer is gone; its key is free.
    Gone { key: u32 },
    /// A subscriber cannot go on without a key frame of this kind of track.
    KeyFrameWanted { stream: StreamKey, kind: MediaKind },
    /// Other tracks, or another publisher.
    TracksChanged { stream: StreamKey },
    /// The publisher's clock was set by a sender report.
    ClockSet { stream: StreamKey, kind: MediaKind },
}

/// The worker has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WorkerEnded;

/// The ingress thread's end of a worker.
#[derive(Debug)]
pub(super) struct Link {
    orders: SyncSender<Order>,
    bell: Arc<Bell>,
    /// Orders that found the queue full and must not be lost. Nothing overtakes them.
    waiting: VecDeque<Order>,
    /// Something was queued since the bell was rung.
    unheard: bool,
    /// Packets and datagrams that the worker was too slow for.
    dropped: u64,
    ended: bool,
}

impl Link {
    /// A link, and the worker's end of it.
    pub(super) fn new(bell: Arc<Bell>) -> (Self, Receiver<Order>) {
        let (orders, receiver) = sync_channel(ROOM);
        let link = Self {
            orders,
            bell,
            waiting: VecDeque::new(),
            unheard: false,
            dropped: 0,
            ended: false,
        };
        (link, receiver)
    }

    /// Queues what must not be lost.
    pub(super) fn order(&mut self, order: Order) {
        self.waiting.push_back(order);
        self.push();
    }

    /// Queues what may be lost: a worker that is a second late is better off
    /// without. Packets are dropped and counted.
    pub(super) fn offer(&mut self, order: Order) {
        self.push();
        if !self.waiting.is_empty() {
            self.dropped += 1;
            return;
        }
        match self.orders.try_send(order) {
            Ok(()) => self.unheard = true,
            Err(TrySendError::Full(_)) => self.dropped += 1,
            Err(TrySendError::Disconnected(_)) => self.ended = true,
        }
    }

    /// Queues what waits, as far as there is room.
    fn push(&mut self) {
        while let Some(order) = self.waiting.pop_front() {
            match self.orders.try_send(order) {
                Ok(()) => self.unheard = true,
                Err(TrySendError::Full(order)) => {
                    self.waiting.push_front(order);
                    return;
                }
                Err(TrySendError::Disconnected(_)) => {
                    self.ended = true;
                    return;
                }
            }
        }
    }

    /// Wakes the worker if there is something new for it.
    pub(super) fn ring(&mut self) -> Result<(), WorkerEnded> {
        self.push();
        if std::mem::take(&mut self.unheard) {
            self.bell.ring();
        }
        if self.ended { Err(WorkerEnded) } else { Ok(()) }
    }

    /// What was lost since the last call.
    pub(super) fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }
}

#[cfg(test)]
mod tests {
    use mio::Poll;

    use super::*;

    fn datagram() -> Order {
        let any = ([127, 0, 0, 1], 1).into();
        Order::Datagram {
            key: 0,
            path: Path {
                local: any,
                remote: any,
            },
            payload: Box::default(),
        }
    }

    #[test]
    fn orders_survive_a_full_queue_and_offers_do_not() {
        let poll = Poll::new().expect("a poll");
        let (mut link, orders) = Link::new(Arc::new(Bell::new(&poll).expect("a bell")));
        for _ in 0..ROOM + 5 {
            link.offer(datagram());
        }
        link.order(Order::Remove { key: 7 });
        link.offer(datagram());
        assert_eq!(link.take_dropped(), 6);
        assert_eq!(link.ring(), Ok(()));
        assert_eq!(orders.try_iter().count(), ROOM);
        link.offer(datagram());
        let got: Vec<_> = orders.try_iter().collect();
        assert!(matches!(
            got[..],
            [Order::Remove { key: 7 }, Order::Datagram { .. }]
        ));
    }

    #[test]
    fn a_worker_that_has_ended_is_noticed() {
        let poll = Poll::new().expect("a poll");
        let (mut link, orders) = Link::new(Arc::new(Bell::new(&poll).expect("a bell")));
        drop(orders);
        link.order(Order::Shutdown);
        assert_eq!(link.ring(), Err(WorkerEnded));
    }
}
