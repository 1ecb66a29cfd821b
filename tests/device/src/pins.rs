//! The GPIO lines of an emulated board, from outside: qemu tells of each edge of an output and drives
//! inputs (its qtest protocol, `irq_intercept_out` and `set_irq_in`).

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// The lines as they were last heard of.
pub struct Pins {
    qtest: BufReader<UnixStream>,
    /// GPIO number to level.
    levels: BTreeMap<u8, bool>,
    /// Where the chip is in qemu's machine.
    chip: String,
}

/// Where the first chip of that kind is in qemu's machine.
pub(crate) fn chip(qmp: UnixStream, kind: &str) -> String {
    const DEVICES: &str = "/machine/unattached";
    let mut write = qmp.try_clone().expect("another handle");
    let mut lines = BufReader::new(qmp).lines();
    let mut ask = |question: &str| loop {
        let line = lines.next().expect("qemu lives").expect("a line");
        if line.contains("\"QMP\"") || line.contains("\"return\"") {
            writeln!(write, "{question}").expect("qemu listens");
            return line;
        }
    };
    ask(r#"{"execute":"qmp_capabilities"}"#);
    ask(&format!(
        r#"{{"execute":"qom-list","arguments":{{"path":"{DEVICES}"}}}}"#
    ));
    let listed = ask("");
    let mark = format!("\"child<{kind}>\"");
    let entry = listed.split('{').find(|entry| entry.contains(&mark));
    let entry = entry.unwrap_or_else(|| panic!("no {kind} in {listed}"));
    let (_, name) = entry.split_once("\"name\": \"").expect("a name");
    let (name, _) = name.split_once('"').expect("its end");
    format!("{DEVICES}/{name}")
}

impl Pins {
    pub(crate) fn watch(mut qtest: UnixStream, chip: String) -> Self {
        writeln!(qtest, "irq_intercept_out {chip}").expect("qemu listens");
        let mut pins = Self {
            chip,
            qtest: BufReader::new(qtest),
            levels: BTreeMap::new(),
        };
        pins.set_timeout(Duration::from_secs(10));
        while pins.line().expect("an answer") != "OK" {}
        pins
    }

    /// Drives an input.
    pub fn drive(&mut self, pin: u8, level: bool) {
        let order = format!(
            "set_irq_in {} unnamed-gpio-in {pin} {}",
            self.chip,
            u8::from(level)
        );
        let mut socket = self.qtest.get_ref();
        writeln!(socket, "{order}").expect("qemu listens");
        self.set_timeout(Duration::from_secs(10));
        loop {
            let answer = self.line().expect("an answer");
            assert!(!answer.starts_with("FAIL"), "{order}: {answer}");
            if answer.starts_with("OK") {
                return;
            }
        }
    }

    /// The level of a line, `None` if it had no edge yet.
    pub fn level(&self, pin: u8) -> Option<bool> {
        self.levels.get(&pin).copied()
    }

    /// Waits until the line is at the level, and tells when its edge was heard.
    #[track_caller]
    pub fn wait_for(&mut self, pin: u8, level: bool, within: Duration) -> Instant {
        let deadline = Instant::now() + within;
        while self.level(pin) != Some(level) {
            assert!(
                self.edge_until(deadline),
                "GPIO {pin} is not {level} within {within:?}; the lines: {:?}",
                self.levels
            );
        }
        Instant::now()
    }

    /// Takes in what happens for a while.
    pub fn listen(&mut self, d: Duration) {
        let end = Instant::now() + d;
        while self.edge_until(end) {}
    }

    /// Takes in one edge; false if none came in time.
    fn edge_until(&mut self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        self.set_timeout(left);
        self.line().is_some()
    }

    fn set_timeout(&self, timeout: Duration) {
        let socket = self.qtest.get_ref();
        socket.set_read_timeout(Some(timeout)).expect("a timeout");
    }

    /// One line of qemu's; an edge is noted.
    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        self.qtest.read_line(&mut line).ok()?;
        assert!(!line.is_empty(), "qemu has ended");
        let line = line.trim_end().to_owned();
        let words: Vec<&str> = line.split(' ').collect();
        if let ["IRQ", edge, pin] = words[..] {
            let pin = pin.parse().expect("a line's number");
            self.levels.insert(pin, edge == "raise");
        }
        Some(line)
    }
}
