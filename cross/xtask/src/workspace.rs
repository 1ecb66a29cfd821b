//! Where things are.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::Failure;

pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

pub(crate) fn target() -> PathBuf {
    // Absolute: not all that is told of it runs in the root.
    root().join(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// The folder that holds the built programs.
pub(crate) fn bin_dir(profile: Profile) -> PathBuf {
    target().join(profile.folder())
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    Dev,
    Release,
    /// What packages hold: one crate, as it were.
    Dist,
}

impl Profile {
    pub(crate) fn named(name: &str) -> Result<Self, Failure> {
        match name {
            "dev" => Ok(Self::Dev),
            "release" => Ok(Self::Release),
            "dist" => Ok(Self::Dist),
            other => Err(Failure::new(format!(
                "a profile is dev, release or dist, not `{other}`"
            ))),
        }
    }

    /// What cargo calls its folder.
    pub(crate) fn folder(self) -> &'static str {
        match self {
            Self::Dev => "debug",
            Self::Release => "release",
            Self::Dist => "dist",
        }
    }

    /// What tells cargo.
    pub(crate) fn words(self) -> &'static [&'static str] {
        match self {
            Self::Dev => &[],
            Self::Release => &["--release"],
            Self::Dist => &["--profile", "dist"],
        }
    }
}

/// `cargo` as it was called, from the workspace's root.
pub(crate) fn cargo<'a>(words: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(words).current_dir(root());
    command
}

/// The build of both programs.
pub(crate) fn build(profile: Profile) -> Command {
    build_of(&["transom-sfu", "transom-agent"], profile)
}

/// The build of some packages.
pub(crate) fn build_of(packages: &[&str], profile: Profile) -> Command {
    let mut command = cargo(["build"]);
    for package in packages {
        command.args(["--package", package]);
    }
    command.args(profile.words());
    command
}
