//! A cursor over bytes from the network: every step is checked.

/// What has not been read yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array().map(|[b]| b)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    /// A 24-bit number, as handshake lengths are.
    pub(crate) fn u24(&mut self) -> Option<usize> {
        let [a, b, c] = self.array()?;
        usize::try_from(u32::from_be_bytes([0, a, b, c])).ok()
    }

    /// Bytes behind their one-byte length.
    pub(crate) fn vec8(&mut self) -> Option<Reader<'a>> {
        let len = self.u8()?.into();
        self.take(len).map(Reader)
    }

    /// Bytes behind their two-byte length.
    pub(crate) fn vec16(&mut self) -> Option<Reader<'a>> {
        let len = self.u16()?.into();
        self.take(len).map(Reader)
    }

    /// Bytes behind their three-byte length.
    pub(crate) fn vec24(&mut self) -> Option<Reader<'a>> {
        let len = self.u24()?;
        self.take(len).map(Reader)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }
}
