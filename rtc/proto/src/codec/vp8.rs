//! VP8 payload descriptor and key frames (RFC 7741 section 4, RFC 6386 section 9.1).
//!
//! ```text
//!  0 1 2 3 4 5 6 7
//! +-+-+-+-+-+-+-+-+
//! |X|R|N|S|R| PID |
//! |I|L|T|K| RSV   |  if X
//! |M| PictureID   |  if I; 15 bits in two bytes if M
//! |   TL0PICIDX   |  if L
//! |TID|Y| KEYIDX  |  if T or K
//! ```

/// What precedes the VP8 data in each payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PayloadDescriptor {
    /// Whether no other frame refers to this one.
    pub non_reference: bool,
    /// Whether a partition starts with this payload.
    pub partition_start: bool,
    /// Partition index.
    pub partition: u8,
    /// Picture ID, 7 or 15 bits.
    pub picture_id: Option<u16>,
    /// Index of the latest base layer frame.
    pub tl0_pic_idx: Option<u8>,
    /// Temporal layer, and whether a receiver may switch up to it here.
    pub temporal_layer: Option<(u8, bool)>,
    /// Length of the descriptor, bytes.
    pub len: usize,
}

impl PayloadDescriptor {
    /// Reads the descriptor; `None` if it runs past the payload.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let (head, mut rest) = payload.split_first()?;
        let mut take = || {
            let (byte, after) = rest.split_first()?;
            rest = after;
            Some(*byte)
        };
        let extension = if head & 0x80 != 0 { take()? } else { 0 };
        let mut picture_id = None;
        if extension & 0x80 != 0 {
            let first = take()?;
            picture_id = Some(if first & 0x80 != 0 {
                u16::from_be_bytes([first & 0x7f, take()?])
            } else {
                u16::from(first)
            });
        }
        let tl0_pic_idx = if extension & 0x40 != 0 {
            Some(take()?)
        } else {
            None
        };
        let mut temporal_layer = None;
        if extension & 0x30 != 0 {
            let byte = take()?;
            if extension & 0x20 != 0 {
                temporal_layer = Some((byte >> 6, byte & 0x20 != 0));
            }
        }
        Some(Self {
            non_reference: head & 0x20 != 0,
            partition_start: head & 0x10 != 0,
            partition: head & 0x07,
            picture_id,
            tl0_pic_idx,
            temporal_layer,
            len: payload.len() - rest.len(),
        })
    }
}

/// Whether a key frame begins with this payload.
pub fn is_key_frame_start(payload: &[u8]) -> bool {
    frame_start(payload)
        .and_then(<[u8]>::first)
        .is_some_and(|tag| tag & 1 == 0)
}

/// Width and height, pixels, from the first payload of a key frame.
pub fn key_frame_dimensions(payload: &[u8]) -> Option<(u16, u16)> {
    let [tag, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1] = *frame_start(payload)?.first_chunk()?
    else {
        return None;
    };
    // The upper two bits of each are a scale for display.
    let size = |low, high| u16::from_le_bytes([low, high]) & 0x3fff;
    (tag & 1 == 0).then_some((size(w0, w1), size(h0, h1)))
}

/// The frame's data, if it begins in this payload.
fn frame_start(payload: &[u8]) -> Option<&[u8]> {
    let descriptor = PayloadDescriptor::parse(payload)?;
    if !descriptor.partition_start || descriptor.partition != 0 {
        return None;
    }
    payload.get(descriptor.len..)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The first bytes of a 176x144 key frame made by libvpx.
    const KEY: [u8; 10] = [0xb0, 0x43, 0x00, 0x9d, 0x01, 0x2a, 0xb0, 0x00, 0x90, 0x00];

    fn with(descriptor: &[u8]) -> std::vec::Vec<u8> {
        [descriptor, &KEY].concat()
    }

    #[test]
    fn key_frames() {
        for descriptor in [
            &[0x10][..],
            &[0x90, 0x80, 0x05],
            &[0x90, 0xf0, 0x81, 2, 3, 0x40],
        ] {
            let payload = with(descriptor);
            assert!(is_key_frame_start(&payload), "{descriptor:x?}");
            assert_eq!(key_frame_dimensions(&payload), Some((176, 144)));
        }
        for descriptor in [&[0x00][..], &[0x11]] {
            assert!(!is_key_frame_start(&with(descriptor)), "{descriptor:x?}");
        }
        let mut delta = with(&[0x10]);
        delta[1] |= 1;
        assert!(!is_key_frame_start(&delta));
        assert_eq!(key_frame_dimensions(&delta), None);
    }

    #[test]
    fn a_full_descriptor() {
        let payload = [0xb3, 0xf0, 0x81, 0x02, 0x33, 0x6f, 0xee];
        assert_eq!(
            PayloadDescriptor::parse(&payload),
            Some(PayloadDescriptor {
                non_reference: true,
                partition_start: true,
                partition: 3,
                picture_id: Some(0x0102),
                tl0_pic_idx: Some(0x33),
                temporal_layer: Some((1, true)),
                len: 6,
            })
        );
        for len in 0..6 {
            assert_eq!(PayloadDescriptor::parse(&payload[..len]), None, "{len}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(payload: std::vec::Vec<u8>) {
            if let Some(d) = PayloadDescriptor::parse(&payload) {
                prop_assert!(d.len <= payload.len() && d.len <= 6);
            }
            prop_assert!(key_frame_dimensions(&payload).is_none() || is_key_frame_start(&payload));
        }
    }
}
