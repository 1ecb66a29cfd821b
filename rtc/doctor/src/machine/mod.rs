//! What Linux tells of the machine, by way of `/proc` and `/sys`. Elsewhere
//! there is nothing to read, and the checks say so.

mod clock;
mod disk;
mod heat;
mod holder;
mod memory;
mod port;

pub use clock::{Skew, clock, skew};
pub use disk::{disk, may_execute, may_write};
pub use heat::heat;
pub use holder::{Holder, Transport, holders_of_file, holders_of_port, list as list_holders};
pub use memory::{available_memory, memory};
pub use port::PortWish;
