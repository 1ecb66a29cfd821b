//! What one subscriber gets of its stream.

use transom_rtc_proto::peer::Outgoing;
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
    /// When the peer wants to be called.
    pub(super) next_timeout: Option<Instant>,
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
    if let (true, Some(path)) = (slot.peer.is_connected(), slot.peer.path())
        && let Role::Subscriber(subscriptions) = &mut slot.role
    {
        egress.begin(path);
        for subscription in subscriptions {
            let Some(published) = stream.track(subscription.kind) else {
                continue;
            };
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
            if waited && let Some((track, clock)) = subscription.clock(published) {
                slot.peer.set_clock(track, clock);
            }
            outcome.catching_up |= subscription.is_catching_up();
            outcome.awaits_key_frame |= subscription.awaits_key_frame(published);
        }
    }
    outcome.next_timeout = slot.peer.poll_timeout().map(|(at, _)| at);
    outcome
}
