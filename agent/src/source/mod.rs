//! Where pictures come from.

pub mod access_unit;
pub mod camera;
pub mod file;
mod font;
pub mod generated;
mod test_picture;
pub mod timecode;

pub use test_picture::{FLASH_US, TestPicture};
