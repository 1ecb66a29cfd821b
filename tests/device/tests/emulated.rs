//! Built for a board and run under an emulator: one end emulated, the other this machine's own, so that
//! what they say to each other is right on both.

#![allow(clippy::expect_used, reason = "a test fails where it fails")]

use std::process::Command;
use std::time::Duration;

use transom_tests_device::emulated;
use transom_tests_e2e::{Player, Program, Sfu, StateDir, binary};

/// Emulation is a tenth as fast, or less.
const SOON: Duration = Duration::from_secs(60);
const WATCH: Duration = Duration::from_secs(6);

fn publish(mut agent: Command, sfu: &Sfu) -> Program {
    agent
        .args(["--whip", &format!("http://{}/whip/door", sfu.http)])
        .args(["--source", "test", "--audio", "test"])
        .args(["--size", "160x120", "--fps", "10"])
        .env("TRANSOM_TOKEN", sfu.token("publish"));
    let agent = Program::start(agent);
    agent.line("connected", SOON);
    agent
}

/// Picture and sound arrive whole at a player of this machine.
async fn watch(sfu: &Sfu) {
    let mut player = Player::open(sfu, "door", None).await.expect("a session");
    player.connected().await;
    let watched = player.watch(WATCH).await;
    let (units, missing) = watched.units();
    println!(
        "{} pictures and {} sound packets in {WATCH:?}, {missing} picture packets missing",
        units.len(),
        watched.audio
    );
    assert!(units.len() > 12, "{} pictures", units.len());
    assert!(units[0].key_frame, "it begins with a key frame");
    assert_eq!(missing, 0);
    assert!(watched.audio > 60, "{} sound packets", watched.audio);
}

#[test]
fn the_programs_introduce_themselves() {
    for name in ["transom-sfu", "transom-agent"] {
        let said = |option: &str| {
            let mut command = emulated(name);
            command.arg(option);
            let ended = Program::start(command).ended(SOON);
            assert!(ended.status.success(), "{name} {option}: {ended:?}");
            ended.lines.join("\n")
        };
        let version = said("--version");
        assert!(
            version.contains(name) && version.contains(env!("CARGO_PKG_VERSION")),
            "{version}"
        );
        let help = said("--help");
        assert!(
            help.contains("Usage:") && help.contains("Examples:"),
            "{help}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_emulated_server_serves_this_machines_agent_and_player() {
    let server = emulated("transom-sfu");
    let mut sfu = Sfu::start_command(server, StateDir::new(), "127.0.0.1:0", "");
    let _agent = publish(Command::new(binary("transom-agent")), &sfu);
    watch(&sfu).await;
    sfu.still_serves();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_emulated_agent_publishes_to_this_machines_server() {
    let mut sfu = Sfu::start();
    let _agent = publish(emulated("transom-agent"), &sfu);
    watch(&sfu).await;
    sfu.still_serves();
}
