//! An entry as a line.

use std::fmt::Write as _;

use crate::event::Entry;
use crate::field::Value;
use crate::time::written;

/// One line: the time, the number, the kind, and `name=value` for each field that says something.
pub fn line(entry: &Entry) -> String {
    let (seq, mono) = (entry.seq, entry.mono_us);
    let mut line = format!(
        "{} seq={seq} mono={}.{:06} {}",
        written(entry.wall_us),
        mono / 1_000_000,
        mono % 1_000_000,
        entry.event.name()
    );
    for (field, _, value) in entry.event.fields() {
        let dull = match &value {
            Value::Absent => true,
            Value::Text(text) => text.is_empty(),
            Value::Integer(number) => *number == 0,
            Value::Flag(_) => false,
        };
        if dull {
            continue;
        }
        // A string takes everything that is written to it.
        let _ = match &value {
            Value::Text(text)
                if text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '"') =>
            {
                write!(line, " {}={text:?}", field.name)
            }
            value => write!(line, " {}={value}", field.name),
        };
    }
    line
}
