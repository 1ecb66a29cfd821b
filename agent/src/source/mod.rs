//! Where pictures come from.

pub mod access_unit;
mod beginning;
pub mod camera;
pub mod csi;
pub mod file;
pub mod generated;
mod thinning;

pub use thinning::Thinning;
