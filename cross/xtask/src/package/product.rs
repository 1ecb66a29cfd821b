//! What is in which package.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::architecture::Architecture;
use super::deb::{Deb, PRIVATE, PROGRAM, TEXT, epoch};
use super::depends;
use super::version::Version;
use crate::cross::Program;
use crate::failure::Failure;
use crate::{step, workspace};

/// One of our packages; its program is called the same.
pub(super) struct Product {
    pub(super) name: &'static str,
    /// Lines for its postinst: groups that must be there, what its user joins, and what follows new
    /// device rules and a first start.
    groups: &'static [&'static str],
    joins: &'static [&'static str],
    udev: &'static [&'static str],
    started: &'static [&'static str],
}

pub(super) const PRODUCTS: &[Product] = &[
    Product {
        name: "transom-agent",
        groups: &[
            "# Raspberry Pi OS has them.",
            "for group in gpio i2c; do",
            "    getent group $group >/dev/null || addgroup --system --quiet $group",
            "done",
        ],
        joins: &[
            "# The unit gives it these by itself; this is for who runs it by `sudo -u`, such as the doctor.",
            "for group in video audio gpio i2c dialout; do",
            "    adduser --quiet @PACKAGE@ $group >/dev/null",
            "done",
        ],
        udev: &[
            "if [ -d /run/udev ]; then",
            "    udevadm control --reload || true",
            "    udevadm trigger --subsystem-match=gpio --subsystem-match=i2c-dev \\",
            "        --subsystem-match=dma_heap || true",
            "fi",
        ],
        started: &[],
    },
    Product {
        name: "transom-sfu",
        groups: &[],
        joins: &[],
        udev: &[],
        started: &[
            "# An agent that is there already learns the token that was just made.",
            "if [ \"$1\" = configure ] && [ -z \"$2\" ]; then",
            "    deb-systemd-invoke try-restart transom-agent.service >/dev/null || true",
            "fi",
        ],
    },
];

impl Product {
    /// All that the package holds.
    pub(super) fn files(
        &self,
        architecture: &Architecture,
        programs: &Path,
        version: &Version,
    ) -> Result<Deb, Failure> {
        let name = self.name;
        let mut deb = Deb::default();
        let program = stripped(architecture, &programs.join(name))?;
        deb.control = self.control(architecture, &program, version)?;
        deb.file(format!("usr/bin/{name}"), PROGRAM, read(&program)?);
        fs::remove_file(&program).map_err(Failure::io(program.display()))?;

        let ours = |kind: &str| source(&format!("{name}/{name}.{kind}"));
        deb.file(format!("etc/transom/{name}.toml"), PRIVATE, ours("toml")?);
        deb.file(
            format!("usr/lib/systemd/system/{name}.service"),
            TEXT,
            ours("service")?,
        );
        if workspace::root()
            .join(format!("cross/debian/{name}/{name}.udev"))
            .exists()
        {
            deb.file(
                format!("usr/lib/udev/rules.d/60-{name}.rules"),
                TEXT,
                ours("udev")?,
            );
        }
        let page = ours("1")?.replace("@VERSION@", &version.to_string());
        deb.file(
            format!("usr/share/man/man1/{name}.1.gz"),
            TEXT,
            packed(page.as_bytes())?,
        );

        let documents = format!("usr/share/doc/{name}");
        deb.file(format!("{documents}/copyright"), TEXT, copyright()?);
        let changes = read(&workspace::root().join("CHANGELOG.md"))?;
        deb.file(format!("{documents}/changelog.gz"), TEXT, packed(&changes)?);
        let changes = self.changelog(version)?;
        deb.file(
            format!("{documents}/changelog.Debian.gz"),
            TEXT,
            packed(changes.as_bytes())?,
        );

        for script in ["postinst", "prerm", "postrm"] {
            deb.script(script, self.filled(&source(script)?));
        }
        if architecture.name == "armhf" {
            deb.script("preinst", self.filled(&source("preinst.armhf")?));
        }
        Ok(deb)
    }

    /// The script of this package: placeholders that are a line become lines, or none.
    fn filled(&self, script: &str) -> String {
        let mut filled = String::new();
        for line in script.lines() {
            let lines = match line.trim() {
                "@GROUPS@" => self.groups,
                "@JOINS@" => self.joins,
                "@UDEV@" => self.udev,
                "@STARTED@" => self.started,
                _ => {
                    filled.push_str(&line.replace("@PACKAGE@", self.name));
                    filled.push('\n');
                    continue;
                }
            };
            let margin = line.len() - line.trim_start().len();
            for line in lines {
                let line = line.replace("@PACKAGE@", self.name);
                filled.push_str(&format!("{:margin$}{line}\n", ""));
            }
        }
        filled
    }

    fn control(
        &self,
        architecture: &Architecture,
        program: &Path,
        version: &Version,
    ) -> Result<String, Failure> {
        let written = source(&format!("{}/control", self.name))?;
        let (fields, description) = written
            .split_once("Description:")
            .ok_or_else(|| Failure::new("a control file without a description"))?;
        let mut depends = depends::libraries(&Program::read(program)?)?;
        depends.insert("adduser".to_owned());
        let depends: Vec<String> = depends.into_iter().collect();
        Ok(format!(
            "{fields}Version: {version}\nArchitecture: {}\nMaintainer: {}\nPriority: optional\n\
             Depends: {}\nDescription:{description}",
            architecture.name,
            maintainer(),
            depends.join(", ")
        ))
    }

    fn changelog(&self, version: &Version) -> Result<String, Failure> {
        let mut date = Command::new("date");
        date.args(["--utc", "--rfc-email", "--date"])
            .arg(format!("@{}", epoch()))
            .env("LC_ALL", "C");
        let date = step::output(&mut date)
            .ok_or_else(|| Failure::new("SOURCE_DATE_EPOCH is no number of seconds"))?;
        Ok(format!(
            "{} ({version}) unstable; urgency=medium\n\n  * Packaged from the sources; what changed in them \
             is in changelog.gz.\n\n -- {}  {date}",
            self.name,
            maintainer()
        ))
    }
}

/// Who packages: by the variables of Debian's own tools.
fn maintainer() -> String {
    let said = |name, otherwise: &str| std::env::var(name).unwrap_or_else(|_| otherwise.to_owned());
    format!(
        "{} <{}>",
        said("DEBFULLNAME", "The Transom authors"),
        said("DEBEMAIL", "transom@transom.invalid")
    )
}

fn copyright() -> Result<String, Failure> {
    let mit = workspace::root().join("LICENSE-MIT");
    let mit = fs::read_to_string(&mit).map_err(Failure::io(mit.display()))?;
    // Its heading and the copyright stand elsewhere in the file.
    let (_, mit) = mit
        .split_once("Permission is")
        .ok_or_else(|| Failure::new("LICENSE-MIT has changed"))?;
    let lines = format!("Permission is{mit}");
    let lines: Vec<&str> = lines
        .trim_end()
        .lines()
        .map(|line| if line.is_empty() { "." } else { line })
        .collect();
    Ok(source("copyright")?.replace("@MIT@", &lines.join("\n ")))
}

/// A file of `cross/debian`.
fn source(name: &str) -> Result<String, Failure> {
    let path = workspace::root().join("cross").join("debian").join(name);
    fs::read_to_string(&path).map_err(Failure::io(path.display()))
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(Failure::io(path.display()))
}

/// A copy of the program without what only a debugger reads.
fn stripped(architecture: &Architecture, program: &Path) -> Result<std::path::PathBuf, Failure> {
    let to = program.with_extension("stripped");
    let mut strip = architecture.strip()?;
    strip
        .args([
            "--strip-unneeded",
            "--remove-section=.comment",
            "--remove-section=.note",
            "-o",
        ])
        .arg(&to)
        .arg(program);
    step::run("strip", strip)?;
    Ok(to)
}

/// By gzip, without a time.
fn packed(text: &[u8]) -> Result<Vec<u8>, Failure> {
    let mut gzip = Command::new("gzip")
        .args(["-9n"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(Failure::io("gzip"))?;
    if let Some(mut stdin) = gzip.stdin.take() {
        let text = text.to_vec();
        // What it has packed must be read meanwhile.
        std::thread::spawn(move || stdin.write_all(&text));
    }
    let output = gzip.wait_with_output().map_err(Failure::io("gzip"))?;
    match output.status.success() {
        true => Ok(output.stdout),
        false => Err(Failure::new(format!("gzip: {}", output.status))),
    }
}
