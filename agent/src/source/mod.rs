//! Where pictures come from.

pub mod access_unit;
pub mod file;
mod font;
mod test_picture;
pub mod timecode;

pub use test_picture::{FLASH_US, TestPicture};
