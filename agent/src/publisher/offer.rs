//! What a feed has to offer.

use transom_rtc_proto::sdp::{Codec, Direction, MediaKind, ProfileLevelId};
use transom_rtc_tokio::call::CallTrack;

use crate::publish::MediaFeed;

/// What is offered while the camera's own format is not known: that of our encoder.
const OUR_ENCODER: ProfileLevelId = ProfileLevelId::from_sps([0x42, 0xc0, 0x1f]);

/// The feed's tracks: sound, where there is any, and the picture in the format
/// of its SPS.
pub(super) fn tracks(feed: &MediaFeed) -> Vec<CallTrack> {
    let told = feed.video_format.borrow().map(|f| f.profile_level_id);
    let profile_level_id = told
        .and_then(ProfileLevelId::from_bits)
        .unwrap_or(OUR_ENCODER);
    let send = |kind, codec| CallTrack {
        kind,
        codecs: vec![codec],
        direction: Direction::Send,
    };
    let audio = feed.audio.is_some().then(|| {
        // Sound is mixed to one channel; Opus says in each packet what it holds.
        send(
            MediaKind::Audio,
            Codec::Opus {
                stereo: false,
                fec: true,
            },
        )
    });
    let video = Codec::H264 {
        profile_level_id,
        packetization_mode: 1,
    };
    audio
        .into_iter()
        .chain([send(MediaKind::Video, video)])
        .collect()
}
