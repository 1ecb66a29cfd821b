//! Encoders in hardware: which there are, and what can go wrong with one.

use transom_boards_hal::{CameraInfo, FrameSize};

use crate::cameras;

/// Why an encoder in hardware is not used. Each text is one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum M2mError {
    /// The driver refused an operation.
    #[error("encoder {device}: {operation} failed with error {code}")]
    Refused {
        /// The encoder.
        device: String,
        /// What was tried, as the driver's documentation calls it.
        operation: &'static str,
        /// The operating system's error number; 0 where there is none.
        code: i32,
    },
    /// It takes no pictures of this size.
    #[error("encoder {device} makes {got} of {size}: choose another size")]
    Size {
        /// The encoder.
        device: String,
        /// What was asked for.
        size: FrameSize,
        /// What it would take.
        got: FrameSize,
    },
    /// It has no control for key frames, and who joins would wait for ever.
    #[error("encoder {device} makes no key frame when it is asked for one")]
    NoKeyFrames {
        /// The encoder.
        device: String,
    },
    /// It took a picture and gave nothing back.
    #[error("encoder {device} gives nothing back")]
    Silent {
        /// The encoder.
        device: String,
    },
    /// The program was built for a system for which this is not written.
    #[error("encoder {device} needs a 64-bit system with glibc, such as Raspberry Pi OS (64 bit)")]
    NotBuilt {
        /// The encoder.
        device: String,
    },
}

/// The encoders present, by what their drivers call them: a node does not tell
/// a program that knows only single planes what it makes of what.
pub fn list_encoders() -> Vec<CameraInfo> {
    let mut codecs = cameras::list_codecs();
    codecs.retain(|codec| is_encoder(&codec.name));
    codecs
}

/// `bcm2835-codec-encode`, `rkvenc`, `hantro-vpu-enc`, `s5p-mfc-enc`, and not
/// `bcm2835-codec-encode_image`, which makes JPEGs.
fn is_encoder(name: &str) -> bool {
    let name = name.to_lowercase();
    name.contains("enc")
        && !["image", "jpeg", "jpg"]
            .iter()
            .any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use super::is_encoder;

    #[test]
    fn encoders_are_known_by_their_names() {
        for name in [
            "bcm2835-codec-encode",
            "rkvenc",
            "Qualcomm Venus video encoder",
        ] {
            assert!(is_encoder(name), "{name}");
        }
        for name in [
            "bcm2835-codec-decode",
            "bcm2835-codec-encode_image",
            "bcm2835-isp-output0",
            "s5p-jpeg-enc",
            "",
        ] {
            assert!(!is_encoder(name), "{name}");
        }
    }
}
