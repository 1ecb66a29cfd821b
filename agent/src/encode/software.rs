//! H.264 by the processor: openh264.

use std::time::Duration;

use openh264::encoder::{
    BitRate, Complexity, Encoder, EncoderConfig as OpenH264Config, FrameRate, FrameType, Profile,
    QpRange, RateControlMode, SpsPpsStrategy, UsageType, VuiConfig,
};
use openh264::{OpenH264API, Timestamp};
use openh264_sys2::{
    ENCODER_OPTION, ENCODER_OPTION_BITRATE, ENCODER_OPTION_MAX_BITRATE, ENCODER_OPTION_TRACE_LEVEL,
    SBitrateInfo, SPATIAL_LAYER_0, SPATIAL_LAYER_ALL, WELS_LOG_QUIET,
};

use super::{EncodeError, Encoded, EncoderConfig, H264Encoder};
use transom_picture::Picture;
use transom_picture::Scene;

/// openh264, constrained baseline, one slice a frame.
pub struct SoftwareEncoder {
    encoder: Encoder,
    bitrate_bps: u32,
    max_bitrate_bps: u32,
    /// The encoder has no options to set before its first picture.
    started: bool,
    scene: Scene,
}

impl SoftwareEncoder {
    /// An encoder for pictures of `config.size`.
    pub fn new(config: &EncoderConfig) -> Result<Self, EncodeError> {
        let (width, height) = (config.size.width, config.size.height);
        let unsupported = EncodeError::Unsupported { width, height };
        let (long, short) = (width.max(height), width.min(height));
        if short < 16 || long > 3840 || short > 2160 {
            return Err(unsupported);
        }
        let settings = OpenH264Config::new()
            .profile(Profile::Baseline)
            .usage_type(UsageType::CameraVideoRealTime)
            .complexity(Complexity::Low)
            .bitrate(BitRate::from_bps(config.bitrate_bps))
            .max_frame_rate(FrameRate::from_hz(to_f32(config.fps)))
            .rate_control_mode(RateControlMode::Bitrate)
            // Its own upper bound (42) would overrun a narrow link.
            .qp(QpRange::new(12, 51))
            // A skipped frame is a stutter; the slot in front of the encoder
            // drops pictures where there is no time for them.
            .skip_frames(false)
            // It takes noise for a change of scene; `Scene` does not.
            .scene_change_detect(false)
            .sps_pps_strategy(SpsPpsStrategy::ConstantId)
            // One slice a frame leaves nothing for a second thread to do.
            .num_threads(1)
            .vui(VuiConfig::bt601());
        let mut encoder = Encoder::with_api_config(OpenH264API::from_source(), settings)
            .map_err(|_| unsupported)?;
        // It would warn on stderr about the frames it may not skip.
        set_option(&mut encoder, ENCODER_OPTION_TRACE_LEVEL, WELS_LOG_QUIET);
        Ok(Self {
            encoder,
            bitrate_bps: config.bitrate_bps,
            max_bitrate_bps: config.max_bitrate_bps,
            started: false,
            scene: Scene::default(),
        })
    }

    /// The bound first: the encoder takes no bitrate above it.
    fn apply_bitrate(&mut self, bps: u32) -> Result<(), EncodeError> {
        let refused = EncodeError::Bitrate { bps };
        let info = |layer, bps: u32| {
            let bitrate = i32::try_from(bps).map_err(|_| refused)?;
            Ok(SBitrateInfo {
                iLayer: layer,
                iBitrate: bitrate,
            })
        };
        let max = self.max_bitrate_bps.max(bps);
        let applied = set_option(
            &mut self.encoder,
            ENCODER_OPTION_MAX_BITRATE,
            info(SPATIAL_LAYER_0, max)?,
        ) && set_option(
            &mut self.encoder,
            ENCODER_OPTION_BITRATE,
            info(SPATIAL_LAYER_ALL, bps)?,
        );
        if applied { Ok(()) } else { Err(refused) }
    }
}

/// Sets an option for which the binding has no safe function; false where the
/// encoder refuses. `T` must be the type that the option documents.
fn set_option<T>(encoder: &mut Encoder, option: ENCODER_OPTION, mut value: T) -> bool {
    // SAFETY: the encoder exists as long as the reference to it; before its
    // first picture it answers an option with an error. It reads `value`, of
    // the type the option documents (every caller is in this file), before it
    // returns and keeps no pointer to it.
    #[allow(unsafe_code)]
    let code = unsafe {
        encoder
            .raw_api()
            .set_option(option, (&raw mut value).cast())
    };
    code == 0
}

impl H264Encoder for SoftwareEncoder {
    fn name(&self) -> &str {
        "openh264"
    }

    fn encode(
        &mut self,
        picture: &Picture,
        at: Duration,
        key: bool,
        out: &mut Vec<u8>,
    ) -> Result<Encoded, EncodeError> {
        let cut = self.scene.is_cut(picture, at);
        if (key || cut) && self.started {
            self.encoder.force_intra_frame();
        }
        let millis = u64::try_from(at.as_millis()).unwrap_or(0);
        let stream = self
            .encoder
            .encode_at(picture, Timestamp::from_millis(millis))
            .map_err(|_| EncodeError::Failed)?;
        let encoded = match stream.frame_type() {
            FrameType::IDR => Encoded::Key,
            FrameType::I | FrameType::P | FrameType::IPMixed => Encoded::Delta,
            FrameType::Skip => Encoded::Skipped,
            FrameType::Invalid => return Err(EncodeError::Failed),
        };
        if encoded != Encoded::Skipped {
            stream.write_vec(out);
        }
        if !self.started {
            self.started = true;
            self.apply_bitrate(self.bitrate_bps)?;
        }
        Ok(encoded)
    }

    fn set_bitrate(&mut self, bps: u32) -> Result<(), EncodeError> {
        if bps == self.bitrate_bps {
            return Ok(());
        }
        if self.started {
            self.apply_bitrate(bps)?;
        }
        self.bitrate_bps = bps;
        Ok(())
    }
}

#[allow(clippy::cast_precision_loss, reason = "frame rates are far below 2^24")]
fn to_f32(fps: u32) -> f32 {
    fps as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use openh264::decoder::Decoder;
    use openh264::formats::YUVSource;
    use std::time::Instant;
    use transom_boards_hal::FrameSize;
    use transom_picture::TestPicture;
    use transom_picture::timecode::{self, TimeCode};
    use transom_rtc_proto::codec::h264::{AnnexB, NalType, Sps};
    use transom_rtc_proto::time::WallTime;

    const SIZE: FrameSize = FrameSize::new(640, 480);
    const START_US: u64 = 1_795_385_645_000_000;

    fn encoder(bitrate_bps: u32) -> SoftwareEncoder {
        let config = EncoderConfig {
            size: SIZE,
            fps: 30,
            bitrate_bps,
            max_bitrate_bps: 3_000_000,
        };
        SoftwareEncoder::new(&config).expect("640x480 is supported")
    }

    fn wall(frame: u64) -> WallTime {
        WallTime::from_unix_micros(START_US + frame * 1_000_000 / 30)
    }

    /// Encodes `frames` pictures of the test source, from `first` on.
    fn run(encoder: &mut SoftwareEncoder, first: u64, frames: u64) -> Vec<(Encoded, Vec<u8>)> {
        let source = TestPicture::new(SIZE);
        let mut picture = Picture::new(SIZE);
        (first..first + frames)
            .map(|frame| {
                source.draw(&mut picture, wall(frame));
                let mut out = Vec::new();
                let at = Duration::from_micros(frame * 1_000_000 / 30);
                let encoded = encoder
                    .encode(&picture, at, false, &mut out)
                    .expect("it encodes");
                (encoded, out)
            })
            .collect()
    }

    fn bitrate(units: &[(Encoded, Vec<u8>)]) -> usize {
        let bytes: usize = units.iter().map(|(_, unit)| unit.len()).sum();
        bytes * 8 * 30 / units.len()
    }

    #[test]
    fn the_time_code_survives_300_kbit_s() {
        let mut encoder = encoder(300_000);
        let mut decoder = Decoder::new().expect("a decoder");
        let source = TestPicture::new(SIZE);
        let mut picture = Picture::new(SIZE);
        let (mut state, mut read, mut bytes) = (1, 0, 0);
        for frame in 0..300 {
            source.draw(&mut picture, wall(frame));
            // Noise above, so that the encoder has to quantise hard.
            picture.planes_mut().0[..640 * 240]
                .iter_mut()
                .for_each(|pixel| *pixel = noise(&mut state));
            let mut unit = Vec::new();
            let at = Duration::from_micros(frame * 1_000_000 / 30);
            encoder
                .encode(&picture, at, false, &mut unit)
                .expect("it encodes");
            bytes += unit.len();
            let shown = decoder
                .decode(&unit)
                .expect("it decodes")
                .expect("every access unit shows a picture at once");
            let code = timecode::decode(shown.y(), shown.strides().0, SIZE);
            if code.is_some() {
                assert_eq!(
                    code,
                    Some(TimeCode::new(wall(frame))),
                    "a wrong code passed"
                );
                read += 1;
            }
        }
        let bps = bytes * 8 / 10;
        println!("time code read in {read} of 300 pictures at {bps} bit/s");
        assert!(read >= 297, "only {read} of 300 read");
        assert!((200_000..400_000).contains(&bps), "{bps} bit/s");
    }

    #[test]
    fn the_stream_is_constrained_baseline_in_one_slice() {
        let units = run(&mut encoder(1_500_000), 0, 60);
        assert_eq!(units[0].0, Encoded::Key);
        for (index, (encoded, unit)) in units.iter().enumerate() {
            let types: Vec<NalType> = AnnexB::new(unit).filter_map(NalType::of).collect();
            if index == 0 {
                assert_eq!(types, [NalType::Sps, NalType::Pps, NalType::Idr]);
            } else {
                assert_eq!((*encoded, types), (Encoded::Delta, vec![NalType::Slice]));
            }
        }
        let sps = AnnexB::new(&units[0].1).find_map(|nal| Sps::parse(nal).ok());
        let sps = sps.expect("an SPS");
        println!("profile-level-id {:06x}", sps.profile_level_id());
        assert_eq!((sps.profile_idc, sps.width, sps.height), (66, 640, 480));
        // constraint_set1: constrained baseline.
        assert_ne!(sps.constraint_flags & 0x40, 0);
        assert!(!sps.may_reorder());
    }

    #[test]
    fn a_key_frame_comes_when_asked_for_and_else_never() {
        let mut encoder = encoder(1_500_000);
        let units = run(&mut encoder, 0, 300);
        assert!(
            units[1..]
                .iter()
                .all(|(encoded, _)| *encoded == Encoded::Delta)
        );
        let mut out = Vec::new();
        let picture = Picture::new(SIZE);
        let encoded = encoder.encode(&picture, Duration::from_secs(10), true, &mut out);
        assert_eq!(encoded, Ok(Encoded::Key));
        assert_eq!(
            AnnexB::new(&out).next().and_then(NalType::of),
            Some(NalType::Sps)
        );
    }

    fn noise(state: &mut u32) -> u8 {
        *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (*state >> 28) as u8 * 2 + 100
    }

    /// Encodes pictures of new noise each time, as a camera in the dark sees it.
    fn run_noise(
        encoder: &mut SoftwareEncoder,
        first: u64,
        frames: u64,
    ) -> Vec<(Encoded, Vec<u8>)> {
        let mut state = u32::try_from(first + 1).unwrap();
        let mut picture = Picture::new(SIZE);
        (first..first + frames)
            .map(|frame| {
                for pixel in picture.planes_mut().0 {
                    *pixel = noise(&mut state);
                }
                let mut out = Vec::new();
                let at = Duration::from_micros(frame * 1_000_000 / 30);
                let encoded = encoder
                    .encode(&picture, at, false, &mut out)
                    .expect("it encodes");
                (encoded, out)
            })
            .collect()
    }

    #[test]
    fn noise_is_squeezed_into_the_bitrate() {
        let units = run_noise(&mut encoder(500_000), 0, 300);
        let (all, late) = (bitrate(&units), bitrate(&units[150..]));
        println!("noise at 500 kbit/s: {all} bit/s, later {late}");
        assert!(all < 650_000 && late < 650_000);
    }

    #[test]
    fn no_second_carries_much_more_than_the_bitrate() {
        // A camera that is turned to something else every two seconds, in the dark.
        let mut encoder = encoder(500_000);
        let source = TestPicture::new(SIZE);
        let mut picture = Picture::new(SIZE);
        let mut state = 1;
        let sizes: Vec<usize> = (0..300)
            .map(|frame| {
                source.draw(&mut picture, wall(frame));
                if frame / 60 % 2 == 1 {
                    picture.planes_mut().0.reverse();
                }
                for pixel in picture.planes_mut().0.iter_mut().step_by(3) {
                    *pixel = pixel.saturating_add(noise(&mut state) / 16);
                }
                let mut out = Vec::new();
                let at = Duration::from_micros(frame * 1_000_000 / 30);
                let encoded = encoder.encode(&picture, at, false, &mut out);
                assert_ne!(encoded, Ok(Encoded::Skipped));
                out.len()
            })
            .collect();
        let seconds = sizes[30..]
            .windows(30)
            .map(|second| second.iter().sum::<usize>() * 8);
        let (most, largest) = (seconds.max().unwrap(), sizes[30..].iter().max().unwrap());
        println!(
            "at 500 kbit/s: {most} bit in the fullest second, {largest} bytes the largest picture"
        );
        println!(
            "the first picture {} bytes, those at cuts {:?}",
            sizes[0],
            [60, 120, 180, 240].map(|n: usize| sizes[n])
        );
        assert!(most < 1_000_000, "{most} bit in a second");
        // Half a second's worth: what a queue of that length holds back.
        assert!(*largest < 500_000 / 8 / 2, "{largest} bytes in a picture");
    }

    #[test]
    fn the_bitrate_changes_in_flight_without_a_key_frame() {
        let mut encoder = encoder(400_000);
        let low = bitrate(&run_noise(&mut encoder, 0, 150)[60..]);
        encoder.set_bitrate(1_600_000).expect("a bitrate");
        let units = run_noise(&mut encoder, 150, 150);
        assert!(units.iter().all(|(encoded, _)| *encoded == Encoded::Delta));
        let high = bitrate(&units[60..]);
        encoder.set_bitrate(400_000).expect("a bitrate");
        let back = bitrate(&run_noise(&mut encoder, 300, 150)[60..]);
        println!("400 kbit/s: {low}, then 1600 kbit/s: {high}, then 400 kbit/s: {back}");
        assert!(high > low * 2, "{low} -> {high}");
        assert!(back < high / 2, "{high} -> {back}");
    }

    #[test]
    fn it_is_fast_enough() {
        let mut encoder = encoder(1_500_000);
        let _ = run(&mut encoder, 0, 10);
        let began = Instant::now();
        let _ = run(&mut encoder, 10, 150);
        let each = began.elapsed() / 150;
        println!("drawing and encoding 640x480: {each:?} a frame");
        assert!(each < Duration::from_millis(33), "{each:?} a frame");
    }

    #[test]
    fn impossible_sizes_are_refused() {
        for (width, height) in [(0, 0), (8, 480), (7680, 4320)] {
            let config = EncoderConfig {
                size: FrameSize::new(width, height),
                fps: 30,
                bitrate_bps: 1_000_000,
                max_bitrate_bps: 1_000_000,
            };
            assert!(SoftwareEncoder::new(&config).is_err());
        }
    }
}
