//! Bytes into lines, within a bound.

use super::heard::MAX_LINE;

/// A line without an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a line is longer than {MAX_LINE} bytes")]
pub struct TooLong;

/// Holds the beginning of a line whose end has not come.
#[derive(Debug)]
pub struct LineBuffer {
    bytes: [u8; MAX_LINE],
    len: usize,
}

impl Default for LineBuffer {
    fn default() -> Self {
        Self {
            bytes: [0; MAX_LINE],
            len: 0,
        }
    }
}

impl LineBuffer {
    /// Takes bytes in and gives each whole line, without its end, to `each`. It goes on with the bytes behind as
    /// long as `each` returns true.
    pub fn push(
        &mut self,
        mut bytes: &[u8],
        mut each: impl FnMut(&[u8]) -> bool,
    ) -> Result<(), TooLong> {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = bytes.split_at(end);
            self.keep(line)?;
            let whole = self.bytes.get(..self.len).unwrap_or_default();
            let more = each(whole.strip_suffix(b"\r").unwrap_or(whole));
            self.len = 0;
            if !more {
                return Ok(());
            }
            bytes = rest.get(1..).unwrap_or_default();
        }
        self.keep(bytes)
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        let end = self.len + bytes.len();
        let room = self.bytes.get_mut(self.len..end).ok_or(TooLong)?;
        room.copy_from_slice(bytes);
        self.len = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(chunks: &[&[u8]]) -> (Vec<String>, Result<(), TooLong>) {
        let mut buffer = LineBuffer::default();
        let mut lines = Vec::new();
        for chunk in chunks {
            let done = buffer.push(chunk, |line| {
                lines.push(String::from_utf8_lossy(line).into_owned());
                true
            });
            if done.is_err() {
                return (lines, done);
            }
        }
        (lines, Ok(()))
    }

    #[test]
    fn lines_are_whole_however_they_come() {
        let (whole, done) = lines(&[b"a\nb", b"", b"c\r\n\nd"]);
        assert_eq!((whole.join("|").as_str(), done), ("a|bc|", Ok(())));
    }

    #[test]
    fn a_line_without_an_end_is_refused_and_not_kept() {
        let long = [b'x'; MAX_LINE];
        assert_eq!(lines(&[&long, b"\n"]).1, Ok(()));
        assert_eq!(lines(&[&long, b"y"]).1, Err(TooLong));
        assert_eq!(lines(&[b"a\n", &long, b"y\n"]).1, Err(TooLong));
    }
}
