//! What capture and playback by ALSA have in common.

use std::ffi::CString;

use alsa::device_name::HintIter;
use alsa::pcm::{Access, Format, HwParams, PCM};
use alsa::{Direction, Output, ValueOr};
use rustix::io::Errno;
use transom_boards_hal::SoundFormat;

/// The rate of Opus; ALSA's plug layer or ours resamples from others.
const RATE: u32 = 48_000;
/// Devices told of in a message.
const MAX_LISTED: usize = 16;

/// Why a device was not opened, or works no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// There is none of that name.
    Absent,
    /// The user may not.
    Denied,
    /// Another program has it.
    Busy,
    /// It was unplugged.
    Gone,
    /// An error number.
    Other(i32),
}

impl Refusal {
    /// Of a device that is open.
    pub(crate) fn of(error: alsa::Error) -> Self {
        match Errno::from_raw_os_error(error.errno()) {
            Errno::ACCESS | Errno::PERM => Self::Denied,
            Errno::BUSY | Errno::AGAIN => Self::Busy,
            // What a driver says of a card that is pulled out under it.
            Errno::NODEV | Errno::NXIO | Errno::SHUTDOWN => Self::Gone,
            code => Self::Other(code.raw_os_error()),
        }
    }

    /// Of a device that is to be opened.
    fn of_opening(error: alsa::Error) -> Self {
        match Errno::from_raw_os_error(error.errno()) {
            // An unknown name in the library's configuration is EINVAL.
            Errno::NOENT | Errno::NODEV | Errno::NXIO | Errno::INVAL => Self::Absent,
            _ => Self::of(error),
        }
    }
}

/// Opens a device of ALSA's, or the card of which `device` is the name or a part of it. Calls on it
/// return at once.
pub(crate) fn open(device: &str, direction: Direction) -> Result<PCM, Refusal> {
    // The library prints its own account of a missing card to stderr; a
    // fresh buffer for this thread takes it instead and frees the last one.
    let _account = Output::local_error_handler();
    let opened = open_exactly(device, direction);
    match (&opened, named(device, direction)) {
        (Err(Refusal::Absent), Some(name)) => open_exactly(&name, direction),
        _ => opened,
    }
}

fn open_exactly(device: &str, direction: Direction) -> Result<PCM, Refusal> {
    let name = CString::new(device).map_err(|_| Refusal::Absent)?;
    // Otherwise opening a card that is in use waits for its end.
    PCM::open(&name, direction, true).map_err(Refusal::of_opening)
}

/// 16 bits interleaved, mono if the card can, as near to 48 kHz as it can.
pub(crate) fn set(pcm: &PCM, period_us: u32, buffer_us: u32) -> alsa::Result<SoundFormat> {
    let params = HwParams::any(pcm)?;
    params.set_access(Access::RWInterleaved)?;
    params.set_format(Format::s16())?;
    if params.set_channels(1).is_err() {
        params.set_channels(2)?;
    }
    params.set_rate_near(RATE, ValueOr::Nearest)?;
    params.set_period_time_near(period_us, ValueOr::Nearest)?;
    params.set_buffer_time_near(buffer_us, ValueOr::Nearest)?;
    pcm.hw_params(&params)?;
    let rate = params.get_rate()?;
    let channels = params.get_channels()?;
    Ok(SoundFormat {
        rate: rate.max(1),
        channels: u16::try_from(channels).unwrap_or(1).max(1),
    })
}

/// The devices present, by the names that convert formats as needed.
pub(crate) fn list(direction: Direction) -> Vec<String> {
    cards(direction).map(|card| card.name).collect()
}

struct Card {
    /// `plughw:CARD=Device,DEV=0`.
    name: String,
    /// `USB PnP Sound Device, USB Audio` and more.
    about: String,
}

fn cards(direction: Direction) -> impl Iterator<Item = Card> {
    let _account = Output::local_error_handler();
    let hints = HintIter::new(None, c"pcm").into_iter().flatten();
    hints
        // Without a direction it has both.
        .filter(move |hint| hint.direction.is_none_or(|of| of == direction))
        .filter_map(|hint| {
            Some(Card {
                name: hint.name.filter(|name| name.starts_with("plughw:"))?,
                about: hint.desc.unwrap_or_default(),
            })
        })
        .take(MAX_LISTED)
}

/// The first device of the card that `wanted` names, however it is written.
fn named(wanted: &str, direction: Direction) -> Option<String> {
    find(cards(direction), wanted)
}

fn find(cards: impl Iterator<Item = Card>, wanted: &str) -> Option<String> {
    let wanted = wanted.trim().to_lowercase();
    // With a colon it is ALSA's own, which says exactly what is meant.
    if wanted.is_empty() || wanted.contains(':') {
        return None;
    }
    let cards: Vec<Card> = cards.collect();
    let of_id = |card: &&Card| {
        let id = card.name.strip_prefix("plughw:CARD=").unwrap_or_default();
        let id = id.split(',').next().unwrap_or_default();
        id.to_lowercase() == wanted
    };
    let told = |card: &&Card| card.about.to_lowercase().contains(&wanted);
    let found = cards.iter().find(of_id);
    let found = found.or_else(|| cards.iter().find(told));
    found.map(|card| card.name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_is_found_by_its_name_or_a_part_of_it() {
        let cards = || {
            [
                (
                    "plughw:CARD=Headphones,DEV=0",
                    "bcm2835 Headphones, bcm2835 Headphones",
                ),
                (
                    "plughw:CARD=Device,DEV=0",
                    "USB PnP Sound Device, USB Audio",
                ),
                (
                    "plughw:CARD=Device_1,DEV=0",
                    "USB PnP Sound Device, USB Audio",
                ),
            ]
            .map(|(name, about)| Card {
                name: name.into(),
                about: about.into(),
            })
            .into_iter()
        };
        for (wanted, found) in [
            ("Device", Some("plughw:CARD=Device,DEV=0")),
            ("device_1", Some("plughw:CARD=Device_1,DEV=0")),
            ("usb pnp", Some("plughw:CARD=Device,DEV=0")),
            ("headphones", Some("plughw:CARD=Headphones,DEV=0")),
            ("hw:1", None),
            ("HDMI", None),
            ("", None),
        ] {
            assert_eq!(find(cards(), wanted).as_deref(), found, "{wanted}");
        }
    }

    #[test]
    fn a_name_that_no_device_can_have_is_absent() {
        for direction in [Direction::Capture, Direction::Playback] {
            assert_eq!(open("a\0b", direction).err(), Some(Refusal::Absent));
        }
    }
}
