//! The lines of a Raspberry Pi's header, seen from outside, when something happens to who drives.

use std::time::{Duration, Instant};

use transom_tests_device::{Board, Machine};

/// Where the default configuration has them.
const ENABLE: u8 = 16;
const LEFT_PWM: u8 = 12;
const RIGHT_PWM: u8 = 13;

/// Where the board files of Raspberry Pis have it.
const LOCK: u8 = 22;

const SOON: Duration = Duration::from_secs(60);
/// What an end of file may take on a Pi, and ten times that here.
const END_OF_FILE: Duration = Duration::from_millis(500);

#[test]
fn the_lock_opens_for_its_time_and_is_locked_once_the_agent_is_killed() {
    let mut board = Board::boot(Machine::RaspberryPi);
    let mut pins = board.pins();
    board.start("lock", "transom-agent board test lock --ms 1000");
    let opened = pins.wait_for(LOCK, true, SOON);
    let open = pins.wait_for(LOCK, false, SOON) - opened;
    println!("open for {open:?}");
    assert!(
        open > Duration::from_millis(800) && open < Duration::from_millis(2500),
        "{open:?}"
    );
    board.wait_for("grep 'the lock is locked' /tmp/lock.log", SOON);
    std::thread::sleep(Duration::from_secs(1));

    board.start("lock", "transom-agent board test lock --ms 5000");
    pins.wait_for(LOCK, true, SOON);
    let killed = Instant::now();
    let done = board.run("kill -9 $(cat /tmp/lock.pid)", SOON);
    assert_eq!(done.status, 0, "{}", done.said);
    let stood = pins.wait_for(LOCK, false, SOON) - killed;
    println!("killed, and locked after {stood:?}");
    assert!(stood < END_OF_FILE, "{stood:?}");
}

#[test]
fn the_motors_have_no_power_once_the_agent_is_killed() {
    let mut board = Board::boot(Machine::RaspberryPi);
    let mut pins = board.pins();
    board.start("driver", "driver /bin/transom-agent raspberry-pi none 0");
    board.wait_for("grep armed /tmp/driver.log", SOON);
    pins.wait_for(ENABLE, true, SOON);
    pins.wait_for(LEFT_PWM, true, SOON);
    pins.wait_for(RIGHT_PWM, true, SOON);
    pins.listen(Duration::from_millis(500));
    assert_eq!(pins.level(ENABLE), Some(true), "it stopped by itself");

    let killed = Instant::now();
    let done = board.run("kill -9 $(cat /tmp/driver.pid)", SOON);
    assert_eq!(done.status, 0, "{}", done.said);
    let stood = pins.wait_for(ENABLE, false, SOON) - killed;
    println!("killed, and without power after {stood:?}");
    assert!(stood < END_OF_FILE, "{stood:?}");
    pins.listen(Duration::from_secs(1));
    for pin in [ENABLE, LEFT_PWM, RIGHT_PWM] {
        assert_eq!(pins.level(pin), Some(false), "GPIO {pin} moves again");
    }
}
