//! The binary form of commands and reports, version 1. Numbers are big-endian.
//!
//! Every message is one data channel message of exactly its kind's length; reserved bits are zero. What
//! does not hold is refused with a [`WireError`] that names it, and nothing of it is used.
//!
//! ```text
//! Command, operator to device:
//!
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |  version = 1  |     kind      |          reserved = 0         |   0
//! |                       source (server's)                       |   4
//! |                       lease (server's)                        |   8
//! |                           sequence                            |  12
//! |                             epoch                             |  16
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! kind 1, setpoint (44 bytes): echoed stamp u64, picture's stamp u64 (0: none),
//!         linear i16, angular i16, two spare axes i16
//! kind 2, arm (28 bytes): echoed stamp u64; `epoch` is the one that it follows
//! kind 3, disarm (20 bytes)
//! kind 4, stop (24 bytes): reason u8, three zero bytes; `epoch` is the latest that it voids
//! kind 5, ping (20 bytes): heard and told of in the next beacon, nothing else; `epoch` is 0
//!
//! Report, device to operator:
//!
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |  version = 1  |     kind      |     state     |  stop reason  |   0
//! |                             lease                             |   4
//! |                             epoch                             |   8
//! |                     the device's stamp (u64)                  |  12
//! |                                                               |  16
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! kind 129, beacon (36 bytes): heard sequence u32, microseconds since it was heard u32,
//!         applied sequence u32, limit in ms u16, age of the applied setpoint in ms u16
//! kind 130, ack (28 bytes): sequence u32, kind of the command u8, result u8, two zero bytes
//! kind 131, telemetry (68 bytes): axes 4 x i16, x and y in mm i32, heading in mrad i16,
//!         battery in mV u16 (0: unknown), applied sequence u32, counters 6 x u32: applied, stale,
//!         old, void, refused, stops
//! ```
//!
//! `source` and `lease` are zero when an operator sends them and filled in place by the server
//! ([`stamp_lease`]), at the same offsets in every command; an operator that fills them is overwritten.

mod bytes;
mod command;
mod error;
mod report;

pub use bytes::{MAX_COMMAND, MAX_MESSAGE, Message};
pub use command::{Command, CommandKind, LEASE_AT, Order, SOURCE_AT, stamp_lease};
pub use error::WireError;
pub use report::{Report, ReportKind, Telemetry};

/// The version of this form.
pub const VERSION: u8 = 1;
