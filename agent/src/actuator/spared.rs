//! Whom the kernel takes when memory runs short: not the actuator, but the rest of the agent.

use std::fs;
use std::io;

/// Of this process: proc_pid_oom_score_adj(5).
const ADJUSTMENT: &str = "/proc/self/oom_score_adj";
/// Never.
const SPARED: &str = "-1000";
/// As everybody else.
const USUAL: &str = "0";
/// Before others, as if it had a tenth of all memory more: with its memory locked, the actuator counts as large as
/// the main process.
const IN_FRONT: &str = "100";

/// Asks to be spared. Who was never granted that, by the systemd unit or by a capability, is refused: then it is at
/// least not in front, where who started it is.
pub(super) fn spare() -> io::Result<()> {
    fs::write(ADJUSTMENT, SPARED).or_else(|_| fs::write(ADJUSTMENT, USUAL))
}

/// Has the kernel take this process before its actuator, where that cannot be spared. Where somebody chose another
/// adjustment, that stays.
pub fn stand_in_front() {
    if adjustment().is_some_and(|text| text == USUAL) {
        // To be no further in front is no reason not to run.
        let _ = fs::write(ADJUSTMENT, IN_FRONT);
    }
}

/// Gives up what the unit grants for the actuator's sake: the main process, and what else it starts, may be taken.
/// Where somebody chose another adjustment, that stays. The actuator may ask for it again, since the kernel keeps
/// what was granted for children too.
pub fn share_the_risk() {
    if adjustment().is_some_and(|text| text == SPARED) {
        // To be spared as well is no reason not to run.
        let _ = fs::write(ADJUSTMENT, USUAL);
    }
}

fn adjustment() -> Option<String> {
    let text = fs::read_to_string(ADJUSTMENT).ok()?;
    Some(text.trim().to_owned())
}
