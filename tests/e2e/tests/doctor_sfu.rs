//! Prepared faults around the server: its doctor names each by the right check, with the mend.

#![allow(clippy::expect_used, reason = "a test fails where it fails")]

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::process::Command;
use std::time::Duration;

use transom_tests_e2e::{Diagnosis, Program, Sfu, StateDir, binary, sfu, sfu_doctor};

fn doctor(state: &StateDir, args: &[&str]) -> Diagnosis {
    let mut command = sfu_doctor(state.path());
    command.args(["--http", "127.0.0.1:0", "--udp-port", "0"]);
    command.args(args);
    Diagnosis::of(command)
}

#[test]
fn a_machine_that_is_well_has_no_failure_and_nothing_is_left_behind() {
    let state = StateDir::new();
    doctor(&state, &[]).is_well();
    let left = fs::read_dir(state.path()).expect("the folder").count();
    assert_eq!(left, 0);
}

#[test]
fn every_mistake_of_the_configuration_is_told() {
    let state = StateDir::new();
    let text = "htpp = \"127.0.0.1:1\"\nworkers = \"many\"\n\n[limits]\nmax_streems = 3\n";
    let file = state.write("transom-sfu.toml", text);
    let config = file.display().to_string();
    let diagnosis = doctor(&state, &["--config", &config]);
    diagnosis.fails(
        "config",
        "transom-sfu.toml:1: unknown field `htpp`",
        "line 1",
    );
    diagnosis.fails("config", "transom-sfu.toml:2: ", "line 2");
    diagnosis.fails("config", "max_streems", "line 5");
    assert_eq!(diagnosis.found("config", "fail").len(), 3);
    // What can be understood is examined all the same.
    assert_eq!(diagnosis.found("state", "ok").len(), 1);
}

#[test]
fn the_http_port_is_held_by_another_program() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let http = taken.local_addr().expect("its address").to_string();
    let state = StateDir::new();
    let mut command = sfu_doctor(state.path());
    command.args(["--http", &http, "--udp-port", "0"]);
    let us = format!("(pid {})", std::process::id());
    Diagnosis::of(command).fails("http-port", &us, "--http");
}

#[test]
fn a_further_port_is_held_by_another_program() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let further = taken.local_addr().expect("its address").to_string();
    let state = StateDir::new();
    let mut command = sfu_doctor(state.path());
    command.args([
        "--http",
        "127.0.0.1:0",
        "--udp-port",
        "0",
        "--listen",
        &further,
    ]);
    let us = format!("(pid {})", std::process::id());
    Diagnosis::of(command).fails("listen-port", &us, "--listen");
}

#[test]
fn the_udp_port_is_held_by_another_program() {
    let taken = UdpSocket::bind("[::]:0")
        .or_else(|_| UdpSocket::bind("0.0.0.0:0"))
        .expect("a port");
    let port = taken.local_addr().expect("its address").port().to_string();
    let state = StateDir::new();
    let mut command = sfu_doctor(state.path());
    command.args(["--http", "127.0.0.1:0", "--udp-port", &port]);
    let us = format!("(pid {})", std::process::id());
    Diagnosis::of(command).fails("udp-port", &us, "--udp-port");
}

#[test]
fn a_server_that_runs_already_is_no_failure() {
    let mut sfu = Sfu::start();
    let state = StateDir::new();
    let mut command = sfu_doctor(state.path());
    command.args(["--http", &sfu.http.to_string()]);
    command.args(["--udp-port", &sfu.udp_port.to_string()]);
    let diagnosis = Diagnosis::of(command);
    diagnosis.is_well();
    let pid = format!("transom-sfu (pid {}) already runs", sfu.program.pid());
    for name in ["http-port", "udp-port"] {
        let found = diagnosis.found(name, "ok");
        assert!(found.iter().any(|f| f.contains(&pid)), "{found:?}");
    }
    sfu.still_serves();
}

#[test]
fn the_tokens_can_be_read_by_everybody() {
    use std::os::unix::fs::PermissionsExt as _;
    let state = StateDir::new();
    let file = state.write("secrets.toml", "");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("chmod");
    doctor(&state, &[]).fails("state", "can be read by others", "chmod 600");
}

#[test]
fn the_state_folder_is_a_file() {
    let state = StateDir::new();
    let file = state.write("a-file", "");
    let mut command = sfu_doctor(&file.join("below"));
    command.args(["--http", "127.0.0.1:0", "--udp-port", "0"]);
    Diagnosis::of(command).fails("state", "a-file", "--state-dir");
}

/// Writes a pair for door.example that is valid in these years.
fn pair(state: &StateDir, from: i32, until: i32) -> [String; 2] {
    let names = vec!["door.example".to_owned()];
    let mut params = rcgen::CertificateParams::new(names).expect("a name");
    params.not_before = rcgen::date_time_ymd(from, 1, 1);
    params.not_after = rcgen::date_time_ymd(until, 1, 1);
    let key = rcgen::KeyPair::generate().expect("a key");
    let made = params.self_signed(&key).expect("a certificate");
    let write = |name: &str, text: String| {
        state
            .write(&format!("{name}-{from}.pem"), text)
            .display()
            .to_string()
    };
    [write("cert", made.pem()), write("key", key.serialize_pem())]
}

#[test]
fn the_certificate_has_expired() {
    let state = StateDir::new();
    let [cert, key] = pair(&state, 2015, 2020);
    doctor(&state, &["--certificate", &cert, "--key", &key]).fails(
        "certificate",
        "expired on",
        "renew",
    );
}

#[test]
fn the_key_is_another_certificates() {
    let state = StateDir::new();
    let [cert, _] = pair(&state, 2024, 2124);
    let [_, key] = pair(&state, 2023, 2124);
    doctor(&state, &["--certificate", &cert, "--key", &key]).fails(
        "certificate",
        "is not that of the certificate",
        "made together",
    );
}

#[test]
fn the_certificate_is_for_another_name() {
    let state = StateDir::new();
    let file = state.write(
        "transom-sfu.toml",
        "public_url = \"https://garage.example/x\"\n",
    );
    let [cert, key] = pair(&state, 2024, 2124);
    let config = file.display().to_string();
    let args = ["--config", &config, "--certificate", &cert, "--key", &key];
    doctor(&state, &args).fails("certificate", "not for garage.example", "garage.example");
    doctor(
        &state,
        &[
            "--certificate",
            &cert,
            "--key",
            &key,
            "--host",
            "door.example",
        ],
    )
    .is_well();
}

#[test]
fn a_token_drives_and_may_not_watch() {
    const TOKEN: &str =
        "[[token]]\nname = \"pilot\"\ntoken = \"0123456789abcdef\"\nscopes = [\"drive\"]\n";
    let state = StateDir::new();
    let file = state.write("transom-sfu.toml", TOKEN).display().to_string();
    doctor(&state, &["--config", &file]).warns(
        "tokens",
        "`pilot` has the scope `drive` without `watch`",
        "scopes = [\"watch\", \"drive\"]",
    );
    let mut command = sfu(state.path());
    command.args(["--config", &file, "--check-config"]);
    let told = Program::start(command).ended(Duration::from_secs(10));
    assert!(told.status.success(), "{told:?}");
    assert!(told.lines.iter().any(|line| line.contains("`pilot`")));
    // Nobody is shut out by it: the server starts, and says so.
    let mut sfu = Sfu::start_with(TOKEN);
    let line = sfu.program.line("`pilot`", Duration::from_secs(10));
    assert!(line.contains("WARN"), "{line}");
    sfu.still_serves();
}

/// By libfaketime, where that is installed.
#[test]
fn the_clock_is_years_slow() {
    let faketime = Command::new("faketime").arg("--version").output();
    if faketime.is_err() {
        println!(
            "faketime is not installed (apt-get install faketime): SKIPPED, A WRONG CLOCK IS NOT TESTED HERE"
        );
        return;
    }
    let state = StateDir::new();
    let mut command = Command::new("faketime");
    command.args(["-m", "-f", "@2020-01-01 00:00:00"]);
    command
        .arg(binary("transom-sfu"))
        .args(["doctor", "--json"]);
    command.arg("--state-dir").arg(state.path());
    command.args(["--http", "127.0.0.1:0", "--udp-port", "0"]);
    command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    Diagnosis::of(command).fails("clock", "2020-01-01", "timedatectl");
}

#[test]
fn people_read_a_line_a_check_and_the_mend_below() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let http = taken.local_addr().expect("its address").to_string();
    let state = StateDir::new();
    let mut command = Command::new(binary("transom-sfu"));
    command.arg("doctor").arg("--state-dir").arg(state.path());
    command.args(["--http", &http, "--udp-port", "0"]);
    let ended = Program::start(command).ended(Duration::from_secs(60));
    assert_eq!(ended.status.code(), Some(1));
    let mut lines = ended
        .lines
        .iter()
        .skip_while(|line| !line.starts_with("FAIL  http-port "));
    assert!(
        lines.next().is_some_and(|line| line.contains(&http)),
        "{ended:?}"
    );
    assert!(
        lines
            .next()
            .is_some_and(|line| line.trim().starts_with("-> ")),
        "{ended:?}"
    );
    assert!(lines.any(|line| line.contains("1 failure, ")), "{ended:?}");
    // Not a terminal: no colour.
    assert!(
        !ended.lines.iter().any(|line| line.contains('\u{1b}')),
        "{ended:?}"
    );
}

#[test]
fn a_slip_on_the_command_line_has_a_status_of_its_own() {
    for program in ["transom-sfu", "transom-agent"] {
        let mut command = Command::new(binary(program));
        command.args(["doctor", "--jsn"]);
        let ended = Program::start(command).ended(Duration::from_secs(10));
        assert_eq!(ended.status.code(), Some(2), "{ended:?}");
        ended.refused_with(&["--json"]);
    }
}
