//! A camera of recordings: the kernel module v4l2loopback, built of Debian's source for the board's
//! kernel. What a program writes to it, another captures.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cross::Debian;
use crate::failure::Failure;
use crate::step;
use crate::sysroot::Sysroot;
use crate::workspace;

/// The module's source, for every architecture.
const SOURCE: &str = "v4l2loopback-dkms";
const MODULE: &str = "v4l2loopback.ko";

/// Its options: one device, at a number that no other camera takes, that is a camera only while
/// somebody writes.
pub(crate) const OPTIONS: &str = "devices=1 video_nr=9 card_label=Recording exclusive_caps=1";

/// Fetches what it is built of.
pub(crate) fn ready(sysroot: &Sysroot, release: &str) -> Result<(), Failure> {
    let headers = headers(release);
    sysroot.hold(&[SOURCE, &headers, &common(release)])?;
    // The tools that build run here, not on the board.
    let tools = sysroot.dependency(&headers, "linux-kbuild-")?;
    host()?.hold(&[&tools])
}

/// Builds it, unless that was done already, and returns where it is.
pub(crate) fn build(sysroot: &Sysroot, debian: &Debian, release: &str) -> Result<PathBuf, Failure> {
    let root = sysroot.root();
    let folder = workspace::target().join("device").join("v4l2loopback");
    let folder = std::path::absolute(&folder).unwrap_or(folder);
    let (module, mark) = (folder.join(MODULE), folder.join("built-for"));
    if module.exists() && fs::read_to_string(&mark).is_ok_and(|built| built == release) {
        return Ok(module);
    }
    copy_source(&root, &folder)?;
    let headers = root.join("usr/src").join(headers(release));
    // It names its other half by the place where that is on a board.
    let include = format!(
        "include {}\n",
        root.join("usr/src")
            .join(common(release))
            .join("Makefile")
            .display()
    );
    let makefile = headers.join("Makefile");
    fs::write(&makefile, include).map_err(Failure::io(makefile.display()))?;
    let tools = sysroot.dependency(&self::headers(release), "linux-kbuild-")?;
    let link = root.join("usr/lib").join(&tools);
    if !link.exists() {
        // A link of an earlier run may point nowhere.
        let _ = fs::remove_file(&link);
        let there = host()?.root().join("usr/lib").join(&tools);
        symlink(&there, &link).map_err(Failure::io(link.display()))?;
    }
    let mut make = Command::new("make");
    make.arg("-C").arg(&headers);
    make.arg(format!("M={}", folder.display()));
    make.args(["ARCH=arm64", "modules"]);
    make.arg(format!("CROSS_COMPILE={}-", debian.multiarch));
    step::run("build v4l2loopback", make)?;
    fs::write(&mark, release).map_err(Failure::io(mark.display()))?;
    Ok(module)
}

fn copy_source(root: &Path, folder: &Path) -> Result<(), Failure> {
    let sources = root.join("usr/src");
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
        let _ = fs::remove_dir_all(folder);
        fs::create_dir_all(folder)?;
        for entry in fs::read_dir(&source)?.flatten() {
            if entry.file_type()?.is_file() {
                fs::copy(entry.path(), folder.join(entry.file_name()))?;
            }
        }
        Ok(())
    };
    copy().map_err(Failure::io(folder.display()))
}

/// `linux-headers-6.1.0-41-arm64` of `6.1.0-41-arm64`, and what all flavours share.
fn headers(release: &str) -> String {
    format!("linux-headers-{release}")
}

fn common(release: &str) -> String {
    let version = release.strip_suffix("-arm64").unwrap_or(release);
    format!("linux-headers-{version}-common")
}

/// Packages of this machine's own architecture.
fn host() -> Result<Sysroot, Failure> {
    match std::env::consts::ARCH {
        "x86_64" => Ok(Sysroot::new("amd64")),
        "aarch64" => Ok(Sysroot::new("arm64")),
        other => Err(Failure::new(format!("no kernel is built on {other}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_of_a_kernel() {
        assert_eq!(headers("6.1.0-41-arm64"), "linux-headers-6.1.0-41-arm64");
        assert_eq!(common("6.1.0-41-arm64"), "linux-headers-6.1.0-41-common");
    }
}
