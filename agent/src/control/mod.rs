//! The agent's side of driving: starts the actuator, keeps it running, and passes messages between it and
//! the data channels.
//!
//! ```text
//! data channels ──► ActuatorLink::send ──► mailbox ──► socket ──► actuator process ──► lines
//! data channels ◄── Reports::recv      ◄── broadcast ◄──┘
//! ```
//!
//! Nothing here decides about motion. A command goes on with the time when it came, so that waiting in here
//! prolongs nothing. Should this process hang, die or be stopped, the actuator stops what
//! moves by itself.

mod arrival;
mod delays;
mod figures;
mod hold;
mod link;
mod mailbox;
mod process;
mod supervisor;

pub use arrival::Arrival;
pub use link::{ActuatorLink, LinkCounters, Outgoing, Reports};
pub use mailbox::Mailbox;
pub(crate) use supervisor::MYSELF;
pub use supervisor::{Control, MayBePowered};
