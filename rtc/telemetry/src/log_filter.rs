//! What to log: a level, and other levels for some modules.

/// The levels, the quietest first.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// What a filter may name.
#[derive(Clone, Copy, Debug)]
pub struct LogNames {
    /// The program's own crate first, then others of the project that log.
    pub crates: &'static [Crate],
    /// Libraries that log.
    pub libraries: &'static [&'static str],
}

/// A crate as log targets have it.
#[derive(Clone, Copy, Debug)]
pub struct Crate {
    /// Its name, with underscores.
    pub name: &'static str,
    /// Its modules of the first level; where there are none here, any will do.
    pub modules: &'static [&'static str],
}

/// A filter whose every word means something: `info`, or
/// `info,transom_sfu::media=debug`.
///
/// The syntax is a part of that of tracing's `Targets`, which takes any word
/// for the name of a module: a slip in a level would silence the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFilter {
    text: String,
    names_modules: bool,
}

/// Why a filter means nothing. Each message is one line, names the item and the mend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogFilterError {
    /// Nothing stands between two commas, or at all.
    #[error("log: an item is empty; give {0}")]
    Empty(LogExample),
    /// A word that is no level.
    #[error(
        "log: `{item}` is not a log level; use off, error, warn, info, debug or trace, such as {example}"
    )]
    Word {
        /// The item.
        item: String,
        /// What could stand there.
        example: LogExample,
    },
    /// A module without a level.
    #[error("log: `{item}` is a module and needs a level: write {item}=debug")]
    Bare {
        /// The item.
        item: String,
    },
    /// A module with a word that is no level.
    #[error(
        "log: `{level}` in `{item}` is not a log level; use off, error, warn, info, debug or trace"
    )]
    Level {
        /// The item.
        item: String,
        /// What stands for its level.
        level: String,
    },
    /// A module that is not there.
    #[error("log: `{item}`: there is no module `{module}`; there are {known}")]
    Module {
        /// The item.
        item: String,
        /// What it names.
        module: String,
        /// What it could name.
        known: String,
    },
}

/// Two filters that the program takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogExample(String);

impl std::fmt::Display for LogExample {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "--log info or --log info,{}=debug", self.0)
    }
}

impl LogFilter {
    /// Reads a filter: items between commas, each a level or `MODULE=LEVEL`.
    ///
    /// # Errors
    /// The first item that means nothing.
    pub fn parse(text: &str, names: &LogNames) -> Result<Self, LogFilterError> {
        let mut items = Vec::new();
        let mut names_modules = false;
        for item in text.split(',').map(str::trim) {
            let item = match item.split_once('=') {
                _ if item.is_empty() => return Err(LogFilterError::Empty(names.example())),
                None => level_of(item)
                    .ok_or_else(|| names.mistaken(item))?
                    .to_owned(),
                Some((module, level)) => {
                    let (module, level) = (module.trim(), level.trim());
                    names.check(item, module)?;
                    let level = level_of(level).ok_or_else(|| LogFilterError::Level {
                        item: item.into(),
                        level: level.into(),
                    })?;
                    names_modules = true;
                    format!("{module}={level}")
                }
            };
            items.push(item);
        }
        Ok(Self {
            text: items.join(","),
            names_modules,
        })
    }

    /// As `Targets` reads it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it sets some module apart: then lines should tell theirs.
    pub fn names_modules(&self) -> bool {
        self.names_modules
    }
}

fn level_of(word: &str) -> Option<&'static str> {
    LEVELS.into_iter().find(|l| l.eq_ignore_ascii_case(word))
}

impl LogNames {
    /// Whether there is such a module, as far as the list goes.
    fn check(&self, item: &str, module: &str) -> Result<(), LogFilterError> {
        let mut path = module.split("::");
        let (root, first) = (path.next().unwrap_or_default(), path.next());
        let known = match self.crates.iter().find(|krate| krate.name == root) {
            None if self.libraries.contains(&root) => return Ok(()),
            None => self.roots(),
            Some(Crate { modules, .. }) => match first {
                Some(first) if !modules.is_empty() && !modules.contains(&first) => {
                    format!("{root}:: {}", modules.join(", "))
                }
                _ => return Ok(()),
            },
        };
        Err(LogFilterError::Module {
            item: item.into(),
            module: module.into(),
            known,
        })
    }

    /// What is wrong with a lone word that is no level.
    fn mistaken(&self, item: &str) -> LogFilterError {
        let item = item.to_owned();
        match self.check(&item, &item) {
            Ok(()) => LogFilterError::Bare { item },
            Err(told) if item.contains("::") => told,
            Err(_) => LogFilterError::Word {
                item,
                example: self.example(),
            },
        }
    }

    fn roots(&self) -> String {
        let crates = self.crates.iter().map(|krate| krate.name);
        let all: Vec<&str> = crates.chain(self.libraries.iter().copied()).collect();
        all.join(", ")
    }

    fn example(&self) -> LogExample {
        LogExample(self.crates.first().map_or("", |own| own.name).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: LogNames = LogNames {
        crates: &[
            Crate {
                name: "transom_sfu",
                modules: &["http", "media"],
            },
            Crate {
                name: "transom_rtc_dtls",
                modules: &[],
            },
        ],
        libraries: &["dtls"],
    };

    fn parse(text: &str) -> Result<LogFilter, LogFilterError> {
        LogFilter::parse(text, &NAMES)
    }

    #[test]
    fn levels_and_modules_are_taken() {
        for (text, read, names_modules) in [
            ("info", "info", false),
            (" DEBUG ", "debug", false),
            ("off", "off", false),
            (
                "info, transom_sfu::media=Debug",
                "info,transom_sfu::media=debug",
                true,
            ),
            ("transom_sfu=trace", "transom_sfu=trace", true),
            (
                "warn,transom_sfu::media::world=debug,transom_rtc_dtls::session=info,dtls::x=off",
                "warn,transom_sfu::media::world=debug,transom_rtc_dtls::session=info,dtls::x=off",
                true,
            ),
        ] {
            let filter = parse(text).unwrap();
            assert_eq!(
                (filter.as_str(), filter.names_modules()),
                (read, names_modules)
            );
        }
    }

    #[test]
    fn each_slip_is_named_with_its_mend() {
        for (text, words) in [
            ("", &["empty", "--log info"][..]),
            ("info,,debug", &["empty"]),
            (
                "inof",
                &["`inof`", "not a log level", "--log info,transom_sfu=debug"],
            ),
            ("info,verbose", &["`verbose`", "debug"]),
            (
                "info,transom_sfu=loud",
                &["`loud`", "`transom_sfu=loud`", "trace"],
            ),
            ("transom_sfu=a=b", &["`a=b`", "not a log level"]),
            ("transom_sfu", &["transom_sfu=debug"]),
            ("transom_sfu::media", &["transom_sfu::media=debug"]),
            ("transom_sfu::medai", &["`transom_sfu::medai`", "media"]),
            (
                "info,transom_sfu::medai=debug",
                &["`transom_sfu::medai`", "http, media"],
            ),
            (
                "tranmos_sfu=debug",
                &["`tranmos_sfu`", "transom_sfu, ", "dtls"],
            ),
            ("info,transom_sfu[span]=debug", &["`transom_sfu[span]`"]),
            ("=debug", &["no module ``"]),
            ("5", &["`5`"]),
        ] {
            let told = parse(text).unwrap_err().to_string();
            assert!(!told.contains('\n'), "{told}");
            for word in words {
                assert!(told.contains(word), "{text:?}: {told}");
            }
        }
    }
}
