//! Which loads are measured.

use std::fmt;

use crate::args::Args;
use crate::failure::Failure;

const SUBSCRIBERS: [u64; 5] = [1, 10, 50, 100, 300];
const PUBLISHERS: [&str; 3] = ["burst", "chromium", "paced"];
const CIPHERS: [&str; 3] = ["gcm", "cm", "mixed"];

/// One load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) publisher: String,
    pub(crate) cipher: String,
    pub(crate) n: u64,
}

impl Case {
    /// The same with another cipher, where one is given.
    pub(crate) fn with_cipher(&self, cipher: Option<&str>) -> Self {
        Self {
            cipher: cipher.unwrap_or(&self.cipher).to_owned(),
            ..self.clone()
        }
    }

    /// The load generator's options.
    pub(crate) fn words(&self) -> [String; 7] {
        [
            "--n".to_owned(),
            self.n.to_string(),
            "--publisher".to_owned(),
            self.publisher.clone(),
            "--cipher".to_owned(),
            self.cipher.clone(),
            "--plain".to_owned(),
        ]
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} N={}", self.publisher, self.cipher, self.n)
    }
}

/// Those that are asked for; everything by default.
pub(crate) struct Choice {
    n: Vec<u64>,
    publishers: Vec<String>,
    ciphers: Vec<String>,
}

impl Default for Choice {
    fn default() -> Self {
        Self {
            n: SUBSCRIBERS.to_vec(),
            publishers: PUBLISHERS.map(str::to_owned).to_vec(),
            ciphers: CIPHERS.map(str::to_owned).to_vec(),
        }
    }
}

impl Choice {
    /// Every publisher, and these by default.
    pub(crate) fn of(n: &[u64], ciphers: &[&str]) -> Self {
        Self {
            n: n.to_vec(),
            ciphers: ciphers.iter().map(|c| (*c).to_owned()).collect(),
            ..Self::default()
        }
    }

    /// Takes `option` and its value, if it is one that chooses.
    pub(crate) fn take(&mut self, option: &str, args: &mut Args) -> Result<bool, Failure> {
        match option {
            "--n" | "-n" => self.n = numbers("--n", &args.value(option)?)?,
            "--publisher" => {
                self.publishers = names(option, &args.value(option)?, &PUBLISHERS)?;
            }
            "--cipher" => self.ciphers = names(option, &args.value(option)?, &CIPHERS)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Each with each.
    pub(crate) fn cases(&self) -> Vec<Case> {
        let mut cases = Vec::new();
        for publisher in &self.publishers {
            for cipher in &self.ciphers {
                cases.extend(self.n.iter().map(|n| Case {
                    publisher: publisher.clone(),
                    cipher: cipher.clone(),
                    n: *n,
                }));
            }
        }
        cases
    }
}

/// The numbers of a list that is the value of `option`.
pub(super) fn numbers(option: &str, list: &str) -> Result<Vec<u64>, Failure> {
    let numbers = list.split(',').map(|n| {
        n.parse().ok().filter(|n| *n > 0).ok_or_else(|| {
            Failure::new(format!(
                "{option} needs numbers such as 1,10,100, not `{list}`"
            ))
        })
    });
    numbers.collect()
}

fn names(option: &str, list: &str, known: &[&str]) -> Result<Vec<String>, Failure> {
    if list == "all" {
        return Ok(known.iter().map(|k| (*k).to_owned()).collect());
    }
    let names = list.split(',').map(|name| {
        if known.contains(&name) {
            Ok(name.to_owned())
        } else {
            let known = known.join(", ");
            Err(Failure::new(format!(
                "{option} knows {known} and all, not `{name}`"
            )))
        }
    });
    names.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cases(words: &str) -> Result<Vec<String>, Failure> {
        let mut args = Args::new(words.split_whitespace().map(str::to_owned));
        let mut choice = Choice::default();
        while let Some(word) = args.word() {
            assert!(choice.take(&word, &mut args)?, "{word}");
        }
        Ok(choice.cases().iter().map(Case::to_string).collect())
    }

    #[test]
    fn everything_by_default_and_lists_where_given() {
        assert_eq!(cases("").expect("the default").len(), 45);
        let few = cases("--n 5,7 --publisher paced --cipher gcm,cm").expect("lists");
        assert_eq!(
            few,
            [
                "paced gcm N=5",
                "paced gcm N=7",
                "paced cm N=5",
                "paced cm N=7"
            ]
        );
        assert_eq!(
            cases("--cipher all --n 1 --publisher all")
                .expect("all")
                .len(),
            9
        );
    }

    #[test]
    fn slips_are_named() {
        for (words, mend) in [
            ("--n 0", "1,10,100"),
            ("--n many", "1,10,100"),
            ("--cipher des", "mixed"),
            ("--publisher", "needs a value"),
        ] {
            let error = cases(words).expect_err(words).to_string();
            assert!(error.contains(mend), "{error}");
        }
    }
}
