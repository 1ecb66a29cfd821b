//! The boards' targets: what each is compiled by, linked with and checked against.

use crate::needs::{self, Package};

/// A kind of board that programs are built for.
pub(crate) struct Target {
    /// How the command line calls it.
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) triple: &'static str,
    /// `e_machine` in the ELF header.
    pub(crate) machine: object::elf::Machine,
    pub(crate) libc: Libc,
    /// qemu's program for a single process.
    pub(crate) emulator: &'static str,
}

/// Whose C library the programs use, and with that, how they are built.
pub(crate) enum Libc {
    /// Debian's, shared, as are ALSA and libstdc++.
    Gnu(Debian),
    /// Linked in, by zig, which brings musl and a C++ library for it.
    Musl,
}

/// Debian's port to the board.
pub(crate) struct Debian {
    pub(crate) architecture: &'static str,
    /// The folder of its libraries below `/usr/lib`, and the prefix of its compilers.
    pub(crate) multiarch: &'static str,
    pub(crate) compilers: &'static [Package],
}

pub(crate) const TARGETS: &[Target] = &[
    Target {
        name: "aarch64-gnu",
        about: "64-bit Raspberry Pi OS, Debian 12 and later",
        triple: "aarch64-unknown-linux-gnu",
        machine: object::elf::EM_AARCH64,
        libc: Libc::Gnu(Debian {
            architecture: "arm64",
            multiarch: "aarch64-linux-gnu",
            compilers: needs::COMPILERS_ARM64,
        }),
        emulator: "qemu-aarch64-static",
    },
    Target {
        name: "aarch64-musl",
        about: "any 64-bit ARM Linux, static; without ALSA, so without a microphone",
        triple: "aarch64-unknown-linux-musl",
        machine: object::elf::EM_AARCH64,
        libc: Libc::Musl,
        emulator: "qemu-aarch64-static",
    },
    Target {
        name: "armv7-gnu",
        about: "32-bit Raspberry Pi OS on a Pi 2 or later (not Pi 1 and Zero, which are ARMv6)",
        triple: "armv7-unknown-linux-gnueabihf",
        machine: object::elf::EM_ARM,
        libc: Libc::Gnu(Debian {
            architecture: "armhf",
            multiarch: "arm-linux-gnueabihf",
            compilers: needs::COMPILERS_ARMHF,
        }),
        emulator: "qemu-arm-static",
    },
];

impl Target {
    /// For names of environment variables: `aarch64_unknown_linux_gnu`.
    pub(crate) fn underscored(&self) -> String {
        self.triple.replace('-', "_")
    }
}

pub(crate) fn named(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
