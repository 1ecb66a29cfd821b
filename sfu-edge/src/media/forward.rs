//! What one subscriber gets of its stream.

use transom_rtc_prefetch::prefetch_line;
use transom_rtc_proto::peer::{Outgoing, PrefetchStep};
use transom_rtc_proto::time::Instant;

use super::egress::Egress;
use super::peers::{PeerSlot, Peers, Role};
use super::stream::Stream;
use super::subscription::Subscription;

/// What came of forwarding to one subscriber.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Forwarded {
    /// Nothing of the picture can be shown before a key frame comes.
    pub(super) awaits_key_frame: bool,
    /// More of the past is to be sent.
    pub(super) catching_up: bool,
    /// When the peer wants to be called, where that has become another time.
    pub(super) rearmed: Option<Instant>,
}

/// How many subscribers lie between one step of fetching ahead and the next: time enough for
/// memory to come, and not so many that what has come is driven out again.
const STRIDE: usize = 4;

/// How far ahead of being forwarded to a subscriber is first thought of.
pub(super) const LEAD: usize = 4 * STRIDE;

/// Asks for the memory that forwarding will read: of the subscriber at `place` of the stream's
/// list the first thing, and of those before it what the former steps have led to, so that
/// nothing is waited for when the turn of one comes, [`LEAD`] places later.
pub(super) fn prefetch(stream: &Stream, peers: &Peers, place: usize) {
    let slot = |steps: usize| {
        let key = stream.subscribers.get(place.checked_sub(steps * STRIDE)?)?;
        peers.get(*key)
    };
    if let Some(slot) = slot(0) {
        prefetch_line(&slot.media_path);
        prefetch_line(&slot.role);
        slot.peer.prefetch(PrefetchStep::Peer);
    }
    if let Some(slot) = slot(1) {
        slot.peer.prefetch(PrefetchStep::Srtp);
        for subscription in slot.subscriptions() {
            subscription.prefetch_work();
        }
    }
    if let Some(slot) = slot(2) {
        for subscription in at_work(stream, slot) {
            subscription.prefetch_numbers();
            slot.peer.prefetch(PrefetchStep::Track(subscription.track));
        }
    }
    if let Some(slot) = slot(3) {
        for subscription in at_work(stream, slot) {
            slot.peer.prefetch(PrefetchStep::Keys(subscription.track));
        }
    }
}

/// The subscriptions that get something now: sound comes between pictures.
fn at_work<'a>(stream: &'a Stream, slot: &'a PeerSlot) -> impl Iterator<Item = &'a Subscription> {
    let subscriptions = slot.subscriptions().iter();
    subscriptions.filter(|s| stream.track(s.kind).is_some_and(|track| s.has_work(track)))
}

/// Forwards to one subscriber what it is to get of its stream now.
pub(super) fn forward(
    now: Instant,
    stream: &Stream,
    peers: &mut Peers,
    key: u32,
    egress: &mut Egress,
) -> Forwarded {
    let mut outcome = Forwarded::default();
    let Some(slot) = peers.get_mut(key) else {
        return outcome;
    };
    let (Some(path), Role::Subscriber(subscriptions)) = (slot.media_path, &mut slot.role) else {
        return outcome;
    };
    egress.begin(path);
    let mut has_armed = false;
    for subscription in subscriptions {
        let Some(published) = stream.track(subscription.kind) else {
            continue;
        };
        // Sound comes between pictures: what has nothing to send is not even touched.
        if !subscription.has_work(published) {
            continue;
        }
        let waited = !subscription.is_live(published);
        let Ok(mut forwarder) = slot.peer.forwarder(now, subscription.track) else {
            continue;
        };
        for (packet, padding) in subscription.next_batch(now, published) {
            let Some(packet) = subscription.outgoing(now, published, &packet) else {
                continue;
            };
            let packet = Outgoing { padding, ..packet };
            let start = egress.buf().len();
            match forwarder.forward(&packet, egress.buf()) {
                Ok(_) => egress.commit_more(start),
                Err(_) => subscription.dropped += 1,
            }
        }
        has_armed |= forwarder.has_armed();
        if waited && let Some((track, clock)) = subscription.clock(published) {
            slot.peer.set_clock(track, clock);
        }
        outcome.catching_up |= subscription.is_catching_up();
        outcome.awaits_key_frame |= subscription.awaits_key_frame(published);
    }
    if has_armed {
        outcome.rearmed = slot.peer.poll_timeout().map(|(at, _)| at);
    }
    outcome
}
