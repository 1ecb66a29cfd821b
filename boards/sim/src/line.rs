//! A line that writes its edges down.

use std::convert::Infallible;

use embedded_hal::digital::{ErrorType, OutputPin};

use crate::trace::Trace;

/// An output whose edges are written down; without a trace, nobody sees them.
#[derive(Debug)]
pub struct SimLine {
    name: &'static str,
    trace: Option<Trace>,
    level: Option<bool>,
}

impl SimLine {
    /// A line of that name.
    pub fn new(name: &'static str, trace: Option<Trace>) -> Self {
        Self {
            name,
            trace,
            level: None,
        }
    }

    fn set(&mut self, level: bool) {
        if self.level.replace(level) != Some(level)
            && let Some(trace) = &mut self.trace
        {
            trace.edge(self.name, level.into());
        }
    }
}

impl ErrorType for SimLine {
    type Error = Infallible;
}

impl OutputPin for SimLine {
    fn set_low(&mut self) -> Result<(), Infallible> {
        self.set(false);
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        self.set(true);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_are_written_and_what_is_none_is_not() {
        let path = std::env::temp_dir().join(format!("transom-line-{}", std::process::id()));
        let trace = Trace::open(&path).expect("a file");
        let mut line = SimLine::new("lock", Some(trace));
        for level in [false, false, true, true, false] {
            match level {
                true => line.set_high(),
                false => line.set_low(),
            }
            .expect("it never fails");
        }
        let text = std::fs::read_to_string(&path).expect("the trace");
        std::fs::remove_file(&path).expect("its removal");
        let edges: Vec<&str> = text
            .lines()
            .filter_map(|l| l.split_once(' '))
            .map(|(_, e)| e)
            .collect();
        assert_eq!(edges, ["lock 0", "lock 1", "lock 0"]);
    }
}
