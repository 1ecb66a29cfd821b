//! The house's walls: which of our crates may see which, and what the core must never see. Read off
//! `cargo tree`, so that they hold by check and not by promise.

use crate::failure::Failure;
use crate::summary::Count;
use crate::{step, workspace};

/// Each crate of ours and all of ours that it may depend on.
const EDGES: &[(&str, &[&str])] = &[
    ("transom-rtc-prefetch", &[]),
    ("transom-rtc-proto", &["transom-rtc-prefetch"]),
    ("transom-boards-hal", &[]),
    ("transom-control", &[]),
    ("transom-rtc-udp", &[]),
    ("transom-rtc-doctor", &[]),
    ("transom-rtc-telemetry", &[]),
    // The names of codes.
    ("transom-record", &["transom-control"]),
    // Sizes and formats of cameras; times that a picture carries.
    (
        "transom-picture",
        &["transom-boards-hal", "transom-rtc-proto"],
    ),
    ("transom-rtc-dtls", &["transom-rtc-proto"]),
    (
        "transom-rtc-srtp",
        &["transom-rtc-prefetch", "transom-rtc-proto"],
    ),
    ("transom-rtc-sctp", &["transom-rtc-proto"]),
    (
        "transom-rtc-tokio",
        &[
            "transom-rtc-udp",
            "transom-rtc-dtls",
            "transom-rtc-srtp",
            "transom-rtc-sctp",
            "transom-rtc-proto",
        ],
    ),
    ("transom-boards-bridge", &["transom-boards-hal"]),
    ("transom-boards-linux", &["transom-boards-hal"]),
    ("transom-boards-raspberry-pi", &["transom-boards-hal"]),
    ("transom-boards-sim", &["transom-boards-hal"]),
    (
        "transom-agent",
        &[
            "transom-rtc-doctor",
            "transom-rtc-telemetry",
            "transom-rtc-tokio",
            // Its plain data: ids, times, codecs, events of the peer that rtc/tokio drives.
            "transom-rtc-proto",
            "transom-boards-bridge",
            "transom-boards-hal",
            "transom-boards-linux",
            "transom-boards-raspberry-pi",
            "transom-boards-sim",
            "transom-control",
            "transom-picture",
            "transom-record",
        ],
    ),
    (
        "transom-sfu",
        &[
            "transom-rtc-doctor",
            "transom-rtc-telemetry",
            "transom-rtc-udp",
            "transom-rtc-dtls",
            "transom-rtc-srtp",
            "transom-rtc-sctp",
            "transom-rtc-prefetch",
            "transom-rtc-proto",
            // Parses what it relays, and stamps the lease.
            "transom-control",
        ],
    ),
    (
        "transom-load",
        &[
            // Its HTTP client and the list of this machine's addresses.
            "transom-rtc-tokio",
            "transom-rtc-udp",
            "transom-rtc-dtls",
            "transom-rtc-srtp",
            "transom-rtc-proto",
        ],
    ),
    ("xtask", &[]),
];

/// What would bring an operating system, a clock, a random source or an executor into the core.
const NOT_IN_THE_CORE: &[&str] = &[
    "async-std",
    "bytes",
    "chrono",
    "futures",
    "getrandom",
    "libc",
    "log",
    "mio",
    "rand",
    "ring",
    "rustix",
    "sctp-proto",
    "smol",
    "socket2",
    "std",
    "time",
    "tokio",
    "tracing",
    "webrtc-util",
];

pub(crate) fn check() -> Result<Count, Failure> {
    let mut count = Count::default();
    for (package, allowed) in EDGES {
        let ours: Vec<String> = tree(package, &["--depth", "1"])?
            .into_iter()
            .filter(|name| name.starts_with("transom-"))
            .collect();
        rule(&mut count, package, "may not depend on", ours, |name| {
            !allowed.contains(&name)
        });
    }
    let core = tree("transom-rtc-proto", &[])?;
    rule(
        &mut count,
        "transom-rtc-proto",
        "may not contain",
        core,
        |name| NOT_IN_THE_CORE.contains(&name),
    );
    let kernel = tree("transom-control", &[])?;
    rule(
        &mut count,
        "transom-control",
        "may not contain",
        kernel,
        |_| true,
    );
    Ok(count)
}

fn rule(
    count: &mut Count,
    package: &str,
    verdict: &str,
    dependencies: Vec<String>,
    offends: impl Fn(&str) -> bool,
) {
    let offenders: Vec<String> = dependencies
        .into_iter()
        .filter(|name| offends(name))
        .collect();
    if offenders.is_empty() {
        count.passed += 1;
        return;
    }
    count.failed += 1;
    count.note = format!("{package} {verdict} {}", offenders.join(", "));
    println!("{}", count.note);
}

/// The names of what `package` depends on when it runs: no build scripts, no tests.
fn tree(package: &str, words: &[&str]) -> Result<Vec<String>, Failure> {
    let mut command = workspace::cargo([
        "tree",
        "--locked",
        "--edges",
        "normal,no-proc-macro",
        "--prefix",
        "none",
        "--package",
        package,
    ]);
    command.args(words);
    let text = step::output(&mut command)
        .ok_or_else(|| Failure::new(format!("`cargo tree --locked --package {package}` failed")))?;
    // The first line is the package itself.
    Ok(text
        .lines()
        .skip(1)
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect())
}
