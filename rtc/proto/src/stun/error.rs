/// Why a datagram is not a STUN message that we take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum StunError {
    /// Shorter than a header, or not of the length its header tells.
    #[error("length does not match the header")]
    Length,
    /// The first two bits are set, or the magic cookie is missing.
    #[error("not a STUN message")]
    NotStun,
    /// An attribute reaches past the end.
    #[error("attribute out of bounds")]
    Attribute,
    /// More attributes than any sensible message carries.
    #[error("too many attributes")]
    TooManyAttributes,
    /// FINGERPRINT is not of four bytes, not last, or wrong.
    #[error("fingerprint does not match")]
    Fingerprint,
    /// MESSAGE-INTEGRITY is missing or not of twenty bytes.
    #[error("no message integrity")]
    NoIntegrity,
    /// MESSAGE-INTEGRITY does not verify.
    #[error("message integrity does not verify")]
    BadIntegrity,
}
