//! What the ingress thread and the workers beside it say to each other.
//!
//! Three ways down, so that none can crowd another out: orders, which are never
//! lost and as many as there are commands of the control plane; fresh media and
//! what goes with it, of which what finds no room is lost and counted; and
//! datagrams, the same, which strangers can send. Notes come up an unbounded
//! queue: a worker says at most a word or two about each of those. Neither side
//! waits for the other.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use transom_rtc_proto::ice::Path;
use transom_rtc_proto::peer::{ClockReference, TrackId};
use transom_rtc_proto::sdp::{Codec, MediaKind};

use super::api::{PeerSetup, StreamKey};
use super::channels::{ChannelNote, Outgoing};
use super::mailbox::Bell;
use super::slab::Slab;

/// Orders and batches of media that may wait for a worker. At 30 pictures and 50
/// sounds a second of ten streams it is more than a second's; who is that late
/// loses pictures.
const ROOM: usize = 1024;

/// Datagrams that may wait for a worker: a second's reports of all its peers.
const DATAGRAMS: usize = 512;

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
    /// The publisher's clock, from a sender report of a track of this generation.
    Clock {
        stream: StreamKey,
        kind: MediaKind,
        generation: u32,
        clock: ClockReference,
    },
    /// Fresh packets of a stream.
    Media(Arc<Slab>),
    /// Say this on a channel of this worker's peer.
    Channel(Outgoing),
    /// Add one: it shows that the worker is at work.
    Knock(Arc<AtomicUsize>),
    /// End every session, then the thread.
    Shutdown,
}

/// A datagram for a peer of a worker's.
#[derive(Debug)]
pub(super) struct Parcel {
    pub(super) key: u32,
    pub(super) path: Path,
    pub(super) payload: Box<[u8]>,
}

/// A worker's end of its link.
#[derive(Debug)]
pub(super) struct Inbox {
    pub(super) orders: Receiver<Order>,
    pub(super) parcels: Receiver<Parcel>,
}

/// What a worker's world tells the ingress thread.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Note {
    /// A connectivity check of this peer came from there and is genuine.
    Validated { key: u32, remote: SocketAddr },
    /// Something genuine came of this peer; said once a second at most.
    Heard { key: u32 },
    /// The peer is gone; its key is free.
    Gone { key: u32 },
    /// A subscriber cannot go on without a key frame of this kind of track.
    KeyFrameWanted { stream: StreamKey, kind: MediaKind },
    /// Other tracks, or another publisher.
    TracksChanged { stream: StreamKey },
    /// The publisher's clock was set by a sender report.
    ClockSet { stream: StreamKey, kind: MediaKind },
    /// Something happened on a data channel. Counted by the [`Gauge`](super::channels::Gauge).
    Channel(Box<ChannelNote>),
}

/// The worker has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WorkerEnded;

/// The ingress thread's end of a worker.
#[derive(Debug)]
pub(super) struct Link {
    orders: SyncSender<Order>,
    parcels: SyncSender<Parcel>,
    /// Orders that found the queue full and must not be lost. Nothing overtakes them.
    waiting: VecDeque<Order>,
    /// Something was queued since the bell was rung.
    unheard: bool,
    /// Batches and datagrams that the worker was too slow for.
    dropped: u64,
    ended: bool,
    /// Behind the senders, and so dropped after them.
    bell: LastRing,
}

/// A bell that rings when it is let go of: a worker that sleeps learns of the
/// end of its queues.
#[derive(Debug)]
struct LastRing(Arc<Bell>);

impl Drop for LastRing {
    fn drop(&mut self) {
        self.0.ring();
    }
}

impl Link {
    /// A link, and the worker's end of it.
    pub(super) fn new(bell: Arc<Bell>) -> (Self, Inbox) {
        let (orders, ordered) = sync_channel(ROOM);
        let (parcels, posted) = sync_channel(DATAGRAMS);
        let link = Self {
            orders,
            parcels,
            waiting: VecDeque::new(),
            unheard: false,
            dropped: 0,
            ended: false,
            bell: LastRing(bell),
        };
        let inbox = Inbox {
            orders: ordered,
            parcels: posted,
        };
        (link, inbox)
    }

    /// Queues what must not be lost.
    pub(super) fn order(&mut self, order: Order) {
        self.waiting.push_back(order);
        self.push();
    }

    /// Queues what may be lost: a worker that is a second late is better off
    /// without. It is dropped and counted.
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

    /// Queues a datagram, if there is room.
    pub(super) fn post(&mut self, parcel: Parcel) {
        match self.parcels.try_send(parcel) {
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
            self.bell.0.ring();
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

    fn clock() -> Order {
        Order::ForgetStream {
            stream: StreamKey(1),
        }
    }

    fn parcel() -> Parcel {
        let any = ([127, 0, 0, 1], 1).into();
        Parcel {
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
        let (mut link, inbox) = Link::new(Arc::new(Bell::new(&poll).expect("a bell")));
        for _ in 0..ROOM + 5 {
            link.offer(clock());
        }
        link.order(Order::Remove { key: 7 });
        link.offer(clock());
        assert_eq!(link.take_dropped(), 6);
        assert_eq!(link.ring(), Ok(()));
        assert_eq!(inbox.orders.try_iter().count(), ROOM);
        link.offer(clock());
        let got: Vec<_> = inbox.orders.try_iter().collect();
        assert!(matches!(
            got[..],
            [Order::Remove { key: 7 }, Order::ForgetStream { .. }]
        ));
    }

    #[test]
    fn datagrams_take_no_room_of_others() {
        let poll = Poll::new().expect("a poll");
        let (mut link, inbox) = Link::new(Arc::new(Bell::new(&poll).expect("a bell")));
        for _ in 0..2 * DATAGRAMS {
            link.post(parcel());
        }
        assert_eq!(link.take_dropped(), DATAGRAMS as u64);
        link.offer(clock());
        assert_eq!(link.take_dropped(), 0);
        assert_eq!(inbox.orders.try_iter().count(), 1);
        assert_eq!(inbox.parcels.try_iter().count(), DATAGRAMS);
    }

    #[test]
    fn a_worker_that_has_ended_is_noticed() {
        let poll = Poll::new().expect("a poll");
        let (mut link, inbox) = Link::new(Arc::new(Bell::new(&poll).expect("a bell")));
        drop(inbox);
        link.order(Order::Shutdown);
        assert_eq!(link.ring(), Err(WorkerEnded));
    }
}
