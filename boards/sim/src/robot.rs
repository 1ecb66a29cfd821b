//! The robot.

use transom_boards_hal::{Drive, DriveError, DriveSwitch, Measured, Motion, Pointing, Wheels};

use crate::trace::Trace;

/// A longer gap between two measurements is integrated as this much: microseconds.
const LONGEST_STEP_US: u64 = 1_000_000;
/// Millivolts when it is full, and when it gives up.
const BATTERY_MV: (f64, f64) = (12_600.0, 9_000.0);
/// Millivolts a second with both wheels at full scale.
const DRAIN_MV: f64 = 1.0;

/// What the robot is like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RobotConfig {
    /// Millimetres a second of a wheel at full scale.
    pub wheel_mm_s: f64,
    /// Millimetres between the wheels.
    pub base_mm: f64,
}

impl Default for RobotConfig {
    fn default() -> Self {
        Self {
            wheel_mm_s: 500.0,
            base_mm: 200.0,
        }
    }
}

/// A robot on two wheels that does at once what it is told, on a floor without end.
#[derive(Debug)]
pub struct SimRobot {
    config: RobotConfig,
    trace: Option<Trace>,
    wheels: Wheels,
    speeds: [i16; 2],
    pointing: Pointing,
    x_mm: f64,
    y_mm: f64,
    heading: f64,
    battery_mv: f64,
    measured_at: Option<u64>,
}

impl SimRobot {
    /// At the origin, at rest.
    pub fn new(config: RobotConfig, trace: Option<Trace>) -> Self {
        let mut robot = Self {
            config,
            trace,
            wheels: Wheels::STILL,
            speeds: [0; 2],
            pointing: Pointing::default(),
            x_mm: 0.0,
            y_mm: 0.0,
            heading: 0.0,
            battery_mv: BATTERY_MV.0,
            measured_at: None,
        };
        for line in ["enable", "left", "right"] {
            robot.edge(line, 0);
        }
        robot
    }

    /// What the wheels are told.
    pub fn wheels(&self) -> Wheels {
        self.wheels
    }

    fn edge(&mut self, line: &str, value: i32) {
        if let Some(trace) = &mut self.trace {
            trace.edge(line, value);
        }
    }

    /// Moves on by `seconds` as the wheels turn: an arc, whose chord is exact.
    fn integrate(&mut self, seconds: f64) {
        let speed = |wheel: i16| f64::from(wheel) / f64::from(i16::MAX) * self.config.wheel_mm_s;
        let (left, right) = (speed(self.wheels.left), speed(self.wheels.right));
        let turn = (right - left) / self.config.base_mm * seconds;
        let arc = (left + right) / 2.0 * seconds;
        let half = turn / 2.0;
        let chord = if half.abs() < 1e-9 {
            arc
        } else {
            arc * half.sin() / half
        };
        self.x_mm += chord * (self.heading + half).cos();
        self.y_mm += chord * (self.heading + half).sin();
        self.heading = (self.heading + turn)
            .sin()
            .atan2((self.heading + turn).cos());
        let effort = (left.abs() + right.abs()) / (2.0 * self.config.wheel_mm_s);
        self.battery_mv = (self.battery_mv - effort * DRAIN_MV * seconds).max(BATTERY_MV.1);
    }
}

impl Drive for SimRobot {
    fn set(&mut self, motion: Motion) -> Result<(), DriveError> {
        let [pan, tilt] = std::mem::replace(&mut self.speeds, [motion.pan, motion.tilt]);
        for (line, was, is) in [("pan", pan, motion.pan), ("tilt", tilt, motion.tilt)] {
            if was != is {
                self.edge(line, is.into());
            }
        }
        let wheels = Wheels::mix(motion);
        let before = std::mem::replace(&mut self.wheels, wheels);
        let power = |wheels: Wheels| wheels != Wheels::STILL;
        // Power goes first when it is taken and comes last when it is given.
        if power(before) && !power(wheels) {
            self.edge("enable", 0);
        }
        if before.left != wheels.left {
            self.edge("left", wheels.left.into());
        }
        if before.right != wheels.right {
            self.edge("right", wheels.right.into());
        }
        if !power(before) && power(wheels) {
            self.edge("enable", 1);
        }
        Ok(())
    }

    fn measure(&mut self, now_us: u64) -> Measured {
        let since = self.measured_at.replace(now_us).unwrap_or(now_us);
        let step = now_us.saturating_sub(since).min(LONGEST_STEP_US);
        self.integrate(step as f64 / 1e6);
        self.pointing.turn(now_us, self.speeds);
        let [pan_mrad, tilt_mrad] = self.pointing.mrad();
        // Casts of floats saturate.
        Measured {
            x_mm: self.x_mm.round() as i32,
            y_mm: self.y_mm.round() as i32,
            heading_mrad: (self.heading * 1000.0).round() as i16,
            battery_mv: self.battery_mv.round() as u16,
            pan_mrad,
            tilt_mrad,
            ..Measured::default()
        }
    }

    /// It has whatever is asked of it, each with a line in the trace.
    fn switch(&mut self, switch: DriveSwitch) -> Result<bool, DriveError> {
        let line = match switch.output {
            1 => "lock",
            2 => "light",
            3 => "chime",
            4 => "horn",
            _ => "user",
        };
        self.edge(line, switch.value.into());
        Ok(true)
    }
}

impl Drop for SimRobot {
    fn drop(&mut self) {
        let _ = self.set(Motion::STILL);
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::PI;
    use std::fs;
    use std::io::Read as _;

    use super::*;

    const SECOND: u64 = 1_000_000;

    fn motion(linear: f64, angular: f64) -> Motion {
        let raw = |fraction: f64| (fraction * f64::from(i16::MAX)).round() as i16;
        Motion {
            linear: raw(linear),
            angular: raw(angular),
            ..Motion::STILL
        }
    }

    fn run(robot: &mut SimRobot, from: u64, seconds: u64, steps: u64) -> Measured {
        for step in 1..=seconds * steps {
            robot.measure(from + step * SECOND / steps);
        }
        robot.measure(from + seconds * SECOND)
    }

    #[test]
    fn ahead_is_along_x() {
        let mut robot = SimRobot::new(RobotConfig::default(), None);
        robot.measure(0);
        robot.set(motion(0.5, 0.0)).expect("it obeys");
        let at = run(&mut robot, 0, 4, 20);
        assert_eq!((at.x_mm, at.y_mm, at.heading_mrad), (1000, 0, 0));
    }

    #[test]
    fn a_circle_comes_back_to_where_it_began() {
        let config = RobotConfig::default();
        let mut robot = SimRobot::new(config, None);
        // Half ahead, a quarter to the left: the wheels at 0.25 and 0.75.
        robot.measure(0);
        robot.set(motion(0.5, 0.25)).expect("it obeys");
        let turn_per_second = 0.5 * config.wheel_mm_s / config.base_mm;
        let round = (2.0 * PI / turn_per_second * 1e6) as u64;
        let mut farthest = 0;
        for step in 0..=100 {
            farthest = farthest.max(robot.measure(round * step / 100).y_mm);
        }
        let at = robot.measure(round);
        assert!(at.x_mm.abs() <= 1 && at.y_mm.abs() <= 1, "{at:?}");
        assert!(at.heading_mrad.abs() <= 2, "{at:?}");
        // The radius is speed over turn: 250 mm/s over 1.25 rad/s.
        assert!((farthest - 400).abs() <= 2, "{farthest}");
        assert!(at.battery_mv < 12_600);
    }

    #[test]
    fn it_turns_counter_clockwise_on_the_spot() {
        let mut robot = SimRobot::new(RobotConfig::default(), None);
        robot.measure(0);
        robot.set(motion(0.0, 0.1)).expect("it obeys");
        let at = run(&mut robot, 0, 2, 100);
        assert_eq!((at.x_mm, at.y_mm), (0, 0));
        assert!((at.heading_mrad - 1000).abs() <= 2, "{at:?}");
    }

    #[test]
    fn edges_are_written_and_power_goes_first() {
        let path = std::env::temp_dir().join(format!("transom-trace-{}", std::process::id()));
        let trace = Trace::open(&path).expect("a file");
        let mut robot = SimRobot::new(RobotConfig::default(), Some(trace));
        robot.set(motion(0.5, 0.0)).expect("it obeys");
        robot.set(motion(0.5, 0.0)).expect("it obeys");
        drop(robot);
        let text = fs::read_to_string(&path).expect("the trace");
        fs::remove_file(&path).expect("its removal");
        let mut last = 0;
        let edges: Vec<&str> = text
            .lines()
            .map(|line| {
                let (micros, edge) = line.split_once(' ').expect("two words");
                let micros: u64 = micros.parse().expect("microseconds");
                assert!(micros >= last, "{text}");
                last = micros;
                edge
            })
            .collect();
        assert_eq!(
            edges,
            [
                "enable 0",
                "left 0",
                "right 0",
                "left 16384",
                "right 16384",
                "enable 1",
                "enable 0",
                "left 0",
                "right 0"
            ]
        );
    }

    #[test]
    fn a_pipe_that_nobody_reads_is_told_at_the_start_and_one_that_is_full_costs_no_time() {
        use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat, open};
        let path = std::env::temp_dir().join(format!("transom-pipe-{}", std::process::id()));
        mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).expect("a pipe");
        assert!(Trace::open(&path).is_err());
        let flags = OFlags::RDONLY | OFlags::NONBLOCK;
        let reader = open(&path, flags, Mode::empty()).expect("a reader");
        let mut trace = Trace::open(&path).expect("somebody reads");
        for edge in 0..10_000 {
            trace.edge("left", edge);
        }
        assert!(trace.dropped() > 0);
        // What found room to be kept comes once the pipe is read.
        let mut reader = fs::File::from(reader);
        let mut text = vec![0; 1 << 20];
        let read = reader.read(&mut text).expect("edges");
        drop(trace);
        let more = reader.read(&mut text[read..]).expect("more edges");
        let text = String::from_utf8_lossy(&text[..read + more]);
        let edges = text.lines().enumerate();
        let in_order = |(at, line): (usize, &str)| line.ends_with(&format!(" left {at}"));
        assert!(more > 1000 && edges.clone().all(in_order), "{more}");
        fs::remove_file(&path).expect("its removal");
    }
}
