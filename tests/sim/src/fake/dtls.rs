use std::collections::VecDeque;
use std::time::Duration;

use transom_rtc_proto::port::{DtlsAction, DtlsEvent, DtlsRole, SrtpProfile};
use transom_rtc_proto::time::Instant;

use crate::pair::Neighbour;

/// A handshake of two flights, with retransmission, in the shape of DTLS:
/// the client says hello, the server answers, the client's answer to that is
/// its finish. Records begin with 22 so that they are demultiplexed as DTLS is.
#[derive(Debug)]
pub struct FakeDtls {
    certificate: Vec<u8>,
    state: State,
    retransmit_at: Option<Instant>,
    events: VecDeque<DtlsEvent>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Idle,
    /// Client: hello sent.
    Hello,
    /// Server: waits for a hello.
    Listen,
    /// Server: has answered a hello and waits for the finish.
    Answered,
    Connected(DtlsRole),
    Closed,
}

const RECORD: u8 = 22;
const HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const FINISHED: u8 = 3;
const APPLICATION_DATA: u8 = 4;
const RETRANSMIT: Duration = Duration::from_millis(100);

impl Neighbour for FakeDtls {
    fn handle_action(&mut self, now: Instant, action: DtlsAction) {
        match action {
            DtlsAction::Start(DtlsRole::Client) => {
                self.state = State::Hello;
                self.send_flight(now);
            }
            DtlsAction::Start(DtlsRole::Server) => self.state = State::Listen,
            DtlsAction::Datagram(d) => self.on_datagram(now, &d),
            DtlsAction::Send(data) => {
                if matches!(self.state, State::Connected(_)) {
                    let mut record = vec![RECORD, APPLICATION_DATA];
                    record.extend(data);
                    self.events.push_back(DtlsEvent::Datagram(record));
                }
            }
            DtlsAction::Close => {
                self.state = State::Closed;
                self.retransmit_at = None;
            }
        }
    }

    fn poll_event(&mut self) -> Option<DtlsEvent> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.retransmit_at
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.retransmit_at.is_some_and(|at| at <= now) {
            self.send_flight(now);
        }
    }
}

impl FakeDtls {
    /// A neighbour that shows `certificate`.
    pub fn new(certificate: Vec<u8>) -> Self {
        Self {
            certificate,
            state: State::Idle,
            retransmit_at: None,
            events: VecDeque::new(),
        }
    }

    /// Sends what the state says, and again until the state moves on.
    fn send_flight(&mut self, now: Instant) {
        self.retransmit_at = Some(now + RETRANSMIT);
        match self.state {
            State::Hello => self.send(HELLO),
            State::Answered => self.send(SERVER_HELLO),
            _ => self.retransmit_at = None,
        }
    }

    fn send(&mut self, kind: u8) {
        let mut record = vec![RECORD, kind];
        record.extend_from_slice(&self.certificate);
        self.events.push_back(DtlsEvent::Datagram(record));
    }

    fn on_datagram(&mut self, now: Instant, datagram: &[u8]) {
        let [RECORD, kind, certificate @ ..] = datagram else {
            return;
        };
        match (self.state, *kind) {
            (State::Listen | State::Answered, HELLO) => {
                self.state = State::Answered;
                self.send_flight(now);
            }
            (State::Hello, SERVER_HELLO) => {
                self.retransmit_at = None;
                self.send(FINISHED);
                self.connected(DtlsRole::Client, certificate);
            }
            (State::Connected(DtlsRole::Client), SERVER_HELLO) => self.send(FINISHED),
            (State::Connected(_), APPLICATION_DATA) => {
                let data = certificate.to_vec();
                self.events.push_back(DtlsEvent::Received(data));
            }
            (State::Answered, FINISHED) => {
                self.retransmit_at = None;
                self.connected(DtlsRole::Server, certificate);
            }
            _ => {}
        }
    }

    fn connected(&mut self, role: DtlsRole, certificate: &[u8]) {
        self.state = State::Connected(role);
        let profile = SrtpProfile::AeadAes128Gcm;
        #[allow(clippy::cast_possible_truncation)]
        let keying_material = (0..profile.keying_material_len())
            .map(|i| i as u8)
            .collect();
        let certificate = certificate.to_vec();
        self.events.push_back(DtlsEvent::Connected {
            profile,
            keying_material,
            certificate,
        });
    }
}
