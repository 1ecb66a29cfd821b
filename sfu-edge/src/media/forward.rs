//! What one subscriber gets of its stream.

use transom_rtc_proto::peer::{Outgoing, WarmStep};
use transom_rtc_proto::time::Instant;

use super::egress::Egress;
use super::peers::{Peers, Role};
use super::stream::Stream;

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

/// Subscribers whose state is fetched at once: enough for their misses to
/// overlap, few enough to stay in the cache until it is their turn.
pub(super) const WARMED: usize = 16;

/// Reads what forwarding to these subscribers will read, so that it is in the
/// cache when their turn comes. Step by step: what a pointer leads to can be
/// asked for only when the pointer is here, and asked for all together the
/// misses of a step are one wait.
pub(super) fn warm<'a>(stream: &Stream, peers: &Peers, keys: impl Iterator<Item = &'a u32>) {
    let mut seen = 0;
    let mut slots = [None; WARMED];
    for (slot, key) in slots.iter_mut().zip(keys) {
        *slot = peers.get(*key);
    }
    let slots = slots.iter().flatten();
    for slot in slots.clone() {
        let path = slot.media_path;
        seen ^= path.map_or(0, |p| u64::from(p.local.port() ^ p.remote.port()));
        seen ^= slot.peer.warm(WarmStep::Peer) ^ u64::from(slot.is_publisher());
    }
    for slot in slots.clone() {
        seen ^= slot.peer.warm(WarmStep::Srtp);
        for subscription in slot.subscriptions() {
            seen ^= subscription.warm();
        }
    }
    for step in [WarmStep::Track, WarmStep::Keys] {
        for slot in slots.clone() {
            for subscription in slot.subscriptions() {
                let published = stream.track(subscription.kind);
                if published.is_some_and(|p| subscription.has_work(p)) {
                    seen ^= slot.peer.warm(step(subscription.track));
                }
            }
        }
    }
    std::hint::black_box(seen);
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
