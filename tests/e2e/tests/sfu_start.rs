//! A server that cannot start says why and what mends it, on one line.

use std::net::{TcpListener, UdpSocket};
use std::time::Duration;

use transom_tests_e2e::{Program, StateDir, sfu};

const SOON: Duration = Duration::from_secs(10);

#[test]
fn the_http_port_is_in_use() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("its address");
    let state = StateDir::new();
    let mut command = sfu(state.path());
    command.args(["--http", &address.to_string(), "--udp-port", "0"]);
    Program::start(command)
        .ended(SOON)
        .refused_with(&[&address.port().to_string(), "--http"]);
}

#[test]
fn the_udp_port_is_in_use() {
    let taken = UdpSocket::bind("[::]:0")
        .or_else(|_| UdpSocket::bind("0.0.0.0:0"))
        .expect("a port");
    let port = taken.local_addr().expect("its address").port().to_string();
    let state = StateDir::new();
    let mut command = sfu(state.path());
    command.args(["--http", "127.0.0.1:0", "--udp-port", &port]);
    Program::start(command)
        .ended(SOON)
        .refused_with(&[&port, "--udp-port"]);
}

#[test]
fn the_configuration_has_an_unknown_key() {
    for check in [false, true] {
        let state = StateDir::new();
        let file = state.write("transom-sfu.toml", "htpp = \"127.0.0.1:0\"\n");
        let mut command = sfu(state.path());
        command.arg("--config").arg(file);
        if check {
            command.arg("--check-config");
        }
        Program::start(command)
            .ended(SOON)
            .refused_with(&["htpp", "transom-sfu.toml"]);
    }
}

#[test]
fn the_configuration_is_no_toml() {
    let state = StateDir::new();
    let file = state.write("transom-sfu.toml", "http = \"127.0.0.1:0\n");
    let mut command = sfu(state.path());
    command.arg("--config").arg(file);
    Program::start(command)
        .ended(SOON)
        .refused_with(&["transom-sfu.toml:1"]);
}

#[test]
fn the_configuration_is_not_there() {
    let state = StateDir::new();
    let mut command = sfu(state.path());
    command.args(["--config", "/no/such/transom-sfu.toml"]);
    Program::start(command)
        .ended(SOON)
        .refused_with(&["/no/such/transom-sfu.toml"]);
}

#[test]
fn the_state_folder_cannot_be_written() {
    let state = StateDir::new();
    let file = state.write("a-file", "");
    let mut command = sfu(&file.join("below"));
    command.args(["--http", "127.0.0.1:0", "--udp-port", "0"]);
    Program::start(command)
        .ended(SOON)
        .refused_with(&["a-file", "--state-dir"]);
}

#[test]
fn it_ends_when_asked_to() {
    let state = StateDir::new();
    let mut command = sfu(state.path());
    command.args(["--http", "127.0.0.1:0", "--udp-port", "0"]);
    let program = Program::start(command);
    program.line("listening http=", SOON);
    let ended = program.terminate();
    assert!(ended.status.success(), "{ended:?}");
}
