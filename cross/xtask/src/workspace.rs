//! Where things are.

use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// The folder that holds the built programs.
pub(crate) fn bin_dir(profile: Profile) -> PathBuf {
    target().join(match profile {
        Profile::Dev => "debug",
        Profile::Release => "release",
        Profile::Dist => "dist",
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    Dev,
    Release,
    /// What packages hold: one crate, as it were.
    Dist,
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
    match profile {
        Profile::Dev => {}
        Profile::Release => {
            command.arg("--release");
        }
        Profile::Dist => {
            command.args(["--profile", "dist"]);
        }
    }
    command
}
