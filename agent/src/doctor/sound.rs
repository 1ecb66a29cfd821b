use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fs, io};

use transom_boards_hal::{Microphone as _, MicrophoneError};
use transom_boards_linux::{AlsaMicrophone, list_microphones};
use transom_rtc_doctor::Finding;
use transom_rtc_doctor::machine::{Holder, holders_of_file};

use super::device;
use crate::feed::AudioSource;
use crate::sound::{Wav, WavError};

/// How long is listened.
const LISTEN: Duration = Duration::from_millis(500);

/// Whether the source gives sound.
pub(super) fn examine(source: &AudioSource) -> Finding {
    match source {
        AudioSource::None => Finding::ok("none is configured"),
        AudioSource::Test => made(&list_microphones()),
        AudioSource::File(path) => match Wav::open(path) {
            Ok(_) => Finding::ok(format!("{} can be played", path.display())),
            Err(error) => file_error(&error, path),
        },
        AudioSource::Alsa(name) => microphone(name),
    }
}

/// The test tone, and what there is besides.
fn made(present: &[String]) -> Finding {
    let found = "the sound is made here";
    Finding::ok(match present.first() {
        None => format!("{found}; no microphone is connected"),
        Some(first) => format!(
            "{found}; --audio alsa:{first} takes a microphone: {}",
            present.join(", ")
        ),
    })
}

/// `sound file PATH what is wrong: what mends it`; the path may have colons.
fn file_error(error: &WavError, path: &Path) -> Finding {
    let shown = path.display().to_string();
    let text = error.to_string();
    let told = text.strip_prefix("sound file ").unwrap_or(&text);
    let told = told.strip_prefix(&shown).unwrap_or(told);
    match told.trim_start_matches(": ").rsplit_once(": ") {
        Some((found, mend)) => Finding::fail(format!("{shown}: {}", found.trim()), mend),
        None => Finding::fail(text, "take another file with --audio file:PATH.wav"),
    }
}

fn microphone(name: &str) -> Finding {
    match listen(name) {
        Ok((format, true)) => Finding::ok(format!("{name} records: {format}")),
        Ok((format, false)) => Finding::warn(
            format!("{name} records, but only silence: {format}"),
            "see whether it is muted: `alsamixer`, F4 for capture, space switches on",
        ),
        Err(error) => explain(name, &error),
    }
}

/// What was recorded, and whether anything was heard.
fn listen(name: &str) -> Result<(String, bool), MicrophoneError> {
    let mut microphone = AlsaMicrophone::open(name)?;
    let format = microphone.format();
    let shown = format!("{} Hz, {} channel(s)", format.rate, format.channels);
    let mut samples = vec![0; 4800 * usize::from(format.channels.max(1))];
    let (began, mut heard) = (Instant::now(), false);
    while began.elapsed() < LISTEN && !heard {
        let (read, _) = microphone.read(&mut samples, LISTEN)?;
        heard = samples.iter().take(read).any(|sample| *sample != 0);
    }
    Ok((shown, heard))
}

fn explain(name: &str, error: &MicrophoneError) -> Finding {
    match error {
        MicrophoneError::Absent { present, .. } => match forbidden_node(Path::new("/dev/snd")) {
            // The library takes a card that it may not open for none.
            Some(node) => device::denied(&node, "audio"),
            None => Finding::fail(
                format!("sound device {name} is absent"),
                match present.is_empty() {
                    true => "connect a sound card that records (`arecord -l` lists them), or set --audio none".into(),
                    false => format!(
                        "use one that is present with --audio alsa:DEVICE: {}",
                        present.join(", ")
                    ),
                },
            ),
        },
        MicrophoneError::Denied { .. } => {
            let node = forbidden_node(Path::new("/dev/snd"));
            device::denied(&node.unwrap_or_else(|| PathBuf::from("/dev/snd")), "audio")
        }
        MicrophoneError::Busy { .. } => device::busy(name, &recorders(Path::new("/dev/snd"))),
        MicrophoneError::Timeout => Finding::fail(
            format!("sound device {name} opens, but gives no sound"),
            "unplug it and plug it in again, and see `dmesg`",
        ),
        other => device::told(other),
    }
}

fn nodes(snd: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(snd).into_iter().flatten().flatten();
    entries.map(|entry| entry.path())
}

/// A card's control node that this user may not open.
fn forbidden_node(snd: &Path) -> Option<PathBuf> {
    let is_control = |node: &PathBuf| {
        let name = node.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("controlC")
    };
    nodes(snd).find(|node| is_control(node) && !may_open(node))
}

/// Who records from whichever card.
fn recorders(snd: &Path) -> Vec<Holder> {
    let captures = nodes(snd).filter(|node| node.to_string_lossy().ends_with('c'));
    let mut holders: Vec<Holder> = captures.flat_map(|node| holders_of_file(&node)).collect();
    holders.sort_by_key(|holder| holder.pid);
    holders.dedup();
    holders
}

/// Whether a node may be opened; that it is busy is no prohibition.
fn may_open(node: &Path) -> bool {
    let opened = fs::File::open(node);
    !matches!(opened, Err(e) if e.kind() == io::ErrorKind::PermissionDenied)
}

#[cfg(test)]
mod tests {
    use super::*;
    use transom_rtc_doctor::Verdict;

    #[test]
    fn a_card_that_is_absent_is_told_with_the_mend() {
        let finding = microphone("plughw:CARD=TransomNoSuchCard,DEV=0");
        assert_eq!(finding.verdict, Verdict::Fail);
        assert!(finding.mend.is_some_and(|m| m.len() > 10));
    }

    #[test]
    fn silence_is_a_warning() {
        // ALSA's null plugin needs no card.
        let finding = microphone("null");
        assert_eq!(finding.verdict, Verdict::Warn, "{finding:?}");
        assert!(finding.mend.is_some_and(|m| m.contains("alsamixer")));
    }

    #[test]
    fn a_sound_file_that_is_not_there_is_told() {
        let path = Path::new("/no: such/a.wav");
        let finding = examine(&AudioSource::File(path.into()));
        assert!(
            finding.found.starts_with("/no: such/a.wav: "),
            "{finding:?}"
        );
        assert!(
            finding
                .mend
                .is_some_and(|m| m.contains("--audio file:PATH"))
        );
    }
}
