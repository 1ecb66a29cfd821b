//! Whom the kernel takes when memory runs short: not the actuator, but the rest of the agent.

use std::fs;
use std::io;

/// Of this process: proc_pid_oom_score_adj(5).
const ADJUSTMENT: &str = "/proc/self/oom_score_adj";
/// Never.
const SPARED: &str = "-1000";
/// As everybody else.
const USUAL: &str = "0";

/// Asks to be spared. Who was never granted that, by the systemd unit or as root, is refused: then the kernel
/// takes by size, which is the agent's main process long before its actuator.
pub(super) fn spare() -> io::Result<()> {
    fs::write(ADJUSTMENT, SPARED)
}

/// Gives up what the unit grants for the actuator's sake: the main process, and what else it starts, may be taken.
/// Where somebody chose another adjustment, that stays. The actuator may ask for it again, since the kernel keeps
/// what was granted for children too.
pub fn share_the_risk() {
    let granted = fs::read_to_string(ADJUSTMENT).is_ok_and(|text| text.trim() == SPARED);
    if granted {
        // To be spared as well is no reason not to run.
        let _ = fs::write(ADJUSTMENT, USUAL);
    }
}
