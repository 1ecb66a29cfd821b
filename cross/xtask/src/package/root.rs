//! A fresh Debian to install into: debootstrap's, from where this machine's own packages come, with a
//! kernel so that it can be booted.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::Failure;
use crate::needs::{self, Consent};
use crate::{step, workspace};

/// What a fresh Debian has and debootstrap's smallest variant lacks.
const PRESENT: &str = "systemd,systemd-sysv,udev,dbus";
/// The kernel of PCs; that for virtual machines has no cameras and no sound.
const KERNEL: &[&str] = &["linux-image-amd64", "initramfs-tools"];
/// What its first file system in memory needs to find the disk; all that there is would take minutes
/// to unpack on an emulated processor.
const INITRAMFS: [(&str, &str); 2] = [
    ("conf.d/transom", "MODULES=list\n"),
    ("modules", "virtio_pci\nvirtio_blk\next4\ncrc32c_generic\n"),
];

pub(crate) fn is_root() -> bool {
    step::output(Command::new("id").arg("-u")).is_some_and(|id| id.trim() == "0")
}

/// The folder that holds it; made once, and kept. Takes root's rights.
pub(crate) fn base_root(consent: Consent) -> Result<PathBuf, Failure> {
    needs::debian(needs::ROOT, consent)?;
    let origin = origin()?;
    let folder = workspace::target().join("debian");
    let base = folder.join(format!("root-{}", origin.suite));
    let base = std::path::absolute(&base).unwrap_or(base);
    let made = base.join("root").join(".transom-made");
    if made.exists() {
        return Ok(base);
    }
    if base.exists() {
        // A former try that was interrupted.
        fs::remove_dir_all(&base).map_err(Failure::io(base.display()))?;
    }
    fs::create_dir_all(&folder).map_err(Failure::io(folder.display()))?;
    let mut make = Command::new("debootstrap");
    make.args([
        "--variant=minbase",
        &format!("--include={PRESENT}"),
        &origin.suite,
    ])
    .arg(&base)
    .arg(&origin.mirror);
    step::run("debootstrap", make)?;
    let settings = base.join("etc/apt/apt.conf.d/90transom-host");
    fs::write(&settings, apt_settings()).map_err(Failure::io(settings.display()))?;
    for (name, contents) in INITRAMFS {
        let path = base.join("etc/initramfs-tools").join(name);
        let folder = path.parent().unwrap_or(&base);
        fs::create_dir_all(folder).map_err(Failure::io(folder.display()))?;
        fs::write(&path, contents).map_err(Failure::io(path.display()))?;
    }
    step::run("package lists", inside(&base, &["apt-get", "update"]))?;
    // Its configuration was there first.
    let keep = "-oDPkg::Options::=--force-confold";
    let mut kernel = vec![
        "apt-get",
        keep,
        "install",
        "--yes",
        "--no-install-recommends",
    ];
    kernel.extend(KERNEL);
    step::run("kernel", inside(&base, &kernel))?;
    fs::write(&made, "").map_err(Failure::io(made.display()))?;
    Ok(base)
}

/// A command in `root`, with a `/proc` of its own that goes with it.
fn inside(root: &Path, words: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "--pid", "--fork", "--kill-child"])
        .arg(format!("--mount-proc={}", root.join("proc").display()))
        .arg("chroot")
        .arg(root)
        .args(words)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("LC_ALL", "C.UTF-8");
    command
}

struct Origin {
    mirror: String,
    suite: String,
}

/// Where apt has this machine's own Debian from.
fn origin() -> Result<Origin, Failure> {
    let mut targets = Command::new("apt-get");
    targets.args([
        "indextargets",
        "--format",
        "$(REPO_URI) $(ORIGIN) $(CODENAME) $(COMPONENT)",
        "Created-By: Packages",
    ]);
    step::output(&mut targets)
        .as_deref()
        .and_then(parse)
        .ok_or_else(|| {
            Failure::new("apt has no Debian among its sources: no fresh one can be made")
        })
}

/// The first that is Debian's own suite, and not what updates or backports it.
fn parse(targets: &str) -> Option<Origin> {
    targets.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            [mirror, "Debian", suite, "main"] if !suite.contains('-') => Some(Origin {
                mirror: mirror.to_owned(),
                suite: suite.to_owned(),
            }),
            _ => None,
        }
    })
}

/// How this machine's apt reaches its sources: proxies, and what a mirror of another day needs.
fn apt_settings() -> String {
    let dump = step::output(Command::new("apt-config").arg("dump")).unwrap_or_default();
    let kinds = ["http", "https", "Check-", "Languages"].map(|kind| format!("Acquire::{kind}"));
    let of_reaching =
        |line: &&str| kinds.iter().any(|kind| line.starts_with(kind)) && !line.ends_with("\"\";");
    dump.lines()
        .filter(of_reaching)
        .flat_map(|line| [line, "\n"])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debians_own_suite_is_found_among_others() {
        let told = "http://a/tools Tools stable main\nhttp://b/debian/ Debian bookworm-updates main\n\
                    http://b/debian/ Debian bookworm contrib\nhttp://b/debian/ Debian bookworm main\n";
        let origin = parse(told).expect("one");
        assert_eq!(
            (origin.mirror.as_str(), origin.suite.as_str()),
            ("http://b/debian/", "bookworm")
        );
        assert!(parse("http://b Ubuntu noble main\n").is_none());
    }
}
