//! An encoder in software that looks like one in hardware: the kernel's own `vicodec`, which Debian
//! leaves out, built of the kernel's source. It makes no H.264, and whoever asks it for that gets another
//! format without a word.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cross::Debian;
use crate::device::kbuild::{self, Kernel};
use crate::failure::Failure;
use crate::step;

const NAME: &str = "vicodec";

/// Fetches what it is built of: the whole kernel's source, packed.
pub(crate) fn ready(kernel: &Kernel<'_>) -> Result<(), Failure> {
    kernel.sysroot.hold(&[&source(kernel)])
}

/// Builds it, unless that was done already, and returns where it is.
pub(crate) fn build(kernel: &Kernel<'_>, debian: &Debian) -> Result<PathBuf, Failure> {
    // Debian's configuration has it off.
    let on = ["CONFIG_VIDEO_VICODEC=m"];
    kbuild::build(kernel, debian, NAME, &on, |folder| unpack(kernel, folder))
}

fn source(kernel: &Kernel<'_>) -> String {
    format!("linux-source-{}", kernel.series())
}

fn unpack(kernel: &Kernel<'_>, folder: &Path) -> Result<(), Failure> {
    let name = source(kernel);
    let packed = kernel.sysroot.root().join("usr/src").join(&name);
    let mut tar = Command::new("tar");
    tar.arg("--extract")
        .arg("--file")
        .arg(packed.with_added_extension("tar.xz"))
        .arg("--directory")
        .arg(folder)
        .arg("--strip-components=5")
        .arg(format!("{name}/drivers/media/test-drivers/{NAME}"));
    step::run(&format!("unpack {NAME}"), tar)
}
