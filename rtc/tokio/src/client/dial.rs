use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::{TransportError, Url};

/// Most addresses of one name that are tried.
const MAX_ADDRESSES: usize = 8;

/// How long an attempt has the field to itself (RFC 8305 section 8).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Connects to the host of `url`, by whichever of its addresses answers first
/// (RFC 8305): a broken IPv6 route costs a quarter of a second, not a timeout.
pub(super) async fn dial(url: &Url) -> Result<TcpStream, TransportError> {
    let found = lookup_host((url.host(), url.port())).await;
    let mut waiting = by_turns(found.map_err(TransportError::Resolve)?);
    let mut attempts = JoinSet::new();
    let mut last_error = io::Error::from(io::ErrorKind::NotFound);
    loop {
        let Some(addr) = waiting.pop_front() else {
            match attempts.join_next().await {
                Some(Ok(Ok(stream))) => return Ok(stream),
                Some(Ok(Err(e))) => last_error = e,
                Some(Err(_)) => {}
                None => return Err(TransportError::Connect(last_error)),
            }
            continue;
        };
        attempts.spawn(TcpStream::connect(addr));
        tokio::select! {
            Some(result) = attempts.join_next() => match result {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(e)) => last_error = e,
                Err(_) => {}
            },
            () = sleep(ATTEMPT_DELAY), if !waiting.is_empty() => {}
        }
    }
}

/// The addresses with the families taking turns, the first one's first.
fn by_turns(found: impl Iterator<Item = SocketAddr>) -> VecDeque<SocketAddr> {
    let mut first = VecDeque::new();
    let mut second = VecDeque::new();
    for addr in found {
        match first.front() {
            Some(a) if SocketAddr::is_ipv4(a) != addr.is_ipv4() => second.push_back(addr),
            _ => first.push_back(addr),
        }
    }
    let mut merged = VecDeque::new();
    while !first.is_empty() || !second.is_empty() {
        merged.extend(first.pop_front());
        merged.extend(second.pop_front());
    }
    merged.truncate(MAX_ADDRESSES);
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns() {
        let addr = |s: &str| s.parse::<SocketAddr>().unwrap();
        let found = ["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "2.2.2.2:1"].map(addr);
        let expected = ["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "[::3]:1"].map(addr);
        assert_eq!(by_turns(found.into_iter()), expected);
        assert!(by_turns([].into_iter()).is_empty());
        assert_eq!(
            by_turns([expected[0]; 100].into_iter()).len(),
            MAX_ADDRESSES
        );
    }
}
