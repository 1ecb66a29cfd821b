//! Bytes read and written with their bounds.

use core::fmt;
use core::ops::Deref;

use super::error::WireError;
use crate::axes::{Axes, Axis};
use crate::numbers::Stamp;

/// The longest message, in bytes.
pub const MAX_MESSAGE: usize = 104;
/// The longest command, in bytes.
pub const MAX_COMMAND: usize = 52;

/// One message in its binary form.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Message {
    bytes: [u8; MAX_MESSAGE],
    len: usize,
}

impl Message {
    pub(super) const fn new() -> Self {
        Self {
            bytes: [0; MAX_MESSAGE],
            len: 0,
        }
    }

    /// Appends; what does not fit would be cut off, but [`MAX_MESSAGE`] is the longest there is.
    pub(super) fn put<const N: usize>(&mut self, bytes: [u8; N]) {
        if let Some(room) = self
            .bytes
            .get_mut(self.len..)
            .and_then(|rest| rest.first_chunk_mut::<N>())
        {
            *room = bytes;
            self.len += N;
        }
    }

    pub(super) fn put_axes(&mut self, axes: &Axes) {
        for axis in axes.all() {
            self.put(axis.raw().to_be_bytes());
        }
    }
}

impl Deref for Message {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.iter() {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

/// Takes from the front.
pub(super) struct Reader<'a> {
    whole: usize,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self {
            whole: bytes.len(),
            rest: bytes,
        }
    }

    pub(super) fn take<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let (front, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(WireError::Length(self.whole))?;
        self.rest = rest;
        Ok(*front)
    }

    pub(super) fn u8(&mut self) -> Result<u8, WireError> {
        self.take().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Result<u16, WireError> {
        self.take().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, WireError> {
        self.take().map(u32::from_be_bytes)
    }

    pub(super) fn i16(&mut self) -> Result<i16, WireError> {
        self.take().map(i16::from_be_bytes)
    }

    pub(super) fn i32(&mut self) -> Result<i32, WireError> {
        self.take().map(i32::from_be_bytes)
    }

    pub(super) fn stamp(&mut self) -> Result<Stamp, WireError> {
        let micros = self.take().map(u64::from_be_bytes)?;
        if micros > Stamp::MAX.micros() {
            return Err(WireError::Stamp);
        }
        Ok(Stamp::from_micros(micros))
    }

    pub(super) fn axes(&mut self) -> Result<Axes, WireError> {
        let mut all = [Axis::ZERO; 8];
        for axis in &mut all {
            *axis = Axis::new(self.i16()?).ok_or(WireError::Axis)?;
        }
        Ok(Axes::from_all(all))
    }

    pub(super) fn reserved<const N: usize>(&mut self) -> Result<(), WireError> {
        if self.take::<N>()? == [0; N] {
            Ok(())
        } else {
            Err(WireError::Reserved)
        }
    }
}
