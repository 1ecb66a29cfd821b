//! HTTPS for everybody who is not on this machine: the certificate, made by
//! the first start or given by the configuration, and what is reloaded of it.

mod certificate;
mod files;
mod own;
mod server;

pub use certificate::{Certificate, CertificateError};
pub use files::{CertificateFiles, FilesError, keep_fresh};
pub use own::{Origin, OwnCertificate, OwnCertificateError, host_names};
pub use server::ServerTls;
