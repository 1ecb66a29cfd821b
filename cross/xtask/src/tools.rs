//! What the browser tests run on: Node with playwright-core, and a Python environment that carries
//! FFmpeg and real clips.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::Failure;
use crate::needs::{self, Consent};
use crate::step;
use crate::workspace::{self, Profile};

/// Everything in place.
pub(crate) struct Browser {
    folder: PathBuf,
    python: PathBuf,
}

impl Browser {
    /// Installs what is missing.
    pub(crate) fn ready(consent: Consent) -> Result<Self, Failure> {
        needs::debian(needs::BROWSER, consent)?;
        let folder = workspace::root().join("tests").join("browser");
        let python = workspace::target().join("venv").join("bin").join("python");
        node_packages(&folder)?;
        // Their own dependencies serve parts of them that are not used here.
        python_packages(&folder, "venv", &["--no-deps"], consent)?;
        Ok(Self { folder, python })
    }

    /// The test suite. One file at a time: two cores decode little more than one stream in real time.
    pub(crate) fn tests(&self, profile: Profile) -> Command {
        self.node(
            profile,
            &["--test", "--test-concurrency=1", "--test-reporter=spec"],
        )
    }

    /// The tests of one file, `name` of the folder `test`.
    pub(crate) fn test(&self, profile: Profile, name: &str) -> Command {
        let file = format!("test/{name}");
        self.node(profile, &["--test", "--test-reporter=spec", &file])
    }

    /// One of the measuring scripts.
    pub(crate) fn bench(&self, script: &str) -> Command {
        self.node(Profile::Release, &[script])
    }

    /// Tells `program`, which calls scripts by itself, where they and their tools are.
    pub(crate) fn lend(&self, program: &mut Command) {
        program
            .env("TRANSOM_BROWSER_TESTS", &self.folder)
            .env("TRANSOM_TARGET_DIR", workspace::target())
            .env("TRANSOM_PYTHON", &self.python);
    }

    fn node(&self, profile: Profile, words: &[&str]) -> Command {
        let mut node = Command::new("node");
        node.args(words)
            .current_dir(&self.folder)
            .env("TRANSOM_BIN_DIR", workspace::bin_dir(profile))
            .env("TRANSOM_TARGET_DIR", workspace::target())
            .env("TRANSOM_PYTHON", &self.python);
        node
    }
}

/// Peers that others wrote, with data channels: Chromium, Firefox, libdatachannel, aiortc.
pub(crate) struct Peers {
    folder: PathBuf,
    python: PathBuf,
}

impl Peers {
    /// Installs what is missing.
    pub(crate) fn ready(consent: Consent) -> Result<Self, Failure> {
        needs::debian(needs::BROWSER, consent)?;
        needs::debian(needs::FIREFOX, consent)?;
        let folder = workspace::root().join("tests").join("interop");
        node_packages(&folder)?;
        python_packages(&folder, "interop-venv", &[], consent)?;
        let venv = workspace::target().join("interop-venv");
        let python = venv.join("bin").join("python");
        Ok(Self { folder, python })
    }

    /// The test suite.
    pub(crate) fn tests(&self, profile: Profile) -> Command {
        let mut node = Command::new("node");
        node.args(["--test", "--test-concurrency=1", "--test-reporter=spec"])
            .arg("--test-timeout=60000")
            .args(
                ["chromium", "firefox", "node-datachannel", "aiortc", "log"]
                    .map(|peer| format!("peers/{peer}.test.js")),
            )
            .current_dir(&self.folder)
            .env("TRANSOM_BIN_DIR", workspace::bin_dir(profile))
            .env("TRANSOM_PYTHON", &self.python);
        node
    }
}

/// The Python that has robots of others: a simulator, MAVLink's own library, DDS.
pub(crate) fn robots(consent: Consent) -> Result<PathBuf, Failure> {
    needs::debian(needs::PYTHON, consent)?;
    let folder = workspace::root().join("tests").join("robots");
    python_packages(&folder, "robots-venv", &[], consent)?;
    Ok(workspace::target()
        .join("robots-venv")
        .join("bin")
        .join("python"))
}

/// zig as C compiler and linker: its C libraries are those of any target, of any age.
pub(crate) struct Zig {
    bin: PathBuf,
}

impl Zig {
    /// Installs what is missing.
    pub(crate) fn ready(consent: Consent) -> Result<Self, Failure> {
        let folder = workspace::root().join("cross");
        python_packages(&folder, "zig-venv", &[], consent)?;
        let bin = workspace::target().join("zig-venv").join("bin");
        Ok(Self { bin })
    }

    /// `cargo build` for a triple, with glibc's version behind it if it is to be an old one.
    pub(crate) fn cargo(&self, triple: &str) -> Command {
        let mut command = Command::new(self.bin.join("cargo-zigbuild"));
        // Not in the root: of its headers below the folder it runs in zig tells relative paths,
        // which lead nowhere from the folders that build scripts run in.
        command
            .args(["zigbuild", "--target", triple])
            .current_dir(workspace::root().join("cross"))
            .env("CARGO_TARGET_DIR", workspace::target())
            .env("CARGO_ZIGBUILD_PYTHON_PATH", self.bin.join("python"));
        command
    }
}

fn node_packages(folder: &Path) -> Result<(), Failure> {
    let lock = folder.join("package-lock.json");
    up_to_date(
        &lock,
        &folder.join("node_modules").join(".transom-installed"),
        || {
            let mut npm = Command::new("npm");
            npm.args(["ci", "--no-audit", "--no-fund"])
                .current_dir(folder);
            step::run("npm ci", npm)
        },
    )
}

fn python_packages(
    folder: &Path,
    venv: &str,
    options: &[&str],
    consent: Consent,
) -> Result<(), Failure> {
    let venv = workspace::target().join(venv);
    let list = folder.join("requirements.txt");
    up_to_date(&list, &venv.join(".transom-installed"), || {
        if step::output(Command::new("python3").args(["-c", "import ensurepip, venv"])).is_none() {
            needs::debian(needs::VENV, consent)?;
        }
        let mut make = Command::new("python3");
        make.args(["-m", "venv"]).arg(&venv);
        step::run("python venv", make)?;
        let mut pip = Command::new(venv.join("bin").join("python"));
        pip.args(["-m", "pip", "install", "--quiet"])
            .arg("--disable-pip-version-check")
            .args(options)
            .arg("-r")
            .arg(&list);
        step::run("pip install", pip)
    })
}

/// Runs `install` unless `mark` holds what `list` says now.
fn up_to_date(
    list: &Path,
    mark: &Path,
    install: impl FnOnce() -> Result<(), Failure>,
) -> Result<(), Failure> {
    let wanted = fs::read(list).map_err(Failure::io(list.display()))?;
    if fs::read(mark).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    install()?;
    fs::write(mark, wanted).map_err(Failure::io(mark.display()))
}
