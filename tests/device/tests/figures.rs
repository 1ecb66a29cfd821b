//! What the agent takes on the board for capturing and encoding, by its own figures. The processor is
//! emulated: they tell of changes, and nothing of a real board. `cargo xtask bench board` prints more of them.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails where it fails"
)]

use std::env;
use std::thread;
use std::time::Duration;

use transom_rtc_telemetry::Scrape;
use transom_tests_device::{Board, HOST, Machine};
use transom_tests_e2e::Sfu;

const SOON: Duration = Duration::from_secs(60);
/// Until the first key frame is over, and the rate is found.
const WARM_UP: Duration = Duration::from_secs(3);
const MEASURE: Duration = Duration::from_secs(10);

/// Size and pictures a second that are asked for, unless `TRANSOM_BOARD_PICTURES` names others.
const PICTURES: &str = "320x180@15";

#[test]
fn capture_and_encoding_have_figures() {
    let mut board = Board::boot(Machine::Virt);
    let sfu = Sfu::start_with(&format!(
        "listen = [\"0.0.0.0:0\"]\nadvertise = [\"{HOST}\"]\n"
    ));
    let link = sfu.pairing_link("door", &sfu.fingerprint());
    let link = link.replace("127.0.0.1", HOST);
    println!(
        "| asked for | camera, encoded a second | encoder, a picture | its processor time | whole agent, a picture | share of a core |"
    );
    println!("| --- | --- | --- | --- | --- | --- |");
    let pictures = env::var("TRANSOM_BOARD_PICTURES").unwrap_or_else(|_| PICTURES.to_owned());
    for asked in pictures.split(',') {
        let (size, fps) = asked.split_once('@').expect("SIZE@FPS");
        let config = format!(
            "whip = \"{link}\"\nmetrics = \"127.0.0.1:9101\"\n[video]\n\
             source = \"v4l2:/dev/video0\"\nsize = \"{size}\"\nfps = {fps}\n[audio]\nsource = \"none\"\n"
        );
        board.send("/tmp/agent.toml", config.as_bytes());
        board.start("agent", "exec transom-agent --config /tmp/agent.toml");
        board.wait_for("grep -m1 connected /tmp/agent.log", SOON);
        thread::sleep(WARM_UP);
        let before = scrape(&mut board);
        thread::sleep(MEASURE);
        let after = scrape(&mut board);
        let told = board.run("grep -m1 'camera opened' /tmp/agent.log", SOON);
        board.run(
            "kill $(cat /tmp/agent.pid); while kill -0 $(cat /tmp/agent.pid); do sleep 1; done",
            SOON,
        );
        let grown = |name: &str| {
            let value = |figures: &Figures| figures.scrape.value(name, &[]);
            match (value(&before), value(&after)) {
                (Some(before), Some(after)) => after - before,
                _ => panic!("no {name}"),
            }
        };
        // The board's own clock: reading its figures takes it some time, too.
        let seconds = after.uptime - before.uptime;
        let captured = grown("transom_agent_frames_captured_total");
        let encoded = grown("transom_agent_encode_seconds_count");
        let took = grown("transom_agent_encode_seconds_sum");
        let busy = grown("transom_agent_encode_cpu_seconds_total");
        let whole = grown("process_cpu_seconds_total");
        println!("{}", told.said);
        println!(
            "| {asked} | {:.1}, {:.1} | {:.1} ms | {:.1} ms | {:.1} ms | {:.0} % |",
            captured / seconds,
            encoded / seconds,
            1e3 * took / encoded,
            1e3 * busy / encoded,
            1e3 * whole / encoded,
            100.0 * whole / seconds
        );
        assert!(encoded > 10.0, "{encoded} pictures in {seconds} s");
        assert!(
            captured >= encoded,
            "{captured} captured, {encoded} encoded"
        );
        // An encoder's thread is no busier than the time it took, and the process no less than it.
        assert!(busy > 0.0 && busy <= took * 1.05, "{busy} of {took} s");
        assert!(whole >= busy * 0.95, "{busy} s of the process's {whole} s");
    }
}

/// The agent's figures, and the board's uptime in seconds.
struct Figures {
    scrape: Scrape,
    uptime: f64,
}

fn scrape(board: &mut Board) -> Figures {
    let told = board.wait_for(
        "cat /proc/uptime && wget -q -O - http://127.0.0.1:9101/metrics",
        SOON,
    );
    let (uptime, text) = told.split_once('\n').expect("two answers");
    let uptime = uptime.split_whitespace().next().expect("a time");
    let scrape = Scrape::parse(&format!("{text}\n"));
    Figures {
        scrape: scrape.unwrap_or_else(|error| panic!("{error} in\n{text}")),
        uptime: uptime.parse().expect("seconds"),
    }
}
