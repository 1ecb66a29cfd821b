//! Debian packages of another architecture, unpacked under `target`: what cross-built programs are
//! linked with, what they run with under emulation, and what the virtual board is made of. apt fetches
//! and verifies them with lists of their own: nothing of the machine changes, and nobody need be root.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::failure::Failure;
use crate::{needs, step, workspace};

/// Package lists this young name files that are there.
const FRESH: Duration = Duration::from_secs(3600);

/// The file system of one architecture, as far as it was fetched.
pub(crate) struct Sysroot {
    architecture: &'static str,
    folder: PathBuf,
}

impl Sysroot {
    pub(crate) fn new(architecture: &'static str) -> Self {
        let folder = workspace::target().join("debian").join(architecture);
        Self {
            architecture,
            // apt works in a folder of its own.
            folder: std::path::absolute(&folder).unwrap_or(folder),
        }
    }

    /// Its `/`.
    pub(crate) fn root(&self) -> PathBuf {
        self.folder.join("root")
    }

    /// Fetches and unpacks those of `packages` that are not here yet.
    pub(crate) fn hold(&self, packages: &[&str]) -> Result<(), Failure> {
        let missing: Vec<&str> = packages
            .iter()
            .copied()
            .filter(|package| !self.mark(package).exists())
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        self.prepare()?;
        let mut download = self.apt("apt-get");
        download
            .arg("download")
            .args(&missing)
            .current_dir(self.folder.join("debs"));
        let what = format!("fetch {} packages", self.architecture);
        step::run(&what, download).map_err(|failure| {
            Failure::new(format!(
                "{failure}: apt found no {} packages: {}. Do the sources in /etc/apt serve that \
                 architecture (Ubuntu's are on ports.ubuntu.com)?",
                self.architecture,
                missing.join(" ")
            ))
        })?;
        for package in missing {
            self.unpack(package)?;
        }
        Ok(())
    }

    /// What `package` depends on by a name that begins with `prefix`: how a metapackage is followed.
    pub(crate) fn dependency(&self, package: &str, prefix: &str) -> Result<String, Failure> {
        // A metapackage that moved on since is nothing to fetch a kernel again for.
        let followed = self.folder.join("unpacked").join(format!("{package}.is"));
        if let Ok(name) = fs::read_to_string(&followed) {
            return Ok(name);
        }
        self.prepare()?;
        let mut show = self.apt("apt-cache");
        show.args(["show", "--no-all-versions", package]);
        let name = step::output(&mut show)
            .as_deref()
            .and_then(|record| depends(record, prefix))
            .ok_or_else(|| {
                Failure::new(format!(
                    "apt knows no {package} for {} that depends on {prefix}...",
                    self.architecture
                ))
            })?;
        fs::write(&followed, &name).map_err(Failure::io(followed.display()))?;
        Ok(name)
    }

    fn mark(&self, package: &str) -> PathBuf {
        self.folder.join("unpacked").join(package)
    }

    /// Folders, and fresh package lists.
    fn prepare(&self) -> Result<(), Failure> {
        for tool in ["apt-get", "dpkg-deb"] {
            if !needs::in_path(tool) {
                return Err(Failure::new(format!(
                    "no {tool}: building for boards takes Debian's packages; do it on Debian or Ubuntu"
                )));
            }
        }
        let made = |path: PathBuf| {
            fs::create_dir_all(&path).map_err(Failure::io(path.display()))?;
            Ok::<_, Failure>(path)
        };
        made(self.folder.join("unpacked"))?;
        made(self.folder.join("debs"))?;
        made(self.folder.join("cache").join("archives").join("partial"))?;
        let state = made(self.folder.join("state"))?;
        made(state.join("lists").join("partial"))?;
        let status = state.join("status");
        fs::write(&status, "").map_err(Failure::io(status.display()))?;
        let root = self.root();
        // As every Debian is since 12: packages that say /lib and packages that say /usr/lib agree.
        for name in ["bin", "lib", "sbin"] {
            made(root.join("usr").join(name))?;
            let link = root.join(name);
            if link.symlink_metadata().is_err() {
                symlink(Path::new("usr").join(name), &link).map_err(Failure::io(link.display()))?;
            }
        }
        let updated = state.join("updated");
        if age(&updated).is_some_and(|age| age < FRESH) {
            return Ok(());
        }
        let mut update = self.apt("apt-get");
        update.arg("update");
        // One list that a mirror lacks for the moment need not be the one that matters.
        match step::run(&format!("{} package lists", self.architecture), update) {
            Ok(()) => fs::write(&updated, "").map_err(Failure::io(updated.display())),
            Err(failure) => {
                println!("{failure}: going on with the lists that came.");
                Ok(())
            }
        }
    }

    fn unpack(&self, package: &str) -> Result<(), Failure> {
        let debs = self.folder.join("debs");
        let prefix = format!("{package}_");
        let deb = fs::read_dir(&debs)
            .map_err(Failure::io(debs.display()))?
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| {
                path.file_name()
                    .is_some_and(|name| name.to_string_lossy().starts_with(&prefix))
            })
            .max()
            .ok_or_else(|| Failure::new(format!("apt fetched no {package}")))?;
        // dpkg-deb's own extraction would replace the links above by folders.
        let mut unpack = Command::new("sh");
        unpack
            .args([
                "-ec",
                r#"dpkg-deb --fsys-tarfile "$0" | tar --extract --keep-directory-symlink --directory "$1""#,
            ])
            .arg(&deb)
            .arg(self.root());
        step::run(&format!("unpack {package}"), unpack)?;
        let mark = self.mark(package);
        fs::write(&mark, deb.as_os_str().as_encoded_bytes()).map_err(Failure::io(mark.display()))
    }

    /// apt with the machine's sources and keys, and everything else of its own.
    fn apt(&self, program: &str) -> Command {
        let option = |name: &str, value: &Path| {
            let mut option = OsString::from(format!("{name}="));
            option.push(value);
            option
        };
        let state = self.folder.join("state");
        let mut apt = Command::new(program);
        apt.arg("-q");
        for setting in [
            option("Dir::State", &state),
            option("Dir::State::status", &state.join("status")),
            option("Dir::Cache", &self.folder.join("cache")),
            format!("APT::Architecture={}", self.architecture).into(),
            format!("APT::Architectures={}", self.architecture).into(),
            "Acquire::Languages=none".into(),
            "Acquire::Retries=3".into(),
        ] {
            apt.arg("-o").arg(setting);
        }
        apt
    }
}

fn age(path: &Path) -> Option<Duration> {
    fs::metadata(path).ok()?.modified().ok()?.elapsed().ok()
}

/// The first of a package record's dependencies whose name begins with `prefix`.
fn depends(record: &str, prefix: &str) -> Option<String> {
    record
        .lines()
        .find_map(|line| line.strip_prefix("Depends: "))?
        .split([',', '|'])
        .filter_map(|dependency| dependency.split_whitespace().next())
        .find(|name| name.starts_with(prefix))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metapackage_is_followed() {
        let record = "Package: linux-image-arm64\nPre-Depends: dpkg\n\
                      Depends: linux-base, linux-image-6.1.0-41-arm64 (= 6.1.158-1)\nSize: 1\n";
        assert_eq!(
            depends(record, "linux-image-").as_deref(),
            Some("linux-image-6.1.0-41-arm64")
        );
        assert_eq!(depends(record, "libasound"), None);
        assert_eq!(depends("", "x"), None);
    }
}
