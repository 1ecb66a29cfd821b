//! What is switched and does not drive: once a press, and answered when it is done.

use super::{Kernel, Rejection};
use crate::counters::count;
use crate::numbers::{Channel, Lease, Press, Seq, Source};
use crate::state::AckResult;
use crate::switch::Output;
use crate::wire::{Command, CommandKind, Order};

/// An output that is to be switched. Whoever does it says so by [`Kernel::switched`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switch {
    /// What.
    pub output: Output,
    /// Zero is off (lock: locked), one is on (lock: open); what else it means is the output's affair.
    pub value: u16,
    /// For how many milliseconds, within the board's bound; zero: as the board has it.
    pub ms: u16,
    source: Source,
    press: Press,
    lease: Lease,
    channel: Channel,
    seq: Seq,
}

impl Kernel {
    /// Takes what is to be switched; to be called after each message.
    pub fn poll_switch(&mut self) -> Option<Switch> {
        self.switch.take()
    }

    /// What became of it: [`AckResult::Done`], [`AckResult::Absent`] or [`AckResult::Fault`], or
    /// [`AckResult::Received`] where one of these follows later.
    pub fn switched(&mut self, switch: &Switch, result: AckResult) {
        let mut known = self.presses.iter_mut().flatten();
        let its = known.find(|(source, ..)| *source == switch.source);
        if let Some((_, press, known)) = its
            && *press == switch.press
        {
            *known = result;
        }
        if switch.lease != self.lease {
            // Its sender has no right to the answer any more.
            return;
        }
        self.acknowledge(switch.channel, switch.seq, CommandKind::Switch, result);
    }

    /// Whether the wheels may turn is not asked: a light is no danger, and a door must open in an emergency.
    pub(super) fn on_switch(
        &mut self,
        channel: Channel,
        command: &Command,
    ) -> Result<(), Rejection> {
        let Order::Switch {
            press,
            echo,
            output,
            value,
            ms,
        } = command.order
        else {
            return Ok(());
        };
        let (seq, source) = (command.seq, command.source);
        let mut known = self.presses.iter().flatten();
        let known = known.find(|(presser, ..)| *presser == source).copied();
        let result = match known {
            Some((_, latest, result)) if press == latest => Err(result),
            Some((_, latest, _)) if press < latest => {
                count(&mut self.counters.old);
                Err(AckResult::Old)
            }
            _ => self.check_age(echo).and(match self.switch {
                None => Ok(()),
                Some(_) => Err(AckResult::Busy),
            }),
        };
        match result {
            Ok(()) => {
                self.note_press(source, press);
                count(&mut self.counters.switches);
                self.switch = Some(Switch {
                    output,
                    value,
                    ms,
                    source,
                    press,
                    lease: self.lease,
                    channel,
                    seq,
                });
                Ok(())
            }
            Err(known) => {
                self.acknowledge(channel, seq, CommandKind::Switch, known);
                match known {
                    AckResult::Done | AckResult::Received => Ok(()),
                    refused => Err(Rejection::Answered(refused)),
                }
            }
        }
    }

    /// In its sender's place, or in a free one, or in that of who has been silent for longest.
    fn note_press(&mut self, source: Source, press: Press) {
        let is_its = |entry: &Option<(Source, Press, AckResult)>| {
            entry.is_none_or(|(presser, ..)| presser == source)
        };
        let at = self.presses.iter().position(is_its).unwrap_or(0);
        if let Some(rest) = self.presses.get_mut(at..) {
            // The latest comes last of those that are there.
            let end = rest.iter().take_while(|entry| entry.is_some()).count();
            let end = end.max(1).min(rest.len());
            if let Some(known) = rest.get_mut(..end) {
                known.rotate_left(1);
                if let Some(last) = known.last_mut() {
                    *last = Some((source, press, AckResult::Received));
                }
            }
        }
    }
}
