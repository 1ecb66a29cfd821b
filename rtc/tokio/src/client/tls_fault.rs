use std::fmt;
use std::io;

use tokio_rustls::rustls::{AlertDescription, CertificateError, Error};

use super::TransportError;

/// What kept a TLS handshake from coming through, for a human.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsFault {
    /// The certificate's last day is over.
    Expired,
    /// Its first day has not come.
    NotValidYet,
    /// It is for another name.
    WrongName,
    /// No authority that is trusted has signed it.
    UnknownIssuer,
    /// It is not the one that was pinned.
    NotPinned,
    /// What answered does not speak TLS.
    NotTls,
    /// The server ended the handshake.
    Refused,
    /// Anything else.
    Other,
}

impl TransportError {
    /// What was wrong with TLS, if that was it.
    pub fn tls_fault(&self) -> Option<TlsFault> {
        match self {
            Self::Tls(error) => Some(TlsFault::of(error)),
            Self::Pin(_) => Some(TlsFault::NotPinned),
            _ => None,
        }
    }
}

impl TlsFault {
    fn of(error: &io::Error) -> Self {
        let inner = error.get_ref().and_then(|e| e.downcast_ref::<Error>());
        match inner {
            Some(Error::InvalidCertificate(error)) => Self::of_certificate(error),
            Some(Error::InvalidMessage(_)) => Self::NotTls,
            Some(Error::AlertReceived(AlertDescription::UnrecognisedName)) => Self::WrongName,
            Some(Error::AlertReceived(_)) => Self::Refused,
            None if error.kind() == io::ErrorKind::UnexpectedEof => Self::NotTls,
            _ => Self::Other,
        }
    }

    fn of_certificate(error: &CertificateError) -> Self {
        use CertificateError as E;
        match error {
            E::Expired | E::ExpiredContext { .. } => Self::Expired,
            E::NotValidYet | E::NotValidYetContext { .. } => Self::NotValidYet,
            E::NotValidForName | E::NotValidForNameContext { .. } => Self::WrongName,
            E::UnknownIssuer => Self::UnknownIssuer,
            E::ApplicationVerificationFailure => Self::NotPinned,
            _ => Self::Other,
        }
    }
}

impl fmt::Display for TlsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Expired => "the server's certificate has expired",
            Self::NotValidYet => "the server's certificate is not valid yet",
            Self::WrongName => "the server's certificate is for another name",
            Self::UnknownIssuer => {
                "the server's certificate is signed by no authority that is trusted"
            }
            Self::NotPinned => "the server's certificate is not the one that was pinned",
            Self::NotTls => "what answers there does not speak TLS",
            Self::Refused => "the server ends the TLS handshake",
            Self::Other => "the TLS handshake fails",
        })
    }
}
