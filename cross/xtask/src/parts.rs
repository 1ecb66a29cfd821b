//! The parts of `cargo xtask test`.

use std::process::Command;

use crate::boundaries;
use crate::cross::{self, Target};
use crate::device;
use crate::failure::Failure;
use crate::needs::{self, Consent};
use crate::package::{self as packages, Architecture};
use crate::step;
use crate::summary::Count;
use crate::tools::{self, Browser, Peers};
use crate::workspace::{self, Profile};

/// Something that can be tested alone.
pub(crate) struct Part {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// Only with `--full`.
    pub(crate) full: bool,
    pub(crate) run: fn(Consent) -> Result<Count, Failure>,
}

/// Cheap ones first: a typo should not cost the minutes of the browser tests.
pub(crate) const PARTS: &[Part] = &[
    Part {
        name: "fmt",
        about: "the sources are formatted",
        full: false,
        run: fmt,
    },
    Part {
        name: "boundaries",
        about: "no crate depends on what it must not",
        full: false,
        run: boundaries,
    },
    Part {
        name: "clippy",
        about: "no warnings in any target",
        full: false,
        run: clippy,
    },
    Part {
        name: "unit",
        about: "the crates' own tests",
        full: false,
        run: unit,
    },
    Part {
        name: "no_std",
        about: "the peer's core and the safety kernel build for a microcontroller",
        full: false,
        run: no_std,
    },
    Part {
        name: "sim",
        about: "whole peers, and two thousand drives, in simulated time",
        full: false,
        run: sim,
    },
    Part {
        name: "page",
        about: "the page's logic that needs no browser, against the safety kernel; the same in Python",
        full: false,
        run: page,
    },
    Part {
        name: "fuzz-replay",
        about: "the fuzz targets over their committed corpora",
        full: false,
        run: fuzz_replay,
    },
    Part {
        name: "docs",
        about: "the documentation builds without warnings",
        full: false,
        run: docs,
    },
    Part {
        name: "deny",
        about: "licences, bans and sources of the dependencies",
        full: false,
        run: deny,
    },
    Part {
        name: "e2e",
        about: "real processes and bad input",
        full: false,
        run: e2e,
    },
    Part {
        name: "stop",
        about: "everything that goes wrong while a robot moves, with real processes: it stands in time",
        full: false,
        run: stop,
    },
    Part {
        name: "load",
        about: "the load generator against a server: nothing lost, nothing left behind",
        full: false,
        run: load,
    },
    Part {
        name: "browser",
        about: "Chromium and FFmpeg against real processes",
        full: false,
        run: browser,
    },
    Part {
        name: "interop",
        about: "data channels with Chromium, Firefox, libdatachannel and aiortc, both ways; logs with Python's readers",
        full: false,
        run: interop,
    },
    Part {
        name: "robots",
        about: "robots of others driven: programs, ArduPilot's protocol, ROS 2's topic, a simulator",
        full: false,
        run: robots,
    },
    Part {
        name: "cross",
        about: "the programs built for 64-bit ARM, under an emulator: they carry media",
        full: false,
        run: cross_64,
    },
    Part {
        name: "device",
        about: "the programs on an ARM board made of software: its camera is seen elsewhere",
        full: false,
        run: device,
    },
    Part {
        name: "package",
        about: "Debian packages of this machine's own build: contents, units, configuration, lintian",
        full: false,
        run: package,
    },
    Part {
        name: "fuzz-length",
        about: "a million changed inputs and more for the parsers of what drives a robot",
        full: true,
        run: fuzz_length,
    },
    Part {
        name: "cross-all",
        about: "the same for musl and for 32-bit ARM",
        full: true,
        run: cross_all,
    },
    Part {
        name: "package-all",
        about: "the same of packages for 64-bit and 32-bit boards",
        full: true,
        run: package_all,
    },
    Part {
        name: "installed",
        about: "the packages installed, upgraded and purged in a fresh Debian, which is booted",
        full: true,
        run: installed,
    },
    Part {
        name: "release",
        about: "the end-to-end tests on the release build",
        full: true,
        run: release,
    },
];

fn fmt(_: Consent) -> Result<Count, Failure> {
    check("fmt", workspace::cargo(["fmt", "--all", "--check"]))
}

fn boundaries(_: Consent) -> Result<Count, Failure> {
    boundaries::check()
}

fn clippy(consent: Consent) -> Result<Count, Failure> {
    needs::debian(needs::BUILD, consent)?;
    let clippy = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "--deny",
        "warnings",
    ];
    check("clippy", workspace::cargo(clippy))
}

fn unit(consent: Consent) -> Result<Count, Failure> {
    needs::debian(needs::BUILD, consent)?;
    needs::debian(needs::OPENSSL, consent)?;
    let elsewhere = [
        "--workspace",
        "--exclude",
        "transom-tests-device",
        "--exclude",
        "transom-tests-drive",
        "--exclude",
        "transom-tests-e2e",
        "--exclude",
        "transom-tests-robots",
        "--exclude",
        "transom-tests-sim",
        "--exclude",
        "transom-tests-stop",
        "--exclude",
        "transom-load",
    ];
    rust_tests("unit", &elsewhere, &[])
}

fn no_std(_: Consent) -> Result<Count, Failure> {
    // A Cortex-M4F: no operating system, no atomics wider than 32 bits.
    const TARGET: &str = "thumbv7em-none-eabihf";
    needs::rust_target(TARGET)?;
    check(
        "no_std",
        workspace::cargo([
            "build",
            "--package",
            "transom-rtc-proto",
            "--package",
            "transom-control",
            "--target",
            TARGET,
        ]),
    )
}

fn sim(consent: Consent) -> Result<Count, Failure> {
    needs::debian(needs::BUILD, consent)?;
    let mut count = rust_tests("sim", &["--package", "transom-tests-sim"], &[])?;
    // By itself: it has both programs in it, as the end-to-end tests have, and is built with the same.
    let drives = rust_tests("sim", &["--package", "transom-tests-drive"], &[])?;
    count.join(&drives);
    Ok(count)
}

fn page(consent: Consent) -> Result<Count, Failure> {
    needs::debian(needs::NODE, consent)?;
    needs::debian(needs::PYTHON, consent)?;
    let mut build = workspace::cargo(["build", "--package", "transom-control"]);
    build.args(["--example", "device"]);
    step::run("build", build)?;
    let mut node = Command::new("node");
    node.args(["--test", "--test-reporter=spec"])
        .current_dir(workspace::root().join("tests").join("page"))
        .env(
            "TRANSOM_DEVICE",
            workspace::bin_dir(Profile::Dev)
                .join("examples")
                .join("device"),
        );
    let mut count = Count::default();
    let status = step::watch("page", node, |line| count.read(line))?;
    let mut count = count.checked(status.success());
    count.join(&python()?);
    Ok(count)
}

/// The form of commands in Python, against the vectors that the page's is tested with.
fn python() -> Result<Count, Failure> {
    let folder = workspace::root().join("control").join("python");
    let mut python = Command::new("python3");
    python.args(["-m", "unittest", "--verbose"]);
    // No `__pycache__` beside the sources.
    python
        .current_dir(folder)
        .env("PYTHONDONTWRITEBYTECODE", "1");
    let mut count = Count::default();
    // One line a test, `test_... (...) ... ok`.
    let status = step::watch("python", python, |line| {
        count.passed += u64::from(line.ends_with("... ok"));
        count.failed += u64::from(line.ends_with("... FAIL") || line.ends_with("... ERROR"));
    })?;
    Ok(count.checked(status.success()))
}

fn fuzz_replay(consent: Consent) -> Result<Count, Failure> {
    needs::debian(needs::BUILD, consent)?;
    rust_tests(
        "fuzz-replay",
        &["--package", "transom-tests-e2e", "--test", "fuzz_replay"],
        &[],
    )
}

fn fuzz_length(consent: Consent) -> Result<Count, Failure> {
    needs::debian(needs::BUILD, consent)?;
    let mut which = vec!["--package", "transom-tests-e2e", "--test", "fuzz_replay"];
    which.extend(match has_nextest() {
        true => ["--run-ignored", "only"],
        false => ["--", "--ignored"],
    });
    rust_tests("fuzz-length", &which, &[])
}

fn docs(consent: Consent) -> Result<Count, Failure> {
    needs::debian(needs::BUILD, consent)?;
    let mut docs = workspace::cargo([
        "doc",
        "--workspace",
        "--no-deps",
        "--document-private-items",
    ]);
    docs.env("RUSTDOCFLAGS", "--deny warnings");
    check("docs", docs)
}

fn deny(_: Consent) -> Result<Count, Failure> {
    if !needs::in_path("cargo-deny") {
        println!("cargo-deny is not installed: LICENCES, BANS AND SOURCES ARE NOT CHECKED.");
        println!("`cargo install cargo-deny --locked` installs it.");
        return Ok(Count::skip(
            "no cargo-deny: licences, bans and sources not checked",
        ));
    }
    check(
        "deny",
        workspace::cargo(["deny", "check", "licenses", "bans", "sources"]),
    )
}

fn e2e(consent: Consent) -> Result<Count, Failure> {
    needs::debian(needs::BUILD, consent)?;
    needs::debian(needs::FAKETIME, consent)?;
    end_to_end(Profile::Dev)
}

fn stop(consent: Consent) -> Result<Count, Failure> {
    needs::debian(needs::BUILD, consent)?;
    needs::debian(needs::FAKETIME, consent)?;
    step::run("build", workspace::build(Profile::Dev))?;
    let bin_dir = workspace::bin_dir(Profile::Dev).display().to_string();
    rust_tests(
        "stop",
        &["--package", "transom-tests-stop"],
        &[("TRANSOM_BIN_DIR", &bin_dir)],
    )
}

fn load(consent: Consent) -> Result<Count, Failure> {
    needs::debian(needs::BUILD, consent)?;
    step::run("build", workspace::build_of(&["transom-sfu"], Profile::Dev))?;
    let bin_dir = workspace::bin_dir(Profile::Dev).display().to_string();
    rust_tests(
        "load",
        &["--package", "transom-load"],
        &[("TRANSOM_BIN_DIR", &bin_dir)],
    )
}

fn browser(consent: Consent) -> Result<Count, Failure> {
    needs::debian(needs::BUILD, consent)?;
    let browser = Browser::ready(consent)?;
    step::run("build", workspace::build(Profile::Dev))?;
    in_browser(&browser, Profile::Dev)
}

fn interop(consent: Consent) -> Result<Count, Failure> {
    needs::debian(needs::BUILD, consent)?;
    let peers = Peers::ready(consent)?;
    let program = ["transom-tests-interop"];
    step::run("build", workspace::build_of(&program, Profile::Dev))?;
    let mut count = Count::default();
    let tests = peers.tests(Profile::Dev);
    let status = step::watch("interop", tests, |line| count.read(line))?;
    Ok(count.checked(status.success()))
}

fn robots(consent: Consent) -> Result<Count, Failure> {
    needs::debian(needs::BUILD, consent)?;
    let python = tools::robots(consent)?.display().to_string();
    step::run("build", workspace::build(Profile::Dev))?;
    let bin_dir = workspace::bin_dir(Profile::Dev).display().to_string();
    rust_tests(
        "robots",
        &["--package", "transom-tests-robots"],
        &[("TRANSOM_BIN_DIR", &bin_dir), ("TRANSOM_PYTHON", &python)],
    )
}

fn cross_64(consent: Consent) -> Result<Count, Failure> {
    under_emulation(&["aarch64-gnu"], consent)
}

fn cross_all(consent: Consent) -> Result<Count, Failure> {
    under_emulation(&["aarch64-musl", "armv7-gnu"], consent)
}

/// Builds for the targets, looks at what was built, and runs it against this machine's own build.
fn under_emulation(names: &[&str], consent: Consent) -> Result<Count, Failure> {
    needs::debian(needs::BUILD, consent)?;
    step::run("build", workspace::build(Profile::Dev))?;
    let mut count = Count::default();
    for target in names.iter().filter_map(|name| cross::named(name)) {
        if let Err(failure) = cross::ready(target, consent) {
            println!("{failure}");
            println!("{}: NEITHER BUILT NOR RUN.", target.name);
            count.join(&Count::skip(format!("no tools for {}", target.name)));
            continue;
        }
        count.join(&emulated(target, consent)?);
    }
    Ok(count.checked(true))
}

fn emulated(target: &Target, consent: Consent) -> Result<Count, Failure> {
    let folder = cross::build(target, Profile::Dev, false, consent)?;
    let complaints = cross::report(target, &folder, false)?;
    let mut count = match complaints.is_empty() {
        true => Count::success(),
        false => Count::failure(complaints.join("; ")),
    };
    let bin_dir = workspace::bin_dir(Profile::Dev).display().to_string();
    let folder = folder.display().to_string();
    let emulator_env = cross::emulator_env(target);
    let mut env = vec![
        ("TRANSOM_BIN_DIR", bin_dir.as_str()),
        ("TRANSOM_EMULATOR", target.emulator),
        ("TRANSOM_EMULATED_BIN_DIR", folder.as_str()),
    ];
    env.extend(
        emulator_env
            .iter()
            .map(|(name, value)| (*name, value.as_str())),
    );
    count.join(&rust_tests(
        "cross",
        &["--package", "transom-tests-device", "--test", "emulated"],
        &env,
    )?);
    Ok(count)
}

fn device(consent: Consent) -> Result<Count, Failure> {
    needs::debian(needs::BUILD, consent)?;
    if let Err(failure) = device::ready(consent) {
        println!("{failure}");
        println!("NOTHING IS TESTED ON A BOARD.");
        return Ok(Count::skip("no board: its tools or packages cannot be had"));
    }
    let image = device::image(consent)?.display().to_string();
    step::run("build", workspace::build(Profile::Dev))?;
    let bin_dir = workspace::bin_dir(Profile::Dev).display().to_string();
    let mut count = rust_tests(
        "device",
        &[
            "--package",
            "transom-tests-device",
            "--test",
            "board",
            "--test",
            "camera",
            "--test",
            "encoder",
            "--test",
            "figures",
            "--test",
            "lines",
            "--test",
            "raspberry_pi",
            "--test",
            "sound",
        ],
        &[
            ("TRANSOM_BIN_DIR", &bin_dir),
            ("TRANSOM_BOARD", &image),
            // A board takes the whole machine.
            ("NEXTEST_TEST_THREADS", "1"),
            ("RUST_TEST_THREADS", "1"),
        ],
    )?;
    // A real recording, from a camera of the board to a browser.
    let browser = Browser::ready(consent)?;
    let mut tests = browser.test(Profile::Dev, "board.test.js");
    tests.env("TRANSOM_BOARD", &image);
    let mut seen = Count::default();
    let status = step::watch("device, seen by Chromium", tests, |line| seen.read(line))?;
    count.join(&seen.checked(status.success()));
    Ok(count)
}

fn package(consent: Consent) -> Result<Count, Failure> {
    match packages::HOST {
        Some(host) => packaged(&[host], consent),
        None => {
            println!("No package is made on this machine for itself: NO PACKAGE IS LOOKED AT.");
            Ok(Count::skip("packages for this machine are not made"))
        }
    }
}

fn package_all(consent: Consent) -> Result<Count, Failure> {
    packaged(packages::BOARDS, consent)
}

/// Makes packages of the programs as they are built for tests, twice, and looks at them.
fn packaged(architectures: &[&Architecture], consent: Consent) -> Result<Count, Failure> {
    needs::debian(needs::BUILD, consent)?;
    needs::debian(needs::PACKAGES, consent)?;
    needs::debian(needs::JUDGES, consent)?;
    let mut count = Count::default();
    let folder = packages::test_folder("made")?;
    for architecture in architectures {
        let programs = architecture.build(Profile::Dev, consent)?;
        let version = packages::Version::ours();
        let made = packages::make(architecture, &programs, &version, &folder)?;
        let again = packages::test_folder("again")?;
        let again = packages::make(architecture, &programs, &version, &again)?;
        count.join(&match packages::same(&made, &again)? {
            true => Count::success(),
            false => Count::failure(format!(
                "{}: packed twice, it is not the same",
                architecture.name
            )),
        });
    }
    step::run("build", workspace::build(Profile::Dev))?;
    let bin_dir = workspace::bin_dir(Profile::Dev).display().to_string();
    count.join(&rust_tests(
        "package",
        &["--package", "transom-tests-device", "--test", "package"],
        &[
            ("TRANSOM_BIN_DIR", &bin_dir),
            ("TRANSOM_PACKAGES", &folder.display().to_string()),
        ],
    )?);
    Ok(count)
}

/// Installs this machine's own packages into a fresh Debian, and boots it.
fn installed(consent: Consent) -> Result<Count, Failure> {
    let Some(host) = packages::HOST.filter(|_| packages::is_root()) else {
        println!("Only root, and on an amd64 machine, can make a fresh Debian to install into.");
        println!("THE PACKAGES ARE NOT INSTALLED, UPGRADED, PURGED OR BOOTED ANYWHERE.");
        return Ok(Count::skip("not root on amd64: packages not installed"));
    };
    let base = match packages::base_root(consent) {
        Ok(base) => base.display().to_string(),
        Err(failure) => {
            println!("{failure}");
            println!("THE PACKAGES ARE NOT INSTALLED, UPGRADED, PURGED OR BOOTED ANYWHERE.");
            return Ok(Count::skip("no fresh Debian can be made"));
        }
    };
    let programs = host.build(Profile::Dev, consent)?;
    let version = packages::Version::ours();
    let (first, next) = (
        packages::test_folder("first")?,
        packages::test_folder("next")?,
    );
    packages::make(host, &programs, &version, &first)?;
    packages::make(host, &programs, &version.next(), &next)?;
    rust_tests(
        "installed",
        &["--package", "transom-tests-device", "--test", "installed"],
        &[
            ("TRANSOM_ROOT", &base),
            ("TRANSOM_PACKAGES", &first.display().to_string()),
            ("TRANSOM_PACKAGES_NEXT", &next.display().to_string()),
            // A machine takes the whole machine.
            ("NEXTEST_TEST_THREADS", "1"),
            ("RUST_TEST_THREADS", "1"),
        ],
    )
}

fn release(consent: Consent) -> Result<Count, Failure> {
    needs::debian(needs::BUILD, consent)?;
    let browser = Browser::ready(consent)?;
    let mut count = end_to_end(Profile::Release)?;
    count.join(&in_browser(&browser, Profile::Release)?);
    Ok(count)
}

fn end_to_end(profile: Profile) -> Result<Count, Failure> {
    step::run("build", workspace::build(profile))?;
    let bin_dir = workspace::bin_dir(profile).display().to_string();
    rust_tests(
        "e2e",
        &["--package", "transom-tests-e2e"],
        &[("TRANSOM_BIN_DIR", &bin_dir)],
    )
}

fn in_browser(browser: &Browser, profile: Profile) -> Result<Count, Failure> {
    let mut count = Count::default();
    let status = step::watch("browser", browser.tests(profile), |line| count.read(line))?;
    Ok(count.checked(status.success()))
}

/// A command whose success is the test.
fn check(label: &str, command: Command) -> Result<Count, Failure> {
    step::run(label, command).map(|()| Count::success())
}

fn has_nextest() -> bool {
    needs::in_path("cargo-nextest")
}

/// cargo-nextest where it is installed (each test in a process of its own, in parallel), else cargo test.
fn rust_tests(label: &str, which: &[&str], env: &[(&str, &str)]) -> Result<Count, Failure> {
    let mut command = if has_nextest() {
        workspace::cargo(["nextest", "run", "--no-fail-fast", "--no-tests", "fail"])
    } else {
        workspace::cargo(["test", "--no-fail-fast"])
    };
    command.args(which).envs(env.iter().copied());
    let mut count = Count::default();
    let status = step::watch(label, command, |line| count.read(line))?;
    Ok(count.checked(status.success()))
}
