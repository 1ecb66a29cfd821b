//! MCAP: a channel a kind of event, each message a JSON object with a schema, for Foxglove and similar viewers.

use std::collections::BTreeMap;
use std::io::{Seek, Write};

use mcap::records::MessageHeader;
use mcap::write::WriteOptions;
use serde_json::{Map, Value as Json, json};

use super::{ExportError, Exported, entries};
use crate::event::{Entry, Event};
use crate::field::{Kind, Value};
use crate::reader::Reader;
use crate::time::Since;

/// Writes what happened since then as MCAP.
///
/// # Errors
/// The log cannot be read, or the file not written.
pub fn write_mcap<W: Write + Seek>(
    reader: &mut Reader,
    since: Option<Since>,
    to: W,
    progress: &mut dyn FnMut(&Exported),
) -> Result<Exported, ExportError> {
    let options = WriteOptions::new()
        .compression(None)
        .library(concat!("transom-agent ", env!("CARGO_PKG_VERSION")));
    let mut writer = options.create(to).map_err(told)?;
    let mut channels = BTreeMap::new();
    for event in Event::kinds() {
        let schema = schema(&event);
        let schema = serde_json::to_vec(&schema).unwrap_or_default();
        let name = event.name();
        let id = writer
            .add_schema(&format!("transom.{name}"), "jsonschema", &schema)
            .map_err(told)?;
        let topic = format!("/transom/{name}");
        let channel = writer
            .add_channel(id, &topic, "json", &BTreeMap::new())
            .map_err(told)?;
        channels.insert(name, channel);
    }
    let exported = entries(reader, since, progress, |entry| {
        // One of a later version has no channel.
        let Some(channel_id) = channels.get(entry.event.name()) else {
            return Ok(());
        };
        let nanos = u64::try_from(entry.wall_us)
            .unwrap_or(0)
            .saturating_mul(1000);
        let header = MessageHeader {
            channel_id: *channel_id,
            // 32 bits of ours.
            sequence: u32::try_from(entry.seq & u64::from(u32::MAX)).unwrap_or(0),
            log_time: nanos,
            publish_time: nanos,
        };
        let message = serde_json::to_vec(&message(entry)).unwrap_or_default();
        writer
            .write_to_known_channel(&header, &message)
            .map_err(told)
    })?;
    writer.finish().map_err(told)?;
    Ok(exported)
}

fn told(error: mcap::McapError) -> ExportError {
    match error {
        mcap::McapError::Io(error) => ExportError::Write(error),
        other => ExportError::Format(other.to_string()),
    }
}

fn message(entry: &Entry) -> Json {
    let mut object = Map::new();
    object.insert("seq".to_owned(), entry.seq.into());
    object.insert("mono_us".to_owned(), entry.mono_us.into());
    for (field, _, value) in entry.event.fields() {
        let value = match value {
            Value::Integer(number) => number.into(),
            Value::Flag(yes) => yes.into(),
            Value::Text(text) => text.into(),
            // Viewers plot what is there.
            Value::Absent => continue,
        };
        object.insert(field.name.to_owned(), value);
    }
    object.into()
}

fn schema(event: &Event) -> Json {
    let of = |kind, help| json!({ "type": kind, "description": help });
    let mut properties = Map::new();
    properties.insert(
        "seq".to_owned(),
        of("integer", "The entry's number; a gap is what is missing"),
    );
    properties.insert(
        "mono_us".to_owned(),
        of(
            "integer",
            "CLOCK_MONOTONIC of the boot that the latest boot entry names",
        ),
    );
    for (field, kind, _) in event.fields() {
        let kind = match kind {
            Kind::Integer => "integer",
            Kind::Flag => "boolean",
            Kind::Text => "string",
        };
        properties.insert(field.name.to_owned(), of(kind, field.help));
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": format!("transom.{}", event.name()),
        "type": "object",
        "properties": properties,
    })
}
