//! The architectures that packages are for, by Debian's names.

use std::path::PathBuf;
use std::process::Command;

use crate::cross::{self, Debian, Libc, Target};
use crate::failure::Failure;
use crate::needs::{self, Consent};
use crate::step;
use crate::workspace::{self, Profile};

/// One of them.
pub(crate) struct Architecture {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    kind: Kind,
}

enum Kind {
    /// This machine's own.
    Native(Target),
    /// A board's, by its target's name.
    Cross(&'static str),
}

/// This machine's own architecture, if packages are made for it.
pub(crate) const HOST: Option<&Architecture> = match cfg!(target_arch = "x86_64") {
    true => Some(&AMD64),
    false => None,
};

/// Those of boards.
pub(crate) const BOARDS: &[&Architecture] = &[&ARM64, &ARMHF];

pub(super) const ARCHITECTURES: [&Architecture; 3] = [&AMD64, &ARM64, &ARMHF];

const AMD64: Architecture = Architecture {
    name: "amd64",
    about: "PCs; made on one",
    kind: Kind::Native(Target {
        name: "x86_64-gnu",
        about: "PCs",
        triple: "x86_64-unknown-linux-gnu",
        machine: object::elf::EM_X86_64,
        libc: Libc::Gnu(Debian {
            architecture: "amd64",
            multiarch: "x86_64-linux-gnu",
            compilers: &[],
        }),
        emulator: "qemu-x86_64-static",
    }),
};

const ARM64: Architecture = Architecture {
    name: "arm64",
    about: "64-bit Raspberry Pi OS, Debian 12 and later",
    kind: Kind::Cross("aarch64-gnu"),
};

const ARMHF: Architecture = Architecture {
    name: "armhf",
    about: "32-bit Raspberry Pi OS on a Pi 2 or later; ARMv6 boards are refused",
    kind: Kind::Cross("armv7-gnu"),
};

pub(super) fn named(name: &str) -> Option<&'static Architecture> {
    ARCHITECTURES.into_iter().find(|one| one.name == name)
}

impl Architecture {
    /// Builds both programs and returns where they are. For boards, what a fresh Debian 12 could not run
    /// is refused, and what is larger than it is to be; for PCs the one is told, and the packages then
    /// depend on what this machine has, and the other does not matter.
    pub(crate) fn build(&self, profile: Profile, consent: Consent) -> Result<PathBuf, Failure> {
        let target = self.target()?;
        match &self.kind {
            Kind::Native(_) => {
                needs::debian(needs::BUILD, consent)?;
                step::run("build", workspace::build(profile))?;
                let folder = workspace::bin_dir(profile);
                for complaint in cross::report(target, &folder, false)? {
                    println!("NOT FOR DEBIAN 12: {complaint}");
                }
                Ok(folder)
            }
            Kind::Cross(_) => {
                let folder = cross::build(target, profile, false, consent)?;
                let judge_size = profile == Profile::Dist;
                let complaints = cross::report(target, &folder, judge_size)?;
                match complaints.is_empty() {
                    true => Ok(folder),
                    false => Err(Failure::new(complaints.join("\n"))),
                }
            }
        }
    }

    /// The command that takes symbols out of a program.
    pub(super) fn strip(&self) -> Result<Command, Failure> {
        let prefix = match &self.target()?.libc {
            Libc::Gnu(debian) => debian.multiarch,
            Libc::Musl => "",
        };
        Ok(Command::new(format!("{prefix}-strip")))
    }

    fn target(&self) -> Result<&Target, Failure> {
        match &self.kind {
            Kind::Native(target) if cfg!(target_arch = "x86_64") => Ok(target),
            Kind::Native(_) => Err(Failure::new(
                "packages for amd64 are made on an amd64 machine; this is another",
            )),
            Kind::Cross(name) => {
                cross::named(name).ok_or_else(|| Failure::new(format!("there is no target {name}")))
            }
        }
    }
}
