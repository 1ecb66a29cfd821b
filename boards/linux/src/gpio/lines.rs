//! Which chips and lines there are, and how one is found.

use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use gpiocdev::chip::{Chip, chips};
use gpiocdev::line::Direction;
use transom_boards_hal::LineError;

/// The group whose members may use lines, where udev was told so.
const GROUP: &str = "gpio";

/// A line as a person names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineId {
    /// Its place on the chip.
    Offset(u32),
    /// Its name, such as `GPIO17`.
    Name(String),
}

impl fmt::Display for LineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Offset(offset) => write!(f, "line {offset}"),
            Self::Name(name) => write!(f, "line {name}"),
        }
    }
}

/// Where a line is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The chip: a path (`/dev/gpiochip0`), a name (`gpiochip0`) or a label (`pinctrl-bcm2711`, which
    /// stays when chips are counted in another order). Without it the line is looked for on all chips.
    pub chip: Option<String>,
    /// Which of its lines.
    pub id: LineId,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.chip {
            Some(chip) => write!(f, "{} of {chip}", self.id),
            None => self.id.fmt(f),
        }
    }
}

/// A line that may be requested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) chip: PathBuf,
    pub(super) offset: u32,
}

impl Place {
    /// Whether the line could be had now; `line` says what it is for.
    pub fn look(&self, line: &'static str) -> Result<(), LineError> {
        self.find(line).map(drop)
    }

    /// Finds it, free; `line` says what it is for.
    pub(super) fn find(&self, line: &'static str) -> Result<Found, LineError> {
        let mut denied = None;
        for path in self.candidates(line)? {
            let chip = match File::open(&path).map_err(|error| error.kind()) {
                Ok(_) => Chip::from_path(&path).map_err(|error| failed(line, &error))?,
                Err(ErrorKind::PermissionDenied) => {
                    denied = Some(path);
                    continue;
                }
                Err(_) => continue,
            };
            let info = chip.info().map_err(|error| failed(line, &error))?;
            if !self.is_of(&path, &info.name, &info.label) {
                continue;
            }
            let found = match &self.id {
                LineId::Offset(offset) if *offset < info.num_lines => chip.line_info(*offset).ok(),
                LineId::Offset(_) => None,
                LineId::Name(name) => chip.find_line_info(name),
            };
            let Some(found) = found else { continue };
            if found.used {
                return Err(LineError::Busy {
                    line,
                    what: self.to_string(),
                    by: match found.consumer.as_str() {
                        "" => "the kernel".to_owned(),
                        consumer => consumer.to_owned(),
                    },
                });
            }
            return Ok(Found {
                chip: path,
                offset: found.offset,
            });
        }
        Err(match denied {
            Some(path) => LineError::Denied {
                line,
                what: path.display().to_string(),
                group: GROUP,
            },
            None => LineError::Absent {
                line,
                what: self.to_string(),
            },
        })
    }

    /// The chips that may be it.
    fn candidates(&self, line: &'static str) -> Result<Vec<PathBuf>, LineError> {
        match &self.chip {
            Some(path) if path.starts_with('/') => Ok(vec![PathBuf::from(path)]),
            _ => chips().map_err(|error| failed(line, &error)),
        }
    }

    fn is_of(&self, path: &Path, name: &str, label: &str) -> bool {
        self.chip
            .as_deref()
            .is_none_or(|chip| chip == name || chip == label || Path::new(chip) == path)
    }
}

pub(super) fn failed(line: &'static str, error: &gpiocdev::Error) -> LineError {
    LineError::Failed {
        line,
        told: error.to_string(),
    }
}

/// A chip and its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChipLines {
    /// Where it is.
    pub path: PathBuf,
    /// What its driver calls it.
    pub label: String,
    /// Its lines in order.
    pub lines: Vec<LineUse>,
}

/// A line and who has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineUse {
    /// Its place on the chip.
    pub offset: u32,
    /// Its name; empty if it has none.
    pub name: String,
    /// Whether it drives.
    pub is_output: bool,
    /// Who has it, if anybody.
    pub used_by: Option<String>,
}

/// All chips that this user may look at; those that it may not are told as errors, one each.
pub fn list_lines() -> io::Result<Vec<Result<ChipLines, LineError>>> {
    let paths = chips().map_err(io::Error::other)?;
    Ok(paths.iter().map(|path| lines_of(path)).collect())
}

fn lines_of(path: &Path) -> Result<ChipLines, LineError> {
    let line = "the chip";
    if let Err(error) = File::open(path)
        && error.kind() == ErrorKind::PermissionDenied
    {
        return Err(LineError::Denied {
            line,
            what: path.display().to_string(),
            group: GROUP,
        });
    }
    let told = |error: gpiocdev::Error| failed(line, &error);
    let chip = Chip::from_path(path).map_err(told)?;
    let mut lines = Vec::new();
    for info in chip.line_info_iter().map_err(told)? {
        let info = info.map_err(told)?;
        lines.push(LineUse {
            offset: info.offset,
            name: info.name,
            is_output: info.direction == Direction::Output,
            used_by: info.used.then_some(info.consumer),
        });
    }
    Ok(ChipLines {
        path: path.to_owned(),
        label: chip.info().map_err(told)?.label,
        lines,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_absent_is_told_with_the_mend() {
        for (chip, id) in [
            (Some("/dev/gpiochip99"), LineId::Offset(3)),
            (Some("no-such-chip"), LineId::Name("GPIO17".to_owned())),
            (None, LineId::Name("no such line".to_owned())),
        ] {
            let place = Place {
                chip: chip.map(str::to_owned),
                id,
            };
            let error = place.find("the lock").expect_err("absent").to_string();
            assert!(error.starts_with("the lock: line "), "{error}");
            assert!(
                error.contains("absent") && error.contains("transom-agent board"),
                "{error}"
            );
        }
    }

    #[test]
    fn chips_go_by_path_name_and_label() {
        let of = |chip: Option<&str>| Place {
            chip: chip.map(str::to_owned),
            id: LineId::Offset(0),
        };
        let path = Path::new("/dev/gpiochip0");
        for chip in [
            None,
            Some("/dev/gpiochip0"),
            Some("gpiochip0"),
            Some("pl061"),
        ] {
            assert!(of(chip).is_of(path, "gpiochip0", "pl061"), "{chip:?}");
        }
        assert!(!of(Some("gpiochip1")).is_of(path, "gpiochip0", "pl061"));
    }
}
