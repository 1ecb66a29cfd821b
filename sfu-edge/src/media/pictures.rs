//! Which picture was captured when, told to each subscriber in its own time: its timestamps go on over a
//! change of publishers, so what the device says of its own is shifted as they are.

use transom_control::wire::Picture;
use transom_rtc_proto::id::MediaTime;
use transom_rtc_proto::sdp::MediaKind;

use super::channels::Outgoing;
use super::stream::Stream;
use super::subscription::Subscription;

/// The message as a subscriber with these subscriptions must have it; `None` where it gets no pictures of
/// this publisher (yet), so that it would take the word for another's.
pub(super) fn as_seen(
    mut outgoing: Outgoing,
    stream: &Stream,
    subscriptions: &[Subscription],
) -> Option<Outgoing> {
    let picture = Picture::parse(&outgoing.data).ok()?;
    let published = stream.track(MediaKind::Video)?;
    let mut subscriptions = subscriptions.iter();
    let subscription = subscriptions.find(|s| s.kind == MediaKind::Video)?;
    let seen = subscription.as_seen(published, MediaTime(picture.rtp))?.0;
    // Most subscribers have the publisher's own timestamps, and share its message.
    if seen != picture.rtp {
        let picture = Picture {
            rtp: seen,
            ..picture
        };
        outgoing.data = picture.emit().to_vec().into();
    }
    Some(outgoing)
}
