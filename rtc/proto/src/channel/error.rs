/// Why a channel was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum OpenChannelError {
    /// The session was negotiated without m=application, or the peer has no SCTP.
    #[error("no data channels were negotiated: offer or answer lacks m=application")]
    NotNegotiated,
    /// The peer or its association is over.
    #[error("data channels are over with this peer")]
    Closed,
    /// As many channels are open as may be.
    #[error("too many data channels")]
    TooMany,
    /// The negotiated number is in use, or is 65535.
    #[error("the channel's number is not free")]
    NumberTaken,
    /// Label or protocol is longer than [`MAX_NAME_LEN`](super::MAX_NAME_LEN).
    #[error("label or protocol longer than {} bytes", super::MAX_NAME_LEN)]
    NameTooLong,
}

/// Why a message was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum ChannelSendError {
    /// There is no such channel, or not any more.
    #[error("no such data channel")]
    NoChannel,
    /// The channel is not open yet: wait for `Opened`.
    #[error("the data channel is not open yet")]
    NotOpen,
    /// Larger than the other end takes.
    #[error("message of {len} bytes: the other end takes at most {max} (a=max-message-size)")]
    TooLarge {
        /// Its length, bytes.
        len: usize,
        /// The bound, bytes.
        max: usize,
    },
    /// Too much waits to be acknowledged: leave it out, or try again after
    /// `BufferedLow`.
    #[error("the data channel is full")]
    WouldBlock,
}
