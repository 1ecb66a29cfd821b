//! One program at the other end: what it is told when, and whether it is well.

use std::collections::VecDeque;

use transom_boards_hal::{DriveState, DriveSwitch, Motion};

use super::heard::{Heard, HeardError, Telemetry};
use super::lines::TooLong;
use super::output::Output;
use super::said;

/// Between two lines at most, in microseconds.
pub(super) const REPEAT_US: u64 = 40_000;
/// A line holds for as long: then the program has to stop by itself.
pub(super) const HOLD_US: u64 = 200_000;
/// From the start to its first line: an interpreter may have much to load.
const HELLO_US: u64 = 30_000_000;
/// Lines that may be unanswered.
const UNANSWERED: usize = 64;
/// Switches that may wait for the next turn.
const SWITCHES: usize = 8;

/// What is asked of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionConfig {
    /// How long it may take to answer a line, in microseconds.
    pub answer_us: u64,
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self { answer_us: 300_000 }
    }
}

/// Why a program is sent away. Each text names the mend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// It says what is no line.
    #[error("{0}: docs/program.md has the protocol")]
    Heard(#[from] HeardError),
    /// It says what has no end.
    #[error("{0}: end each message with a line feed")]
    TooLong(#[from] TooLong),
    /// It does not begin.
    #[error("it has not said hello within {} s: write {{\"type\":\"hello\",\"version\":1}} first", HELLO_US / 1_000_000)]
    NoHello,
    /// It says hello twice, or something before.
    #[error("hello is the first line, and comes once")]
    Hello,
    /// It answers what was never said.
    #[error(
        "it answers line {0}, which was not sent or is answered: answer with the `seq` of what was read last"
    )]
    Seq(u32),
    /// It does not answer.
    #[error(
        "it has not answered for {0} ms: answer each line with a state, and let nothing keep it from reading; `answer_ms` in the board file is how long it may take"
    )]
    Silent(u64),
}

/// The conversation with one program, without clock and wire.
#[derive(Debug)]
pub struct Session {
    config: SessionConfig,
    begun_us: u64,
    greeted: bool,
    name: Option<String>,
    outputs: Vec<Output>,
    /// What is to be switched.
    switches: VecDeque<(Output, DriveSwitch)>,
    state: DriveState,
    motion: Motion,
    /// What was said last, if anything.
    said: Option<(DriveState, Motion)>,
    said_us: u64,
    seq: u32,
    answered: u32,
    /// Since when something is unanswered, however many lines were said since.
    waiting_since: Option<u64>,
    /// When each of the latest lines was said.
    times: [u64; UNANSWERED],
    telemetry: Telemetry,
    fault: Option<String>,
    line: String,
}

impl Session {
    /// With a program that came at `now_us`.
    pub fn new(config: SessionConfig, now_us: u64, state: DriveState) -> Self {
        Self {
            config,
            begun_us: now_us,
            greeted: false,
            name: None,
            outputs: Vec::new(),
            switches: VecDeque::new(),
            state,
            motion: Motion::STILL,
            said: None,
            said_us: 0,
            seq: 0,
            answered: 0,
            waiting_since: None,
            times: [0; UNANSWERED],
            telemetry: Telemetry::default(),
            fault: None,
            line: String::new(),
        }
    }

    /// Tells of a new state; whatever it is, nothing moves by what was before.
    pub fn set_state(&mut self, state: DriveState) {
        self.state = state;
        self.motion = Motion::STILL;
    }

    /// Tells how to move; heeded while it is armed.
    pub fn set_motion(&mut self, motion: Motion) {
        self.motion = motion;
    }

    /// Has an output switched; false where the program has no such, true once it is to be told.
    pub fn switch(&mut self, switch: DriveSwitch) -> bool {
        let output = Output::from_code(switch.output);
        let output = output.filter(|output| self.outputs.contains(output));
        let Some(output) = output.filter(|_| self.switches.len() < SWITCHES) else {
            return false;
        };
        self.switches.push_back((output, switch));
        true
    }

    /// Takes a line in. The name of the program, if that is it.
    pub fn handle_line(&mut self, line: &[u8]) -> Result<Option<&str>, Trouble> {
        match (Heard::parse(line)?, self.name.is_some()) {
            (Heard::Hello { name, outputs }, false) => {
                self.outputs = outputs;
                Ok(Some(self.name.insert(name)))
            }
            (Heard::Hello { .. }, true) | (Heard::State { .. }, false) => Err(Trouble::Hello),
            (
                Heard::State {
                    seq,
                    telemetry,
                    fault,
                },
                true,
            ) => {
                if seq < self.answered || seq > self.seq {
                    return Err(Trouble::Seq(seq));
                }
                self.note_answer(seq);
                self.telemetry = telemetry;
                self.fault = fault;
                Ok(None)
            }
        }
    }

    /// Whether it is to be sent away.
    pub fn handle_timeout(&self, now_us: u64) -> Result<(), Trouble> {
        if self.name.is_none() {
            return match now_us.saturating_sub(self.begun_us) > HELLO_US {
                true => Err(Trouble::NoHello),
                false => Ok(()),
            };
        }
        let Some(since) = self.waiting_since else {
            return Ok(());
        };
        match now_us.saturating_sub(since) > self.config.answer_us {
            true => Err(Trouble::Silent(self.config.answer_us / 1000)),
            false => Ok(()),
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) and [`poll_line`](Self::poll_line) at the latest.
    pub fn poll_timeout(&self) -> u64 {
        self.said_us + REPEAT_US
    }

    /// What is to be said now, with its line feed.
    pub fn poll_line(&mut self, now_us: u64) -> Option<&str> {
        if !self.greeted {
            self.greeted = true;
            said::hello(&mut self.line, &self.config);
            return Some(&self.line);
        }
        self.name.as_ref()?;
        let motion = match self.state {
            DriveState::Armed => self.motion,
            DriveState::Disarmed | DriveState::Stopped(_) => Motion::STILL,
        };
        let holds = Some((self.state, motion));
        if self.said == holds
            && let Some((output, switch)) = self.switches.pop_front()
        {
            let seq = self.next(now_us)?;
            said::switch(&mut self.line, seq, now_us, output, switch);
            return Some(&self.line);
        }
        if self.said == holds && now_us < self.said_us + REPEAT_US {
            return None;
        }
        self.said = holds;
        self.said_us = now_us;
        let seq = self.next(now_us)?;
        said::command(&mut self.line, seq, now_us, self.state, motion);
        Some(&self.line)
    }

    /// The number of the line that is said now.
    fn next(&mut self, now_us: u64) -> Option<u32> {
        self.seq = self.seq.checked_add(1)?;
        // More than fit are unanswered only for as long as it takes to be found silent.
        if let Some(time) = self.times.get_mut(slot(self.seq)) {
            *time = now_us;
        }
        self.waiting_since.get_or_insert(now_us);
        Some(self.seq)
    }

    /// Whether it has begun, and has no fault.
    pub fn fitness(&self) -> Result<(), String> {
        match (&self.name, &self.fault) {
            (None, _) => Err("it has not said hello yet".to_owned()),
            (Some(_), Some(fault)) => Err(format!("it reports a fault: {fault}")),
            (Some(_), None) => Ok(()),
        }
    }

    /// Whether it has answered the latest line, and that was to stand still.
    pub fn is_known_to_stand(&self) -> bool {
        let still = matches!(self.said, Some((_, Motion::STILL)));
        still && self.answered == self.seq && self.fault.is_none()
    }

    /// Whether it may move, as far as is known: it was told to, and has not answered a line that says otherwise.
    pub fn may_move(&self) -> bool {
        self.said.is_some() && !self.is_known_to_stand()
    }

    /// What it measures.
    pub fn telemetry(&self) -> &Telemetry {
        &self.telemetry
    }

    fn note_answer(&mut self, seq: u32) {
        if seq == self.answered {
            return;
        }
        self.answered = seq;
        let kept = u32::try_from(UNANSWERED).unwrap_or(u32::MAX);
        match self.seq - seq {
            0 => self.waiting_since = None,
            // The next line's time is known.
            waiting if waiting <= kept => {
                self.waiting_since = self.times.get(slot(seq + 1)).copied()
            }
            // It is not any more: what was waited for before goes on.
            _ => {}
        }
    }

    /// Whether it has said hello.
    pub fn has_begun(&self) -> bool {
        self.name.is_some()
    }
}

fn slot(seq: u32) -> usize {
    usize::try_from(seq).unwrap_or(0) % UNANSWERED
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: &[u8] = br#"{"type":"hello","version":1,"name":"Robot"}"#;
    const MS: u64 = 1000;

    fn greeted() -> Session {
        let mut session = Session::new(SessionConfig::default(), 0, DriveState::Disarmed);
        assert!(
            session
                .poll_line(0)
                .is_some_and(|line| line.contains("hello"))
        );
        assert_eq!(session.poll_line(0), None);
        assert_eq!(session.handle_line(HELLO), Ok(Some("Robot")));
        session
    }

    fn answer(session: &mut Session, seq: u32) -> Result<(), Trouble> {
        let line = format!(r#"{{"type":"state","seq":{seq}}}"#);
        session.handle_line(line.as_bytes()).map(|_| ())
    }

    fn ahead(linear: i16) -> Motion {
        Motion {
            linear,
            ..Motion::STILL
        }
    }

    #[test]
    fn each_change_is_told_at_once_and_what_holds_is_repeated() {
        let mut session = greeted();
        let told = session.poll_line(1).expect("a line");
        assert!(told.contains(r#""type":"stop","seq":1,"at_us":1,"reason":"disarmed""#));
        assert_eq!(session.poll_line(2), None);
        session.set_state(DriveState::Armed);
        assert!(
            session
                .poll_line(3)
                .is_some_and(|told| told.contains("motion"))
        );
        session.set_motion(ahead(32767));
        assert!(
            session
                .poll_line(4)
                .is_some_and(|told| told.contains(r#""linear":1.0"#))
        );
        assert_eq!(session.poll_line(4 + REPEAT_US - 1), None);
        assert_eq!(session.poll_timeout(), 4 + REPEAT_US);
        assert!(
            session
                .poll_line(4 + REPEAT_US)
                .is_some_and(|told| told.contains(r#""seq":4"#))
        );
        // A stop voids the motion, also for the next time it is armed.
        session.set_state(DriveState::Stopped("stale"));
        assert!(
            session
                .poll_line(50 * MS)
                .is_some_and(|told| told.contains("stale"))
        );
        session.set_state(DriveState::Armed);
        assert!(
            session
                .poll_line(51 * MS)
                .is_some_and(|told| told.contains(r#""linear":0.0"#))
        );
    }

    #[test]
    fn motion_while_it_is_not_armed_is_a_stop() {
        let mut session = greeted();
        session.set_motion(ahead(1));
        assert!(
            session
                .poll_line(1)
                .is_some_and(|told| told.contains("stop"))
        );
        assert!(session.may_move());
        answer(&mut session, 1).expect("an answer");
        assert!(session.is_known_to_stand() && !session.may_move());
    }

    #[test]
    fn who_does_not_answer_is_sent_away() {
        let mut session = greeted();
        for ms in (0..=300).step_by(40) {
            session.poll_line(ms * MS);
            assert_eq!(session.handle_timeout(ms * MS), Ok(()), "{ms}");
        }
        assert_eq!(session.handle_timeout(300 * MS), Ok(()));
        assert_eq!(session.handle_timeout(301 * MS), Err(Trouble::Silent(300)));
        // The oldest line counts, not the latest.
        answer(&mut session, 2).expect("an answer");
        assert_eq!(session.handle_timeout(301 * MS), Ok(()));
        assert_eq!(session.handle_timeout(381 * MS), Err(Trouble::Silent(300)));
        answer(&mut session, 8).expect("an answer");
        assert_eq!(session.handle_timeout(9000 * MS), Ok(()), "nothing waits");
    }

    #[test]
    fn however_many_lines_wait_silence_is_found() {
        let mut session = greeted();
        session.set_state(DriveState::Armed);
        for at in 0..1000_u16 {
            session.set_motion(ahead(i16::try_from(at).expect("small")));
            session.poll_line(u64::from(at) * MS);
            let silent = session.handle_timeout(u64::from(at) * MS).is_err();
            assert_eq!(silent, at > 300, "at {at} ms");
        }
        // Nor is an answer to an early one the end of it.
        answer(&mut session, 2).expect("an answer");
        assert!(session.handle_timeout(1000 * MS).is_err());
    }

    #[test]
    fn who_does_not_begin_is_sent_away() {
        let session = Session::new(SessionConfig::default(), 5, DriveState::Disarmed);
        assert!(session.fitness().is_err_and(|told| told.contains("hello")));
        assert_eq!(session.handle_timeout(HELLO_US + 5), Ok(()));
        assert_eq!(session.handle_timeout(HELLO_US + 6), Err(Trouble::NoHello));
    }

    #[test]
    fn the_order_of_the_conversation_is_kept() {
        let mut session = greeted();
        assert_eq!(session.handle_line(HELLO), Err(Trouble::Hello));
        session.poll_line(1);
        answer(&mut session, 1).expect("an answer");
        answer(&mut session, 1).expect("news in between");
        assert_eq!(answer(&mut session, 0), Err(Trouble::Seq(0)));
        assert_eq!(answer(&mut session, 2), Err(Trouble::Seq(2)));
        let mut early = Session::new(SessionConfig::default(), 0, DriveState::Disarmed);
        assert_eq!(answer(&mut early, 0), Err(Trouble::Hello));
    }

    #[test]
    fn what_it_has_is_switched_and_nothing_else() {
        let mut session = Session::new(SessionConfig::default(), 0, DriveState::Disarmed);
        session.poll_line(0);
        let hello = br#"{"type":"hello","version":1,"outputs":["horn","user3"]}"#;
        session.handle_line(hello).expect("a hello");
        session.poll_line(1);
        let horn = DriveSwitch {
            output: 4,
            value: 1,
            ms: 500,
        };
        let of = |output| DriveSwitch { output, ..horn };
        assert!(session.switch(horn) && session.switch(of(131)));
        assert!(!session.switch(of(1)) && !session.switch(of(9)) && !session.switch(of(130)));
        let line = r#"{"type":"switch","seq":2,"at_us":2,"output":"horn","value":1,"ms":500}"#;
        assert_eq!(session.poll_line(2).map(str::trim_end), Some(line));
        assert!(
            session
                .poll_line(2)
                .is_some_and(|told| told.contains("user3"))
        );
        assert_eq!(session.poll_line(2), None);
        for _ in 0..SWITCHES {
            assert!(session.switch(horn));
        }
        assert!(!session.switch(horn), "no more wait");
    }

    #[test]
    fn a_fault_lasts_until_a_state_without() {
        let mut session = greeted();
        session.poll_line(1);
        let line =
            br#"{"type":"state","seq":1,"fault":"the left motor is hot","battery_mv":11000}"#;
        session.handle_line(line).expect("a state");
        assert_eq!(
            session.fitness(),
            Err("it reports a fault: the left motor is hot".to_owned())
        );
        assert!(!session.is_known_to_stand());
        assert_eq!(session.telemetry().battery_mv, Some(11_000));
        answer(&mut session, 1).expect("a state");
        assert_eq!(session.fitness(), Ok(()));
    }
}
