//! GPIO lines by the kernel's character devices, on any board.

mod button;
mod lines;
mod output;

pub use button::LineButton;
pub use lines::{ChipLines, LineId, LineUse, Place, list_lines};
pub use output::OutputLine;
