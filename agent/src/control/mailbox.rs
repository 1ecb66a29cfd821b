//! What waits for the actuator's socket.

use std::collections::VecDeque;

use transom_control::{Channel, Command, Order, Stamp, StopReason};

use crate::actuator::{MAX_FRAME, OutputOrder, ToActuator};

/// Frames that may wait besides the setpoint.
const DEPTH: usize = 32;

/// At most one setpoint, the newest, and 32 others in order. When there is no room the oldest that is no
/// stop goes, and if all are stops the new one, which says what they say.
#[derive(Debug, Default)]
pub struct Mailbox {
    setpoint: Option<Waiting>,
    others: VecDeque<Waiting>,
    dropped: u64,
    refused: u64,
    commands: [u64; COMMANDS.len()],
}

/// What commands are counted as.
pub(super) const COMMANDS: [&str; 9] = [
    "setpoint",
    "arm",
    "disarm",
    "stop",
    "ping",
    "malformed",
    "emergency",
    "reset",
    "switch",
];

#[derive(Debug)]
struct Waiting {
    frame: Vec<u8>,
    stops: bool,
    /// An emergency stop.
    holds: bool,
    since: Stamp,
}

impl Mailbox {
    /// Takes what a data channel brought at `now`. What is too long to be anything is refused; all else is for
    /// the kernel to judge, which counts what is malformed.
    pub fn put(&mut self, now: Stamp, channel: Channel, message: &[u8]) {
        self.put_held(now, now, channel, message);
    }

    /// The same of what may have come at `came` already: how long it lasts counts from there.
    pub fn put_held(&mut self, now: Stamp, came: Stamp, channel: Channel, message: &[u8]) {
        let frame = ToActuator::Message(channel, came, message).emit();
        if frame.len() > MAX_FRAME {
            self.refused = self.refused.saturating_add(1);
            return;
        }
        let order = Command::parse(message).map(|command| command.order);
        let kind = match order {
            Ok(Order::Setpoint { .. }) => 0,
            Ok(Order::Arm { .. }) => 1,
            Ok(Order::Disarm { .. }) => 2,
            Ok(Order::Stop { .. }) => 3,
            Ok(Order::Ping) => 4,
            Err(_) => 5,
            Ok(Order::Emergency { .. }) => 6,
            Ok(Order::Reset { .. }) => 7,
            Ok(Order::Switch { .. }) => 8,
        };
        if let Some(count) = self.commands.get_mut(kind) {
            *count = count.saturating_add(1);
        }
        match order {
            Ok(Order::Setpoint { .. }) => {
                let newest = Waiting {
                    frame,
                    stops: false,
                    holds: false,
                    since: now,
                };
                if self.setpoint.replace(newest).is_some() {
                    self.dropped = self.dropped.saturating_add(1);
                }
            }
            Ok(Order::Stop { .. } | Order::Disarm { .. } | Order::Emergency { .. }) => {
                self.queue(now, frame, true)
            }
            Ok(Order::Arm { .. } | Order::Reset { .. } | Order::Switch { .. } | Order::Ping)
            | Err(_) => self.queue(now, frame, false),
        }
    }

    /// Takes a stop of the agent's own.
    pub fn stop(&mut self, now: Stamp, reason: StopReason) {
        self.queue(now, ToActuator::Stop(reason).emit(), true);
    }

    /// Takes an order of the agent's own for an output. One that locks is kept like a stop.
    pub(super) fn output(&mut self, now: Stamp, order: OutputOrder) {
        let safe = matches!(order, OutputOrder::Lock);
        self.queue(now, ToActuator::Output(order).emit(), safe);
    }

    /// The next frame, left where it is until [`sent`](Self::sent): the setpoint comes last, since what
    /// else waits was meant to be there before it.
    pub fn first(&self) -> Option<&[u8]> {
        let waiting = self.others.front().or(self.setpoint.as_ref());
        waiting.map(|waiting| waiting.frame.as_slice())
    }

    /// The first frame is on its way: takes it out, with the time at which it came.
    pub fn sent(&mut self) -> Option<(Vec<u8>, Stamp)> {
        let sent = self.others.pop_front().or_else(|| self.setpoint.take());
        sent.map(|waiting| (waiting.frame, waiting.since))
    }

    /// A new actuator begins with nothing of before. Whether an emergency stop was among it, which is not to be
    /// lost.
    pub fn clear(&mut self) -> bool {
        let held = self.others.iter().any(|waiting| waiting.holds);
        self.setpoint = None;
        self.others.clear();
        held
    }

    /// Frames dropped for want of room, and messages refused for their length.
    pub fn counters(&self) -> (u64, u64) {
        (self.dropped, self.refused)
    }

    /// What data channels brought, in the order of [`COMMANDS`]; without what was refused.
    pub(super) fn commands(&self) -> [u64; COMMANDS.len()] {
        self.commands
    }

    fn queue(&mut self, since: Stamp, frame: Vec<u8>, stops: bool) {
        let holds = is_emergency(&frame);
        if self.others.len() >= DEPTH {
            self.dropped = self.dropped.saturating_add(1);
            let lesser = self.others.iter().position(|waiting| !waiting.stops);
            // A stop says what the others say; an emergency stop says more.
            let lesser = lesser.or_else(|| {
                let weaker = |waiting: &Waiting| !waiting.holds;
                holds.then(|| self.others.iter().position(weaker)).flatten()
            });
            match lesser {
                Some(oldest) => drop(self.others.remove(oldest)),
                None => return,
            }
        }
        self.others.push_back(Waiting {
            frame,
            stops,
            holds,
            since,
        });
    }
}

/// Whether a frame holds the device until a reset.
pub(super) fn is_emergency(frame: &[u8]) -> bool {
    match ToActuator::parse(frame) {
        Some(ToActuator::Stop(reason)) => reason == StopReason::Emergency,
        Some(ToActuator::Message(_, _, message)) => Command::parse(message)
            .is_ok_and(|command| matches!(command.order, Order::Emergency { .. })),
        Some(ToActuator::Output(_)) | None => false,
    }
}

#[cfg(test)]
mod tests {
    use transom_control::{Axes, Epoch, Lease, Seq, Source};

    use super::*;

    const NOW: Stamp = Stamp::from_micros(7);

    fn message(seq: u32, order: Order) -> Vec<u8> {
        let command = Command {
            source: Source(0),
            lease: Lease(0),
            seq: Seq(seq),
            order,
        };
        command.emit().to_vec()
    }

    fn setpoint(seq: u32) -> Vec<u8> {
        let order = Order::Setpoint {
            epoch: Epoch(1),
            echo: Stamp::NONE,
            picture: Stamp::NONE,
            axes: Axes::ZERO,
        };
        message(seq, order)
    }

    fn stop(seq: u32) -> Vec<u8> {
        let order = Order::Stop {
            epoch: Epoch(1),
            reason: StopReason::Operator,
        };
        message(seq, order)
    }

    fn drain(mailbox: &mut Mailbox) -> Vec<u32> {
        let mut all = Vec::new();
        while let Some(frame) = mailbox.first() {
            all.push(match ToActuator::parse(frame) {
                Some(ToActuator::Message(_, _, message)) => {
                    Command::parse(message).expect("a command").seq.0
                }
                Some(ToActuator::Stop(_) | ToActuator::Output(_)) => 0,
                None => panic!("no frame"),
            });
            let (_, since) = mailbox.sent().expect("the first");
            assert_eq!(since, NOW);
        }
        all
    }

    #[test]
    fn the_newest_setpoint_wins_and_follows_all_else() {
        let mut mailbox = Mailbox::default();
        mailbox.put(NOW, Channel::Control, &setpoint(1));
        mailbox.put(NOW, Channel::Reliable, &stop(2));
        mailbox.put(NOW, Channel::Control, &setpoint(3));
        mailbox.stop(NOW, StopReason::LinkLost);
        assert_eq!(drain(&mut mailbox), [2, 0, 3]);
        assert_eq!(mailbox.counters(), (1, 0));
    }

    #[test]
    fn stops_are_kept_when_there_is_no_room() {
        let mut mailbox = Mailbox::default();
        for seq in 0..100 {
            mailbox.put(NOW, Channel::Control, &message(seq, Order::Ping));
        }
        mailbox.put(NOW, Channel::Control, &stop(100));
        for seq in 200..300 {
            mailbox.put(NOW, Channel::Control, &message(seq, Order::Ping));
        }
        let all = drain(&mut mailbox);
        assert_eq!((all.len(), all.first()), (32, Some(&100)));
        assert_eq!(mailbox.counters(), (169, 0));
        for seq in 0..100 {
            mailbox.put(NOW, Channel::Control, &stop(seq));
        }
        assert_eq!(drain(&mut mailbox), (0..32).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_too_long_is_refused_and_what_is_odd_is_passed_on() {
        let mut mailbox = Mailbox::default();
        mailbox.put(NOW, Channel::Control, &[0; 70_000]);
        assert!(mailbox.first().is_none());
        assert_eq!(mailbox.counters(), (0, 1));
        mailbox.put(NOW, Channel::Control, b"hello");
        assert_eq!(mailbox.first(), Some(&b"\0\0\0\0\0\0\0\0\x07hello"[..]));
        mailbox.clear();
        assert!(mailbox.first().is_none());
    }

    #[test]
    fn an_emergency_finds_room_among_stops_and_is_told_of_when_all_goes() {
        let mut mailbox = Mailbox::default();
        for seq in 0..40 {
            mailbox.put(NOW, Channel::Control, &stop(seq));
        }
        assert!(!mailbox.clear());
        for seq in 0..40 {
            mailbox.put(NOW, Channel::Control, &stop(seq));
        }
        let epoch = Epoch(1);
        mailbox.put(
            NOW,
            Channel::Control,
            &message(50, Order::Emergency { epoch }),
        );
        mailbox.put(NOW, Channel::Control, &stop(51));
        assert!(mailbox.clear() && !mailbox.clear());
    }
}
