//! The report for people.

use std::fmt::Write as _;

use crate::{Check, Report, Verdict};

/// Room for the longest name of a check.
const NAME_WIDTH: usize = 13;

/// One check: its line, and below it the mend.
pub(crate) fn check(check: &Check, colour: bool) -> String {
    let finding = &check.finding;
    let verdict = format!("{:<4}", finding.verdict.to_string());
    let verdict = match colour {
        true => format!("\x1b[{}m{verdict}\x1b[0m", code(finding.verdict)),
        false => verdict,
    };
    let mut text = format!("{verdict}  {:<NAME_WIDTH$} {}\n", check.name, finding.found);
    if let Some(mend) = &finding.mend {
        let _ = writeln!(text, "{:1$}-> {mend}", "", 4 + 2 + NAME_WIDTH + 1);
    }
    text
}

/// The last line: how many of each.
pub(crate) fn summary(report: &Report) -> String {
    let failed = report.count(Verdict::Fail);
    let warned = report.count(Verdict::Warn);
    let well = report.count(Verdict::Ok);
    let skipped = report.count(Verdict::Skipped);
    let s = |n| if n == 1 { "" } else { "s" };
    let verdict = match report.verdict() {
        Verdict::Fail => "Something is wrong",
        Verdict::Warn => "It works, with warnings",
        Verdict::Ok | Verdict::Skipped => "All is well",
    };
    format!(
        "\n{verdict}: {failed} failure{}, {warned} warning{}, {well} ok, {skipped} skipped.\n",
        s(failed),
        s(warned)
    )
}

/// SGR codes: what is well needs no attention.
const fn code(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Skipped => "2",
        Verdict::Ok => "32",
        Verdict::Warn => "33",
        Verdict::Fail => "1;31",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Finding;

    fn shown(finding: Finding, colour: bool) -> String {
        let it = Check {
            name: "http-port",
            finding,
            took: Duration::ZERO,
        };
        check(&it, colour)
    }

    #[test]
    fn the_mend_stands_below_what_it_mends() {
        assert_eq!(
            shown(Finding::fail("held by x", "stop x"), false),
            "FAIL  http-port     held by x\n                    -> stop x\n"
        );
        assert_eq!(
            shown(Finding::ok("free"), false),
            "ok    http-port     free\n"
        );
    }

    #[test]
    fn colour_changes_no_width() {
        let plain = shown(Finding::ok("free"), false);
        let coloured = shown(Finding::ok("free"), true);
        assert_eq!(
            coloured.replace("\x1b[32m", "").replace("\x1b[0m", ""),
            plain
        );
    }
}
