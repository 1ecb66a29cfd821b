//! The client of WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep): both are an
//! offer posted, an answer with a session's address taken, and a session
//! deleted; which of the two it is only the URL and the offer say.
//!
//! ```no_run
//! # use transom_rtc_tokio::client::{ClientError, Endpoint, EndpointConfig};
//! # async fn publish(offer: &str) -> Result<(), Box<dyn std::error::Error>> {
//! let config = EndpointConfig::new("http://127.0.0.1:7080/whip/door", Some("secret"));
//! let endpoint = Endpoint::new(config)?;
//! let opened = endpoint.open(offer).await?;
//! // ... opened.answer goes to the peer ...
//! opened.session.check().await?;
//! opened.session.close().await?;
//! # Ok(()) }
//! ```
//!
//! # What it keeps to
//!
//! - The bearer token (RFC 6750) goes to the origin of the configured URL and
//!   to no other: neither along a redirect nor to a session elsewhere.
//! - 307 and 308 are followed with method and body kept, five times at most,
//!   and never from https to http. Other redirects are errors (RFC 9725 section 4.5).
//! - Over https a server is known by public authorities, or by the fingerprint
//!   of its certificate alone ([`Trust`]), which a [`PairingLink`] carries.
//! - Every exchange has a time limit and takes at most 64 KiB of response.
//! - One connection an exchange: they are minutes apart.
//! - Bodies of errors are read as problem+json (RFC 9457); their detail is for humans.
//!
//! # What it leaves out
//!
//! Trickle and ICE restart (PATCH), `Link` headers with ICE servers, and
//! WHEP's counter-offer (406). An HTTP date in `Retry-After` is passed over,
//! as the boards this runs on may not know the date.

mod backoff;
mod dial;
mod endpoint;
mod error;
mod exchange;
mod fingerprint;
mod pairing;
mod probe;
mod problem;
mod session;
mod tls_fault;
mod trust;
mod url;

pub use backoff::{Backoff, BackoffConfig};
pub use endpoint::{Endpoint, EndpointConfig, EndpointError, Opened};
pub use error::{AnswerError, ClientError, RedirectError, Retry, TransportError};
pub use fingerprint::{CertificateFingerprint, FingerprintError};
pub use pairing::{PairingError, PairingLink};
pub use probe::Probed;
pub use problem::Problem;
pub use session::Session;
pub use tls_fault::TlsFault;
pub use trust::{PinMismatch, Trust};
pub use url::{Url, UrlError};
