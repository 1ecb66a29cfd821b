//! Whether a server's candidates answer: connectivity checks without a peer.
//!
//! A Binding request with the session's credentials (RFC 8445 section 7.2.2) is
//! what an ICE agent answers, a lite one too. No pair is nominated and DTLS
//! never begins, so the server's session stays unconnected: whoever publishes
//! goes on undisturbed.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::Range;
use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};
use transom_rtc_proto::ice::Candidate;
use transom_rtc_proto::sdp::Session;
use transom_rtc_proto::stun::{
    Class, IntegrityKey, Message, MessageWriter, Method, TieBreaker, TransactionId,
};

/// What became of one candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    /// Its address.
    pub addr: SocketAddr,
    /// The time to its authentic answer; `None` where there was none.
    pub rtt: Option<Duration>,
}

/// Between two requests to one address (RFC 8489 section 6.2.1 begins with 500 ms).
const RETRANSMIT: Duration = Duration::from_millis(250);

/// Once one has answered, the others of its family get this long.
const GRACE: Duration = Duration::from_millis(500);

/// Longest STUN message looked at, bytes.
const MAX_MESSAGE: usize = 1500;

/// Asks every candidate of `negotiated`'s other end, all at once, for `bound` at most.
///
/// # Errors
/// Where no socket can be opened, or there is no randomness.
pub async fn reach(negotiated: &Session, bound: Duration) -> io::Result<Vec<Reached>> {
    let deadline = Instant::now() + bound;
    let request = Request::new(negotiated)?;
    let (v4, v6): (Vec<_>, Vec<_>) = negotiated
        .remote_candidates
        .iter()
        .map(|c| c.addr)
        .partition(SocketAddr::is_ipv4);
    let (v4, v6) = tokio::join!(
        request.ask((Ipv4Addr::UNSPECIFIED, 0).into(), &v4, 0, deadline),
        request.ask((Ipv6Addr::UNSPECIFIED, 0).into(), &v6, v4.len(), deadline),
    );
    let mut reached = v4?;
    // A system without IPv6 reaches nothing by it.
    reached.extend(v6.unwrap_or_default());
    Ok(reached)
}

struct Request {
    username: String,
    key: IntegrityKey,
    tie_breaker: u64,
    /// The id of a request is this, the candidate's place added to its first
    /// octet: an agent that sees an id from two addresses takes one for a replay.
    id: [u8; 12],
}

impl Request {
    fn new(negotiated: &Session) -> io::Result<Self> {
        let mut random = [0; 20];
        SystemRandom::new()
            .fill(&mut random)
            .map_err(|_| io::Error::other("the system gives no random numbers"))?;
        let (id, tie_breaker) = random.split_at(12);
        let (local, remote) = (&negotiated.local_ice, &negotiated.remote_ice);
        Ok(Self {
            // RFC 8445 section 7.2.2: the receiver's fragment first.
            username: format!("{}:{}", remote.ufrag(), local.ufrag()),
            key: IntegrityKey::new(remote.pwd().as_bytes()),
            id: id.try_into().unwrap_or_default(),
            tie_breaker: u64::from_be_bytes(tie_breaker.try_into().unwrap_or_default()),
        })
    }

    fn id(&self, place: usize) -> TransactionId {
        let mut id = self.id;
        id[0] = id[0].wrapping_add(u8::try_from(place).unwrap_or(u8::MAX));
        TransactionId(id)
    }

    fn emit(&self, place: usize, addr: SocketAddr) -> Vec<u8> {
        let mut buf = Vec::new();
        let mut writer =
            MessageWriter::new(&mut buf, Class::Request, Method::BINDING, self.id(place));
        writer.username(&self.username);
        writer.priority(Candidate::host(addr, u16::MAX).priority);
        writer.tie_breaker(TieBreaker::Controlling(self.tie_breaker));
        writer.finish(Some(&self.key));
        buf
    }

    /// Which of the `places` an answer is from. Its source does not matter: the
    /// id tells, and the key proves.
    fn place_of(&self, datagram: &[u8], places: Range<usize>) -> Option<usize> {
        let message = Message::parse(datagram).ok()?;
        if message.class() != Class::Success || message.verify_integrity(&self.key).is_err() {
            return None;
        }
        let mut places = places;
        places.find(|place| self.id(*place) == message.transaction_id())
    }

    /// Asks `candidates`, the first of which has the place `first`.
    async fn ask(
        &self,
        local: SocketAddr,
        candidates: &[SocketAddr],
        first: usize,
        mut deadline: Instant,
    ) -> io::Result<Vec<Reached>> {
        let addrs = candidates.iter().copied();
        let mut reached: Vec<_> = addrs.map(|addr| Reached { addr, rtt: None }).collect();
        if candidates.is_empty() {
            return Ok(reached);
        }
        let socket = UdpSocket::bind(local).await?;
        let began = Instant::now();
        let places = first..first + reached.len();
        let mut buf = [0; MAX_MESSAGE];
        while reached.iter().any(|r| r.rtt.is_none()) && Instant::now() < deadline {
            for (place, missing) in places.clone().zip(&reached) {
                if missing.rtt.is_none() {
                    let request = self.emit(place, missing.addr);
                    // No route to one of them is no reason to leave out the others.
                    let _ = socket.send_to(&request, missing.addr).await;
                }
            }
            let next = (Instant::now() + RETRANSMIT).min(deadline);
            while let Ok(received) = timeout_at(next, socket.recv_from(&mut buf)).await {
                let Ok((len, _)) = received else { continue };
                let datagram = buf.get(..len).unwrap_or_default();
                let place = self.place_of(datagram, places.clone());
                if let Some(answered) = place.and_then(|place| reached.get_mut(place - first)) {
                    answered.rtt.get_or_insert(began.elapsed());
                    deadline = deadline.min(Instant::now() + GRACE);
                }
                if reached.iter().all(|r| r.rtt.is_some()) {
                    break;
                }
            }
        }
        Ok(reached)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn request() -> Request {
        Request {
            username: "server:client".into(),
            key: IntegrityKey::new(b"the server's password"),
            tie_breaker: 7,
            id: [250; 12],
        }
    }

    /// Answers one request, sealed with `key`.
    async fn answer_one(socket: UdpSocket, key: &'static [u8]) -> String {
        let mut buf = [0; MAX_MESSAGE];
        let (len, from) = socket.recv_from(&mut buf).await.unwrap();
        let message = Message::parse(&buf[..len]).unwrap();
        message.verify_integrity(&request().key).unwrap();
        let mut out = Vec::new();
        let id = message.transaction_id();
        let mut writer = MessageWriter::new(&mut out, Class::Success, Method::BINDING, id);
        writer.xor_mapped_address(from);
        writer.finish(Some(&IntegrityKey::new(key)));
        socket.send_to(&out, from).await.unwrap();
        message.username().unwrap().to_owned()
    }

    async fn ask(key: &'static [u8]) -> (Reached, Reached) {
        let local = || (Ipv4Addr::LOCALHOST, 0);
        let (server, silent) = (
            UdpSocket::bind(local()).await,
            UdpSocket::bind(local()).await,
        );
        let (server, silent) = (server.unwrap(), silent.unwrap());
        let candidates = [silent.local_addr().unwrap(), server.local_addr().unwrap()];
        let answering = tokio::spawn(answer_one(server, key));
        let deadline = Instant::now() + Duration::from_millis(600);
        let any = (Ipv4Addr::UNSPECIFIED, 0).into();
        let reached = request().ask(any, &candidates, 10, deadline).await.unwrap();
        assert_eq!(answering.await.unwrap(), "server:client");
        (reached[0], reached[1])
    }

    #[tokio::test]
    async fn who_answers_is_reached_and_who_does_not_is_not() {
        let (silent, server) = ask(b"the server's password").await;
        assert_eq!(silent.rtt, None);
        assert!(server.rtt.is_some());
    }

    #[tokio::test]
    async fn an_answer_that_is_not_authentic_does_not_count() {
        let (_, server) = ask(b"somebody else's password").await;
        assert_eq!(server.rtt, None);
    }

    #[test]
    fn no_two_candidates_have_one_id() {
        let ids: HashSet<_> = (0..64).map(|place| request().id(place).0).collect();
        assert_eq!(ids.len(), 64);
    }
}
