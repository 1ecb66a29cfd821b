//! Header extension elements (RFC 8285).
//!
//! ```text
//! one-byte form, profile 0xBEDE       two-byte form, profile 0x100x
//!  0 1 2 3 4 5 6 7                     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5
//! +-+-+-+-+-+-+-+-+                   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |  ID   |len - 1| data ...          |      ID       |      len      | data ...
//! +-+-+-+-+-+-+-+-+                   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use super::header::RtpError;

/// The elements of one header extension, in packet order. Padding is skipped;
/// a profile that RFC 8285 does not know has no elements.
#[derive(Clone, Debug)]
pub struct Extensions<'a> {
    form: Form,
    rest: &'a [u8],
}

impl<'a> Extensions<'a> {
    pub(super) fn new(profile: u16, elements: &'a [u8]) -> Self {
        let form = Form::of(profile);
        let rest = if form == Form::Opaque { &[] } else { elements };
        Self { form, rest }
    }
}

impl<'a> Iterator for Extensions<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        // The elements were checked when the header was parsed.
        let (element, rest) = next_element(self.form, self.rest).ok()??;
        self.rest = rest;
        Some(element)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    OneByte,
    TwoByte,
    Opaque,
}

impl Form {
    const fn of(profile: u16) -> Self {
        match profile {
            0xbede => Self::OneByte,
            0x1000..=0x100f => Self::TwoByte,
            _ => Self::Opaque,
        }
    }
}

/// Whether each element lies within the extension.
///
/// Stricter than RFC 8285 section 4.2, which lets a receiver stop quietly at
/// the reserved ID 15 or at padding with a length: no sender makes them, and
/// parsers behind this one disagree about what follows.
pub(super) fn check(profile: u16, elements: &[u8]) -> Result<(), RtpError> {
    let form = Form::of(profile);
    if form == Form::Opaque {
        return Ok(());
    }
    let mut rest = elements;
    while let Some((_, after)) = next_element(form, rest)? {
        rest = after;
    }
    Ok(())
}

type Element<'a> = (u8, &'a [u8]);

fn next_element(form: Form, mut rest: &[u8]) -> Result<Option<(Element<'_>, &[u8])>, RtpError> {
    while let [0, after @ ..] = rest {
        rest = after;
    }
    let (id, len, data) = match (form, rest) {
        (_, []) => return Ok(None),
        (Form::OneByte, [head, data @ ..]) => (head >> 4, usize::from(head & 0x0f) + 1, data),
        (Form::TwoByte, [id, len, data @ ..]) => (*id, usize::from(*len), data),
        _ => return Err(RtpError::Extension),
    };
    if form == Form::OneByte && (id == 0 || id == 15) {
        return Err(RtpError::Extension);
    }
    let (value, after) = data.split_at_checked(len).ok_or(RtpError::Extension)?;
    Ok(Some(((id, value), after)))
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    fn elements(profile: u16, bytes: &[u8]) -> Result<Vec<(u8, &[u8])>, RtpError> {
        check(profile, bytes)?;
        Ok(Extensions::new(profile, bytes).collect())
    }

    #[test]
    fn one_byte_form() {
        let bytes = [0x10, 0xaa, 0, 0x32, 1, 2, 3, 0];
        assert_eq!(
            elements(0xbede, &bytes),
            Ok(Vec::from([(1, &[0xaa][..]), (3, &[1, 2, 3])]))
        );
    }

    #[test]
    fn two_byte_form_has_empty_values() {
        let bytes = [1, 0, 0, 16, 2, 7, 8, 0];
        assert_eq!(
            elements(0x1003, &bytes),
            Ok(Vec::from([(1, &[][..]), (16, &[7, 8])]))
        );
    }

    #[test]
    fn elements_past_the_end_are_refused() {
        for bytes in [[0x1f, 0, 0, 0], [0, 0, 0, 0x10]] {
            assert_eq!(elements(0xbede, &bytes), Err(RtpError::Extension));
        }
        for bytes in [[1, 3, 0, 0], [0, 0, 0, 1]] {
            assert_eq!(elements(0x1000, &bytes), Err(RtpError::Extension));
        }
    }

    #[test]
    fn reserved_ids_are_refused() {
        for head in [0x01, 0xf0] {
            assert_eq!(
                elements(0xbede, &[head, 0, 0, 0]),
                Err(RtpError::Extension),
                "{head:#x}"
            );
        }
    }

    #[test]
    fn other_profiles_are_opaque() {
        assert_eq!(elements(0x1234, &[0xff; 4]), Ok(Vec::new()));
    }
}
