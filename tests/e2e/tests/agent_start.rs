//! An agent that cannot do what it was asked to says why and what mends it.

use std::time::Duration;

use transom_tests_e2e::{Program, StateDir, agent, agent_to};

const SOON: Duration = Duration::from_secs(10);
const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data");

fn refused(source: &str, words: &[&str]) {
    let mut command = agent();
    command.args(["--source", source, "--audio", "none"]);
    Program::start(command).ended(SOON).refused_with(words);
}

#[test]
fn the_file_is_not_there() {
    refused("file:/no/such/clip.mp4", &["/no/such/clip.mp4"]);
}

#[test]
fn the_file_is_no_h264() {
    let folder = StateDir::new();
    let text = folder.write(
        "poem.mp4",
        "Tyger Tyger, burning bright,\nIn the forests of the night;\n",
    );
    refused(&format!("file:{}", text.display()), &["poem.mp4", "H.264"]);
}

#[test]
fn the_film_has_another_codec() {
    refused(&format!("file:{DATA}/mpeg4.mp4"), &["mpeg4.mp4", "H.264"]);
}

#[test]
fn the_recording_has_b_frames() {
    refused(
        &format!("file:{DATA}/b-frames.mp4"),
        &["B-frames", "b-frames.mp4"],
    );
    refused(
        &format!("file:{DATA}/b-frames.h264"),
        &["B-frames", "b-frames.h264"],
    );
}

#[test]
fn a_source_that_does_not_exist_is_explained() {
    refused("tape:1", &["tape"]);
}

#[test]
fn an_address_that_is_none_is_explained() {
    Program::start(agent_to("not a url"))
        .ended(SOON)
        .refused_with(&["--whip"]);
}

#[test]
fn the_configuration_has_an_unknown_key() {
    let folder = StateDir::new();
    let file = folder.write("transom-agent.toml", "bitrat = 3\n");
    let mut command = agent();
    command.arg("--config").arg(file).arg("--check-config");
    Program::start(command)
        .ended(SOON)
        .refused_with(&["bitrat", "transom-agent.toml"]);
}

#[test]
fn the_configuration_is_no_toml() {
    let folder = StateDir::new();
    let file = folder.write("transom-agent.toml", "source = [\n");
    let mut command = agent();
    command.arg("--config").arg(file);
    Program::start(command)
        .ended(SOON)
        .refused_with(&["transom-agent.toml:1"]);
}

/// A camera may be plugged in later: the agent says what is missing and waits for it.
#[test]
fn the_camera_is_absent() {
    let mut command = agent();
    command.args(["--source", "v4l2:/dev/video97", "--audio", "none"]);
    let mut program = Program::start(command);
    let line = program.line("/dev/video97", SOON);
    assert!(program.runs(), "it ended:\n{}", program.lines().join("\n"));
    println!("{line}");
    let ended = program.terminate();
    assert!(
        !ended.lines.iter().any(|line| line.contains("panicked")),
        "{ended:?}"
    );
}

/// The server may be started later: the agent goes on calling.
#[test]
fn the_server_is_absent() {
    let mut command = agent();
    command.args(["--source", "test", "--audio", "none"]);
    let mut program = Program::start(command);
    program.line("retry in", SOON);
    assert!(program.runs(), "it ended:\n{}", program.lines().join("\n"));
    assert!(program.terminate().status.success());
}
