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
//! kind 1, setpoint (52 bytes): echoed stamp u64, picture's stamp u64 (0: none),
//!         axes 8 x i16: linear, angular, pan, tilt, four of the user's own
//! kind 2, arm (28 bytes): echoed stamp u64; `epoch` is the one that it follows
//! kind 3, disarm (20 bytes)
//! kind 4, stop (24 bytes): reason u8, three zero bytes; `epoch` is the latest that it voids
//! kind 5, ping (20 bytes): heard and told of in the next beacon, nothing else; `epoch` is 0
//! kind 6, emergency (20 bytes): `epoch` as in a stop
//! kind 7, reset (28 bytes): echoed stamp u64; `epoch` is the one that the emergency stop ended
//! kind 8, switch (36 bytes): echoed stamp u64, output u8, a zero byte, value u16, milliseconds u16, two zero
//!         bytes; the number of the press stands in place of `epoch`
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
//! kind 129, beacon (40 bytes): heard sequence u32, microseconds since it was heard u32,
//!         applied sequence u32, limit in ms u16, age of the applied setpoint in ms u16,
//!         why the latest setpoint was refused u8 (0: it was not), speed in percent u8, limit of the
//!         picture's age in ms u16 (0: none)
//! kind 130, ack (28 bytes): sequence u32, kind of the command u8, result u8, two zero bytes
//! kind 131, telemetry (104 bytes): axes 8 x i16, x and y in mm i32, heading in mrad i16,
//!         battery in mV u16 (0: unknown), range in mm u16 (0: unknown), two temperatures in tenths of a
//!         degree i16 (-32768: unknown), pan and tilt in mrad i16, two zero bytes, the user's own 4 x i32,
//!         applied sequence u32, counters 6 x u32: applied, stale, old, void, refused, stops
//!
//! Picture, device to operator (16 bytes):
//!
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |  version = 1  |  kind = 132   |          reserved = 0         |   0
//! |                    the picture's RTP timestamp                |   4
//! |               when it was captured: a stamp (u64)             |   8
//! |                                                               |  12
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! `source` and `lease` are zero when an operator sends them and filled in place by the server
//! ([`stamp_lease`]), at the same offsets in every command; an operator that fills them is overwritten.
//!
//! Kinds 64 and 192 pass between operators and a server only: [`LeaseRequest`] and [`LeaseNotice`]
//! (`lease.rs` draws them).

mod bytes;
mod command;
mod error;
mod lease;
mod picture;
mod report;

pub use bytes::{MAX_COMMAND, MAX_MESSAGE, Message};
pub use command::{Command, CommandKind, LEASE_AT, Order, SOURCE_AT, stamp_lease};
pub use error::WireError;
pub use lease::{
    LEASE_NOTICE, LEASE_NOTICE_LEN, LEASE_REQUEST, LEASE_REQUEST_LEN, LeaseAction, LeaseHolder,
    LeaseName, LeaseNotice, LeaseParty, LeaseRequest, LeaseResult,
};
pub use picture::Picture;
pub use report::{Report, ReportKind, Telemetry};

/// The version of this form.
pub const VERSION: u8 = 1;
