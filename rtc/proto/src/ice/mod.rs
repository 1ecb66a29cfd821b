//! Interactive Connectivity Establishment (RFC 8445).

mod agent;
mod candidate;
mod checklist;
mod checks;
mod config;
mod consent;
mod credentials;
mod events;
mod full;
mod lite;
mod nomination;
mod pair;
mod path;
mod responder;
#[cfg(test)]
mod tests;

pub use agent::{CandidateDrop, IceAgent, IceEvent, IceStats, IceTransmit, StunDrop};
pub use candidate::{Candidate, CandidateKind, Transport};
pub use config::{IceConfig, IceRole, IceTimers};
pub use credentials::IceCredentials;
pub use path::Path;
