//! Where pictures come from.

pub mod access_unit;
mod beginning;
pub mod camera;
pub mod csi;
pub mod file;
mod font;
pub mod generated;
mod test_picture;
mod thinning;
pub mod timecode;

pub use test_picture::{FLASH_US, TestPicture};
pub use thinning::Thinning;
