//! A fresh Debian in a folder: a copy that a test may change.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::debs::{Deb, output};

/// Removed when dropped.
pub struct Root(PathBuf);

impl Root {
    /// A copy of the one that `TRANSOM_ROOT` names.
    pub fn fresh() -> Self {
        let base = env::var("TRANSOM_ROOT").unwrap_or_else(|_| {
            panic!("TRANSOM_ROOT is not set: `cargo xtask test --only installed` makes one and runs this")
        });
        let base = PathBuf::from(base);
        let copy = base.with_extension(format!("copy-{}", std::process::id()));
        let root = Self(copy);
        output(Command::new("cp").arg("-a").arg(&base).arg(&root.0));
        // The lists may be as old as the base.
        root.run("apt-get -q update");
        root
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Runs a shell's command line in it, which must succeed.
    #[track_caller]
    pub fn run(&self, line: &str) -> String {
        let output = self.try_to(line);
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        println!("# {line}\n{said}");
        assert!(output.status.success(), "{line}: {}", output.status);
        said
    }

    /// Runs a shell's command line in it.
    pub fn try_to(&self, line: &str) -> Output {
        Command::new("unshare")
            .args(["--mount", "--pid", "--fork", "--kill-child"])
            .arg(format!("--mount-proc={}", self.0.join("proc").display()))
            .arg("chroot")
            .arg(&self.0)
            .args(["sh", "-c", line])
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .env("LC_ALL", "C.UTF-8")
            .env("HOME", "/root")
            .output()
            .expect("unshare and chroot")
    }

    /// Installs packages from their files, as a person would: by apt.
    pub fn install(&self, debs: &[Deb]) {
        let folder = self.0.join("tmp").join("debs");
        fs::create_dir_all(&folder).expect("a folder");
        let mut line = "apt-get -q --yes --no-install-recommends install".to_owned();
        for deb in debs {
            let name = deb.path.file_name().expect("a name");
            fs::copy(&deb.path, folder.join(name)).expect("copied");
            line.push_str(&format!(" /tmp/debs/{}", name.to_string_lossy()));
        }
        self.run(&line);
        fs::remove_dir_all(&folder).expect("removed");
    }

    /// Everything in it that is not a package manager's own memory: kind, mode, owner, path; of the
    /// files that list users, each line as well.
    pub fn inventory(&self) -> Vec<String> {
        let found = self.run_quietly(
            "find / -xdev \\( -path /proc -o -path /sys -o -path /dev -o -path /tmp -o -path /var/lib/dpkg \
             -o -path /var/lib/apt -o -path /var/cache -o -path /var/log -o -path /run \\) -prune -o \
             -printf '%y %m %u %g %p\\n'; sed 's/^/line of passwd: /' /etc/passwd; \
             sed 's/^/line of group: /' /etc/group",
        );
        let mut lines: Vec<String> = found
            .lines()
            // Their copies from before the last change.
            .filter(|line| !(line.contains(" /etc/") && line.ends_with('-')))
            .map(str::to_owned)
            .collect();
        lines.sort();
        lines
    }

    /// A file system of it, in a file that a machine can have as its disk.
    pub fn disk(&self, megabytes: u32) -> PathBuf {
        let disk = self.0.with_extension("disk");
        let mut make = Command::new("mke2fs");
        make.args(["-q", "-F", "-t", "ext4", "-d"])
            .arg(&self.0)
            .arg(&disk)
            .arg(format!("{megabytes}M"));
        output(&mut make);
        disk
    }

    /// The newest file in `/boot` whose name begins so.
    pub fn boot_file(&self, prefix: &str) -> PathBuf {
        let boot = fs::read_dir(self.0.join("boot")).expect("/boot");
        boot.map(|entry| entry.expect("an entry").path())
            .filter(|path| {
                let name = path.file_name().unwrap_or_default();
                name.to_string_lossy().starts_with(prefix)
            })
            .max()
            .unwrap_or_else(|| panic!("no {prefix}* in /boot"))
    }

    fn run_quietly(&self, line: &str) -> String {
        let output = self.try_to(line);
        assert!(output.status.success(), "{line}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
        let _ = fs::remove_file(self.0.with_extension("disk"));
    }
}
