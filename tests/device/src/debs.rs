//! Packages that were made, looked at with Debian's own tools.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use transom_tests_e2e::StateDir;

/// A package.
pub struct Deb {
    /// Its file.
    pub path: PathBuf,
    /// Its program, and so its name.
    pub name: String,
    /// What it is for, as Debian says it.
    pub architecture: String,
}

/// Those in the folder that the variable `folder` of the environment names.
pub fn debs(folder: &str) -> Vec<Deb> {
    let folder = env::var(folder).unwrap_or_else(|_| {
        panic!(
            "{folder} is not set: `cargo xtask test --only package` makes packages and runs this"
        )
    });
    let entries = fs::read_dir(&folder).expect("the folder of the packages");
    let mut debs: Vec<Deb> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "deb"))
        .map(|path| {
            let stem = path.file_stem().expect("a name").to_string_lossy();
            let parts: Vec<&str> = stem.split('_').collect();
            let [name, _version, architecture] = parts[..] else {
                panic!("{stem} is no package's name");
            };
            Deb {
                name: name.to_owned(),
                architecture: architecture.to_owned(),
                path,
            }
        })
        .collect();
    debs.sort_by(|one, other| one.path.cmp(&other.path));
    assert!(!debs.is_empty(), "no package in {folder}");
    debs
}

impl Deb {
    /// A field of its control file.
    pub fn field(&self, name: &str) -> String {
        output(
            Command::new("dpkg-deb")
                .arg("--field")
                .arg(&self.path)
                .arg(name),
        )
        .trim()
        .to_owned()
    }

    /// Each thing in it: mode and owner as `ls` shows them, and path.
    pub fn contents(&self) -> Vec<(String, String, String)> {
        let listing = output(Command::new("dpkg-deb").arg("--contents").arg(&self.path));
        listing
            .lines()
            .map(|line| {
                let words: Vec<&str> = line.split_whitespace().collect();
                let [mode, owner, .., path] = words[..] else {
                    panic!("no listing: {line}");
                };
                (mode.to_owned(), owner.to_owned(), path.to_owned())
            })
            .collect()
    }

    /// One of its scripts, if it has it.
    pub fn script(&self, name: &str) -> Option<String> {
        let mut info = Command::new("dpkg-deb");
        info.arg("--info").arg(&self.path).arg(name);
        let output = info.output().expect("dpkg-deb");
        let text = || String::from_utf8_lossy(&output.stdout).into_owned();
        output.status.success().then(text)
    }

    /// Its files, unpacked.
    pub fn unpacked(&self) -> StateDir {
        let folder = StateDir::new();
        self.unpack_into(folder.path());
        folder
    }

    /// The same, beside what is there.
    pub fn unpack_into(&self, folder: &Path) {
        output(
            Command::new("dpkg-deb")
                .arg("--extract")
                .arg(&self.path)
                .arg(folder),
        );
    }
}

/// What a command prints that must succeed.
pub(crate) fn output(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}", command.get_program().display()));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{command:?}: {}\n{said}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    said
}
