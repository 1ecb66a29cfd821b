//! `transom-sfu`: a small WHIP/WHEP SFU for ARM boards.
//!
//! The control plane (HTTP, tokens, the directory of streams) runs on tokio;
//! media runs on a thread of its own, see [`media::api`].

pub mod auth;
pub mod control;
pub mod directory;
pub mod doctor;
pub mod http;
pub mod media;
pub mod metrics;
mod private_file;
pub mod program;
pub mod secrets;
pub mod settings;
#[cfg(test)]
mod test_dir;
pub mod tls;
mod wildcard;
