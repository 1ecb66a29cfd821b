//! What both programs tell Prometheus, while a stream is published and watched.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails where it fails"
)]

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::time::{Duration, Instant};

use transom_control::{Channel, Epoch, Order, StopReason};
use transom_rtc_telemetry::Scrape;
use transom_tests_e2e::{
    LossyProxy, Player, Program, Remote, Request, Response, Sfu, Signal, StateDir, agent, binary,
    signal,
};

const TOKEN: &str = "metrics-token-0123456789abcdef";
const SOON: Duration = Duration::from_secs(20);

fn sfu() -> Sfu {
    Sfu::start_with(&format!(
        "[[token]]\nname = \"prometheus\"\ntoken = \"{TOKEN}\"\nscopes = [\"metrics\"]\n"
    ))
}

/// An agent with figures, and where they are.
fn publisher(sfu: &Sfu, folder: &StateDir) -> (Program, SocketAddr) {
    let config = folder.write(
        "transom-agent.toml",
        "metrics = \"127.0.0.1:0\"\n[control]\nboard = \"sim\"\npicture_limit_ms = 0\n",
    );
    let mut command = Command::new(binary("transom-agent"));
    command
        .args(["--whip", &format!("http://{}/whip/door", sfu.http)])
        .arg("--config")
        .arg(config)
        .env("TRANSOM_TOKEN", sfu.token("publish"));
    let agent = Program::start(command);
    let address = address_of(&agent);
    agent.line(" connected", SOON);
    (agent, address)
}

/// Where an agent serves its figures, as it says.
fn address_of(agent: &Program) -> SocketAddr {
    let line = agent.line("metrics at http://", SOON);
    let (_, address) = line.split_once("http://").expect("an address");
    let address = address.trim_end_matches("/metrics").parse();
    address.expect("an address")
}

/// The figures, in the right format, without a secret in them.
fn figures(response: &Response, secrets: &[String]) -> Scrape {
    assert_eq!(response.status, 200, "{response:?}");
    let kind = response.header("content-type");
    assert_eq!(kind, Some("text/plain; version=0.0.4; charset=utf-8"));
    for secret in secrets {
        assert!(!response.body.contains(secret), "{secret} is told");
    }
    let scrape = Scrape::parse(&response.body);
    scrape.unwrap_or_else(|error| panic!("{error} in\n{}", response.body))
}

fn of_server(sfu: &Sfu, secrets: &[String]) -> Scrape {
    let response = sfu.send(Request::new("GET", "/metrics").token(TOKEN));
    figures(&response, secrets)
}

/// Asks again until it is so.
#[track_caller]
fn until(what: &str, scrape: impl Fn() -> Scrape, so: impl Fn(&Scrape) -> bool) -> Scrape {
    let deadline = Instant::now() + SOON;
    loop {
        let told = scrape();
        if so(&told) {
            return told;
        }
        assert!(Instant::now() < deadline, "never {what}: {told:#?}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// No counter went back, and none that was there is missing.
#[track_caller]
fn assert_grown(before: &Scrape, after: &Scrape, but: &str) {
    let after: BTreeMap<String, f64> = after.counters().collect();
    for (name, value) in before.counters() {
        if but.is_empty() || !name.starts_with(but) {
            let now = after.get(&name).copied();
            assert!(
                now.is_some_and(|now| now >= value),
                "{name}: {value} -> {now:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_published_and_watched() {
    let mut sfu = sfu();
    let secrets: Vec<String> = ["publish", "watch", "drive"]
        .map(|scope| sfu.token(scope))
        .into_iter()
        .chain([TOKEN.to_owned()])
        .collect();
    let first = of_server(&sfu, &secrets);
    let folder = StateDir::new();
    let (agent, address) = publisher(&sfu, &folder);
    let of_agent = || figures(&Request::new("GET", "/metrics").send(address), &secrets);
    let proxy = LossyProxy::start(([127, 0, 0, 1], sfu.udp_port).into(), 50, 1);
    let mut player = Player::open(&sfu, "door", Some(proxy.addr))
        .await
        .expect("a session");
    player.connected().await;
    let before = (of_server(&sfu, &secrets), of_agent());
    player.watch(Duration::from_secs(4)).await;
    let after = until(
        "repaired",
        || of_server(&sfu, &secrets),
        |told| told.sum("transom_sfu_retransmissions_total") > 0.0,
    );
    assert_grown(&first, &after, "");
    assert_grown(&before.0, &after, "");
    let (role, door) = (("role", "subscriber"), ("stream", "door"));
    let video = ("kind", "video");
    let value = |name: &str, labels: &[(&str, &str)]| {
        let value = after.value(name, labels);
        value.unwrap_or_else(|| panic!("no {name}{labels:?}"))
    };
    for (name, labels, least) in [
        (
            "transom_sfu_sessions",
            &[role, ("state", "connected")][..],
            1.0,
        ),
        ("transom_sfu_join_seconds_count", &[role], 1.0),
        ("transom_sfu_streams", &[("state", "published")], 1.0),
        ("transom_sfu_stream_subscribers", &[door], 1.0),
        ("transom_sfu_stream_connected", &[door], 1.0),
        ("transom_sfu_stream_frames_total", &[door, video], 60.0),
        (
            "transom_sfu_stream_received_bytes_total",
            &[door, video],
            30_000.0,
        ),
        ("transom_sfu_received_packets_total", &[video], 60.0),
        (
            "transom_sfu_received_packets_total",
            &[("kind", "audio")],
            60.0,
        ),
        ("transom_sfu_sent_packets_total", &[video], 60.0),
        ("transom_sfu_sent_bytes_total", &[("kind", "audio")], 1000.0),
        ("transom_sfu_nacks_received_total", &[], 1.0),
        ("transom_sfu_retransmissions_total", &[], 1.0),
        ("transom_sfu_key_frame_requests_sent_total", &[], 1.0),
        (
            "transom_sfu_udp_sent_datagrams_total",
            &[("family", "ipv4")],
            60.0,
        ),
        ("transom_sfu_worker_peers", &[("worker", "0")], 2.0),
        ("process_resident_memory_bytes", &[], 1e6),
        ("process_open_fds", &[], 8.0),
    ] {
        assert!(value(name, labels) >= least, "{name}{labels:?}");
    }
    assert!(after.sum("transom_sfu_srtp_peers") >= 2.0);
    assert!(after.sum("transom_sfu_panics_total") == 0.0);

    let told = until("asked for a key frame", of_agent, |told| {
        told.sum("transom_agent_key_frame_requests_received_total") > 0.0
    });
    assert_grown(&before.1, &told, "");
    for (name, labels, least) in [
        ("transom_agent_frames_captured_total", &[][..], 90.0),
        ("transom_agent_frames_encoded_total", &[], 60.0),
        ("transom_agent_encode_seconds_count", &[], 60.0),
        ("transom_agent_sound_packets_total", &[], 60.0),
        ("transom_agent_sent_packets_total", &[video], 60.0),
        (
            "transom_agent_sent_bytes_total",
            &[("kind", "audio")],
            1000.0,
        ),
        (
            "transom_agent_publisher_state",
            &[("state", "connected")],
            1.0,
        ),
        ("transom_agent_sessions_connected_total", &[], 1.0),
        (
            "transom_agent_video_bitrate_target_bits_per_second",
            &[],
            150_000.0,
        ),
        ("transom_agent_actuator_starts_total", &[], 1.0),
        ("transom_agent_udp_sent_datagrams_total", &[], 60.0),
        ("transom_agent_udp_received_datagrams_total", &[], 10.0),
        ("transom_agent_udp_send_calls_total", &[], 1.0),
        (
            "transom_agent_control_reports_total",
            &[("kind", "beacon")],
            20.0,
        ),
    ] {
        let value = told.value(name, labels);
        assert!(
            value.is_some_and(|v| v >= least),
            "{name}{labels:?} {value:?}"
        );
    }
    assert_eq!(told.value("transom_agent_control_armed", &[]), Some(0.0));
    // Whether it is, the kernel decides.
    let gso = told.value("transom_agent_udp_gso_in_use", &[]);
    assert!(gso == Some(0.0) || gso == Some(1.0), "{gso:?}");

    // Everybody leaves; the totals stay.
    player.whep.close().await.expect("DELETE");
    assert!(agent.terminate().status.success());
    let last = until(
        "deserted",
        || of_server(&sfu, &secrets),
        |told| {
            let peers = told.sum("transom_sfu_worker_peers");
            peers + told.sum("transom_sfu_sessions") + told.sum("transom_sfu_srtp_peers") == 0.0
        },
    );
    assert_grown(&after, &last, "transom_sfu_stream_");
    assert!(last.sum("transom_sfu_sessions_ended_total") >= 2.0);
    sfu.still_serves();
}

/// What a doorbell on a battery has to tell: nobody drives it, and no page asks for it.
#[test]
fn a_battery_alone_tells_its_voltage_for_as_long_as_it_can_be_read() {
    let folder = StateDir::new();
    let voltage = folder.write("voltage_now", "3720000\n");
    let board = format!("[battery]\nfile = \"{}\"\n", voltage.display());
    let board = folder.write("board.toml", board);
    let config = format!(
        "metrics = \"127.0.0.1:0\"\n[control]\npicture_limit_ms = 0\nboard = \"{}\"\n",
        board.display()
    );
    let mut command = agent();
    command
        .arg("--config")
        .arg(folder.write("agent.toml", config));
    let agent = Program::start(command);
    let address = address_of(&agent);
    let told = || figures(&Request::new("GET", "/metrics").send(address), &[]);
    let volts = |told: &Scrape| told.value("transom_agent_battery_volts", &[]);
    until("measured", told, |told| volts(told) == Some(3.72));
    std::fs::remove_file(&voltage).expect("it was there");
    until("given up", told, |told| {
        volts(told).is_some_and(f64::is_nan)
    });
    folder.write("voltage_now", "3690000\n");
    until("measured again", told, |told| volts(told) == Some(3.69));
}

/// Both see an arm, a stop, and a driver that falls silent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_are_timed_and_stops_counted() {
    let mut sfu = sfu();
    let folder = StateDir::new();
    let (_agent, address) = publisher(&sfu, &folder);
    let of_agent = || figures(&Request::new("GET", "/metrics").send(address), &[]);
    let mut remote = Remote::open(&sfu, "drive").await;
    remote.report().await;
    remote.arm().await;
    remote.drive(Duration::from_millis(500)).await;
    // It says nothing for longer than the limit.
    remote.listen(Duration::from_millis(600)).await;
    remote.arm().await;
    let stop = Order::Stop {
        epoch: Epoch::ALL,
        reason: StopReason::Operator,
    };
    remote.send(Channel::Reliable, 1_000_000, stop);
    remote.listen(Duration::from_millis(500)).await;
    let (arm, stop) = ([("command", "arm")], [("command", "stop")]);
    let (stale, pressed) = ([("reason", "stale")], [("reason", "operator")]);
    let told = until(
        "stopped twice",
        || of_server(&sfu, &[]),
        |told| told.sum("transom_sfu_device_stops_total") >= 2.0,
    );
    let of_server = [
        ("transom_sfu_command_answer_seconds_count", &arm, 2.0),
        ("transom_sfu_command_answer_seconds_count", &stop, 1.0),
        ("transom_sfu_device_stops_total", &stale, 1.0),
        ("transom_sfu_device_stops_total", &pressed, 1.0),
    ];
    let device = of_agent();
    let of_agent = [
        ("transom_agent_control_answer_seconds_count", &arm, 2.0),
        ("transom_agent_control_answer_seconds_count", &stop, 1.0),
        ("transom_agent_control_stops_total", &stale, 1.0),
        ("transom_agent_control_stops_total", &pressed, 1.0),
    ];
    for (scrape, samples) in [(&told, of_server), (&device, of_agent)] {
        for (name, labels, least) in samples {
            let value = scrape.value(name, labels);
            assert!(
                value.is_some_and(|v| v >= least),
                "{name}{labels:?} {value:?}"
            );
        }
    }
    // What the server waits for is longer than the agent's part of it, and both are of a machine.
    let mean = |scrape: &Scrape, name: &str| {
        let of = |part: &str| scrape.value(&format!("{name}_{part}"), &arm);
        of("sum").expect("a sum") / of("count").expect("a count")
    };
    let there_and_back = mean(&told, "transom_sfu_command_answer_seconds");
    let within = mean(&device, "transom_agent_control_answer_seconds");
    assert!(
        within < there_and_back && there_and_back < 1.0,
        "{within} {there_and_back}"
    );
    let setpoints = device.value("transom_agent_control_setpoint_age_seconds_count", &[]);
    assert!(
        setpoints.is_some_and(|count| count >= 10.0),
        "{setpoints:?}"
    );
    let handed = device.value("transom_agent_control_handover_seconds_count", &[]);
    assert!(handed > setpoints, "{handed:?}");
    remote.close().await;
    sfu.still_serves();
}

#[test]
fn an_actuator_that_dies_is_counted() {
    let folder = StateDir::new();
    let config = folder.write("transom-agent.toml", "[control]\nboard = \"sim\"\n");
    let mut command = agent();
    command.args(["--metrics", "127.0.0.1:0", "--audio", "none", "--config"]);
    command.arg(config);
    let program = Program::start(command);
    let address = address_of(&program);
    let started = program.line("actuator: started pid=", SOON);
    let (_, pid) = started.split_once("pid=").expect("a pid");
    signal(pid.trim().parse().expect("a number"), Signal::KILL);
    let told = until(
        "started again",
        || figures(&Request::new("GET", "/metrics").send(address), &[]),
        |told| told.sum("transom_agent_actuator_starts_total") >= 2.0,
    );
    let died = [("reason", "died")];
    let failures = "transom_agent_actuator_failures_total";
    assert_eq!(told.value(failures, &died), Some(1.0));
    assert_eq!(told.sum(failures), 1.0);
}

#[test]
fn the_servers_figures_are_closed() {
    let mut sfu = sfu();
    let ask = |request: Request| sfu.send(request);
    let told = ask(Request::new("GET", "/metrics")).is_problem(401);
    assert!(told.contains("[[token]]"), "{told}");
    let unknown = Request::new("GET", "/metrics").token("nobody-knows-this-token");
    ask(unknown).is_problem(401);
    for scope in ["publish", "watch", "drive"] {
        let other = Request::new("GET", "/metrics").token(&sfu.token(scope));
        let told = ask(other).is_problem(403);
        assert!(told.contains("`metrics`"), "{told}");
    }
    ask(Request::new("POST", "/metrics").token(TOKEN)).is_problem(405);
    // And it is good for nothing else.
    ask(Request::offer("/whep/door", "v=0").token(TOKEN)).is_problem(403);
    sfu.still_serves();
}

/// A page on the web whose name was made to lead here.
#[test]
fn the_agents_figures_are_for_no_other_name() {
    let folder = StateDir::new();
    let config = folder.write(
        "transom-agent.toml",
        "metrics = \"127.0.0.1:0\"\nmetrics_hosts = [\"robot.example\"]\n",
    );
    let mut command = agent();
    command.args(["--audio", "none", "--config"]).arg(config);
    let program = Program::start(command);
    let address = address_of(&program);
    let ask = |host: &str| Request::new("GET", "/metrics").host(host).send(address);
    for host in ["localhost:9101", "robot.example", "[::1]:9101", "192.0.2.1"] {
        assert_eq!(ask(host).status, 200, "{host}");
    }
    for host in [
        "evil.example",
        "evil.example:9101",
        "localhost.evil.example",
    ] {
        let refused = ask(host);
        assert_eq!(refused.status, 421, "{host}");
        assert!(refused.body.contains("metrics_hosts"), "{refused:?}");
        assert!(!refused.body.contains("transom_agent_"), "{refused:?}");
    }
    let whole = Request::new("GET", "http://evil.example/metrics").host("localhost");
    assert_eq!(whole.send(address).status, 421);
}

#[test]
fn the_agents_figures_stay_on_the_machine_and_are_all_there_is() {
    let mut command = agent();
    command.args(["--metrics", "0.0.0.0:0"]);
    let refused = Program::start(command).ended(SOON);
    refused.refused_with(&["0.0.0.0:0", "127.0.0.1:PORT", "metrics_open"]);

    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("its address").to_string();
    let mut command = agent();
    command.args(["--metrics", &address]);
    let refused = Program::start(command).ended(SOON);
    refused.refused_with(&[&address, "--metrics"]);

    let mut command = agent();
    command.args(["--metrics", "localhost:0", "--audio", "none"]);
    let program = Program::start(command);
    let address = address_of(&program);
    for (method, path, status) in [
        ("GET", "/", 404),
        ("GET", "/metrics/", 404),
        ("POST", "/metrics", 405),
        ("GET", "/metrics", 200),
    ] {
        let answer = Request::new(method, path).send(address);
        assert_eq!(answer.status, status, "{method} {path}");
    }
    // Nobody is there to publish to: that shows.
    let told = until(
        "told that it waits",
        || figures(&Request::new("GET", "/metrics").send(address), &[]),
        |told| told.sum("transom_agent_sessions_failed_total") > 0.0,
    );
    assert_eq!(told.sum("transom_agent_publisher_state"), 1.0);
    assert_eq!(told.sum("transom_agent_sessions_connected_total"), 0.0);
}
