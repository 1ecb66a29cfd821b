//! What the clock shows: certificates have dates, and so have logs.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::Finding;

/// 2025-01-01: no build of this is older, in seconds since 1970.
const NOT_BEFORE: u64 = 1_735_689_600;

/// Copying and unpacking may set a program's date a little ahead of its making.
const DAY: Duration = Duration::from_secs(86_400);

/// Made by systemd-timesyncd at its first synchronisation
/// (systemd-timesyncd.service(8)).
const SYNCHRONIZED: &str = "/run/systemd/timesync/synchronized";

const MEND: &str = "set it: `sudo timedatectl set-ntp true`, or `sudo date -s 'YYYY-MM-DD HH:MM'` without a network";

/// Whether this machine's clock can be right: it must not show a time before
/// this program was made.
pub fn clock(now: SystemTime) -> Finding {
    let floor = UNIX_EPOCH + Duration::from_secs(NOT_BEFORE);
    let made = std::env::current_exe()
        .and_then(fs::metadata)
        .and_then(|m| m.modified())
        .map_or(floor, |made| made - DAY);
    judge(now, floor.max(made), Path::new(SYNCHRONIZED).exists())
}

fn judge(now: SystemTime, floor: SystemTime, synchronized: bool) -> Finding {
    let day = date(now);
    if now < floor {
        let found = format!(
            "it shows {day}, which is before this program was made: certificates would not be valid yet"
        );
        return Finding::fail(found, MEND);
    }
    match synchronized {
        true => Finding::ok(format!("{day}, set by systemd-timesyncd")),
        false => Finding::ok(format!(
            "{day}; plausible, but nothing here tells whether it is kept by NTP"
        )),
    }
}

/// How two clocks differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skew {
    /// By no more than an exchange takes.
    Close,
    /// By so much.
    Apart(Duration),
}

/// What a `Date` with whole seconds and a slow exchange may make of equal clocks.
const TOLERANCE: Duration = Duration::from_secs(5);

/// Certificates are off by less only around midnight of their last day.
const MUCH: Duration = Duration::from_secs(120);

/// Compares this machine's clock with another's, as HTTP's `Date` tells it
/// (RFC 9110 section 5.6.7); `None` where `date` is not such a date.
pub fn skew(now: SystemTime, date: &str) -> Option<(Skew, Finding)> {
    let theirs = parse_http_date(date)?;
    let (apart, way) = match now.duration_since(theirs) {
        Ok(ahead) => (ahead, "ahead of"),
        Err(behind) => (behind.duration(), "behind"),
    };
    if apart <= TOLERANCE {
        return Some((
            Skew::Close,
            Finding::ok("this clock and the server's agree"),
        ));
    }
    let found = format!("this clock is {} {way} the server's", words(apart));
    let finding = match apart > MUCH {
        true => Finding::fail(
            format!("{found}: one of them is wrong"),
            format!("see which one by `date` on both, and on that machine {MEND}"),
        ),
        false => Finding::warn(found, format!("on the machine that is wrong, {MEND}")),
    };
    Some((Skew::Apart(apart), finding))
}

fn words(d: Duration) -> String {
    let s = d.as_secs();
    match s {
        0..=119 => format!("{s} s"),
        120..=7199 => format!("{} min", s / 60),
        7200..=172_799 => format!("{} h", s / 3600),
        _ => format!("{} days", s / 86_400),
    }
}

/// `2026-11-25` in UTC.
fn date(at: SystemTime) -> String {
    let s = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (year, month, day) = civil(s / 86_400);
    format!("{year:04}-{month:02}-{day:02}")
}

/// The day of the proleptic Gregorian calendar, by days since 1970-01-01.
/// (Years begin in March here, so that the leap day is a year's last.)
const fn civil(days: u64) -> (u64, u64, u64) {
    let z = days + 719_468;
    let era = z / 146_097;
    let day_of_era = z % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let m = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * m + 2) / 5 + 1;
    let month = if m < 10 { m + 3 } else { m - 9 };
    let year = year_of_era + era * 400 + (month <= 2) as u64;
    (year, month, day)
}

/// IMF-fixdate, the one form that servers send: `Sun, 06 Nov 1994 08:49:37 GMT`.
fn parse_http_date(text: &str) -> Option<SystemTime> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let (_, rest) = text.trim().split_once(", ")?;
    let mut words = rest.split(' ');
    let day: u64 = words
        .next()?
        .parse()
        .ok()
        .filter(|d| (1..=31).contains(d))?;
    let name = words.next()?;
    let month = u64::try_from(MONTHS.iter().position(|m| *m == name)?).ok()? + 1;
    let year: u64 = words
        .next()?
        .parse()
        .ok()
        .filter(|y| (1970..=9999).contains(y))?;
    let mut time = words
        .next()?
        .split(':')
        .map(|part| part.parse::<u64>().ok());
    let (h, m, s) = (time.next()??, time.next()??, time.next()??);
    if words.next() != Some("GMT") || h > 23 || m > 59 || s > 60 {
        return None;
    }
    // The inverse of `civil`.
    let (y, m0) = match month > 2 {
        true => (year, month - 3),
        false => (year - 1, month + 9),
    };
    let day_of_year = (153 * m0 + 2) / 5 + day - 1;
    let days = y / 400 * 146_097 + (y % 400) * 365 + (y % 400) / 4 - (y % 400) / 100 + day_of_year;
    let days = days.checked_sub(719_468)?;
    UNIX_EPOCH.checked_add(Duration::from_secs(days * 86_400 + h * 3600 + m * 60 + s))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Verdict;

    fn at(s: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(s)
    }

    #[test]
    fn dates_are_read_and_written() {
        let example = parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(example, Some(at(784_111_777)));
        let leap = parse_http_date("Thu, 29 Feb 2024 00:00:00 GMT");
        assert_eq!(leap.map(date).as_deref(), Some("2024-02-29"));
        assert_eq!(date(at(0)), "1970-01-01");
        for day in 0..40_000 {
            let (y, m, d) = civil(day);
            let months = [
                "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
            ];
            let name = months[usize::try_from(m - 1).expect("a month")];
            let text = format!("Xxx, {d:02} {name} {y} 00:00:00 GMT");
            assert_eq!(parse_http_date(&text), Some(at(day * 86_400)), "{text}");
        }
        for bad in [
            "",
            "Sun, 06 Nov 1994",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 06 Nov 94 08:49:37 GMT",
            "Sun, 06 Noo 1994 08:49:37 GMT",
            "Sun, 99 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 18446744073709551615 08:49:37 GMT",
        ] {
            assert_eq!(parse_http_date(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_clock_before_the_program_is_wrong() {
        let (floor, later) = (at(NOT_BEFORE), at(NOT_BEFORE + 1));
        assert_eq!(judge(at(0), floor, true).verdict, Verdict::Fail);
        assert_eq!(judge(later, floor, false).verdict, Verdict::Ok);
    }

    #[test]
    fn clocks_are_compared() {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        let verdict = |now| skew(at(now), date).map(|(_, f)| (f.verdict, f.found));
        let theirs = 784_111_777;
        assert_eq!(verdict(theirs + 3).map(|v| v.0), Some(Verdict::Ok));
        assert_eq!(verdict(theirs + 60).map(|v| v.0), Some(Verdict::Warn));
        let (year, found) = verdict(theirs - 365 * 86_400).expect("a date");
        assert_eq!(year, Verdict::Fail);
        assert!(found.contains("365 days behind"), "{found}");
        assert!(skew(at(0), "soon").is_none());
    }
}
