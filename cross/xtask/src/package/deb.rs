//! A package under way: files in memory, then on the disk as they will be, then an archive.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::failure::Failure;
use crate::{step, workspace};

const FOLDER: u32 = 0o755;
pub(super) const PROGRAM: u32 = 0o755;
pub(super) const TEXT: u32 = 0o644;
/// For root; a script of the package gives its group.
pub(super) const PRIVATE: u32 = 0o640;

/// What a package holds.
#[derive(Default)]
pub(super) struct Deb {
    /// `DEBIAN/control`, without what follows from the files.
    pub(super) control: String,
    /// What is installed: path without its slash, to mode and contents.
    files: BTreeMap<String, (u32, Vec<u8>)>,
    /// `DEBIAN/postinst` and the like.
    scripts: BTreeMap<&'static str, String>,
}

impl Deb {
    pub(super) fn file(
        &mut self,
        path: impl Into<String>,
        mode: u32,
        contents: impl Into<Vec<u8>>,
    ) {
        self.files.insert(path.into(), (mode, contents.into()));
    }

    pub(super) fn script(&mut self, name: &'static str, text: String) {
        self.scripts.insert(name, text);
    }

    /// Writes the package.
    pub(super) fn pack(&self, deb: &Path) -> Result<(), Failure> {
        let tree = deb.with_extension("tree");
        if tree.exists() {
            fs::remove_dir_all(&tree).map_err(Failure::io(tree.display()))?;
        }
        for (path, (mode, contents)) in &self.files {
            write(&tree, path, *mode, contents)?;
        }
        let sums = self.sums(&tree)?;
        let control = format!(
            "{}Installed-Size: {}\n",
            self.control,
            self.installed_size()
        );
        write(&tree, "DEBIAN/control", TEXT, control.as_bytes())?;
        write(&tree, "DEBIAN/md5sums", TEXT, sums.as_bytes())?;
        let conffiles: String = self
            .files
            .keys()
            .filter(|path| path.starts_with("etc/"))
            .map(|path| format!("/{path}\n"))
            .collect();
        if !conffiles.is_empty() {
            write(&tree, "DEBIAN/conffiles", TEXT, conffiles.as_bytes())?;
        }
        for (name, text) in &self.scripts {
            write(&tree, &format!("DEBIAN/{name}"), PROGRAM, text.as_bytes())?;
        }
        let mut pack = Command::new("dpkg-deb");
        // More threads would cut the archive elsewhere.
        pack.args(["--root-owner-group", "-Zxz", "--threads-max=1", "--build"])
            .arg(&tree)
            .arg(deb)
            .env("SOURCE_DATE_EPOCH", epoch());
        step::run("dpkg-deb", pack)?;
        fs::remove_dir_all(&tree).map_err(Failure::io(tree.display()))
    }

    /// As dpkg-gencontrol counts: KiB, begun ones whole, one for each folder.
    fn installed_size(&self) -> usize {
        let files = self.files.values();
        let of_files: usize = files
            .map(|(_, contents)| contents.len().div_ceil(1024))
            .sum();
        let folders: std::collections::BTreeSet<&Path> = self
            .files
            .keys()
            .flat_map(|path| Path::new(path).ancestors().skip(1))
            .collect();
        of_files + folders.len()
    }

    fn sums(&self, tree: &Path) -> Result<String, Failure> {
        let mut sum = Command::new("md5sum");
        let ours = self.files.keys().filter(|path| !path.starts_with("etc/"));
        sum.args(ours).current_dir(tree);
        step::output(&mut sum).ok_or_else(|| Failure::new("md5sum failed"))
    }
}

/// Whatever the umask is.
fn write(tree: &Path, path: &str, mode: u32, contents: &[u8]) -> Result<(), Failure> {
    let full = tree.join(path);
    let set = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode))
            .map_err(Failure::io(path.display()))
    };
    if let Some(folder) = full.parent() {
        fs::create_dir_all(folder).map_err(Failure::io(folder.display()))?;
        for folder in folder
            .ancestors()
            .take_while(|folder| folder.starts_with(tree))
        {
            set(folder, FOLDER)?;
        }
    }
    fs::write(&full, contents).map_err(Failure::io(full.display()))?;
    set(&full, mode)
}

/// The time that all files bear, in seconds since 1970: given, or that of the latest commit.
pub(super) fn epoch() -> String {
    if let Ok(given) = std::env::var("SOURCE_DATE_EPOCH") {
        return given;
    }
    let mut git = Command::new("git");
    git.args(["log", "-1", "--format=%ct"])
        .current_dir(workspace::root());
    let told = step::output(&mut git).map(|text| text.trim().to_owned());
    told.filter(|text| !text.is_empty())
        .unwrap_or_else(|| "0".to_owned())
}
