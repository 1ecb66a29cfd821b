//! Command-line words, taken one by one.

use std::collections::VecDeque;

use crate::failure::Failure;

/// What is left of the command line. `--option=value` is the same as `--option value`.
pub(crate) struct Args(VecDeque<String>);

impl Args {
    pub(crate) fn from_env() -> Self {
        Self::new(std::env::args().skip(1))
    }

    pub(crate) fn new(words: impl IntoIterator<Item = String>) -> Self {
        let mut all = VecDeque::new();
        for word in words {
            match word.split_once('=') {
                Some((option, value)) if option.starts_with("--") => {
                    all.extend([option.to_owned(), value.to_owned()]);
                }
                _ => all.push_back(word),
            }
        }
        Self(all)
    }

    pub(crate) fn word(&mut self) -> Option<String> {
        self.0.pop_front()
    }

    /// The value that must follow `option`.
    pub(crate) fn value(&mut self, option: &str) -> Result<String, Failure> {
        self.word()
            .ok_or_else(|| Failure::new(format!("{option} needs a value")))
    }

    /// The number that must follow `option`.
    pub(crate) fn number(&mut self, option: &str) -> Result<u64, Failure> {
        let value = self.value(option)?;
        value
            .parse()
            .map_err(|_| Failure::new(format!("{option} needs a whole number, not `{value}`")))
    }
}

pub(crate) fn unknown(command: &str, option: &str) -> Failure {
    Failure::new(format!(
        "`{command}` has no option `{option}`; `cargo xtask {command} --help` lists them"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_equals_sign_separates_like_a_space() {
        let mut args = Args::new(["--source=file:a=b.mp4".to_owned(), "x=y".to_owned()]);
        assert_eq!(args.word().as_deref(), Some("--source"));
        assert_eq!(args.value("--source").ok().as_deref(), Some("file:a=b.mp4"));
        assert_eq!(args.word().as_deref(), Some("x=y"));
    }

    #[test]
    fn a_missing_value_and_a_word_for_a_number_are_named() {
        let mut args = Args::new(["many".to_owned()]);
        let error = args.number("--for").unwrap_err().to_string();
        assert!(error.contains("--for") && error.contains("many"), "{error}");
        assert!(args.value("--for").is_err());
    }
}
