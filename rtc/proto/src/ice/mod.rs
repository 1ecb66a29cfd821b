//! Interactive Connectivity Establishment (RFC 8445).

mod agent;
mod candidate;
mod config;
mod credentials;
mod path;

pub use agent::{CandidateDrop, IceAgent, IceEvent, IceStats, IceTransmit, StunDrop};
pub use candidate::{Candidate, CandidateKind, Transport};
pub use config::{IceConfig, IceRole, IceTimers};
pub use credentials::IceCredentials;
pub use path::Path;
