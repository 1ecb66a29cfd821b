/// Ids of the RTP header extensions agreed for a track (RFC 8285), each from
/// 1 to 14: the one-byte form is always enough.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extensions {
    /// The m-line's tag (RFC 8843 section 15.1).
    pub mid: Option<u8>,
    /// Id of a simulcast layer (RFC 8852).
    pub rid: Option<u8>,
    /// Id of the layer that an RTX stream repairs (RFC 8852).
    pub repaired_rid: Option<u8>,
    /// Transport-wide sequence number (draft-holmer-rmcat-transport-wide-cc-extensions).
    pub transport_cc: Option<u8>,
    /// Departure time, 24 bits of 6.18 fixed-point seconds.
    pub abs_send_time: Option<u8>,
    /// Least and greatest playout delay, 12 bits each, in units of 10 ms.
    pub playout_delay: Option<u8>,
    /// Level of the sound (RFC 6464).
    pub audio_level: Option<u8>,
}
