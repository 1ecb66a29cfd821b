//! What webrtc-dtls takes for its socket.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::mpsc;
use tokio::time::Instant;
use transom_rtc_proto::port::DtlsEvent;
use webrtc_util::Error;
use webrtc_util::conn::Conn;

use crate::established::Sealed;
use crate::flights::{Flights, LastFlight};
use crate::guard::record::take_record;
use crate::mailbox::Mailbox;

/// Datagrams admitted by the guard that webrtc-dtls has not read; more are dropped.
const MAX_QUEUED: usize = 64;

const ALERT: u8 = 21;

/// The datagrams of one peer: in from the guard, out to the mailbox.
pub(crate) struct Transport {
    mailbox: Arc<Mailbox>,
    began: Instant,
    queue: mpsc::Sender<Vec<u8>>,
    queued: tokio::sync::Mutex<mpsc::Receiver<Vec<u8>>>,
    sent: Mutex<Sent>,
    alert: AtomicBool,
}

/// What webrtc-dtls has sent.
struct Sent {
    flights: Flights,
    sealed: Sealed,
    complete: bool,
}

impl Sent {
    /// Whether a datagram of webrtc-dtls shall leave.
    fn admit(&mut self, now: Duration, datagram: &[u8]) -> bool {
        if self.complete {
            return false; // its number may be another record's already
        }
        let mut rest = datagram;
        while let Some(record) = take_record(&mut rest) {
            if record.epoch == 1 {
                self.sealed.note(&record);
            }
        }
        self.flights.admit(now, datagram)
    }
}

impl Transport {
    pub(crate) fn new(mailbox: Arc<Mailbox>, flight_interval: Duration) -> Self {
        let (queue, queued) = mpsc::channel(MAX_QUEUED);
        Self {
            mailbox,
            began: Instant::now(),
            queue,
            queued: tokio::sync::Mutex::new(queued),
            sent: Mutex::new(Sent {
                flights: Flights::new(flight_interval),
                sealed: Sealed::default(),
                complete: false,
            }),
            alert: AtomicBool::new(false),
        }
    }

    /// Gives webrtc-dtls a datagram that the guard made or admitted.
    pub(crate) fn deliver(&self, datagram: Vec<u8>) {
        self.sent().flights.on_input();
        if self.queue.try_send(datagram).is_err() {
            self.mailbox.count(|s| s.queue_full += 1);
        }
    }

    /// Notes that an alert went in, which ends the connection in good order.
    pub(crate) fn note_alert(&self) {
        self.alert.store(true, Ordering::Relaxed);
    }

    /// Whether an alert went in or out.
    pub(crate) fn saw_alert(&self) -> bool {
        self.alert.load(Ordering::Relaxed)
    }

    /// The handshake is complete: what webrtc-dtls seals from now on leaves no more. Returns
    /// our last flight, and what was sealed until now.
    pub(crate) fn complete(&self) -> (LastFlight, Sealed) {
        let mut sent = self.sent();
        sent.complete = true;
        (sent.flights.take_last(), std::mem::take(&mut sent.sealed))
    }

    fn sent(&self) -> MutexGuard<'_, Sent> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Conn for Transport {
    async fn recv(&self, buf: &mut [u8]) -> Result<usize, Error> {
        // Never an error: webrtc-dtls would come back at once, and for ever.
        loop {
            let Some(datagram) = self.queued.lock().await.recv().await else {
                return std::future::pending().await;
            };
            if let Some(place) = buf.get_mut(..datagram.len()) {
                place.copy_from_slice(&datagram);
                return Ok(datagram.len());
            }
        }
    }

    async fn send(&self, datagram: &[u8]) -> Result<usize, Error> {
        if datagram.first() == Some(&ALERT) {
            self.note_alert();
        }
        if self.sent().admit(self.began.elapsed(), datagram) {
            self.mailbox
                .put_event(DtlsEvent::Datagram(datagram.to_vec()));
        }
        Ok(datagram.len())
    }

    async fn close(&self) -> Result<(), Error> {
        Ok(())
    }

    async fn connect(&self, _addr: SocketAddr) -> Result<(), Error> {
        Err(no_address())
    }

    async fn recv_from(&self, _buf: &mut [u8]) -> Result<(usize, SocketAddr), Error> {
        Err(no_address())
    }

    async fn send_to(&self, _buf: &[u8], _target: SocketAddr) -> Result<usize, Error> {
        Err(no_address())
    }

    fn local_addr(&self) -> Result<SocketAddr, Error> {
        Err(no_address())
    }

    fn remote_addr(&self) -> Option<SocketAddr> {
        None
    }

    fn as_any(&self) -> &(dyn std::any::Any + Send + Sync) {
        self
    }
}

/// Addresses are the core's business: it sends over the selected pair.
fn no_address() -> Error {
    Error::Other("a DTLS transport has no address".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::record::{ContentType, frame};

    #[tokio::test]
    async fn nothing_leaves_once_the_handshake_is_complete() {
        let mailbox = Arc::new(Mailbox::new(Arc::new(|| ())));
        let transport = Transport::new(Arc::clone(&mailbox), Duration::from_millis(100));
        let mut finished = frame(ContentType::Handshake, 6, &[0; 40]);
        finished[4] = 1; // the epoch
        let flight = [frame(ContentType::ChangeCipherSpec, 7, &[1]), finished].concat();
        transport.deliver(vec![]);
        transport.send(&flight).await.unwrap();
        assert_eq!(
            mailbox.take_event(),
            Some(DtlsEvent::Datagram(flight.clone()))
        );
        let (mut last, sealed) = transport.complete();
        assert_eq!(last.repeat(Duration::ZERO), Some(flight.clone()));
        assert_ne!(sealed, Sealed::default());
        transport.send(&flight).await.unwrap();
        assert_eq!(mailbox.take_event(), None);
    }
}
