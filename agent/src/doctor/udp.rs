//! Whether media would get through: a trial session that never connects.

use std::time::Duration;

use transom_rtc_doctor::Finding;
use transom_rtc_proto::sdp::{Codec, Direction, MediaKind, ProfileLevelId};
use transom_rtc_tokio::address::AddressPolicy;
use transom_rtc_tokio::call::{CallConfig, CallError, CallTrack, place};
use transom_rtc_tokio::client::{ClientError, Endpoint, Session, UrlError};
use transom_rtc_tokio::reach::{Reached, reach};

use super::token::Ground;

/// A dozen requests: not all of them are lost on a path that media could use.
const ASK: Duration = Duration::from_secs(3);

/// A goodbye takes at most this long.
const GOODBYE: Duration = Duration::from_millis(1500);

/// Runs a future of the client's to its end, on a runtime of its own.
pub(super) fn block_on<T>(
    future: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, ClientError> {
    with_runtime(future).unwrap_or_else(|error| {
        use transom_rtc_tokio::client::TransportError;
        Err(TransportError::Connect(error).into())
    })
}

fn with_runtime<T>(future: impl Future<Output = T>) -> std::io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    Ok(runtime.block_on(future))
}

/// Opens a session, asks the server's candidates, and ends the session. It has
/// a stream of its own where the token allows that; on the configured one, it
/// displaces nobody who is connected, as it never connects itself. With the
/// shortest round trip, where there is one.
pub(super) fn examine(endpoint: &Endpoint, ground: Ground) -> (Finding, Option<Duration>) {
    with_runtime(trial(endpoint, ground)).unwrap_or_else(|error| {
        let found = format!("no runtime to look with: {error}");
        (
            Finding::fail(found, "raise the limit of open files (ulimit -n)"),
            None,
        )
    })
}

async fn trial(endpoint: &Endpoint, ground: Ground) -> (Finding, Option<Duration>) {
    let endpoint = match ground {
        Ground::Everywhere => beside(endpoint).unwrap_or_else(|_| endpoint.clone()),
        Ground::Here => endpoint.clone(),
    };
    let call = CallConfig {
        endpoint,
        addresses: AddressPolicy::default(),
        tracks: vec![CallTrack {
            kind: MediaKind::Video,
            codecs: vec![Codec::H264 {
                profile_level_id: ProfileLevelId::CONSTRAINED_BASELINE_31,
                packetization_mode: 1,
            }],
            direction: Direction::Send,
        }],
        data_channels: false,
    };
    let answered = match place(&call).await {
        Ok(answered) => answered,
        Err(error) => return (uncalled(&error), None),
    };
    let reached = reach(&answered.negotiated, ASK).await;
    end(&answered.session).await;
    match reached {
        Ok(reached) => {
            let round_trip = reached.iter().filter_map(|r| r.rtt).min();
            (judge(&reached), round_trip)
        }
        Err(error) => {
            let found = format!("no UDP socket can be opened here: {error}");
            let mend = "see whether a firewall or container on this machine forbids UDP";
            (Finding::fail(found, mend), None)
        }
    }
}

/// That it is gone already is as good, and a server that does not answer now
/// ends it by itself.
async fn end(session: &Session) {
    let _ = tokio::time::timeout(GOODBYE, session.close()).await;
}

/// A stream that nobody has: the process and the time tell trials apart.
fn beside(endpoint: &Endpoint) -> Result<Endpoint, UrlError> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.unwrap_or_default().subsec_nanos();
    endpoint.beside(&format!("doctor-{}-{now:x}", std::process::id()))
}

fn judge(reached: &[Reached]) -> Finding {
    let silent: Vec<_> = reached.iter().filter(|r| r.rtt.is_none()).collect();
    let answered = reached.iter().filter_map(|r| Some((r.addr, r.rtt?)));
    let answered: Vec<String> = answered
        .map(|(addr, rtt)| format!("{addr} after {:.1} ms", rtt.as_secs_f64() * 1e3))
        .collect();
    let listed: Vec<String> = silent.iter().map(|r| r.addr.to_string()).collect();
    if !answered.is_empty() {
        let others = match listed.is_empty() {
            true => String::new(),
            false => format!(" (not: {})", listed.join(", ")),
        };
        return Finding::ok(format!("it answers on {}{others}", answered.join(", ")));
    }
    match silent.first() {
        Some(first) => Finding::fail(
            format!(
                "HTTP works, but no UDP comes back from {}",
                listed.join(", ")
            ),
            format!(
                "let UDP port {0} through on the server and on the way (`sudo ufw allow {0}/udp`); if these addresses are not how it is reached from here, name the right one there with --advertise",
                first.addr.port()
            ),
        ),
        None => Finding::fail(
            "the server names no address that media could go to",
            "set `advertise` in transom-sfu.toml; `transom-sfu doctor` there says more",
        ),
    }
}

fn uncalled(error: &CallError) -> Finding {
    let client = match error {
        CallError::Client(client) => client,
        CallError::NoAddress => {
            return Finding::fail(
                "no address of this machine can be offered",
                "bring its network up: `ip address` shows it; bridges of containers do not count",
            );
        }
        other => {
            return Finding::fail(other.to_string(), "see --log debug of the agent for more");
        }
    };
    let mend = match client {
        ClientError::Forbidden(_) | ClientError::Unauthorized { .. } => {
            "use a token that may publish this stream: its `streams` stand in transom-sfu.toml"
        }
        ClientError::TooMany { .. } => {
            "try again in a minute; if it stays so, raise `[limits]` there"
        }
        ClientError::NotFound { .. } => "correct the path in `whip`: transom-sfu has /whip/NAME",
        _ => "`transom-sfu doctor` on the server, and its log, say more",
    };
    Finding::fail(format!("no trial session: {client}"), mend)
}

#[cfg(test)]
mod tests {
    use super::*;
    use transom_rtc_doctor::Verdict;

    #[test]
    fn one_way_is_enough_and_none_names_the_port() {
        let addr = |text: &str| text.parse().expect("an address");
        let silent = Reached {
            addr: addr("192.0.2.1:7082"),
            rtt: None,
        };
        let answers = Reached {
            addr: addr("[::1]:7082"),
            rtt: Some(Duration::from_millis(2)),
        };
        let good = judge(&[silent, answers]);
        assert_eq!(good.verdict, Verdict::Ok);
        assert!(
            good.found.contains("2.0 ms (not: 192.0.2.1:7082)"),
            "{good:?}"
        );
        let bad = judge(&[silent]);
        assert_eq!(bad.verdict, Verdict::Fail);
        assert!(bad.mend.is_some_and(|m| m.contains("ufw allow 7082/udp")));
        assert_eq!(judge(&[]).verdict, Verdict::Fail);
    }
}
