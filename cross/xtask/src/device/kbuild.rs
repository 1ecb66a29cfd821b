//! Modules that Debian's kernel does not come with, built for the board's.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cross::Debian;
use crate::failure::Failure;
use crate::step;
use crate::sysroot::Sysroot;
use crate::workspace;

/// The board's kernel, and where its packages are.
#[derive(Clone, Copy)]
pub(crate) struct Kernel<'a> {
    pub(crate) sysroot: &'a Sysroot,
    /// `6.1.0-41-arm64`.
    pub(crate) release: &'a str,
}

impl Kernel<'_> {
    /// Fetches what any module is built with.
    pub(crate) fn ready(&self) -> Result<(), Failure> {
        let headers = self.headers();
        self.sysroot.hold(&[&headers, &self.common()])?;
        // The tools that build run here, not on the board.
        let tools = self.sysroot.dependency(&headers, "linux-kbuild-")?;
        host()?.hold(&[&tools])
    }

    /// `6.1` of `6.1.0-41-arm64`.
    pub(crate) fn series(&self) -> String {
        let numbers: Vec<&str> = self.release.splitn(3, '.').take(2).collect();
        numbers.join(".")
    }

    /// `linux-headers-6.1.0-41-arm64`, and what all flavours share.
    fn headers(&self) -> String {
        format!("linux-headers-{}", self.release)
    }

    fn common(&self) -> String {
        let version = self.release.strip_suffix("-arm64");
        format!("linux-headers-{}-common", version.unwrap_or(self.release))
    }
}

/// Builds the module `name`, unless that was done already, and returns where it is. `source` puts its
/// source into a folder; `more` are words for make.
pub(crate) fn build(
    kernel: &Kernel<'_>,
    debian: &Debian,
    name: &str,
    more: &[&str],
    source: impl FnOnce(&Path) -> Result<(), Failure>,
) -> Result<PathBuf, Failure> {
    let root = kernel.sysroot.root();
    let folder = workspace::target().join("device").join(name);
    let folder = std::path::absolute(&folder).unwrap_or(folder);
    let module = folder.join(format!("{name}.ko"));
    let mark = folder.join("built-for");
    if module.exists() && fs::read_to_string(&mark).is_ok_and(|built| built == kernel.release) {
        return Ok(module);
    }
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).map_err(Failure::io(folder.display()))?;
    source(&folder)?;
    let headers = root.join("usr/src").join(kernel.headers());
    // It names its other half by the place where that is on a board.
    let common = root.join("usr/src").join(kernel.common());
    let include = format!("include {}\n", common.join("Makefile").display());
    let makefile = headers.join("Makefile");
    fs::write(&makefile, include).map_err(Failure::io(makefile.display()))?;
    let tools = kernel
        .sysroot
        .dependency(&kernel.headers(), "linux-kbuild-")?;
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
    make.args(more);
    step::run(&format!("build {name}"), make)?;
    fs::write(&mark, kernel.release).map_err(Failure::io(mark.display()))?;
    Ok(module)
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
        let sysroot = Sysroot::new("arm64");
        let kernel = |release| Kernel {
            sysroot: &sysroot,
            release,
        };
        let bookworm = kernel("6.1.0-41-arm64");
        assert_eq!(bookworm.headers(), "linux-headers-6.1.0-41-arm64");
        assert_eq!(bookworm.common(), "linux-headers-6.1.0-41-common");
        assert_eq!(bookworm.series(), "6.1");
        assert_eq!(kernel("6.12.48+deb13-arm64").series(), "6.12");
    }
}
