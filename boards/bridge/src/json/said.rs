//! What a program is told.

use std::fmt::Write as _;

use transom_boards_hal::{DriveState, DriveSwitch, Motion};

use super::VERSION;
use super::output::Output;
use super::session::{HOLD_US, REPEAT_US, SessionConfig};

/// Writes the first line.
pub(super) fn hello(line: &mut String, config: &SessionConfig) {
    line.clear();
    // A string takes all that is written.
    let _ = writeln!(
        line,
        r#"{{"type":"hello","version":{VERSION},"repeat_ms":{},"hold_ms":{},"answer_ms":{}}}"#,
        REPEAT_US / 1000,
        HOLD_US / 1000,
        config.answer_us / 1000,
    );
}

/// Writes what holds at `now_us`: a motion while it is armed, else a stop.
pub(super) fn command(line: &mut String, seq: u32, now_us: u64, state: DriveState, motion: Motion) {
    line.clear();
    let _ = match state {
        DriveState::Armed => {
            let [a, b, c, d] = motion.custom.map(fraction);
            writeln!(
                line,
                r#"{{"type":"motion","seq":{seq},"at_us":{now_us},"linear":{:.5},"angular":{:.5},"pan":{:.5},"tilt":{:.5},"custom":[{a:.5},{b:.5},{c:.5},{d:.5}]}}"#,
                fraction(motion.linear),
                fraction(motion.angular),
                fraction(motion.pan),
                fraction(motion.tilt),
            )
        }
        DriveState::Disarmed => stop(line, seq, now_us, "disarmed"),
        DriveState::Stopped(reason) => stop(line, seq, now_us, reason),
    };
}

/// Writes that an output is to be switched.
pub(super) fn switch(
    line: &mut String,
    seq: u32,
    now_us: u64,
    output: Output,
    switch: DriveSwitch,
) {
    line.clear();
    let _ = writeln!(
        line,
        r#"{{"type":"switch","seq":{seq},"at_us":{now_us},"output":"{output}","value":{},"ms":{}}}"#,
        switch.value, switch.ms
    );
}

fn stop(line: &mut String, seq: u32, now_us: u64, reason: &str) -> std::fmt::Result {
    // Reasons are words of our own.
    writeln!(
        line,
        r#"{{"type":"stop","seq":{seq},"at_us":{now_us},"reason":"{reason}"}}"#
    )
}

/// Of full scale, -1 to 1.
fn fraction(raw: i16) -> f64 {
    (f64::from(raw) / f64::from(i16::MAX)).max(-1.0)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn of(state: DriveState, motion: Motion) -> Value {
        let mut line = String::new();
        command(&mut line, 9, 1234, state, motion);
        assert!(line.ends_with('\n') && line.len() < 512);
        serde_json::from_str(&line).expect("JSON")
    }

    #[test]
    fn lines_are_json() {
        let motion = Motion {
            linear: i16::MAX,
            angular: i16::MIN,
            pan: 16384,
            custom: [0, 0, 0, -16384],
            ..Motion::STILL
        };
        let told = of(DriveState::Armed, motion);
        assert_eq!(
            told,
            json!({"type": "motion", "seq": 9, "at_us": 1234, "linear": 1.0, "angular": -1.0, "pan": 0.50002, "tilt": 0.0,
                "custom": [0.0, 0.0, 0.0, -0.50002]})
        );
        let told = of(DriveState::Stopped("link-lost"), motion);
        assert_eq!(
            told,
            json!({"type": "stop", "seq": 9, "at_us": 1234, "reason": "link-lost"})
        );
        let mut line = String::new();
        hello(&mut line, &SessionConfig::default());
        let told: Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(told["version"], 1);
        assert_eq!(told["hold_ms"], 200);
    }
}
