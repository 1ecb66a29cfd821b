//! A level for each module, and slips that are explained.

#![allow(clippy::expect_used, reason = "a test fails where it fails")]

use std::process::Command;
use std::time::Duration;

use transom_tests_e2e::{Program, Sfu, StateDir, agent, binary, sfu};

const SOON: Duration = Duration::from_secs(20);

/// Filters that mean nothing, and what is said of them.
const SLIPS: [(&str, &[&str]); 4] = [
    ("inof", &["`inof`", "not a log level", "--log info"]),
    ("info,verbose", &["`verbose`", "debug"]),
    ("info,dtls=loud", &["`loud`", "`dtls=loud`"]),
    ("info,hypr=debug", &["`hypr`", "dtls"]),
];

#[test]
fn slips_are_refused_by_both_programs() {
    let state = StateDir::new();
    for (log, words) in SLIPS {
        let mut server = sfu(state.path());
        server.args(["--http", "127.0.0.1:0", "--udp-port", "0", "--log", log]);
        Program::start(server).ended(SOON).refused_with(words);
        let mut device = agent();
        device.args(["--log", log]);
        Program::start(device).ended(SOON).refused_with(words);
    }
    let mut server = sfu(state.path());
    server.args(["--log", "info,transom_sfu::medai=debug", "--check-config"]);
    let told = Program::start(server).ended(SOON);
    told.refused_with(&["`transom_sfu::medai`", "media", "http"]);
    let mut device = agent();
    device.env("TRANSOM_AGENT_LOG", "transom_agent::publihser=debug");
    let told = Program::start(device).ended(SOON);
    told.refused_with(&["`transom_agent::publihser`", "publisher"]);
}

#[test]
fn a_module_may_say_more_than_the_others() {
    let server = Sfu::start_with("log = \"warn,transom_sfu::media=debug\"\n");
    let mut device = Command::new(binary("transom-agent"));
    device
        .args(["--whip", &format!("http://{}/whip/door", server.http)])
        .args(["--log", "off,transom_agent::publisher=info"])
        .env("TRANSOM_TOKEN", server.token("publish"));
    let device = Program::start(device);
    let line = device.line(" connected", SOON);
    assert!(line.contains("transom_agent::publisher::session"), "{line}");
    let line = server.program.line("publisher added", SOON);
    assert!(line.contains("transom_sfu::media::world"), "{line}");
    server.program.line("role=\"publisher\"", SOON);
    let of_others = |program: &Program, own: &str| {
        let log = program.log();
        let events = log
            .into_iter()
            .filter(|line| line.contains(" INFO ") || line.contains("DEBUG"));
        events
            .filter(|line| !line.contains(own))
            .collect::<Vec<_>>()
    };
    let quiet: [String; 0] = [];
    assert_eq!(of_others(&server.program, "transom_sfu::media"), quiet);
    assert_eq!(of_others(&device, "transom_agent::publisher"), quiet);
}
