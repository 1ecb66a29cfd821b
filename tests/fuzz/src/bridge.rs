//! What robots say: a program's lines, a vehicle's frames.

use transom_boards_bridge::json::{LineBuffer, Session, SessionConfig};
use transom_boards_bridge::mavlink::{Frames, Vehicle, VehicleConfig};
use transom_boards_hal::{DriveState, DriveSwitch, Motion};

const START_US: u64 = 1_000_000_000;
const MOTION: Motion = Motion {
    linear: 20_000,
    angular: -5000,
    pan: 1,
    tilt: -1,
    custom: [3000, -3000, 0, 1],
};

/// Lines of a program: however they are cut, they are the same, and no conversation moves a robot that is not
/// armed. Each byte below 32 that is no line feed lets time pass and changes the state.
pub fn program(data: &[u8]) -> bool {
    let lines = |size: usize| {
        let mut buffer = LineBuffer::default();
        let mut lines: Vec<Vec<u8>> = Vec::new();
        let mut whole = true;
        for chunk in data.chunks(size) {
            whole = buffer
                .push(chunk, |line| {
                    lines.push(line.to_vec());
                    true
                })
                .is_ok();
            if !whole {
                break;
            }
        }
        (lines, whole)
    };
    let (all, whole) = lines(data.len().max(1));
    for size in [1, 7] {
        let (some, cut) = lines(size);
        assert_eq!(cut, whole);
        assert!(all == some || !whole);
    }
    let mut now = START_US;
    let mut session = Session::new(SessionConfig::default(), now, DriveState::Disarmed);
    let states = [
        DriveState::Disarmed,
        DriveState::Armed,
        DriveState::Stopped("stale"),
    ];
    let mut state = DriveState::Disarmed;
    let mut taken = false;
    for (number, line) in all.iter().enumerate() {
        let said: u64 = line.iter().map(|byte| u64::from(*byte)).sum();
        now += said % 100 * 1000;
        if line.first().is_some_and(|byte| *byte < b' ') {
            state = states[number % states.len()];
            session.set_state(state);
        }
        session.set_motion(MOTION);
        session.switch(DriveSwitch {
            output: line.len() as u8,
            value: 1,
            ms: 0,
        });
        for _ in 0..16 {
            let Some(line) = session.poll_line(now) else {
                break;
            };
            assert!(line.ends_with('\n') && line.len() < 512);
            let moves = line.contains(r#""motion""#);
            assert!(
                !moves || state == DriveState::Armed,
                "motion while it is not armed"
            );
        }
        assert_eq!(
            session.poll_line(now),
            None,
            "there is an end of what is said"
        );
        let text = line.strip_prefix(b"\x01").unwrap_or(line);
        let heard = session.handle_line(text).map(|_| ());
        taken |= heard.is_ok();
        let _ = (session.handle_timeout(now), session.fitness());
        if session.may_move() {
            assert!(!session.is_known_to_stand());
        }
        if heard.is_err() {
            break;
        }
    }
    taken
}

/// Frames of a vehicle: however they are cut, they are the same, and a vehicle that is not armed from here has its
/// sticks in the middle.
pub fn mavlink(data: &[u8]) -> bool {
    let frames = |size: usize| {
        let mut buffer = Frames::default();
        let mut frames = Vec::new();
        for chunk in data.chunks(size) {
            buffer.push(chunk, |frame| frames.push(frame.clone()));
        }
        frames
    };
    let all = frames(data.len().max(1));
    for size in [1, 7] {
        assert_eq!(frames(size), all);
    }
    let mut now = START_US;
    let mut vehicle = Vehicle::new(VehicleConfig {
        system: 1,
        station: 255,
    });
    let mut state = DriveState::Disarmed;
    for frame in &all {
        now += u64::from(frame.payload().first().copied().unwrap_or(0)) * 5000;
        vehicle.handle_frame(now, frame);
        if frame.id % 5 == 3 {
            state = match state {
                DriveState::Armed => DriveState::Stopped("stale"),
                DriveState::Disarmed | DriveState::Stopped(_) => DriveState::Armed,
            };
            vehicle.set_state(state);
        }
        vehicle.set_motion(MOTION);
        vehicle.handle_timeout(now);
        for _ in 0..16 {
            let Some(said) = vehicle.poll_transmit(now) else {
                break;
            };
            sticks(said.bytes(), state == DriveState::Armed);
        }
        assert!(
            vehicle.poll_transmit(now).is_none(),
            "there is an end of what is said"
        );
        let _ = (vehicle.fitness(now), vehicle.measured());
        assert!(!(vehicle.is_known_to_stand() && state == DriveState::Armed));
    }
    !all.is_empty()
}

/// Whatever we say is a frame, and where it is MANUAL_CONTROL (69) its sticks are in the middle unless they may
/// be elsewhere.
fn sticks(said: &[u8], may_move: bool) {
    let mut buffer = Frames::default();
    let mut count = 0;
    buffer.push(said, |frame| {
        count += 1;
        if frame.id != 69 || may_move {
            return;
        }
        let mut payload = [0; 8];
        for (to, from) in payload.iter_mut().zip(frame.payload()) {
            *to = *from;
        }
        let [x0, x1, y0, y1, z0, z1, r0, r1] = payload;
        assert_eq!([x0, x1, y0, y1, r0, r1], [0; 6]);
        assert!([0, 500].contains(&i16::from_le_bytes([z0, z1])));
    });
    assert_eq!(count, 1);
}
