//! One table (RFC 4180): a row an entry, a column for each field that any event has.

use std::io::Write;

use super::{ExportError, Exported, entries};
use crate::event::Event;
use crate::reader::Reader;
use crate::time::{Since, written};

/// Of every row.
const FIRST: [&str; 4] = ["time", "seq", "mono_us", "event"];

fn columns() -> Vec<&'static str> {
    let mut columns = Vec::new();
    for event in Event::kinds() {
        for (field, _, _) in event.fields() {
            if !columns.contains(&field.name) {
                columns.push(field.name);
            }
        }
    }
    columns
}

/// Writes what happened since then as CSV.
///
/// # Errors
/// The log cannot be read, or the table not written.
pub fn write_csv(
    reader: &mut Reader,
    since: Option<Since>,
    to: &mut dyn Write,
    progress: &mut dyn FnMut(&Exported),
) -> Result<Exported, ExportError> {
    let columns = columns();
    let first = FIRST.iter().chain(&columns).copied();
    row(to, first.map(str::to_owned))?;
    let exported = entries(reader, since, progress, |entry| {
        let fields = entry.event.fields();
        let head = [
            written(entry.wall_us),
            entry.seq.to_string(),
            entry.mono_us.to_string(),
            entry.event.name().to_owned(),
        ];
        let cells = columns.iter().map(|column| {
            let of = fields.iter().find(|(field, _, _)| field.name == *column);
            of.map(|(_, _, value)| value.to_string())
                .unwrap_or_default()
        });
        Ok(row(to, head.into_iter().chain(cells))?)
    })?;
    to.flush()?;
    Ok(exported)
}

fn row(to: &mut dyn Write, cells: impl Iterator<Item = String>) -> std::io::Result<()> {
    for (at, cell) in cells.enumerate() {
        if at > 0 {
            to.write_all(b",")?;
        }
        if cell.contains([',', '"', '\n', '\r']) {
            write!(to, "\"{}\"", cell.replace('"', "\"\""))?;
        } else {
            to.write_all(cell.as_bytes())?;
        }
    }
    to.write_all(b"\r\n")
}
