//! Pictures before they are coded.
//!
//! A [`Converter`] makes a [`Picture`] of what a camera delivers, [`scale()`] makes
//! it smaller, a [`Scene`] knows whether it has anything to do with the one
//! before, and a [`TestPicture`] draws one that carries its own time
//! ([`timecode`]).
//!
//! A crate of its own because it is what costs time for each pixel: packages
//! are built for size, but for this.
#![forbid(unsafe_code)]

mod convert;
mod font;
mod picture;
mod scale;
mod scene;
mod test_picture;
pub mod timecode;

pub use convert::{ConvertError, Converter};
pub use picture::Picture;
pub use scale::{fit, scale};
pub use scene::Scene;
pub use test_picture::{FLASH_US, TestPicture};
