//! Whom the kernel takes when memory runs short: not the actuator, but the rest of the agent.

use std::fs;
use std::io;

/// Of this process: proc_pid_oom_score_adj(5).
const ADJUSTMENT: &str = "/proc/self/oom_score_adj";
/// Never.
const SPARED: i32 = -1000;
/// As everybody else.
const USUAL: i32 = 0;
/// The kernel takes it before others, as if it had a tenth of all memory more: with its memory locked, an actuator
/// counts as large as the main process.
const IN_FRONT: i32 = 100;

/// Asks to be spared. Who was never granted that, by the systemd unit or by a capability, is refused: then it goes
/// back from where who started it stands [in front](share_the_risk).
pub(super) fn spare() -> io::Result<()> {
    adjust(SPARED).or_else(|refused| match adjustment() {
        Some(now) if now >= IN_FRONT => adjust(now - IN_FRONT),
        _ => Err(refused),
    })
}

/// Gives up what the unit grants for the actuator's sake: the main process, and what else it starts, may be taken.
/// The actuator may ask for it again, since the kernel keeps what was granted for children too. Where nothing was
/// granted, this process stands in front of its actuator, if it `has_actuator`: everybody may do that.
pub fn share_the_risk(has_actuator: bool) {
    let Some(now) = adjustment() else { return };
    // To be spared as well, or no further in front, is no reason not to run.
    let _ = match now {
        SPARED => adjust(USUAL),
        _ if has_actuator => adjust((now + IN_FRONT).min(1000)),
        _ => Ok(()),
    };
}

fn adjust(thousandths: i32) -> io::Result<()> {
    fs::write(ADJUSTMENT, thousandths.to_string())
}

fn adjustment() -> Option<i32> {
    fs::read_to_string(ADJUSTMENT).ok()?.trim().parse().ok()
}
