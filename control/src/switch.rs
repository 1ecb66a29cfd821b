//! What is switched and does not drive.

/// An output that is no motion. The numbers are those on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Output {
    /// The door's lock; on is open.
    Lock,
    /// The light.
    Light,
    /// The chime.
    Chime,
    /// The horn.
    Horn,
    /// The user's own, 0 to 127.
    User(u8),
}

impl Output {
    const FIRST_USER: u8 = 128;

    /// The byte on the wire.
    pub const fn code(self) -> u8 {
        match self {
            Self::Lock => 1,
            Self::Light => 2,
            Self::Chime => 3,
            Self::Horn => 4,
            // The user's own begin at 128, and there are 128 of them.
            Self::User(number) => Self::FIRST_USER | number,
        }
    }

    /// What the byte means, if anything.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Lock),
            2 => Some(Self::Light),
            3 => Some(Self::Chime),
            4 => Some(Self::Horn),
            Self::FIRST_USER.. => Some(Self::User(code - Self::FIRST_USER)),
            _ => None,
        }
    }

    /// A word for logs and figures; all of the user's own have one.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lock => "lock",
            Self::Light => "light",
            Self::Chime => "chime",
            Self::Horn => "horn",
            Self::User(_) => "user",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_one_output_or_none() {
        let known = (0..=u8::MAX).filter_map(|code| {
            let output = Output::from_code(code)?;
            assert_eq!(output.code(), code);
            Some(output)
        });
        assert_eq!(known.count(), 4 + 128);
    }
}
