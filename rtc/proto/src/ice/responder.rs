//! Answers to Binding requests: what both kinds of agent owe (RFC 8445 section 7.3).

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::{IceTransmit, Path};
use crate::stun::{
    AttributeKind, Class, ErrorCode, IntegrityKey, Message, MessageWriter, Method, TieBreaker,
    TransactionId,
};

/// Answers that wait for the next poll. When it is full the newest request is
/// dropped; its sender repeats it.
const MAX_REPLIES: usize = 16;
/// How many requests back we can tell a repeated one.
const MAX_RECENT: usize = 16;
/// How many unknown attributes we name in an answer.
const MAX_UNKNOWN: usize = 4;

/// What counts in an authenticated Binding request.
#[derive(Clone, Copy, Debug)]
pub(super) struct CheckRequest {
    pub(super) id: TransactionId,
    pub(super) priority: Option<u32>,
    pub(super) use_candidate: bool,
    pub(super) tie_breaker: Option<TieBreaker>,
}

impl CheckRequest {
    pub(super) fn of(message: &Message<'_>) -> Self {
        Self {
            id: message.transaction_id(),
            priority: message.priority(),
            use_candidate: message.use_candidate(),
            tie_breaker: message.tie_breaker(),
        }
    }
}

/// Whether a request came before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// It did not, as far as we remember.
    First,
    /// By the same path: a retransmission or a duplicate. Answer, do not act.
    Repeated,
    /// By another path. MESSAGE-INTEGRITY does not cover addresses: whoever
    /// recorded a request could otherwise draw our packets anywhere.
    Elsewhere,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum ReplyKind {
    Success,
    RoleConflict,
    /// As many as the count tells.
    UnknownAttributes([AttributeKind; MAX_UNKNOWN], usize),
}

impl ReplyKind {
    /// The refusal that `message` deserves for attributes that its sender
    /// insists on and we do not know (RFC 8489 section 6.3.1).
    pub(super) fn for_unknown(message: &Message<'_>) -> Option<Self> {
        let mut kinds = [AttributeKind(0); MAX_UNKNOWN];
        let mut count = 0;
        for (slot, kind) in kinds.iter_mut().zip(message.unknown_required()) {
            *slot = kind;
            count += 1;
        }
        (count > 0).then_some(Self::UnknownAttributes(kinds, count))
    }
}

#[derive(Clone, Copy, Debug)]
struct Reply {
    path: Path,
    id: TransactionId,
    kind: ReplyKind,
}

#[derive(Debug)]
pub(super) struct Responder {
    replies: VecDeque<Reply>,
    recent: [Option<(TransactionId, Path)>; MAX_RECENT],
    oldest: usize,
}

impl Responder {
    pub(super) fn new() -> Self {
        Self {
            replies: VecDeque::with_capacity(MAX_REPLIES),
            recent: [None; MAX_RECENT],
            oldest: 0,
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.replies.len() >= MAX_REPLIES
    }

    pub(super) fn note(&mut self, id: TransactionId, path: Path) -> Seen {
        match self.recent.iter().flatten().find(|(i, _)| *i == id) {
            Some((_, p)) if *p == path => Seen::Repeated,
            Some(_) => Seen::Elsewhere,
            None => {
                if let Some(slot) = self.recent.get_mut(self.oldest) {
                    *slot = Some((id, path));
                }
                self.oldest = (self.oldest + 1) % MAX_RECENT;
                Seen::First
            }
        }
    }

    /// For a caller that asked [`Self::is_full`] before it acted on the request.
    pub(super) fn push(&mut self, path: Path, id: TransactionId, kind: ReplyKind) {
        self.replies.push_back(Reply { path, id, kind });
    }

    pub(super) fn clear(&mut self) {
        self.replies.clear();
    }

    /// Appends the next answer, sealed with the key that its request was
    /// sealed with (RFC 8489 section 9.1.4).
    pub(super) fn poll_transmit(
        &mut self,
        key: &IntegrityKey,
        buf: &mut Vec<u8>,
    ) -> Option<IceTransmit> {
        let Reply { path, id, kind } = self.replies.pop_front()?;
        let class = match kind {
            ReplyKind::Success => Class::Success,
            _ => Class::Error,
        };
        let mut writer = MessageWriter::new(buf, class, Method::BINDING, id);
        match &kind {
            ReplyKind::Success => writer.xor_mapped_address(path.remote),
            ReplyKind::RoleConflict => writer.error_code(ErrorCode::ROLE_CONFLICT),
            ReplyKind::UnknownAttributes(kinds, count) => {
                writer.error_code(ErrorCode::UNKNOWN_ATTRIBUTE);
                writer.unknown_attributes(&kinds[..*count]);
            }
        }
        let len = writer.finish(Some(key));
        Some(IceTransmit { path, len })
    }
}
