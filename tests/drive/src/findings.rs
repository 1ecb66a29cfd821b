use std::collections::BTreeMap;
use std::iter::Sum;

use transom_control::wire::LeaseResult;
use transom_sfu::media::relay::DropReason;

/// What was seen, and what happened on the way: a test without these proves nothing.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// Times that the device began to move.
    pub starts: u64,
    /// Of those, by another than the time before.
    pub handovers: u64,
    /// Microseconds of motion.
    pub moved_us: u64,
    /// Ends of motion: microseconds since the last command that the kernel got of the one who drove.
    pub last_command_us: Vec<u64>,
    /// The same since the agent had it.
    pub last_received_us: Vec<u64>,
    /// Microseconds from pressing stop until it stood, by the one who drove.
    pub own_stop_us: Vec<u64>,
    /// By the other one.
    pub other_stop_us: Vec<u64>,
    /// Microseconds until it stood since the one who drove was gone, or a channel of theirs.
    pub lost_us: Vec<u64>,
    /// From pressing stop until the page knew that it was done, where its session lasted.
    pub answered_us: Vec<u64>,
    /// What happened while it moved: servers, devices and actuators that began anew, agents that hung.
    pub servers: u64,
    /// Sessions of the device that ended while it moved.
    pub devices: u64,
    /// Actuators that were replaced while it moved.
    pub actuators: u64,
    /// Agents that hung while it moved.
    pub hangs: u64,
    /// Setpoints and arms that the kernel refused: stale, old, void, of a lower lease.
    pub refused: [u64; 4],
    /// What the relay dropped.
    pub dropped: [u64; DropReason::ALL.len()],
    /// Why the lease changed hands, or was nobody's any more.
    pub leases: BTreeMap<&'static str, u64>,
    /// What requests about the lease came to.
    pub answers: [u64; LeaseResult::ALL.len()],
    /// Frames that the mailbox dropped.
    pub superseded: u64,
}

impl Findings {
    /// What the relay dropped for this reason.
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.dropped[reason as usize]
    }
}

impl Sum for Findings {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |mut sum, one| {
            sum.starts += one.starts;
            sum.handovers += one.handovers;
            sum.moved_us += one.moved_us;
            sum.last_command_us.extend(one.last_command_us);
            sum.last_received_us.extend(one.last_received_us);
            sum.own_stop_us.extend(one.own_stop_us);
            sum.other_stop_us.extend(one.other_stop_us);
            sum.lost_us.extend(one.lost_us);
            sum.answered_us.extend(one.answered_us);
            sum.servers += one.servers;
            sum.devices += one.devices;
            sum.actuators += one.actuators;
            sum.hangs += one.hangs;
            add(&mut sum.refused, &one.refused);
            add(&mut sum.dropped, &one.dropped);
            for (why, count) in one.leases {
                *sum.leases.entry(why).or_default() += count;
            }
            add(&mut sum.answers, &one.answers);
            sum.superseded += one.superseded;
            sum
        })
    }
}

fn add<const N: usize>(sums: &mut [u64; N], more: &[u64; N]) {
    for (sum, more) in sums.iter_mut().zip(more) {
        *sum += more;
    }
}
