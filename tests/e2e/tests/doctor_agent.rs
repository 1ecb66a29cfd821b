//! Prepared faults around the agent: its doctor names each by the right check, with the mend.

#![allow(clippy::expect_used, reason = "a test fails where it fails")]

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use transom_tests_e2e::{
    Diagnosis, Player, Program, Sfu, StateDir, agent_doctor, backdating_relay, binary,
};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data");

/// Of an agent that publishes `door` at `sfu`, with that scope's token.
fn doctor(sfu: &Sfu, scope: &str, args: &[&str]) -> Diagnosis {
    examine(
        &format!("http://{}/whip/door", sfu.http),
        &sfu.token(scope),
        args,
    )
}

fn examine(whip: &str, token: &str, args: &[&str]) -> Diagnosis {
    let mut command = agent_doctor();
    command.args(["--whip", whip, "--token", token]).args(args);
    Diagnosis::of(command)
}

/// Of an agent with a fault of its devices: its server is well.
fn device(args: &[&str]) -> Diagnosis {
    let sfu = Sfu::start();
    let mut command = Command::new(binary("transom-agent"));
    command.args(["doctor", "--json"]).args(args);
    command.args(["--whip", &format!("http://{}/whip/door", sfu.http)]);
    command.args(["--token", &sfu.token("publish")]);
    Diagnosis::of(command)
}

const SMALL: [&str; 4] = ["--fps", "5", "--size", "160x120"];

#[test]
fn an_agent_that_is_well_has_no_failure() {
    let mut sfu = Sfu::start();
    let diagnosis = doctor(&sfu, "publish", &[]);
    diagnosis.is_well();
    for name in [
        "config",
        "server-name",
        "server-tcp",
        "server-http",
        "server-clock",
        "token",
        "udp",
    ] {
        assert_eq!(
            diagnosis.found(name, "ok").len(),
            1,
            "{name}: {diagnosis:#?}"
        );
    }
    let found = diagnosis.found("udp", "ok").concat();
    let v4 = format!("127.0.0.1:{} after", sfu.udp_port);
    assert!(found.contains(&v4), "{found}");
    // The trial session is gone.
    let token = sfu.token("watch");
    let streams = sfu.send(transom_tests_e2e::Request::new("GET", "/api/streams").token(&token));
    assert!(!streams.body.contains("doctor-"), "{streams:?}");
    sfu.still_serves();
}

#[test]
fn every_mistake_of_the_configuration_is_told() {
    let sfu = Sfu::start();
    let folder = StateDir::new();
    let file = folder.write(
        "transom-agent.toml",
        "bitrat = 3\n[video]\nfsp = 15\nbitrate = \"60M\"\n",
    );
    let diagnosis = doctor(&sfu, "publish", &["--config", &file.display().to_string()]);
    diagnosis.fails(
        "config",
        "transom-agent.toml:1: unknown field `bitrat`",
        "line 1",
    );
    diagnosis.fails(
        "config",
        "transom-agent.toml:3: unknown field `fsp`",
        "line 3",
    );
    diagnosis.fails("config", "bitrate 60000k", "50k to 50M");
}

#[test]
fn the_token_is_wrong() {
    let sfu = Sfu::start();
    let whip = format!("http://{}/whip/door", sfu.http);
    examine(&whip, "not-the-token-not-it", &[]).fails("token", "does not know", "transom-sfu link");
}

#[test]
fn the_token_is_that_of_viewers() {
    let sfu = Sfu::start();
    doctor(&sfu, "watch", &[]).fails("token", "may watch, but not publish", "transom-sfu link");
}

#[test]
fn the_token_is_for_another_stream() {
    let sfu = Sfu::start_with(
        "[[token]]\nname = \"garage\"\ntoken = \"0123456789abcdef\"\nscopes = [\"publish\"]\nstreams = [\"garage\"]\n",
    );
    let whip = format!("http://{}/whip/door", sfu.http);
    examine(&whip, "0123456789abcdef", &[]).fails("token", "not `door`", "\"door\"");
}

#[test]
fn the_server_does_not_run() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = free.local_addr().expect("its address");
    drop(free);
    let whip = format!("http://{addr}/whip/door");
    let diagnosis = examine(&whip, "any", &[]);
    diagnosis.fails(
        "server-tcp",
        &format!("nobody listens on {addr}"),
        "start transom-sfu",
    );
    // What lies behind is not guessed at.
    assert!(diagnosis.found("token", "skipped").is_empty());
}

#[test]
fn the_servers_name_does_not_resolve() {
    // RFC 6761 section 6.4: never a host.
    let whip = "http://no-such-host.invalid:7080/whip/door";
    examine(whip, "any", &[]).fails("server-name", "no-such-host.invalid", "`whip`");
}

#[test]
fn what_listens_there_says_nothing() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let whip = format!(
        "http://{}/whip/door",
        silent.local_addr().expect("its address")
    );
    examine(&whip, "any", &[]).fails("server-http", "says nothing", "port");
}

#[test]
fn what_listens_there_speaks_no_tls() {
    let sfu = Sfu::start();
    let whip = format!("https://{}/whip/door", sfu.http);
    examine(&whip, "any", &[]).fails("server-http", "does not speak TLS", "http://");
}

/// As with a firewall that drops: what is sent to the port comes nowhere, while TCP gets through.
#[test]
fn udp_comes_nowhere_though_http_works() {
    let hole = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let port = hole.local_addr().expect("its address").port();
    let config = format!(
        "allow_plain_http = true\nfamilies = [\"ipv4\"]\ninterfaces = []\nadvertise = [\"127.0.0.1:{port}\"]\n"
    );
    let sfu = Sfu::start_on("0.0.0.0:0", &config);
    let whip = format!("http://127.0.0.1:{}/whip/door", sfu.http.port());
    let diagnosis = examine(&whip, &sfu.token("publish"), &[]);
    diagnosis.fails(
        "udp",
        &format!("127.0.0.1:{port}"),
        &format!("ufw allow {port}/udp"),
    );
}

/// In a network namespace whose routing refuses all UDP, where the test may make one.
#[test]
fn udp_is_refused_though_http_works() {
    const REFUSE_UDP: &str = "ip link set lo up && ip rule add pref 100 lookup local && ip rule del pref 0 \
         && ip rule add pref 50 ipproto udp blackhole && exec \"$0\" \"$@\"";
    let allowed = Command::new("unshare")
        .args(["--net", "sh", "-c", REFUSE_UDP, "true"])
        .output();
    if !allowed.is_ok_and(|output| output.status.success()) {
        println!(
            "no network namespace can be made (root and iproute2 are needed): SKIPPED, REFUSED UDP IS NOT TESTED HERE"
        );
        return;
    }
    let state = StateDir::new();
    // The rules above are those of IPv4.
    let config = state.write("transom-sfu.toml", "families = [\"ipv4\"]\n");
    let mut command = Command::new("unshare");
    command.args(["--net", "sh", "-c", REFUSE_UDP]);
    command
        .arg(binary("transom-sfu"))
        .arg("--state-dir")
        .arg(state.path());
    command.args(["--http", "127.0.0.1:7080", "--udp-port", "7082", "--config"]);
    command.arg(config);
    let sfu = Program::start(command);
    sfu.line("listening http=", Duration::from_secs(20));
    let secrets = fs::read_to_string(state.path().join("secrets.toml")).expect("secrets.toml");
    let publish = secrets
        .lines()
        .find_map(|line| line.strip_prefix("publish = "));
    let token = publish.expect("a token").trim_matches('"');
    // What `unshare` started took its place by `exec`: the namespace is that of its pid.
    let mut command = Command::new("nsenter");
    command.args(["--net", "--target", &sfu.pid().to_string()]);
    command.arg(binary("transom-agent"));
    command.args([
        "doctor", "--json", "--audio", "none", "--fps", "5", "--size", "160x120",
    ]);
    command.args([
        "--whip",
        "http://127.0.0.1:7080/whip/door",
        "--token",
        token,
    ]);
    Diagnosis::of(command).fails("udp", "127.0.0.1:7082", "ufw allow 7082/udp");
}

#[test]
fn the_camera_is_absent() {
    let [fps, n, size, wxh] = SMALL;
    let source = [
        "--source",
        "v4l2:/dev/video97",
        "--audio",
        "none",
        fps,
        n,
        size,
        wxh,
    ];
    device(&source).fails("video", "/dev/video97 is absent", "camera");
}

/// A node that the user may not open. Root may open all, so that it sends nobody.
#[test]
fn the_camera_may_not_be_opened() {
    let folder = StateDir::new();
    let node = folder.path().join("video0");
    let sfu = Sfu::start();
    let mut command = agent_doctor();
    command.args(["--whip", &format!("http://{}/whip/door", sfu.http)]);
    command.args(["--token", &sfu.token("publish")]);
    command
        .arg("--source")
        .arg(format!("v4l2:{}", node.display()));
    if fs::metadata("/proc/self").is_ok_and(|us| us.uid() == 0) {
        // Video devices have major 81; which one it is does not matter, it is not opened.
        let made = Command::new("mknod")
            .arg(&node)
            .args(["c", "81", "200"])
            .status();
        if !made.is_ok_and(|status| status.success()) {
            fs::write(&node, "").expect("a file in place of a node");
        }
        fs::set_permissions(&node, fs::Permissions::from_mode(0o600)).expect("chmod");
        if !nobody_may_run(&binary("transom-agent")) {
            println!(
                "nobody may not run the programs of this checkout: SKIPPED, A FORBIDDEN CAMERA IS NOT TESTED HERE"
            );
            return;
        }
        command.uid(NOBODY).gid(NOBODY);
    } else {
        fs::write(&node, "").expect("a file in place of a node");
        fs::set_permissions(&node, fs::Permissions::from_mode(0o000)).expect("chmod");
    }
    Diagnosis::of(command).fails("video", "may not be opened", "usermod -aG video");
}

const NOBODY: u32 = 65_534;

fn nobody_may_run(program: &Path) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").uid(NOBODY).gid(NOBODY);
    command.output().is_ok_and(|output| output.status.success())
}

#[test]
fn the_sound_device_is_absent() {
    let [fps, n, size, wxh] = SMALL;
    let card = "alsa:plughw:CARD=TransomNoSuchCard,DEV=0";
    device(&["--audio", card, fps, n, size, wxh]).fails(
        "sound",
        card.trim_start_matches("alsa:"),
        "--audio",
    );
}

#[test]
fn the_recording_cannot_be_played() {
    let source = format!("file:{DATA}/b-frames.mp4");
    device(&["--source", &source, "--audio", "none"]).fails("video", "B-frames", "ffmpeg");
}

#[test]
fn the_encoder_is_too_slow() {
    device(&["--audio", "none", "--fps", "120", "--size", "3840x2160"])
        .fails("encoder", "too slow", "--size");
}

#[test]
fn one_of_the_clocks_is_a_year_wrong() {
    let sfu = Sfu::start();
    let relay = backdating_relay(sfu.http);
    let whip = format!("http://{relay}/whip/door");
    let diagnosis = examine(&whip, &sfu.token("publish"), &[]);
    diagnosis.fails("server-clock", "days ahead of the server's", "timedatectl");
}

/// Of an agent with this configuration file, its server well.
fn configured(text: &str) -> Diagnosis {
    let sfu = Sfu::start();
    let folder = StateDir::new();
    let file = folder.write("transom-agent.toml", text);
    doctor(&sfu, "publish", &["--config", &file.display().to_string()])
}

#[test]
fn nobody_said_where_to_publish() {
    let mut command = agent_doctor();
    command.current_dir("/tmp").env_remove("TRANSOM_AGENT_WHIP");
    let diagnosis = Diagnosis::of(command);
    diagnosis.fails(
        "config",
        "no WHIP address",
        "--whip http://HOST:7080/whip/NAME",
    );
    // All that needs no server is looked at: an owner begins with a camera.
    for name in ["video", "sound", "encoder"] {
        assert_eq!(
            diagnosis.found(name, "ok").len(),
            1,
            "{name}: {diagnosis:#?}"
        );
    }
    assert!(diagnosis.found("server-name", "fail").is_empty());

    // An address that is none is one mistake, not two.
    let folder = StateDir::new();
    let file = folder.write("transom-agent.toml", "whip = \"192.168.1.5\"\n");
    let mut command = agent_doctor();
    command
        .arg("--config")
        .arg(file)
        .env_remove("TRANSOM_AGENT_WHIP");
    let diagnosis = Diagnosis::of(command);
    diagnosis.fails("config", "must begin with http://", "line 1");
    assert_eq!(diagnosis.found("config", "fail").len(), 1, "{diagnosis:#?}");
    assert_eq!(diagnosis.found("server", "skipped").len(), 1);
}

#[test]
fn a_robot_that_is_well_has_no_failure() {
    let folder = StateDir::new();
    let trace = folder.path().join("edges");
    let diagnosis = configured(&format!(
        "metrics = \"127.0.0.1:0\"\n[control]\nboard = \"sim\"\ntrace = \"{}\"\n",
        trace.display()
    ));
    diagnosis.is_well();
    for name in ["board", "limit", "metrics-port"] {
        assert_eq!(
            diagnosis.found(name, "ok").len(),
            1,
            "{name}: {diagnosis:#?}"
        );
    }
    let limit = diagnosis.found("limit", "ok").concat();
    assert!(limit.contains("on the way to the server"), "{limit}");
    assert!(!trace.exists(), "the doctor makes nothing");
}

#[test]
fn a_robot_that_runs_is_not_disturbed() {
    let sfu = Sfu::start();
    let folder = StateDir::new();
    let trace = folder.path().join("edges");
    let file = folder.write(
        "transom-agent.toml",
        format!(
            "metrics = \"127.0.0.1:0\"\n[control]\nboard = \"sim\"\ntrace = \"{}\"\n",
            trace.display()
        ),
    );
    let whip = format!("http://{}/whip/door", sfu.http);
    let mut command = Command::new(binary("transom-agent"));
    command.args(["--whip", &whip, "--audio", "none", "--config"]);
    command
        .arg(&file)
        .env("TRANSOM_TOKEN", sfu.token("publish"));
    let agent = Program::start(command);
    agent.line("actuator: started", Duration::from_secs(20));
    agent.line(" connected", Duration::from_secs(20));
    let line = agent.line("metrics at http://", Duration::from_secs(20));
    let (_, addr) = line.split_once("http://").expect("an address");
    let addr = addr.trim_end_matches("/metrics");
    let config = file.display().to_string();
    let diagnosis = doctor(&sfu, "publish", &["--config", &config, "--metrics", addr]);
    diagnosis.is_well();
    let port = diagnosis.found("metrics-port", "ok").concat();
    let pid = format!("transom-agent (pid {}) already runs", agent.pid());
    assert!(port.contains(&pid), "{port}");
    let said = agent.lines();
    let started = said
        .iter()
        .filter(|line| line.contains("actuator: started"));
    assert_eq!(started.count(), 1, "{said:#?}");
    assert!(!said.iter().any(|line| line.contains("lost:")), "{said:#?}");
}

#[test]
fn the_board_is_another_machine() {
    let model = fs::read_to_string("/proc/device-tree/model").unwrap_or_default();
    if model.contains("Raspberry Pi") {
        println!("this is a Raspberry Pi: SKIPPED, THAT IT IS NONE IS NOT TESTED HERE");
        return;
    }
    configured("[control]\nboard = \"raspberry-pi\"\n").fails(
        "board",
        "this machine is no Raspberry Pi",
        "board = \"sim\"",
    );
}

#[test]
fn the_robots_trace_has_no_place() {
    configured("[control]\nboard = \"sim\"\ntrace = \"/no/such/folder/edges\"\n").fails(
        "board",
        "cannot be made in /no/such/folder",
        "`trace` in [control]",
    );
}

#[test]
fn a_mistake_in_control_hides_nothing_else() {
    let diagnosis = configured("[control]\nboard = \"sim\"\nlimit_ms = 10\n");
    diagnosis.fails("config", "limit_ms 10", "50 to 2000");
    assert_eq!(diagnosis.found("udp", "ok").len(), 1, "{diagnosis:#?}");
}

#[test]
fn the_limit_leaves_no_time() {
    configured("[control]\nboard = \"sim\"\nlimit_ms = 60\n").warns(
        "limit",
        "again and again",
        "raise limit_ms",
    );
}

#[test]
fn the_port_for_figures_is_held_by_another_program() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = taken.local_addr().expect("its address");
    let us = format!("(pid {})", std::process::id());
    configured(&format!("metrics = \"{addr}\"\n")).fails("metrics-port", &us, "--metrics");
}

#[test]
fn figures_are_for_everybody() {
    configured("metrics = \"0.0.0.0:0\"\nmetrics_open = true\n").warns(
        "metrics-port",
        "without a token",
        "127.0.0.1:9101",
    );
}

/// As on a Pi where nobody wrote limits down. Root needs none, so that it sends nobody.
#[test]
fn the_actuator_may_not_go_before_others() {
    let folder = StateDir::new();
    let file = folder.write("transom-agent.toml", "[control]\nboard = \"sim\"\n");
    let open = fs::Permissions::from_mode(0o755);
    fs::set_permissions(folder.path(), open).expect("chmod");
    let sfu = Sfu::start();
    let agent = binary("transom-agent");
    let mut command = Command::new("prlimit");
    command.args(["--rtprio=0", "--memlock=65536"]).arg(&agent);
    command.args(["doctor", "--json", "--audio", "none", "--fps", "5"]);
    command.args(["--size", "160x120", "--config"]).arg(file);
    command.args(["--whip", &format!("http://{}/whip/door", sfu.http)]);
    command.args(["--token", &sfu.token("publish")]);
    if fs::metadata("/proc/self").is_ok_and(|us| us.uid() == 0) {
        if !nobody_may_run(&agent) {
            println!(
                "nobody may not run the programs of this checkout: SKIPPED, REFUSED PRIORITY IS NOT TESTED HERE"
            );
            return;
        }
        command.uid(NOBODY).gid(NOBODY);
    }
    let diagnosis = Diagnosis::of(command);
    diagnosis.warns("priority", "no real-time priority", "LimitRTPRIO=20");
    diagnosis.warns("priority", "memory is not locked", "memlock unlimited");
}

/// Neither with a token for every stream, nor with one for this stream only.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_publishes_is_not_disturbed() {
    let mut sfu = Sfu::start_with(
        "[[token]]\nname = \"door\"\ntoken = \"0123456789abcdef\"\nscopes = [\"publish\"]\nstreams = [\"door\"]\n",
    );
    let whip = format!("http://{}/whip/door", sfu.http);
    let mut command = Command::new(binary("transom-agent"));
    command.args(["--whip", &whip, "--source", "test", "--audio", "none"]);
    command.env("TRANSOM_TOKEN", sfu.token("publish"));
    let agent = Program::start(command);
    agent.line("connected", Duration::from_secs(20));
    let mut player = Player::open(&sfu, "door", None).await.expect("a player");
    player.connected().await;
    for token in [sfu.token("publish"), "0123456789abcdef".to_owned()] {
        let url = whip.clone();
        let examined = tokio::task::spawn_blocking(move || examine(&url, &token, &[]));
        let diagnosis = examined.await.expect("the doctor");
        diagnosis.is_well();
        assert_eq!(diagnosis.found("udp", "ok").len(), 1, "{diagnosis:#?}");
        let watched = player.watch(Duration::from_secs(1)).await;
        assert!(!watched.video.is_empty(), "the picture goes on");
    }
    let said = agent.lines();
    let lost = said
        .iter()
        .any(|line| line.contains("lost:") || line.contains("taken"));
    assert!(!lost, "{said:#?}");
    sfu.still_serves();
}
