//! One build for a board: what it needs, its environment, where its programs end up.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cross::target::{Debian, Libc, Target};
use crate::failure::Failure;
use crate::needs::{self, Consent};
use crate::step;
use crate::sysroot::Sysroot;
use crate::tools::Zig;
use crate::workspace::{self, Profile};

/// The two programs.
pub(crate) const PROGRAMS: [&str; 2] = ["transom-sfu", "transom-agent"];

/// Test programs: one that drives, one that makes a camera of a recording.
pub(crate) const TOOLS: [&str; 2] = ["driver", "feeder"];

/// What zig pins symbols of glibc to: Debian 12's.
const GLIBC: &str = "2.36";

/// What libraries the programs name, and what it takes to run them elsewhere than on a board.
const LIBRARIES: &[&str] = &[
    "libc6",
    "libgcc-s1",
    "libstdc++6",
    "libasound2-dev",
    "libasound2-data",
];

/// Installs and fetches what building and emulating takes.
pub(crate) fn ready(target: &Target, consent: Consent) -> Result<(), Failure> {
    needs::debian(needs::BUILD, consent)?;
    needs::debian(needs::EMULATORS, consent)?;
    needs::rust_target(target.triple)?;
    match &target.libc {
        Libc::Gnu(debian) => {
            needs::debian(debian.compilers, consent)?;
            libraries(debian).map(drop)
        }
        Libc::Musl => Zig::ready(consent).map(drop),
    }
}

/// What the emulator of `target` wants in its environment: where the libraries are.
pub(crate) fn emulator_env(target: &Target) -> Vec<(&'static str, String)> {
    match &target.libc {
        Libc::Gnu(debian) => {
            let root = Sysroot::new(debian.architecture).root();
            vec![("QEMU_LD_PREFIX", root.display().to_string())]
        }
        Libc::Musl => Vec::new(),
    }
}

/// Builds both programs and returns where they are.
pub(crate) fn build(
    target: &Target,
    profile: Profile,
    zig: bool,
    consent: Consent,
) -> Result<PathBuf, Failure> {
    needs::debian(needs::BUILD, consent)?;
    needs::rust_target(target.triple)?;
    let mut command = match &target.libc {
        Libc::Gnu(debian) => {
            let sysroot = libraries(debian)?;
            if zig {
                let mut command = Zig::ready(consent)?.cargo(&format!("{}.{GLIBC}", target.triple));
                look_in(&mut command, target, debian, &sysroot);
                command
            } else {
                needs::debian(debian.compilers, consent)?;
                let mut command = by_gcc(target, debian, &sysroot);
                if profile == Profile::Dist {
                    link_small(&mut command, target);
                }
                command
            }
        }
        Libc::Musl => {
            let mut command = Zig::ready(consent)?.cargo(target.triple);
            command.arg("--no-default-features");
            command
        }
    };
    for program in PROGRAMS {
        command.args(["--package", program]);
    }
    command.args(profile.words());
    if std::env::var_os("RUSTFLAGS").is_some() {
        println!(
            "RUSTFLAGS is set: cargo then leaves out the flags of .cargo/config.toml, and AES-CM \
             WILL NOT USE THE PROCESSOR'S INSTRUCTIONS. `unset RUSTFLAGS` mends it."
        );
    }
    step::run(&format!("build for {}", target.name), command)?;
    Ok(bin_dir(target, profile))
}

/// Builds the test programs that run on boards.
pub(crate) fn build_tools(target: &Target, debian: &Debian) -> Result<(), Failure> {
    let mut command = by_gcc(target, debian, &libraries(debian)?);
    command.args(["--package", "transom-tests-e2e"]);
    command.args(["--package", "transom-tests-device"]);
    command.args(TOOLS.iter().flat_map(|tool| ["--bin", tool]));
    step::run(
        &format!("build {} for {}", TOOLS.join(", "), target.name),
        command,
    )
}

/// `cargo build` by Debian's cross compilers.
fn by_gcc(target: &Target, debian: &Debian, sysroot: &Sysroot) -> Command {
    let mut command = workspace::cargo(["build", "--target", target.triple]);
    // clang knows the machine, but not where its headers are.
    command.env(
        format!("BINDGEN_EXTRA_CLANG_ARGS_{}", target.underscored()),
        format!("-isystem /usr/{}/include", debian.multiarch),
    );
    look_in(&mut command, target, debian, sysroot);
    command
}

/// Links with the linker that comes with Rust: relative relocations (DT_RELR) take a fiftieth of the room, and
/// functions that are alike are there once. glibc knows such relocations since 2.36, Debian 12's.
fn link_small(command: &mut Command, target: &Target) {
    let libraries = step::output(Command::new("rustc").args(["--print", "target-libdir"]));
    let linker = libraries
        .as_deref()
        .and_then(|folder| Path::new(folder.trim()).parent())
        .map(|folder| folder.join("bin").join("gcc-ld"))
        .filter(|folder| folder.is_dir());
    let Some(linker) = linker else {
        println!("This Rust brings no linker along: the programs will be some hundred KB larger.");
        return;
    };
    let folder = format!("-B{}", linker.display());
    let flags = [
        &folder,
        "-fuse-ld=lld",
        "-Wl,-z,pack-relative-relocs",
        "-Wl,--icf=all",
    ];
    // Beside the flags of .cargo/config.toml, which the environment would replace.
    let flags = flags
        .map(|flag| format!("\"-Clink-arg={flag}\""))
        .join(", ");
    command.arg("--config");
    command.arg(format!("target.{}.rustflags = [{flags}]", target.triple));
}

/// The folder that holds the programs built for `target`.
pub(crate) fn bin_dir(target: &Target, profile: Profile) -> PathBuf {
    workspace::target()
        .join(target.triple)
        .join(profile.folder())
}

/// The libraries of a Debian board.
pub(crate) fn libraries(debian: &Debian) -> Result<Sysroot, Failure> {
    let sysroot = Sysroot::new(debian.architecture);
    // Its name tells how wide its time is: libasound2, libasound2t64.
    let alsa = sysroot.dependency("libasound2-dev", "libasound2")?;
    let mut packages = LIBRARIES.to_vec();
    packages.push(&alsa);
    sysroot.hold(&packages)?;
    Ok(sysroot)
}

/// pkg-config finds ALSA in `sysroot` and nowhere else.
fn look_in(command: &mut Command, target: &Target, debian: &Debian, sysroot: &Sysroot) {
    let root = sysroot.root();
    let usr = root.join("usr");
    let folders = [
        usr.join("lib").join(debian.multiarch).join("pkgconfig"),
        usr.join("share").join("pkgconfig"),
    ];
    let folders = folders.map(|folder| folder.display().to_string()).join(":");
    let name = target.underscored();
    command
        .env(format!("PKG_CONFIG_SYSROOT_DIR_{name}"), &root)
        .env(format!("PKG_CONFIG_LIBDIR_{name}"), folders);
}
