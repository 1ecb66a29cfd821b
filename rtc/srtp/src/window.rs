//! Packet indices and what was seen of them (RFC 3711 sections 3.3.1 and 3.3.2).

use transom_rtc_proto::id::SeqNo;
use transom_rtc_proto::window::SeenWindow;

/// Indices that an RTP window remembers behind the highest. A second of a
/// 10 Mbit/s stream; RFC 3711 asks for 64 at least.
pub(crate) const RTP_WINDOW: u64 = 1024;
/// Indices that an SRTCP window remembers.
pub(crate) const RTCP_WINDOW: u64 = 128;

/// Indices are 48 bits long: a 32-bit rollover counter and the sequence number.
const MAX_INDEX: u64 = (1 << 48) - 1;

/// Most that an index may be ahead of the highest seen. Less than half the
/// sequence number space by one window: an implementation that measures from
/// the packet it took last (webrtc-srtp, libwebrtc's libsrtp), up to a window
/// behind the highest, then guesses the same rollover counter as we do.
const MAX_AHEAD: i16 = (0x8000 - RTP_WINDOW - 1).cast_signed() as i16;

/// The window of an RTP source.
pub(crate) type RtpWindow = SeenWindow<{ RTP_WINDOW as usize / 64 }>;
/// The window of an SRTCP source.
pub(crate) type RtcpWindow = SeenWindow<{ RTCP_WINDOW as usize / 64 }>;

/// The index that `seq` most likely has (RFC 3711 section 3.3.1); `None`
/// where it would be too far ahead, before the first, or past the last.
pub(crate) fn guess(window: &RtpWindow, seq: SeqNo) -> Option<u64> {
    let Some(highest) = window.highest() else {
        return Some(u64::from(seq.0)); // the rollover counter starts at 0
    };
    #[allow(clippy::cast_possible_truncation)] // the low 16 bits are meant
    let distance = seq.distance(SeqNo(highest as u16));
    if distance > MAX_AHEAD {
        return None;
    }
    highest
        .checked_add_signed(i64::from(distance))
        .filter(|index| *index <= MAX_INDEX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn see(window: &mut RtpWindow, seq: u16) -> Option<u64> {
        let index = guess(window, SeqNo(seq))?;
        if !window.is_new(index) {
            return None;
        }
        window.note(index);
        Some(index)
    }

    #[test]
    fn the_rollover_counter_counts_and_uncounts() {
        let mut window = RtpWindow::default();
        assert_eq!(see(&mut window, 65_530), Some(65_530));
        assert_eq!(see(&mut window, 2), Some(65_538));
        assert_eq!(see(&mut window, 65_535), Some(65_535)); // late, of the round before
        assert_eq!(see(&mut window, 3), Some(65_539));
        assert_eq!(see(&mut window, 65_535), None);
    }

    #[test]
    fn nothing_stands_before_the_first_round() {
        let mut window = RtpWindow::default();
        assert_eq!(see(&mut window, 3), Some(3));
        assert_eq!(guess(&window, SeqNo(65_533)), None);
    }

    #[test]
    fn too_far_ahead_is_not_guessed() {
        let mut window = RtpWindow::default();
        see(&mut window, 100);
        assert_eq!(guess(&window, SeqNo(100 + 31_743)), Some(31_843));
        assert_eq!(guess(&window, SeqNo(100 + 31_744)), None);
    }

    #[test]
    fn the_last_index_is_the_last() {
        let mut window = RtpWindow::default();
        window.note(MAX_INDEX);
        assert_eq!(guess(&window, SeqNo(0)), None);
    }
}
