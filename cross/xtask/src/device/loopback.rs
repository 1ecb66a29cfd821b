//! A camera of recordings: the kernel module v4l2loopback, built of Debian's source for the board's
//! kernel. What a program writes to it, another captures.

use std::fs;
use std::path::{Path, PathBuf};

use crate::cross::Debian;
use crate::device::kbuild::{self, Kernel};
use crate::failure::Failure;
use crate::sysroot::Sysroot;

/// The module's source, for every architecture.
const SOURCE: &str = "v4l2loopback-dkms";
const NAME: &str = "v4l2loopback";

/// Its options: one device, at a number that no other camera takes, that is a camera only while
/// somebody writes.
pub(crate) const OPTIONS: &str = "devices=1 video_nr=9 card_label=Recording exclusive_caps=1";

/// Fetches what it is built of.
pub(crate) fn ready(kernel: &Kernel<'_>) -> Result<(), Failure> {
    kernel.sysroot.hold(&[SOURCE])
}

/// Builds it, unless that was done already, and returns where it is.
pub(crate) fn build(kernel: &Kernel<'_>, debian: &Debian) -> Result<PathBuf, Failure> {
    kbuild::build(kernel, debian, NAME, &[], |folder| {
        copy_source(kernel.sysroot, folder)
    })
}

fn copy_source(sysroot: &Sysroot, folder: &Path) -> Result<(), Failure> {
    let sources = sysroot.root().join("usr/src");
    let failed = || Failure::new(format!("no v4l2loopback-... in {}", sources.display()));
    let source = fs::read_dir(&sources)
        .map_err(Failure::io(sources.display()))?
        .flatten()
        .find(|entry| {
            entry
                .file_name()
                .to_string_lossy()
                .starts_with("v4l2loopback-")
        })
        .ok_or_else(failed)?
        .path();
    let copy = || {
        for entry in fs::read_dir(&source)?.flatten() {
            if entry.file_type()?.is_file() {
                fs::copy(entry.path(), folder.join(entry.file_name()))?;
            }
        }
        Ok(())
    };
    copy().map_err(Failure::io(folder.display()))
}
