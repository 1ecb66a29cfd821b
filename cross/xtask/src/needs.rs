//! What must be on the machine, and who agrees to put it there.

use std::io::{BufRead, IsTerminal, Write};
use std::path::Path;
use std::process::Command;

use crate::failure::Failure;
use crate::step;

/// Whether installing needs a question first.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Consent {
    /// `--yes`, or a CI machine.
    Given,
    Ask,
}

impl Consent {
    pub(crate) fn new(yes: bool) -> Self {
        if yes || std::env::var_os("CI").is_some_and(|ci| ci == "true") {
            Self::Given
        } else {
            Self::Ask
        }
    }

    pub(crate) fn to(self, what: &str) -> bool {
        if self == Self::Given {
            return true;
        }
        if !std::io::stdin().is_terminal() {
            return false;
        }
        print!("{what} Do it? [Y/n] ");
        let _ = std::io::stdout().flush();
        let mut answer = String::new();
        std::io::stdin().lock().read_line(&mut answer).is_ok()
            && !answer.is_empty()
            && !answer.trim().to_lowercase().starts_with('n')
    }
}

/// A Debian package and the file or program that shows it is there, whoever installed it.
pub(crate) struct Package {
    name: &'static str,
    shown_by: Sign,
}

enum Sign {
    Program(&'static str),
    PkgConfig(&'static str),
    /// Only the package's own record tells.
    Record,
}

/// What building the two programs takes: C and C++ for the bundled codecs (nasm makes openh264
/// fast), libclang for the V4L2 bindings, ALSA's headers.
pub(crate) const BUILD: &[Package] = &[
    Package {
        name: "g++",
        shown_by: Sign::Program("g++"),
    },
    Package {
        name: "cmake",
        shown_by: Sign::Program("cmake"),
    },
    Package {
        name: "make",
        shown_by: Sign::Program("make"),
    },
    Package {
        name: "nasm",
        shown_by: Sign::Program("nasm"),
    },
    Package {
        name: "clang",
        shown_by: Sign::Program("clang"),
    },
    Package {
        name: "libclang-dev",
        shown_by: Sign::Record,
    },
    Package {
        name: "pkg-config",
        shown_by: Sign::Program("pkg-config"),
    },
    Package {
        name: "libasound2-dev",
        shown_by: Sign::PkgConfig("alsa"),
    },
];

/// C and C++ for 64-bit ARM boards.
pub(crate) const COMPILERS_ARM64: &[Package] = &[Package {
    name: "g++-aarch64-linux-gnu",
    shown_by: Sign::Program("aarch64-linux-gnu-g++"),
}];

/// C and C++ for 32-bit ARM boards with a floating-point unit.
pub(crate) const COMPILERS_ARMHF: &[Package] = &[Package {
    name: "g++-arm-linux-gnueabihf",
    shown_by: Sign::Program("arm-linux-gnueabihf-g++"),
}];

/// What runs one program of another architecture.
pub(crate) const EMULATORS: &[Package] = &[Package {
    name: "qemu-user-static",
    shown_by: Sign::Program("qemu-aarch64-static"),
}];

/// A whole ARM board, and what sorts its kernel's modules.
pub(crate) const BOARD: &[Package] = &[
    Package {
        name: "qemu-system-arm",
        shown_by: Sign::Program("qemu-system-aarch64"),
    },
    Package {
        name: "kmod",
        shown_by: Sign::Record,
    },
    Package {
        name: "xz-utils",
        shown_by: Sign::Program("xz"),
    },
];

/// What makes packages.
pub(crate) const PACKAGES: &[Package] = &[
    Package {
        name: "dpkg-dev",
        shown_by: Sign::Program("dpkg-deb"),
    },
    Package {
        name: "binutils",
        shown_by: Sign::Program("strip"),
    },
];

/// What judges packages and units.
pub(crate) const JUDGES: &[Package] = &[
    Package {
        name: "lintian",
        shown_by: Sign::Program("lintian"),
    },
    Package {
        name: "systemd",
        shown_by: Sign::Program("systemd-analyze"),
    },
    Package {
        name: "man-db",
        shown_by: Sign::Program("man"),
    },
];

/// A fresh Debian, on a PC made of software.
pub(crate) const ROOT: &[Package] = &[
    Package {
        name: "debootstrap",
        shown_by: Sign::Record,
    },
    Package {
        name: "e2fsprogs",
        shown_by: Sign::Record,
    },
    Package {
        name: "qemu-system-x86",
        shown_by: Sign::Program("qemu-system-x86_64"),
    },
];

/// Somebody else's DTLS, for the handshake tests.
pub(crate) const OPENSSL: &[Package] = &[Package {
    name: "openssl",
    shown_by: Sign::Program("openssl"),
}];

/// What runs the page's logic without a browser.
pub(crate) const NODE: &[Package] = &[Package {
    name: "nodejs",
    shown_by: Sign::Program("node"),
}];

/// A clock that is years slow, for the doctors' tests.
pub(crate) const FAKETIME: &[Package] = &[Package {
    name: "faketime",
    shown_by: Sign::Program("faketime"),
}];

/// What counts instructions; callgrind_control comes with it and is Perl.
pub(crate) const VALGRIND: &[Package] = &[
    Package {
        name: "valgrind",
        shown_by: Sign::Program("callgrind_control"),
    },
    Package {
        name: "perl",
        shown_by: Sign::Program("perl"),
    },
];

/// What the browser tests take.
pub(crate) const BROWSER: &[Package] = &[
    Package {
        name: "chromium",
        shown_by: Sign::Program("chromium"),
    },
    Package {
        name: "nodejs",
        shown_by: Sign::Program("node"),
    },
    Package {
        name: "npm",
        shown_by: Sign::Program("npm"),
    },
    Package {
        name: "python3",
        shown_by: Sign::Program("python3"),
    },
    // Networks of the tests' own; `unshare` and `nsenter` are in every Debian.
    Package {
        name: "iproute2",
        shown_by: Sign::Program("ip"),
    },
];

/// A second engine for data channels.
pub(crate) const FIREFOX: &[Package] = &[Package {
    name: "firefox-esr",
    shown_by: Sign::Program("firefox-esr"),
}];

/// For what runs in Python.
pub(crate) const PYTHON: &[Package] = &[Package {
    name: "python3",
    shown_by: Sign::Program("python3"),
}];

/// `python3 -m venv` is a package of its own on Debian.
pub(crate) const VENV: &[Package] = &[Package {
    name: "python3-venv",
    shown_by: Sign::Record,
}];

/// Sees to it that `packages` are installed, or says which command would do it.
pub(crate) fn debian(packages: &[Package], consent: Consent) -> Result<(), Failure> {
    let missing: Vec<&str> = packages
        .iter()
        .filter(|package| !package.is_there())
        .map(|package| package.name)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    if !in_path("apt-get") {
        return Err(Failure::new(format!(
            "missing: {list} (the Debian names; this is another system: install what it calls them)"
        )));
    }
    let root = step::output(Command::new("id").arg("-u")).is_some_and(|id| id.trim() == "0");
    let line = format!("apt-get install --yes --no-install-recommends {list}");
    if !root && !in_path("sudo") {
        return Err(Failure::new(format!("missing: {list}. As root: {line}")));
    }
    let line = if root { line } else { format!("sudo {line}") };
    if !consent.to(&format!("Missing: {list}. `{line}` installs it.")) {
        return Err(Failure::new(format!(
            "missing: {list}. Install it with: {line}   (or answer with --yes)"
        )));
    }
    // A machine that is new has no package lists, and old lists name files that are gone.
    let update = if root {
        "apt-get update"
    } else {
        "sudo apt-get update"
    };
    step::run("package lists", shell(update))?;
    step::run("install", shell(&line))
}

/// Adds a compilation target to the toolchain.
pub(crate) fn rust_target(target: &str) -> Result<(), Failure> {
    let installed =
        step::output(Command::new("rustc").args(["--print", "target-libdir", "--target", target]))
            .is_some_and(|dir| Path::new(dir.trim()).is_dir());
    if installed {
        return Ok(());
    }
    let mut rustup = Command::new("rustup");
    rustup
        .args(["target", "add", target])
        .current_dir(crate::workspace::root());
    step::run(&format!("rustup target add {target}"), rustup)
}

pub(crate) fn in_path(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
    })
}

impl Package {
    fn is_there(&self) -> bool {
        match self.shown_by {
            Sign::Program(name) => in_path(name),
            Sign::PkgConfig(name) => {
                step::output(Command::new("pkg-config").args(["--exists", name])).is_some()
            }
            // Where there is no dpkg there is no record: the build will tell.
            Sign::Record => {
                !in_path("dpkg-query")
                    || step::output(Command::new("dpkg-query").args([
                        "-W",
                        "-f",
                        "${Status}",
                        self.name,
                    ]))
                    .is_some_and(|status| status.ends_with("ok installed"))
            }
        }
    }
}

fn shell(line: &str) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", line])
        .env("DEBIAN_FRONTEND", "noninteractive");
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_not_installed_again() {
        let present = [Package {
            name: "dash",
            shown_by: Sign::Program("sh"),
        }];
        assert!(debian(&present, Consent::Ask).is_ok());
    }

    #[test]
    fn without_consent_the_line_is_told() {
        let absent = [Package {
            name: "transom-no-such-package",
            shown_by: Sign::Program("transom-no-such"),
        }];
        // Standard input is no terminal under the test runner, so nobody can be asked.
        if std::io::stdin().is_terminal() {
            return;
        }
        let error = debian(&absent, Consent::Ask).unwrap_err().to_string();
        assert!(error.contains("transom-no-such-package"), "{error}");
    }
}
