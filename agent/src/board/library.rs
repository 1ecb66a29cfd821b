//! The board files that the agent brings along, and those of the owner.

use std::io;
use std::path::{Path, PathBuf};

use transom_rtc_doctor::forgiving::{self, Mistake};

use super::detect::machine_model;
use super::mistakes::WiringError;
use super::wiring::Wiring;

/// Detects the board.
pub(super) const AUTO: &str = "auto";
/// A board file's name ends so.
const ENDING: &str = ".toml";

macro_rules! files {
    ($($name:literal),*) => {
        &[$(($name, include_str!(concat!("../../../boards/files/", $name, ".toml")))),*]
    };
}

/// Name and text of each.
const FILES: &[(&str, &str)] = files![
    "raspberry-pi-zero-2-w",
    "raspberry-pi-3",
    "raspberry-pi-4",
    "raspberry-pi-5",
    "virtual"
];

/// A board that was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selected {
    /// What is wired.
    pub wiring: Wiring,
    /// Its file's name or path.
    pub from: String,
    /// Its file.
    pub text: String,
    /// The machine's model, where it was detected by that.
    pub detected: Option<String>,
}

/// Why there is no board. Each text is one line and names the mend.
#[derive(Debug, thiserror::Error)]
pub enum BoardError {
    /// A name that is none.
    #[error(
        "board `{word}` is unknown: give none, sim, raspberry-pi, auto, program, mavlink, {}, or the path of a file that ends in .toml",
        names().collect::<Vec<_>>().join(", ")
    )]
    Unknown {
        /// What was given.
        word: String,
    },
    /// No file is for this machine.
    #[error(
        "no board file is for this machine ({model}): name one in place of auto, or write one: `transom-agent board raspberry-pi-4 --print` shows how"
    )]
    NotDetected {
        /// What the device tree calls it.
        model: String,
    },
    /// The file cannot be read.
    #[error("{}: {source}: check `board` in [control]", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It is no board file.
    #[error("{from}:{}: {}", mistake.line, mistake.message)]
    Content {
        /// Which file.
        from: String,
        /// What is wrong.
        mistake: Mistake,
    },
    /// It makes no sense.
    #[error("{from}: {mistake}")]
    Wiring {
        /// Which file.
        from: String,
        /// What is wrong.
        mistake: WiringError,
    },
}

/// The names of the files that the agent brings along.
pub fn names() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|(name, _)| *name)
}

/// The board that `word` names: `auto`, one of [`names`], or a path. Every mistake is told.
pub fn select(word: &str) -> Result<Selected, Vec<BoardError>> {
    if word == AUTO {
        let model = machine_model();
        return detect(model.as_deref()).map_err(|error| vec![error]);
    }
    if let Some((name, text)) = FILES.iter().find(|(name, _)| *name == word) {
        return read(name, text);
    }
    if !word.ends_with(ENDING) {
        let word = word.to_owned();
        return Err(vec![BoardError::Unknown { word }]);
    }
    let path = Path::new(word);
    let text = std::fs::read_to_string(path).map_err(|source| {
        let path = path.to_owned();
        vec![BoardError::Read { path, source }]
    })?;
    read(word, &text)
}

/// The board whose file is for the model; of several the one that says most of it.
fn detect(model: Option<&str>) -> Result<Selected, BoardError> {
    let model = model.unwrap_or("its device tree names no model");
    let mut best: Option<(usize, Selected)> = None;
    for (name, text) in FILES {
        let Ok(board) = read(name, text) else {
            continue;
        };
        let begins = board
            .wiring
            .detect
            .iter()
            .filter(|begin| model.starts_with(*begin));
        let length = begins.map(String::len).max();
        if let Some(length) = length
            && best.as_ref().is_none_or(|(other, _)| *other < length)
        {
            best = Some((length, board));
        }
    }
    let (_, mut board) = best.ok_or_else(|| BoardError::NotDetected {
        model: model.to_owned(),
    })?;
    board.detected = Some(model.to_owned());
    Ok(board)
}

fn read(from: &str, text: &str) -> Result<Selected, Vec<BoardError>> {
    let mut read = forgiving::parse::<Wiring>(text);
    read.mistakes.sort_by_key(|mistake| mistake.line);
    let mut mistakes: Vec<BoardError> = read
        .mistakes
        .into_iter()
        .map(|mistake| BoardError::Content {
            from: from.to_owned(),
            mistake,
        })
        .collect();
    let wiring = read.value.unwrap_or_default();
    // What follows from a mistake is none of its own.
    if mistakes.is_empty() {
        let senseless = wiring.mistakes().into_iter();
        mistakes.extend(senseless.map(|mistake| BoardError::Wiring {
            from: from.to_owned(),
            mistake,
        }));
    }
    match mistakes.is_empty() {
        true => Ok(Selected {
            wiring,
            from: from.to_owned(),
            text: text.to_owned(),
            detected: None,
        }),
        false => Err(mistakes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::{AudioSource, VideoSource};

    #[test]
    fn the_files_that_are_brought_along_are_good() {
        for name in names() {
            let board = select(name).unwrap_or_else(|mistakes| panic!("{name}: {mistakes:?}"));
            let wiring = board.wiring;
            assert!(
                !wiring.name.is_empty() && !wiring.detect.is_empty(),
                "{name}"
            );
            assert!(
                wiring.button.is_some() && wiring.lock.is_some() && wiring.drives(),
                "{name}"
            );
            if let Some(camera) = wiring.camera {
                camera.source.parse::<VideoSource>().expect(name);
            }
            if let Some(sound) = wiring.sound {
                sound.source.parse::<AudioSource>().expect(name);
            }
        }
    }

    #[test]
    fn machines_are_known_by_their_model() {
        for (model, name) in [
            ("Raspberry Pi Zero 2 W Rev 1.0", "raspberry-pi-zero-2-w"),
            ("Raspberry Pi 3 Model B Plus Rev 1.3", "raspberry-pi-3"),
            ("Raspberry Pi 4 Model B Rev 1.5", "raspberry-pi-4"),
            ("Raspberry Pi Compute Module 4 Rev 1.0", "raspberry-pi-4"),
            ("Raspberry Pi 5 Model B Rev 1.0", "raspberry-pi-5"),
            ("linux,dummy-virt", "virtual"),
        ] {
            let board = detect(Some(model)).expect(model);
            assert_eq!(
                (board.from.as_str(), board.detected.as_deref()),
                (name, Some(model))
            );
        }
        for other in [None, Some("Raspberry Pi Model B Rev 2"), Some("Pine64")] {
            let text = detect(other).expect_err("no file").to_string();
            assert!(text.contains("--print") && !text.contains('\n'), "{text}");
        }
    }

    #[test]
    fn an_owners_file_is_read_and_every_mistake_in_it_named() {
        let path = std::env::temp_dir().join(format!("transom-board-{}.toml", std::process::id()));
        let word = path.display().to_string();
        std::fs::write(&path, "chip = \"pl061\"\n[lock]\nline = 1\n").expect("a file");
        assert!(select(&word).expect("a board").wiring.lock.is_some());
        std::fs::write(&path, "odd = 1\n[lock]\nline = 1\nactive = \"up\"\n").expect("a file");
        let mistakes = select(&word).expect_err("two mistakes");
        assert_eq!(mistakes.len(), 2, "{mistakes:?}");
        assert!(
            mistakes[0]
                .to_string()
                .contains(".toml:1: unknown field `odd`"),
            "{mistakes:?}"
        );
        assert!(
            mistakes[1].to_string().contains(".toml:4: "),
            "{mistakes:?}"
        );
        std::fs::write(&path, "[lock]\nline = 1\n").expect("a file");
        let mistakes = select(&word).expect_err("no chip");
        assert!(
            mistakes[0].to_string().contains("chip is missing"),
            "{mistakes:?}"
        );
        std::fs::remove_file(&path).expect("its removal");
        let text = select(&word).expect_err("absent")[0].to_string();
        assert!(text.contains("check `board`"), "{text}");
        let text = select("raspberrypi").expect_err("unknown")[0].to_string();
        assert!(text.contains("raspberry-pi-5, virtual"), "{text}");
    }
}
