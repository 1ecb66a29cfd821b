//! `board = ...` of `[control]`: which board the configuration wishes for.

use super::library::{AUTO, BoardError, Selected, select};

/// A board that was wished for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wished {
    /// It is known.
    Found(Box<Selected>),
    /// `auto`, and no file is for this machine: nothing is wired, and the log says so.
    Unknown(String),
}

impl Wished {
    /// The board that `word` names. A machine that `auto` does not know is no reason to show no picture.
    pub fn of(word: &str) -> Result<Self, BoardError> {
        match select(word) {
            Ok(selected) => Ok(Self::Found(Box::new(selected))),
            Err(mut mistakes) => match mistakes.drain(..).next() {
                Some(unknown @ BoardError::NotDetected { .. }) if word == AUTO => {
                    Ok(Self::Unknown(unknown.to_string()))
                }
                Some(mistake) => Err(mistake),
                // There is always one.
                None => Ok(Self::Unknown(String::new())),
            },
        }
    }
}
