//! What a program switches, by name.

use std::fmt;

/// An output: its byte on the wire of `control`, and `lock`, `light`, `chime`, `horn`, `user0` to `user127` here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Output(u8);

/// From here on they are the user's own.
const FIRST_USER: u8 = 128;
const USER: &str = "user";
const NAMED: [(u8, &str); 4] = [(1, "lock"), (2, "light"), (3, "chime"), (4, "horn")];

impl Output {
    /// Of the byte; `None` where it means nothing.
    pub fn from_code(code: u8) -> Option<Self> {
        let named = NAMED.iter().any(|(known, _)| *known == code);
        (named || code >= FIRST_USER).then_some(Self(code))
    }

    /// Of the name; `None` where it is none.
    pub fn from_name(name: &str) -> Option<Self> {
        if let Some((code, _)) = NAMED.iter().find(|(_, known)| *known == name) {
            return Some(Self(*code));
        }
        let number: u8 = name.strip_prefix(USER)?.parse().ok()?;
        FIRST_USER.checked_add(number).map(Self)
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMED.iter().find(|(code, _)| *code == self.0) {
            Some((_, name)) => f.write_str(name),
            None => write!(f, "{USER}{}", self.0.saturating_sub(FIRST_USER)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_bytes_go_together() {
        let all = (0..=u8::MAX).filter_map(Output::from_code);
        let again = all.map(|output| Output::from_name(&output.to_string()).expect("a name"));
        assert_eq!(again.count(), 4 + 128);
        for bad in ["", "user", "user128", "user-1", "Lock", "user999999"] {
            assert_eq!(Output::from_name(bad), None, "{bad}");
        }
    }
}
