//! The agent: captures, encodes and publishes by WHIP.

pub mod actuator;
pub mod backoff;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod convert;
pub mod doctor;
pub mod encode;
pub mod feed;
pub mod logging;
pub mod metrics;
pub mod output;
pub mod picture;
pub mod publish;
pub mod publisher;
pub mod queue;
pub mod rate;
mod regular;
pub mod service;
pub mod signal;
pub mod slot;
pub mod sound;
pub mod source;
pub mod stop;
