//! The virtual board's lines, pressed and watched from outside: its button, its lock, its wheels, and a
//! network that is bad or gone.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails where it fails"
)]

use std::thread::sleep;
use std::time::{Duration, Instant};

use transom_tests_device::{Board, HOST, Machine, Pins};
use transom_tests_e2e::{Player, Remote, Sfu};

/// Where `boards/files/virtual.toml` has them.
const BUTTON: u8 = 0;
const LOCK: u8 = 1;
const ENABLE: u8 = 4;

const SOON: Duration = Duration::from_secs(60);
/// What an end of file may take on a board, and ten times that on one of software.
const END_OF_FILE: Duration = Duration::from_millis(500);
/// How old a command may be: the default.
const LIMIT: Duration = Duration::from_millis(300);
/// What the console and an emulated network add.
const SLACK: Duration = Duration::from_millis(1500);

/// Presses the button for a while.
fn press(pins: &mut Pins, time: Duration) {
    pins.drive(BUTTON, true);
    sleep(time);
    pins.drive(BUTTON, false);
    sleep(Duration::from_millis(900));
}

/// Rings that the agent logged.
fn rings(board: &mut Board) -> usize {
    let said = board
        .run("grep -c 'ring: somebody' /tmp/agent.log", SOON)
        .said;
    said.trim().parse().expect("a number")
}

#[test]
fn the_button_rings_and_the_lock_opens_no_longer_than_it_may() {
    let mut board = Board::boot(Machine::Virt);
    let mut pins = board.pins();
    let told = board.run("transom-agent board", SOON).said;
    println!("{told}");
    for part in [
        "virtual: virtual board, detected",
        "[lock] line",
        "/dev/gpiochip0",
        "pl061",
    ] {
        assert!(told.contains(part), "{part}");
    }

    // Nobody need answer for the bell to ring.
    let config = "[control]\\nboard = \"auto\"\\n[bell]\\nrun = [\"/bin/touch\", \"/tmp/rung\"]\\n";
    let made = board.run(&format!("printf '{config}' >/tmp/agent.toml"), SOON);
    assert_eq!(made.status, 0, "{}", made.said);
    let agent = "transom-agent --config /tmp/agent.toml --whip http://10.0.2.2:9/whip/door \
                 --source test --audio none";
    board.start("agent", agent);
    board.wait_for("grep 'waiting for the button' /tmp/agent.log", SOON);
    board.wait_for("grep 'actuator: started' /tmp/agent.log", SOON);
    press(&mut pins, Duration::from_millis(300));
    board.wait_for("grep 'ring: somebody' /tmp/agent.log", SOON / 6);
    board.wait_for("ls /tmp/rung", SOON / 6);
    press(&mut pins, Duration::from_millis(300));
    let deadline = Instant::now() + SOON / 6;
    while rings(&mut board) < 2 {
        assert!(Instant::now() < deadline, "one ring only");
    }
    // A spark on the wire.
    for _ in 0..20 {
        pins.drive(BUTTON, true);
        pins.drive(BUTTON, false);
    }
    sleep(Duration::from_secs(1));
    let log = board.run("cat /tmp/agent.log", SOON).said;
    println!("{log}");
    assert_eq!(rings(&mut board), 2);
    assert!(log.contains("board: virtual for this machine, linux,dummy-virt"));

    // The agent has the lines, and says so to others.
    let busy = board.run("transom-agent board test lock", SOON);
    println!("{}", busy.said);
    assert_ne!(busy.status, 0);
    assert!(busy.said.contains("in use by transom-agent"));
    let ended = board.run("kill $(cat /tmp/agent.pid)", SOON);
    assert_eq!(ended.status, 0, "{}", ended.said);
    board.wait_for("! grep -l 'gpioch[i]p' /proc/[0-9]*/cmdline", SOON);
    sleep(Duration::from_secs(1));

    board.start("lock", "transom-agent board test lock --ms 1500");
    let opened = pins.wait_for(LOCK, true, SOON);
    let open = pins.wait_for(LOCK, false, SOON) - opened;
    println!("open for {open:?}");
    assert!(open > Duration::from_millis(1300) && open < Duration::from_millis(1500) + SLACK);
    board.wait_for("grep 'the lock is locked' /tmp/lock.log", SOON);
    sleep(Duration::from_secs(1));

    board.start("lock", "exec transom-agent board test lock --ms 5000");
    pins.wait_for(LOCK, true, SOON);
    let killed = Instant::now();
    let done = board.run("kill -9 $(cat /tmp/lock.pid)", SOON);
    assert_eq!(done.status, 0, "{}", done.said);
    let open = pins.wait_for(LOCK, false, SOON) - killed;
    println!("killed, and locked after {open:?}");
    assert!(open < END_OF_FILE, "{open:?}");
    pins.listen(Duration::from_secs(1));
    assert_eq!(pins.level(LOCK), Some(false), "it opened again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_wheels_stop_when_the_link_is_cut_and_when_the_agent_is_killed() {
    let mut board = Board::boot(Machine::Virt);
    let mut pins = board.pins();
    let mut sfu = Sfu::start_with(&format!(
        "listen = [\"0.0.0.0:0\"]\nadvertise = [\"{HOST}\"]\n"
    ));
    let link = sfu
        .pairing_link("door", &sfu.fingerprint())
        .replace("127.0.0.1", HOST);
    board.run(
        "printf '[control]\\nboard = \"virtual\"\\npicture_limit_ms = 0\\n' >/tmp/agent.toml",
        SOON,
    );
    let agent = format!(
        "transom-agent --config /tmp/agent.toml --whip '{link}' \
         --source test --size 160x120 --fps 10 --audio none"
    );
    board.start("agent", &format!("exec {agent}"));
    board.wait_for("grep -m1 connected /tmp/agent.log", SOON);

    // A bad network: what leaves the board is late, and a tenth of it lost.
    let netem = board.run(
        "/sbin/tc qdisc add dev eth0 root netem delay 50ms loss 10%",
        SOON,
    );
    assert_eq!(netem.status, 0, "{}", netem.said);
    let mut player = Player::open(&sfu, "door", None).await.expect("a session");
    player.connected().await;
    let watched = player.watch(Duration::from_secs(8)).await;
    let (units, missing) = watched.units();
    let lost = board.run("/sbin/tc -s qdisc show dev eth0", SOON).said;
    println!(
        "{} pictures, {missing} packets missing, by\n{lost}",
        units.len()
    );
    assert!(units.len() > 20, "{} pictures", units.len());
    let dropped = lost
        .split("dropped ")
        .nth(1)
        .and_then(|rest| rest.split(',').next());
    let dropped: u32 = dropped
        .and_then(|n| n.trim().parse().ok())
        .expect("a count");
    assert!(dropped > 5, "{dropped} lost");
    drop(player);

    let mut remote = Remote::open(&sfu, "drive").await;
    remote.arm().await;
    remote.drive(Duration::from_secs(1)).await;
    pins.wait_for(ENABLE, true, SOON);
    println!("it drives over the bad network");
    let driving = tokio::spawn(async move { remote.drive(SOON).await });
    pins.listen(Duration::from_millis(500));
    assert_eq!(pins.level(ENABLE), Some(true), "it stopped by itself");
    let cut = Instant::now();
    let done = board.run("ip link set eth0 down", SOON);
    assert_eq!(done.status, 0, "{}", done.said);
    let stands = pins.wait_for(ENABLE, false, SOON) - cut;
    println!("the link was cut, and it stands after {stands:?}");
    assert!(stands < LIMIT + SLACK, "{stands:?}");
    driving.abort();
    pins.listen(Duration::from_secs(1));
    assert_eq!(pins.level(ENABLE), Some(false), "it moves again");
    board.wait_for("grep 'stopped: stale' /tmp/agent.log", SOON);

    // It comes back, and moves only for who arms anew.
    let done = board.run(
        "/sbin/tc qdisc del dev eth0 root; ip link set eth0 up",
        SOON,
    );
    assert_eq!(done.status, 0, "{}", done.said);
    pins.listen(Duration::from_secs(1));
    assert_eq!(pins.level(ENABLE), Some(false), "it moves by itself");
    let mut remote = Remote::open(&sfu, "drive").await;
    remote.arm().await;
    let driving = tokio::spawn(async move { remote.drive(SOON).await });
    pins.wait_for(ENABLE, true, SOON);
    pins.listen(Duration::from_millis(500));
    assert_eq!(pins.level(ENABLE), Some(true), "it stopped by itself");
    let killed = Instant::now();
    let done = board.run("kill -9 $(cat /tmp/agent.pid)", SOON);
    assert_eq!(done.status, 0, "{}", done.said);
    let stands = pins.wait_for(ENABLE, false, SOON) - killed;
    println!("killed, and it stands after {stands:?}");
    assert!(stands < END_OF_FILE, "{stands:?}");
    driving.abort();
    pins.listen(Duration::from_secs(1));
    assert_eq!(pins.level(ENABLE), Some(false), "it moves again");
    sfu.still_serves();
}
