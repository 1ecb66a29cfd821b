//! A program as a drive, without a process.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{Error, ErrorKind, Result};
use std::rc::Rc;

use transom_boards_hal::{Drive as _, DriveError, DriveState, Motion};

use super::*;

const MS: u64 = 1000;
const HELLO: &str = "{\"type\":\"hello\",\"version\":1}\n";

/// What passes between the drive and one program.
#[derive(Default)]
struct Talk {
    said: String,
    to_say: VecDeque<u8>,
    ended: bool,
}

struct TestWire(Rc<RefCell<Talk>>);

impl Wire for TestWire {
    fn send(&mut self, bytes: &[u8]) -> Result<()> {
        let text = std::str::from_utf8(bytes).expect("text");
        self.0.borrow_mut().said.push_str(text);
        Ok(())
    }

    fn receive(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let mut talk = self.0.borrow_mut();
        let len = talk.to_say.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(talk.to_say.drain(..len)) {
            *to = from;
        }
        match len == 0 && talk.ended {
            true => Err(Error::new(ErrorKind::UnexpectedEof, "it is gone")),
            false => Ok(len),
        }
    }
}

/// Who waits to come in, once the one before is gone.
#[derive(Clone, Default)]
struct TestSeat {
    waiting: Rc<RefCell<VecDeque<TestWire>>>,
    taken: bool,
    leftover: bool,
}

impl TestSeat {
    fn comes(&self) -> Rc<RefCell<Talk>> {
        let talk = Rc::new(RefCell::new(Talk::default()));
        talk.borrow_mut().to_say.extend(HELLO.bytes());
        let wire = TestWire(Rc::clone(&talk));
        self.waiting.borrow_mut().push_back(wire);
        talk
    }
}

impl Seat for TestSeat {
    fn look(&mut self, _: u64, _: &mut dyn FnMut(String)) -> Result<Option<Box<dyn Wire>>> {
        if self.taken {
            return Ok(None);
        }
        let next = self.waiting.borrow_mut().pop_front();
        self.taken = next.is_some();
        Ok(next.map(|wire| Box::new(wire) as Box<dyn Wire>))
    }

    fn dismiss(&mut self, _: u64) {
        self.taken = false;
    }

    fn name(&self) -> &'static str {
        "the program"
    }

    fn has_leftover(&self) -> bool {
        self.leftover
    }

    fn is_owed(&self) -> bool {
        false
    }
}

fn drive() -> (TestSeat, JsonDrive) {
    let seat = TestSeat::default();
    let config = SessionConfig::default();
    (seat.clone(), JsonDrive::new(Box::new(seat), config))
}

#[test]
fn while_nobody_is_there_it_is_not_asked_without_a_pause() {
    let (_, mut drive) = drive();
    for at in [0, 5000 * MS, 60_000 * MS] {
        drive.measure(at);
        let due = drive.poll_timeout().expect("a look now and then");
        assert!(due >= at + 10 * MS, "{due} at {at}");
        assert!(drive.check().is_err());
    }
}

#[test]
fn another_program_is_not_moved_by_the_arm_of_the_one_before() {
    let (seat, mut drive) = drive();
    let first = seat.comes();
    drive.measure(MS);
    assert_eq!(drive.check(), Ok(()));
    drive.set_state(DriveState::Armed);
    let ahead = Motion {
        linear: i16::MAX,
        ..Motion::STILL
    };
    assert_eq!(drive.set(ahead), Ok(()));
    assert!(first.borrow().said.contains("\"linear\":1.0"));

    // One goes and the next comes between two turns.
    first.borrow_mut().ended = true;
    let second = seat.comes();
    drive.measure(2 * MS);
    drive.measure(3 * MS);
    assert!(
        matches!(drive.check(), Err(DriveError::Robot { .. })),
        "nobody was told that there was a change"
    );
    assert_eq!(drive.check(), Ok(()), "once");
    assert!(!second.borrow().said.contains("\"linear\":1.0"));
}

#[test]
fn the_end_is_no_good_one_while_a_former_program_runs() {
    for leftover in [false, true] {
        let seat = TestSeat {
            leftover,
            ..TestSeat::default()
        };
        let mut drive = JsonDrive::new(Box::new(seat), SessionConfig::default());
        assert_eq!(drive.end().is_err(), leftover);
    }
}
