//! `cargo xtask device`: a 64-bit ARM board made of software, with our programs on it.

mod codec;
mod image;
mod initramfs;
mod kbuild;
mod loopback;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::args::{self, Args};
use crate::cross::{self, Debian, Libc, Target};
use crate::failure::Failure;
use crate::needs::Consent;
use crate::workspace::Profile;

const HELP: &str = "\
cargo xtask device [--shell] [--yes]

  Makes a 64-bit ARM board of software: qemu's machine `virt`, Debian's own kernel, a camera that shows
  colour bars, a sound card that hears what is played, and our programs built for it. Then runs the
  tests on it. Downloads are kept below target/debian.

  --shell   no tests but the board's console, here: Ctrl-A X ends it. This machine is 10.0.2.2 to it
  --yes     install what is missing without asking (CI=true means the same)
";

pub(crate) fn device(mut args: Args) -> Result<(), Failure> {
    let (mut shell, mut yes) = (false, false);
    while let Some(word) = args.word() {
        match word.as_str() {
            "--shell" => shell = true,
            "--yes" | "-y" => yes = true,
            "--help" | "-h" => {
                print!("{HELP}");
                return Ok(());
            }
            other => return Err(args::unknown("device", other)),
        }
    }
    let consent = Consent::new(yes);
    if !shell {
        return crate::test::run_part("device", consent);
    }
    let folder = image(consent)?;
    let ended = console(&folder)
        .status()
        .map_err(Failure::io("cannot start qemu-system-aarch64"))?;
    match ended.success() {
        true => Ok(()),
        false => Err(Failure::new(format!("qemu-system-aarch64: {ended}"))),
    }
}

/// Installs and fetches what the board is made of.
pub(crate) fn ready(consent: Consent) -> Result<(), Failure> {
    let (target, debian) = kind()?;
    image::ready(target, debian, consent).map(drop)
}

/// Makes the board's image and returns its folder.
pub(crate) fn image(consent: Consent) -> Result<PathBuf, Failure> {
    image_of(Profile::Dev, consent)
}

/// The same with the programs built by another profile than tests have them.
pub(crate) fn image_of(profile: Profile, consent: Consent) -> Result<PathBuf, Failure> {
    let (target, debian) = kind()?;
    image::image(target, debian, profile, consent)
}

fn kind() -> Result<(&'static Target, &'static Debian), Failure> {
    let target = cross::named("aarch64-gnu");
    match target.map(|target| (target, &target.libc)) {
        Some((target, Libc::Gnu(debian))) => Ok((target, debian)),
        _ => Err(Failure::new("the board is a Debian of 64 bits")),
    }
}

fn console(folder: &Path) -> Command {
    let mut qemu = Command::new("qemu-system-aarch64");
    qemu.args([
        "-M",
        "virt",
        "-cpu",
        "cortex-a72",
        "-smp",
        "2",
        "-m",
        "1024",
    ])
    .args(["-nographic", "-no-reboot"])
    .arg("-kernel")
    .arg(folder.join("vmlinuz"))
    .arg("-initrd")
    .arg(folder.join("initramfs"))
    .args(["-append", "console=ttyAMA0 panic=-1 quiet -- shell"])
    .args(["-netdev", "user,id=net"])
    .args(["-device", "virtio-net-pci,netdev=net,romfile="]);
    qemu
}
