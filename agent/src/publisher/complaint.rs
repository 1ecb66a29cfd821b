//! What the log says of a session that is lost: why, where, and the mend.

use std::fmt;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use transom_rtc_tokio::call::CallError;
use transom_rtc_tokio::client::{ClientError, TransportError, Url};

use super::SessionError;

/// A log that is looked at tells within this time what is wrong.
const REMIND: Duration = Duration::from_secs(50);

/// A failure, and what was tried.
pub(super) struct Complaint<'a> {
    pub(super) error: &'a SessionError,
    /// As [`shown`].
    pub(super) url: &'a str,
}

impl Complaint<'_> {
    /// Complains, and waits for `delay`; a long wait is not a silent one.
    pub(super) async fn wait(&self, delay: Duration) {
        let end = Instant::now() + delay;
        tracing::warn!("lost: {self}, retry in {:.1} s", delay.as_secs_f32());
        loop {
            let reminder = Instant::now() + REMIND;
            if reminder >= end {
                return sleep_until(end).await;
            }
            sleep_until(reminder).await;
            let left = end.saturating_duration_since(Instant::now());
            tracing::warn!("still lost: {self}, retry in {:.1} s", left.as_secs_f32());
        }
    }
}

impl fmt::Display for Complaint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)?;
        if let Some(mend) = mend(self.error) {
            write!(f, ": {mend}")?;
        }
        write!(f, " ({})", self.url)
    }
}

/// What a human can do; nothing where waiting is all.
fn mend(error: &SessionError) -> Option<&'static str> {
    const NO_WHIP: &str = "is this a WHIP server?";
    let (SessionError::Whip(error) | SessionError::Call(CallError::Client(error))) = error else {
        return None;
    };
    match error {
        ClientError::Unauthorized { .. } => {
            Some("set TRANSOM_TOKEN or `token` in transom-agent.toml")
        }
        ClientError::Forbidden(_) => Some(
            "set TRANSOM_TOKEN or `token` in transom-agent.toml to a token that may publish this stream",
        ),
        ClientError::NotFound { .. } => Some("is the path that of a WHIP server?"),
        ClientError::Answer(_)
        | ClientError::Unexpected {
            status: 0..=499, ..
        }
        | ClientError::Transport(TransportError::TooLong) => Some(NO_WHIP),
        ClientError::Transport(TransportError::Http(error))
            if error.is_parse() || error.is_incomplete_message() =>
        {
            Some(NO_WHIP)
        }
        ClientError::Transport(TransportError::Connect(_)) => Some("is the server running?"),
        ClientError::Transport(TransportError::Resolve(_)) => {
            Some("check the host's name in `whip`")
        }
        ClientError::Transport(TransportError::Tls(_)) => Some(
            "does the server speak https? a certificate that no public authority signed is trusted by its `fingerprint`: use the link that `transom-sfu link` prints there",
        ),
        _ => None,
    }
}

/// A URL as it may stand in a log: a query may hold a secret.
pub(super) fn shown(url: &Url) -> String {
    let url = url.to_string();
    match url.split_once('?') {
        Some((front, _)) => format!("{front}?.."),
        None => url,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use transom_rtc_tokio::client::Problem;

    fn told(error: ClientError) -> String {
        let url = "http://door/whip/a?key=hush".parse().expect("a URL");
        let complaint = Complaint {
            error: &error.into(),
            url: &shown(&url),
        };
        complaint.to_string()
    }

    #[test]
    fn the_address_is_named_and_its_secrets_are_not() {
        let error = TransportError::Connect(std::io::ErrorKind::ConnectionRefused.into());
        assert_eq!(
            told(error.into()),
            "cannot connect to the server: connection refused: is the server running? (http://door/whip/a?..)"
        );
    }

    #[test]
    fn a_wrong_token_comes_with_the_mend() {
        let text = told(ClientError::Unauthorized {
            token_withheld: false,
            problem: Problem::default(),
        });
        assert!(text.contains("set TRANSOM_TOKEN or `token` in transom-agent.toml"));
    }

    #[test]
    fn another_server_is_doubted() {
        let status = |status| ClientError::Unexpected {
            status,
            problem: Problem::default(),
        };
        assert!(told(status(405)).contains("is this a WHIP server?"));
        assert!(!told(status(500)).contains("is this a WHIP server?"));
    }
}
