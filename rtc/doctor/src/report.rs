use std::process::ExitCode;

use serde::Serialize;

use crate::{Check, Verdict};

/// The version of the JSON form. It changes where a field is removed or means
/// something else, not where one is added.
pub const SCHEMA_VERSION: u32 = 1;

/// All checks of one examination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Who was examined.
    pub program: &'static str,
    /// Its version.
    pub program_version: &'static str,
    /// In the order in which they ran.
    pub checks: Vec<Check>,
}

impl Report {
    /// The worst verdict; of no checks, `Skipped`.
    pub fn verdict(&self) -> Verdict {
        let verdicts = self.checks.iter().map(|c| c.finding.verdict);
        verdicts.max().unwrap_or(Verdict::Skipped)
    }

    /// How many checks came out so.
    pub fn count(&self, verdict: Verdict) -> usize {
        let alike = |c: &&Check| c.finding.verdict == verdict;
        self.checks.iter().filter(alike).count()
    }

    /// 1 where a check failed, else 0: a warning is no reason to stop a script.
    pub fn exit_code(&self) -> ExitCode {
        match self.verdict() {
            Verdict::Fail => ExitCode::FAILURE,
            _ => ExitCode::SUCCESS,
        }
    }

    /// The JSON form, as the crate's documentation has it.
    pub fn to_json(&self) -> String {
        let checks = self.checks.iter().map(|check| JsonCheck {
            name: check.name,
            verdict: check.finding.verdict,
            found: &check.finding.found,
            mend: check.finding.mend.as_deref(),
            duration_ms: u64::try_from(check.took.as_millis()).unwrap_or(u64::MAX),
        });
        let json = JsonReport {
            version: SCHEMA_VERSION,
            program: self.program,
            program_version: self.program_version,
            verdict: self.verdict(),
            checks: checks.collect(),
        };
        // Strings and numbers only: this cannot fail.
        serde_json::to_string_pretty(&json).unwrap_or_default()
    }
}

#[derive(Serialize)]
struct JsonReport<'a> {
    version: u32,
    program: &'a str,
    program_version: &'a str,
    verdict: Verdict,
    checks: Vec<JsonCheck<'a>>,
}

#[derive(Serialize)]
struct JsonCheck<'a> {
    name: &'a str,
    verdict: Verdict,
    found: &'a str,
    mend: Option<&'a str>,
    duration_ms: u64,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Finding;

    fn report(findings: Vec<Finding>) -> Report {
        let check = |finding| Check {
            name: "disk",
            finding,
            took: Duration::from_millis(3),
        };
        Report {
            program: "transom-sfu",
            program_version: "1.2.3",
            checks: findings.into_iter().map(check).collect(),
        }
    }

    #[test]
    fn a_warning_is_no_failure() {
        let warned = report(vec![Finding::ok("a"), Finding::warn("b", "c")]);
        assert_eq!(warned.verdict(), Verdict::Warn);
        assert_eq!(warned.exit_code(), ExitCode::SUCCESS);
        let failed = report(vec![Finding::fail("a", "b"), Finding::ok("c")]);
        assert_eq!(failed.exit_code(), ExitCode::FAILURE);
        assert_eq!(report(vec![]).exit_code(), ExitCode::SUCCESS);
    }

    /// The form is a promise: this test changes with [`SCHEMA_VERSION`] only.
    #[test]
    fn the_json_form() {
        let json = report(vec![
            Finding::fail("no \"room\"", "make some"),
            Finding::ok("x"),
        ]);
        let json: serde_json::Value = serde_json::from_str(&json.to_json()).expect("JSON");
        let expected = serde_json::json!({
            "version": 1,
            "program": "transom-sfu",
            "program_version": "1.2.3",
            "verdict": "fail",
            "checks": [
                {
                    "name": "disk",
                    "verdict": "fail",
                    "found": "no \"room\"",
                    "mend": "make some",
                    "duration_ms": 3,
                },
                {
                    "name": "disk",
                    "verdict": "ok",
                    "found": "x",
                    "mend": null,
                    "duration_ms": 3,
                },
            ],
        });
        assert_eq!(json, expected);
    }
}
