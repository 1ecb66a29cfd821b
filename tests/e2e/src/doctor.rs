//! What `doctor` of either program says, read from its JSON.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::{Program, binary};

/// Longer than all its bounds that a test can meet.
const WITHIN: Duration = Duration::from_secs(60);

/// A report of one run.
#[derive(Debug)]
pub struct Diagnosis {
    /// The exit status.
    pub code: Option<i32>,
    json: Value,
}

/// `transom-agent doctor`, with a picture and a size that any machine manages.
pub fn agent_doctor() -> Command {
    let mut command = Command::new(binary("transom-agent"));
    command.args(["doctor", "--json", "--audio", "none", "--fps", "5"]);
    command.args(["--size", "160x120"]);
    command
}

/// `transom-sfu doctor`, with a state folder but without ports.
pub fn sfu_doctor(state: &std::path::Path) -> Command {
    let mut command = Command::new(binary("transom-sfu"));
    command.args(["doctor", "--json", "--state-dir"]).arg(state);
    command
}

impl Diagnosis {
    /// Runs a doctor that was told to speak JSON.
    #[track_caller]
    pub fn of(command: Command) -> Self {
        let ended = Program::start(command).ended(WITHIN);
        let text = ended.lines.join("\n");
        // Standard error may hold lines of libraries before it.
        let begin = text
            .find("{\n")
            .unwrap_or_else(|| panic!("no JSON: {text}"));
        let json = serde_json::from_str(&text[begin..]);
        let json: Value = json.unwrap_or_else(|error| panic!("{error}: {text}"));
        assert_eq!(json["version"], 1, "{text}");
        for check in json["checks"].as_array().expect("checks") {
            let (verdict, mend) = (&check["verdict"], &check["mend"]);
            let bad = verdict == "fail" || verdict == "warn";
            assert!(
                !bad || mend.as_str().is_some_and(|m| m.len() > 10),
                "{check}"
            );
        }
        Self {
            code: ended.status.code(),
            json,
        }
    }

    /// What the checks of a name found, with this verdict.
    pub fn found(&self, name: &str, verdict: &str) -> Vec<String> {
        self.checks(name, verdict)
            .map(|check| check["found"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    /// Asserts that this check, and none besides, has failed: that one of its
    /// findings holds `found`, and the mend beside it `mend`.
    #[track_caller]
    pub fn fails(&self, name: &str, found: &str, mend: &str) {
        let others: Vec<_> = self
            .all()
            .filter(|check| check["verdict"] == "fail" && check["name"] != name)
            .collect();
        assert!(others.is_empty(), "others fail too: {others:#?}");
        let text = |check: &Value, of: &str| check[of].as_str().unwrap_or_default().to_owned();
        let named = self.checks(name, "fail").find(|check| {
            text(check, "found").contains(found) && text(check, "mend").contains(mend)
        });
        let named = named.unwrap_or_else(|| panic!("no `{found}` -> `{mend}`: {:#}", self.json));
        println!("{name}: {} -> {}", named["found"], named["mend"]);
        assert_eq!(self.code, Some(1));
    }

    /// Asserts that this check warns: that one of its findings holds `found`, and the mend beside
    /// it `mend`. A warning by itself is no failure.
    #[track_caller]
    pub fn warns(&self, name: &str, found: &str, mend: &str) {
        let text = |check: &Value, of: &str| check[of].as_str().unwrap_or_default().to_owned();
        let named = self.checks(name, "warn").find(|check| {
            text(check, "found").contains(found) && text(check, "mend").contains(mend)
        });
        let named = named.unwrap_or_else(|| panic!("no `{found}` -> `{mend}`: {:#}", self.json));
        println!("{name}: {} -> {}", named["found"], named["mend"]);
        self.is_well();
    }

    /// Asserts that nothing has failed.
    #[track_caller]
    pub fn is_well(&self) {
        let failed = self
            .all()
            .filter(|check| check["verdict"] == "fail")
            .count();
        assert_eq!((failed, self.code), (0, Some(0)), "{:#}", self.json);
    }

    fn all(&self) -> impl Iterator<Item = &Value> {
        self.json["checks"].as_array().into_iter().flatten()
    }

    fn checks(&self, name: &str, verdict: &str) -> impl Iterator<Item = &Value> {
        self.all()
            .filter(move |check| check["name"] == name && check["verdict"] == verdict)
    }
}
