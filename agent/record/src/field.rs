//! One description of each event's fields serves the disk, the lines and the exports.

use std::fmt;

/// What a field is called and what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name; a unit is at its end.
    pub name: &'static str,
    /// What it means.
    pub help: &'static str,
}

/// What a field holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A whole number.
    Integer(i64),
    /// Yes or no.
    Flag(bool),
    /// Text, or the name of a code.
    Text(String),
    /// Not known.
    Absent,
}

/// The kind of a field's values, for schemas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A whole number; may be absent.
    Integer,
    /// Yes or no.
    Flag,
    /// Text.
    Text,
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(number) => number.fmt(f),
            Self::Flag(yes) => yes.fmt(f),
            Self::Text(text) => text.fmt(f),
            Self::Absent => Ok(()),
        }
    }
}

/// Axes of a setpoint.
pub(crate) const AXES: [Field; 8] = [
    axis("linear", "Ahead, in 32767ths of full speed"),
    axis(
        "angular",
        "Counter-clockwise, in 32767ths of the full rate of turning",
    ),
    axis("pan", "In 32767ths"),
    axis("tilt", "In 32767ths"),
    axis("custom0", "In 32767ths"),
    axis("custom1", "In 32767ths"),
    axis("custom2", "In 32767ths"),
    axis("custom3", "In 32767ths"),
];

const fn axis(name: &'static str, help: &'static str) -> Field {
    Field { name, help }
}

/// Sees each field of an event in the order in which they stand on the disk.
///
/// It may change them: what reads the disk does.
pub(crate) trait Visitor {
    fn u8(&mut self, field: Field, value: &mut u8);
    fn u16(&mut self, field: Field, value: &mut u16);
    fn u32(&mut self, field: Field, value: &mut u32);
    fn u64(&mut self, field: Field, value: &mut u64);
    fn i16(&mut self, field: Field, value: &mut i16);
    fn i32(&mut self, field: Field, value: &mut i32);
    fn flag(&mut self, field: Field, value: &mut bool);
    /// Microseconds, or none: all ones on the disk.
    fn maybe(&mut self, field: Field, value: &mut Option<u32>);
    /// A number of some protocol, with its name where it has one.
    fn code(&mut self, field: Field, value: &mut u8, name: fn(u8) -> Option<&'static str>);
    fn text(&mut self, field: Field, value: &mut String);
    fn id(&mut self, field: Field, value: &mut [u8; 16]);
    /// Eight axes, of which only those that are not zero take room.
    fn axes(&mut self, value: &mut [i16; 8]);
}

/// Writes the fields as they stand on the disk.
pub(crate) struct Encode<'a>(pub(crate) &'a mut Vec<u8>);

impl Encode<'_> {
    fn put<const N: usize>(&mut self, bytes: [u8; N]) {
        self.0.extend_from_slice(&bytes);
    }
}

impl Visitor for Encode<'_> {
    fn u8(&mut self, _: Field, value: &mut u8) {
        self.put([*value]);
    }
    fn u16(&mut self, _: Field, value: &mut u16) {
        self.put(value.to_be_bytes());
    }
    fn u32(&mut self, _: Field, value: &mut u32) {
        self.put(value.to_be_bytes());
    }
    fn u64(&mut self, _: Field, value: &mut u64) {
        self.put(value.to_be_bytes());
    }
    fn i16(&mut self, _: Field, value: &mut i16) {
        self.put(value.to_be_bytes());
    }
    fn i32(&mut self, _: Field, value: &mut i32) {
        self.put(value.to_be_bytes());
    }
    fn flag(&mut self, _: Field, value: &mut bool) {
        self.put([u8::from(*value)]);
    }
    fn maybe(&mut self, _: Field, value: &mut Option<u32>) {
        self.put(value.unwrap_or(u32::MAX).to_be_bytes());
    }
    fn code(&mut self, _: Field, value: &mut u8, _: fn(u8) -> Option<&'static str>) {
        self.put([*value]);
    }
    fn text(&mut self, _: Field, value: &mut String) {
        let text = cut(value);
        self.put([u8::try_from(text.len()).unwrap_or(u8::MAX)]);
        self.0.extend_from_slice(text.as_bytes());
    }
    fn id(&mut self, _: Field, value: &mut [u8; 16]) {
        self.put(*value);
    }
    fn axes(&mut self, value: &mut [i16; 8]) {
        let set = value.iter().enumerate().filter(|(_, axis)| **axis != 0);
        self.put([set.fold(0, |mask, (at, _)| mask | (1_u8 << at))]);
        for axis in value.iter().filter(|axis| **axis != 0) {
            self.put(axis.to_be_bytes());
        }
    }
}

/// What fits behind a length of one byte.
fn cut(text: &str) -> &str {
    let longest = text.len().min(usize::from(u8::MAX));
    let end = (0..=longest).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

/// Reads the fields from the disk.
pub(crate) struct Decode<'a> {
    pub(crate) rest: &'a [u8],
    /// There was less than the fields take.
    pub(crate) short: bool,
}

impl Decode<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        match self.rest.split_first_chunk() {
            Some((bytes, rest)) => {
                self.rest = rest;
                *bytes
            }
            None => {
                self.short = true;
                [0; N]
            }
        }
    }
}

impl Visitor for Decode<'_> {
    fn u8(&mut self, _: Field, value: &mut u8) {
        [*value] = self.take();
    }
    fn u16(&mut self, _: Field, value: &mut u16) {
        *value = u16::from_be_bytes(self.take());
    }
    fn u32(&mut self, _: Field, value: &mut u32) {
        *value = u32::from_be_bytes(self.take());
    }
    fn u64(&mut self, _: Field, value: &mut u64) {
        *value = u64::from_be_bytes(self.take());
    }
    fn i16(&mut self, _: Field, value: &mut i16) {
        *value = i16::from_be_bytes(self.take());
    }
    fn i32(&mut self, _: Field, value: &mut i32) {
        *value = i32::from_be_bytes(self.take());
    }
    fn flag(&mut self, _: Field, value: &mut bool) {
        let [byte] = self.take();
        *value = byte != 0;
    }
    fn maybe(&mut self, _: Field, value: &mut Option<u32>) {
        let number = u32::from_be_bytes(self.take());
        *value = (number != u32::MAX).then_some(number);
    }
    fn code(&mut self, _: Field, value: &mut u8, _: fn(u8) -> Option<&'static str>) {
        [*value] = self.take();
    }
    fn text(&mut self, _: Field, value: &mut String) {
        let [len] = self.take();
        match self.rest.split_at_checked(usize::from(len)) {
            Some((text, rest)) => {
                self.rest = rest;
                *value = String::from_utf8_lossy(text).into_owned();
            }
            None => self.short = true,
        }
    }
    fn id(&mut self, _: Field, value: &mut [u8; 16]) {
        *value = self.take();
    }
    fn axes(&mut self, value: &mut [i16; 8]) {
        let [mask]: [u8; 1] = self.take();
        for (at, axis) in value.iter_mut().enumerate() {
            *axis = match mask & (1_u8 << at) {
                0 => 0,
                _ => i16::from_be_bytes(self.take()),
            };
        }
    }
}

/// Lists the fields with what they hold.
#[derive(Default)]
pub(crate) struct List(pub(crate) Vec<(Field, Kind, Value)>);

impl List {
    fn integer(&mut self, field: Field, value: impl TryInto<i64>) {
        let value = Value::Integer(value.try_into().unwrap_or(i64::MAX));
        self.0.push((field, Kind::Integer, value));
    }
}

impl Visitor for List {
    fn u8(&mut self, field: Field, value: &mut u8) {
        self.integer(field, *value);
    }
    fn u16(&mut self, field: Field, value: &mut u16) {
        self.integer(field, *value);
    }
    fn u32(&mut self, field: Field, value: &mut u32) {
        self.integer(field, *value);
    }
    fn u64(&mut self, field: Field, value: &mut u64) {
        self.integer(field, *value);
    }
    fn i16(&mut self, field: Field, value: &mut i16) {
        self.integer(field, *value);
    }
    fn i32(&mut self, field: Field, value: &mut i32) {
        self.integer(field, *value);
    }
    fn flag(&mut self, field: Field, value: &mut bool) {
        self.0.push((field, Kind::Flag, Value::Flag(*value)));
    }
    fn maybe(&mut self, field: Field, value: &mut Option<u32>) {
        let value = value.map_or(Value::Absent, |value| Value::Integer(value.into()));
        self.0.push((field, Kind::Integer, value));
    }
    fn code(&mut self, field: Field, value: &mut u8, name: fn(u8) -> Option<&'static str>) {
        // One of a later version has a number at least.
        let text = name(*value).map_or_else(|| format!("#{value}"), str::to_owned);
        self.0.push((field, Kind::Text, Value::Text(text)));
    }
    fn text(&mut self, field: Field, value: &mut String) {
        self.0.push((field, Kind::Text, Value::Text(value.clone())));
    }
    fn id(&mut self, field: Field, value: &mut [u8; 16]) {
        let text = value.iter().map(|byte| format!("{byte:02x}")).collect();
        self.0.push((field, Kind::Text, Value::Text(text)));
    }
    fn axes(&mut self, value: &mut [i16; 8]) {
        for (field, axis) in AXES.into_iter().zip(value) {
            self.integer(field, *axis);
        }
    }
}
