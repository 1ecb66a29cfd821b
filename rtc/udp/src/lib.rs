//! UDP in batches: recvmmsg, GRO, GSO, sendmmsg and packet info.
//!
//! One call takes many datagrams from the kernel, one call hands many to it:
//!
//! - [`UdpSocket::recv`] fills a [`RecvBatch`], preallocated by the caller, and
//!   the batch is then walked datagram by datagram, each with the address it
//!   came to and the address it came from. What the kernel had coalesced (GRO)
//!   is cut up again on the way.
//! - [`UdpSocket::send_batch`] takes [`Transmit`]s over one contiguous buffer.
//!   A transmit of equal-sized datagrams leaves as one segmented send (GSO);
//!   where kernel or driver refuse that, found out at the first attempt, its
//!   datagrams leave one by one in the same system call (sendmmsg).
//!
//! Sockets never block, and neither direction allocates. Readiness is the
//! caller's affair (epoll, tokio's `AsyncFd`).
//!
//! This is the one crate of the project that calls the operating system's
//! socket interface itself, with the `unsafe` that this takes (under `linux/`).
//! Elsewhere than on Linux, `std::net` serves: one datagram a call, and no
//! packet info, so that the local address of a datagram is the bound one.

mod batch;
mod config;
mod counters;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(any(test, not(target_os = "linux")))]
#[cfg_attr(target_os = "linux", allow(unreachable_pub))] // compiled for its tests only
mod portable;
mod send;
mod transmit;

pub use batch::{Datagram, Datagrams, RecvBatch};
pub use config::SocketConfig;
pub use counters::Counters;
#[cfg(target_os = "linux")]
pub use linux::UdpSocket;
#[cfg(not(target_os = "linux"))]
pub use portable::UdpSocket;
pub use transmit::Transmit;

/// Most messages that one system call takes or gives.
pub const MAX_MESSAGES: usize = 64;

/// Most segments in one GSO send (`UDP_MAX_SEGMENTS` of Linux before 6.9).
pub const MAX_GSO_SEGMENTS: usize = 64;

/// Most bytes in one GSO send: the largest payload of one IPv4 datagram.
pub const MAX_GSO_BYTES: usize = 65_507;
