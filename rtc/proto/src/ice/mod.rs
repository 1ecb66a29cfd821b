//! Interactive Connectivity Establishment (RFC 8445).

mod candidate;
mod credentials;
mod path;

pub use candidate::{Candidate, CandidateKind, Transport};
pub use credentials::IceCredentials;
pub use path::Path;
