use crate::port::Ppid;

/// What a message is (RFC 8831 section 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageKind {
    /// UTF-8 text; a browser gets a string. What arrives was checked.
    Text,
    /// Bytes; a browser gets an `ArrayBuffer` or a `Blob`.
    Binary,
}

/// DCEP's own messages.
pub(super) const DCEP: Ppid = Ppid(50);
const TEXT: Ppid = Ppid(51);
const BINARY: Ppid = Ppid(53);
const TEXT_EMPTY: Ppid = Ppid(56);
const BINARY_EMPTY: Ppid = Ppid(57);

/// How a message goes over the wire: SCTP has no empty messages, so that those
/// are a zero byte that their identifier says to ignore (RFC 8831 section 6.6).
pub(super) fn wire(kind: MessageKind, data: &[u8]) -> (Ppid, &[u8]) {
    match (kind, data.is_empty()) {
        (MessageKind::Text, false) => (TEXT, data),
        (MessageKind::Binary, false) => (BINARY, data),
        (MessageKind::Text, true) => (TEXT_EMPTY, &[0]),
        (MessageKind::Binary, true) => (BINARY_EMPTY, &[0]),
    }
}

/// What an identifier means: the kind, and whether the message is empty.
/// `None` for what is none of ours, or is deprecated (52, 54).
pub(super) const fn unwire(ppid: Ppid) -> Option<(MessageKind, bool)> {
    match ppid {
        TEXT => Some((MessageKind::Text, false)),
        BINARY => Some((MessageKind::Binary, false)),
        TEXT_EMPTY => Some((MessageKind::Text, true)),
        BINARY_EMPTY => Some((MessageKind::Binary, true)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_messages_have_identifiers_of_their_own() {
        for kind in [MessageKind::Text, MessageKind::Binary] {
            assert_eq!(unwire(wire(kind, b"x").0), Some((kind, false)));
            let (ppid, data) = wire(kind, b"");
            assert_eq!((unwire(ppid), data), (Some((kind, true)), &[0][..]));
        }
        assert_eq!(unwire(DCEP), None);
        assert_eq!(unwire(Ppid(52)), None);
    }
}
