//! Packages as they were made: what is in them, and what Debian's own tools say of it.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails where it fails"
)]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use transom_tests_device::{Deb, debs};
use transom_tests_e2e::{StateDir, binary};

const PACKAGES: &str = "TRANSOM_PACKAGES";

/// The most that `systemd-analyze security` may find exposed, in tenths: 10 is "ok" to it, 100 is
/// everything. The agent needs devices, real-time and locked memory; the server nothing of the kind.
const EXPOSED: [(&str, &str); 2] = [("transom-agent", "19"), ("transom-sfu", "13")];

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn repository(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn lintian_finds_no_error() {
    let mut lintian = Command::new("lintian");
    lintian.args(["--fail-on", "error", "--tag-display-limit", "0"]);
    // Root may ask, too.
    lintian.args(["--allow-root"]);
    lintian.args(debs(PACKAGES).iter().map(|deb| &deb.path));
    let output = lintian.output().expect("lintian");
    println!("{}", said(&output));
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn everything_is_roots_and_in_its_place() {
    for deb in debs(PACKAGES) {
        let name = &deb.name;
        let mut expected: BTreeSet<String> = [
            format!("./etc/transom/{name}.toml -rw-r-----"),
            format!("./usr/bin/{name} -rwxr-xr-x"),
            format!("./usr/lib/systemd/system/{name}.service -rw-r--r--"),
            format!("./usr/share/doc/{name}/changelog.Debian.gz -rw-r--r--"),
            format!("./usr/share/doc/{name}/changelog.gz -rw-r--r--"),
            format!("./usr/share/doc/{name}/copyright -rw-r--r--"),
            format!("./usr/share/man/man1/{name}.1.gz -rw-r--r--"),
        ]
        .into();
        if name == "transom-agent" {
            expected.insert("./usr/lib/udev/rules.d/60-transom-agent.rules -rw-r--r--".to_owned());
        }
        let contents = deb.contents();
        for (mode, owner, path) in &contents {
            assert_eq!(owner, "root/root", "{path}");
            assert!(
                !path.ends_with('/') || mode == "drwxr-xr-x",
                "{path} {mode}"
            );
        }
        let files = contents.iter().filter(|(_, _, path)| !path.ends_with('/'));
        let files: BTreeSet<_> = files
            .map(|(mode, _, path)| format!("{path} {mode}"))
            .collect();
        assert_eq!(files, expected);
    }
}

#[test]
fn boards_need_no_more_than_debian_12_has() {
    for deb in debs(PACKAGES) {
        let depends = deb.field("Depends");
        println!("{} {}: {depends}", deb.name, deb.architecture);
        // For PCs it is what this machine has.
        let most = if deb.architecture == "amd64" { 99 } else { 36 };
        let libc = depends
            .split(", ")
            .find_map(|d| d.strip_prefix("libc6 (>= 2."));
        let libc = libc.and_then(|d| d.trim_end_matches(')').parse::<u32>().ok());
        assert!(libc.is_some_and(|minor| minor <= most), "{depends}");
        let sound = depends.contains("libasound2 (>= 1.2.8) | libasound2t64");
        assert_eq!(sound, deb.name == "transom-agent", "{depends}");
        let version = env!("CARGO_PKG_VERSION").replacen('-', "~", 1);
        assert_eq!(deb.field("Version"), format!("{version}-1"));
        assert_eq!(deb.field("Architecture"), deb.architecture);
    }
}

#[test]
fn the_pages_of_the_manual_are_clean() {
    for deb in debs(PACKAGES) {
        let files = deb.unpacked();
        let page = files
            .path()
            .join(format!("usr/share/man/man1/{}.1.gz", deb.name));
        let mut man = Command::new("man");
        man.args(["--warnings", "--encoding=UTF-8", "--local-file"])
            .arg(&page);
        let output = man
            .env("MANROFFSEQ", "")
            .env("MANWIDTH", "80")
            .output()
            .expect("man");
        let warned = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && warned.is_empty(),
            "{}",
            said(&output)
        );
        // The program's own help names every command and option that the page tells of.
        let page = String::from_utf8_lossy(&output.stdout);
        let mut help = String::new();
        let commands: [&[&str]; 3] = [&[], &["log", "show"], &["log", "export"]];
        for command in commands {
            let mut asked = Command::new(binary(&deb.name));
            let told = asked.args(command).arg("--help").output().expect("--help");
            help.push_str(&String::from_utf8_lossy(&told.stdout));
        }
        let options: BTreeSet<&str> = page
            .split(|c: char| !(c.is_ascii_lowercase() || c == '-'))
            .filter(|word| word.starts_with("--") && word.len() > 3)
            .collect();
        assert!(options.contains("--check-config"), "{options:?}");
        for option in options {
            let told = help.contains(option) || ["--drive", "--json", "--help"].contains(&option);
            assert!(told, "{option} of the page is not in the help");
        }
    }
}

#[test]
fn the_units_are_sound_and_hardened() {
    let ours = debs(PACKAGES);
    let architecture = &ours[0].architecture;
    let root = StateDir::new();
    for deb in ours.iter().filter(|deb| deb.architecture == *architecture) {
        deb.unpack_into(root.path());
    }
    let units = root.path().join("usr/lib/systemd/system");
    for (name, most) in EXPOSED {
        let unit = units.join(format!("{name}.service"));
        let mut verify = Command::new("systemd-analyze");
        verify
            .args(["verify", "--man=no", "--recursive-errors=no"])
            .arg(&unit);
        let output = verify.output().expect("systemd-analyze");
        // Of this unit only that its program is not installed here.
        let text = said(&output);
        let complaints: Vec<&str> = text
            .lines()
            .filter(|line| line.contains(name) && !line.contains("is not executable: No such file"))
            .collect();
        assert!(complaints.is_empty(), "{complaints:?}");

        let mut security = Command::new("systemd-analyze");
        security.args(["security", "--no-pager", "--offline=true"]);
        let output = security
            .arg(format!("--threshold={most}"))
            .arg(&unit)
            .output()
            .expect("systemd-analyze");
        let text = said(&output);
        let verdict = text.lines().find(|line| line.contains("Overall exposure"));
        println!("{}", verdict.unwrap_or(&text));
        assert!(output.status.success(), "{text}");
    }
}

/// What `--check-config` says of a configuration of the program.
fn check(name: &str, text: &str) -> Output {
    let folder = StateDir::new();
    let file = folder.write("checked.toml", text);
    let mut command = Command::new(binary(name));
    command.arg("--config").arg(&file).arg("--check-config");
    command.env_clear().env("HOME", folder.path());
    command.output().expect("the program")
}

/// The values that it adds up to, without where they come from.
fn values(output: &Output) -> Vec<String> {
    assert!(output.status.success(), "{}", said(output));
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text.lines().filter(|line| !line.contains("checked.toml"));
    let without = |line: &str| {
        let line = line.replace("[file]", "").replace("[default]", "");
        line.replace("(file)", "")
            .replace("(default)", "")
            .trim_end()
            .to_owned()
    };
    lines.map(without).collect()
}

/// The commented-out lines `#key = value`, made to count.
fn uncommented(text: &str) -> String {
    let is_setting =
        |rest: &str| rest.starts_with(|c: char| c.is_ascii_lowercase()) && rest.contains(" = ");
    text.lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if is_setting(rest) => format!("{rest}\n"),
            _ => format!("{line}\n"),
        })
        .collect()
}

#[test]
fn the_configuration_is_what_the_programs_understand() {
    for name in ["transom-agent", "transom-sfu"] {
        let shipped = repository(&format!("cross/debian/{name}/{name}.toml"));
        let as_shipped = values(&check(name, &shipped));
        println!("{}", as_shipped.join("\n"));
        let all = uncommented(&shipped);
        assert_ne!(all, shipped);
        assert_eq!(
            values(&check(name, &all)),
            as_shipped,
            "#key is not the default"
        );
    }
}

/// A key that the program learns stands in the package's configuration too.
#[test]
fn the_configuration_names_every_key() {
    let tables: [(&str, &[&str]); 2] = [
        (
            "transom-agent",
            &[
                "",
                "[video]",
                "[video.controls]",
                "[video.second]",
                "[audio]",
                "[bell]",
                "[control]",
                "[control.pins]",
                "[control.program]",
                "[control.mavlink]",
                "[control.limits.linear]",
                "[record]",
            ],
        ),
        ("transom-sfu", &["", "[limits]", "[[token]]"]),
    ];
    for (name, tables) in tables {
        let shipped = repository(&format!("cross/debian/{name}/{name}.toml"));
        let named: BTreeSet<&str> = shipped
            .lines()
            .map(|line| line.trim_start_matches(['#', ' ']))
            .filter_map(|line| line.split_once(" = "))
            .map(|(key, _)| key)
            .collect();
        for table in tables {
            // The program tells of its keys where it meets one that it does not know.
            let output = check(name, &format!("{table}\nno-such-key = 1\n"));
            let text = said(&output);
            let (_, keys) = text
                .split_once(", expected ")
                .unwrap_or_else(|| panic!("{name} {table}: {text}"));
            let keys: Vec<&str> = keys.split('`').skip(1).step_by(2).collect();
            assert!(!keys.is_empty(), "{text}");
            for key in keys {
                let is_table = tables.iter().any(|table| {
                    let table = table.trim_matches(['[', ']']);
                    let inner = format!(".{key}");
                    table == key || table.ends_with(&inner) || table.contains(&format!("{inner}."))
                });
                let spoken_of = shipped.contains(&format!("{key} = "));
                assert!(
                    is_table || named.contains(key) || spoken_of,
                    "{name}.toml does not name `{key}` of {table:?}"
                );
            }
        }
    }
}

/// Runs a script of a package on a board whose `uname -m` says `machine`.
fn on_a(machine: &str, script: &str) -> Output {
    let folder = StateDir::new();
    let uname = folder.write("uname", format!("#!/bin/sh\necho {machine}\n"));
    fs::set_permissions(&uname, fs::Permissions::from_mode(0o755)).expect("a program");
    let script = folder.write("preinst", script);
    let path = format!("{}:/usr/bin:/bin", folder.path().display());
    let mut command = Command::new("sh");
    command.arg(&script).arg("install").env("PATH", path);
    command.output().expect("sh")
}

#[test]
fn armhf_refuses_armv6_and_names_the_boards_that_work() {
    let made = debs(PACKAGES);
    let of_armhf = |deb: &&Deb| deb.architecture == "armhf";
    let mut scripts: Vec<String> = made
        .iter()
        .filter(of_armhf)
        .map(|deb| deb.script("preinst").expect("a preinst"))
        .collect();
    if scripts.is_empty() {
        // Packages for boards are made by the full run; their script is this.
        scripts.push(repository("cross/debian/preinst.armhf"));
    }
    for script in scripts {
        let refused = on_a("armv6l", &script);
        let text = said(&refused);
        println!("{text}");
        assert!(!refused.status.success());
        for word in ["ARMv6", "Zero W", "Raspberry Pi 2, 3, 4", "Zero 2 W"] {
            assert!(text.contains(word), "{text}");
        }
        for machine in ["armv7l", "aarch64"] {
            let taken = on_a(machine, &script);
            assert!(
                taken.status.success() && said(&taken).is_empty(),
                "{taken:?}"
            );
        }
    }
    for deb in made.iter().filter(|deb| !of_armhf(deb)) {
        assert!(deb.script("preinst").is_none());
    }
}
