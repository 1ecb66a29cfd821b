//! The load generator as a process, and what it prints.

use std::collections::BTreeMap;
use std::process::{Command, Output, Stdio};

use transom_tests_e2e::Sfu;

/// A server that counts no requests, with `more` in its transom-sfu.toml.
pub(crate) fn server(more: &str) -> Sfu {
    Sfu::start_with(&format!(
        "log = \"warn\"\ninterfaces = []\n{more}\n[limits]\nrequests_per_second = 10000\nrequest_burst = 10000\nmax_publish_mbps = 4\n"
    ))
}

/// What was measured.
pub(crate) struct Figures(BTreeMap<String, String>);

impl Figures {
    /// Of what the generator printed; it must have succeeded.
    #[track_caller]
    pub(crate) fn of(output: &Output) -> Self {
        let said = String::from_utf8_lossy(&output.stderr);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}\n{text}");
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        Self(
            pairs
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
        )
    }

    #[track_caller]
    pub(crate) fn number(&self, key: &str) -> f64 {
        let value = self.0.get(key).map(String::as_str);
        value
            .and_then(|value| value.parse().ok())
            .unwrap_or_else(|| panic!("no {key} among {:?}", self.0))
    }

    /// What the server's media threads have of a figure, thread by thread.
    #[track_caller]
    #[allow(dead_code, reason = "not every test asks")]
    pub(crate) fn of_media_threads(&self, key: &str) -> Vec<f64> {
        let text = self.0.get(key).map(String::as_str).unwrap_or_default();
        let pairs = text.split(',').filter_map(|pair| pair.split_once(':'));
        let media = pairs.filter(|(name, _)| name.starts_with("media"));
        let numbers = media.map(|(_, number)| number.parse().expect("a number"));
        numbers.collect()
    }
}

/// A command of the generator for `stream` of `sfu`.
pub(crate) fn transom_load(what: &str, sfu: &Sfu, stream: &str, words: &[&str]) -> Command {
    let url = |protocol| format!("http://{}/{protocol}/{stream}", sfu.http);
    let mut command = Command::new(env!("CARGO_BIN_EXE_transom-load"));
    command
        .args([what, "--whip", &url("whip"), "--whep", &url("whep")])
        .args(["--whip-token", &sfu.token("publish")])
        .args(["--whep-token", &sfu.token("watch")])
        .args(["--pid", &sfu.program.pid().to_string(), "--plain"])
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs the generator to its end.
#[track_caller]
pub(crate) fn run(sfu: &Sfu, words: &[&str]) -> Figures {
    let output = transom_load("run", sfu, "load", words).output();
    Figures::of(&output.expect("transom-load runs"))
}

/// Asserts that `n` subscribers got everything as it was sent.
#[track_caller]
#[allow(dead_code, reason = "not every test asks")]
pub(crate) fn all_is_well(f: &Figures, n: usize) {
    let n = n as f64;
    assert_eq!(f.number("connected"), n);
    assert_eq!(f.number("lost"), 0.0);
    assert_eq!(f.number("bad"), 0.0);
    assert_eq!(f.number("strange"), 0.0);
    // 290 packets a second make the made-up publishers.
    assert!(f.number("datagrams") > 200.0 * n * f.number("seconds"));
    // Loose: tests may run beside others.
    assert!(f.number("delay_ms_p50") < 100.0);
}
