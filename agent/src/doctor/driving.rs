//! Whether the actuator stops in time, and not for nothing.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use transom_control::KernelConfig;
use transom_rtc_doctor::Finding;

use crate::actuator;
use crate::control::MYSELF;

/// Between two setpoints of a page, with what its timers and a frame of Wi-Fi add.
const OPERATOR: Duration = Duration::from_millis(50);

/// From a picture's capture to the screen, but for the network and for when it is taken: what encoding, decoding
/// and a screen add.
const SIGHT: Duration = Duration::from_millis(60);

/// What the actuator is refused when it asks not to wait for pages and processors. A
/// process like it asks, since limits are a process's: the doctor's own memory is not locked.
pub(super) fn priority() -> Vec<Finding> {
    let asked = Command::new(MYSELF)
        .arg0("transom-agent")
        .args([actuator::COMMAND, actuator::REHEARSE])
        .env_clear()
        .stdin(Stdio::null())
        .output();
    match asked {
        Ok(output) if output.status.success() => judge(&String::from_utf8_lossy(&output.stdout)),
        Ok(output) => {
            Finding::skipped(format!("the rehearsal ended with {}", output.status)).into()
        }
        Err(error) => Finding::skipped(format!("the rehearsal does not start: {error}")).into(),
    }
}

/// A line for each that was refused.
fn judge(told: &str) -> Vec<Finding> {
    let mut findings: Vec<Finding> = told.lines().map(refused).collect();
    if findings.is_empty() {
        findings.push(Finding::ok(
            "the actuator may lock its memory and go before other programs",
        ));
    }
    findings
}

fn refused(line: &str) -> Finding {
    // As limits.conf(5) has it, for one who starts the agent from a shell.
    let item = match line.contains("RTPRIO") {
        true => "rtprio 20",
        false => "memlock unlimited",
    };
    let (found, mend) = line.rsplit_once("; ").unwrap_or((line, "see the unit"));
    Finding::warn(
        found,
        format!(
            "{mend}; from a shell, `echo \"$USER - {item}\" | sudo tee -a /etc/security/limits.d/transom.conf`, then log in again"
        ),
    )
}

/// Whether the limit leaves time for the way: a setpoint tells by what report it was made, and is
/// as old as that. `round_trip` is to the server; the operator may be farther.
pub(super) fn limit(kernel: &KernelConfig, round_trip: Option<Duration>) -> Finding {
    let limit = Duration::from_micros(kernel.limit_us);
    let limit_ms = limit.as_millis();
    let least = Duration::from_micros(kernel.beacon_us) + OPERATOR + round_trip.unwrap_or_default();
    let way = match round_trip {
        Some(way) => format!("{} ms of it on the way to the server", way.as_millis()),
        None => "the way to the server not counted".to_owned(),
    };
    let found = format!(
        "it stops {limit_ms} ms after the last fresh command; commands are up to {} ms old, {way}",
        least.as_millis()
    );
    match limit < least {
        false => Finding::ok(found),
        true => Finding::warn(
            format!("{found}: it would stop again and again"),
            format!(
                "raise limit_ms in [control] to {} or more, or bring the server nearer",
                (least * 3 / 2).as_millis().min(2000)
            ),
        ),
    }
}

/// Whether pictures may be as old as they are. `round_trip` is to the server; who looks may be farther.
pub(super) fn picture(kernel: &KernelConfig, fps: u32, round_trip: Option<Duration>) -> Finding {
    let Some(limit_us) = kernel.picture_limit_us else {
        return Finding::ok("it drives for those too who see no picture (picture_limit_ms = 0)");
    };
    let slow = Duration::from_micros(kernel.picture_slow_us.min(limit_us));
    let least = Duration::from_secs(1) / fps.max(1) + SIGHT + round_trip.unwrap_or_default() / 2;
    let found = format!(
        "by a picture older than {} ms it goes slower, at {} ms it stands; pictures are some {} ms old",
        slow.as_millis(),
        limit_us / 1000,
        least.as_millis()
    );
    match slow < least {
        false => Finding::ok(found),
        true => Finding::warn(
            format!("{found}: it would never go as fast as it is told"),
            format!(
                "raise picture_slow_ms in [control] to {} or more, and picture_limit_ms above that; or bring the server nearer",
                (least * 3 / 2).as_millis().min(1500)
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use transom_rtc_doctor::Verdict;

    #[test]
    fn the_limit_must_leave_time_for_the_way() {
        let of = |limit_ms: u64, way: Option<u64>| {
            let kernel = KernelConfig {
                limit_us: limit_ms * 1000,
                ..KernelConfig::default()
            };
            limit(&kernel, way.map(Duration::from_millis))
        };
        assert_eq!(of(300, None).verdict, Verdict::Ok);
        assert_eq!(of(300, Some(30)).verdict, Verdict::Ok);
        assert_eq!(of(50, None).verdict, Verdict::Warn);
        let far = of(300, Some(250));
        assert_eq!(far.verdict, Verdict::Warn);
        assert!(
            far.mend
                .is_some_and(|m| m.contains("limit_ms in [control] to 525"))
        );
    }

    #[test]
    fn pictures_must_not_be_slow_by_themselves() {
        let of = |slow_ms: u64, limit_ms: Option<u64>, fps, way: u64| {
            let kernel = KernelConfig {
                picture_limit_us: limit_ms.map(|ms| ms * 1000),
                picture_slow_us: slow_ms * 1000,
                ..KernelConfig::default()
            };
            picture(&kernel, fps, Some(Duration::from_millis(way)))
        };
        assert_eq!(of(400, Some(800), 30, 50).verdict, Verdict::Ok);
        assert_eq!(of(400, None, 30, 50).verdict, Verdict::Ok);
        assert_eq!(of(60, Some(800), 30, 0).verdict, Verdict::Warn);
        assert_eq!(of(400, Some(800), 2, 50).verdict, Verdict::Warn);
        let far = of(400, Some(800), 30, 700);
        assert!(
            far.mend
                .is_some_and(|m| m.contains("picture_slow_ms in [control] to 664"))
        );
    }

    #[test]
    fn what_is_refused_is_told_with_both_mends() {
        assert_eq!(judge("").len(), 1);
        let told = "memory is not locked (x): a page fault may delay a stop; LimitMEMLOCK=infinity in the systemd unit mends it\n\
                    no real-time priority (y): a busy processor may delay a stop; LimitRTPRIO=20 in the systemd unit mends it\n";
        let [memory, priority] = judge(told).try_into().expect("two");
        let mend = |finding: Finding| finding.mend.unwrap_or_default();
        assert!(memory.found.starts_with("memory is not locked"));
        assert!(mend(memory).contains("memlock unlimited"));
        assert!(mend(priority).contains("LimitRTPRIO=20"));
    }
}
