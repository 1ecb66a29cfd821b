use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tower::ServiceExt as _;

use super::ClientAddr;
use super::connections::{Bounds, OpenConnections, Slot};
use super::secure::{self, Secured};
use crate::tls::ServerTls;

/// Where clients come in.
#[derive(Debug)]
pub struct Door {
    /// The socket.
    pub listener: TcpListener,
    /// HTTPS, and nothing but; plain HTTP where there is none.
    pub tls: Option<ServerTls>,
}

/// What connections may cost.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// Most connections of everybody.
    pub total: usize,
    /// Most connections of one address.
    pub per_address: usize,
    /// How long a TLS handshake and the head of a request may take, and a
    /// connection lie idle.
    pub head_timeout: Duration,
}

/// Default of [`ConnectionLimits::head_timeout`]: longer than a page pauses.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Largest head of a request, bytes.
const MAX_HEAD_LEN: usize = 16 * 1024;
/// Most header fields of a request.
const MAX_HEADERS: usize = 64;
/// What open connections get to finish when the program ends.
const FAREWELL: Duration = Duration::from_secs(1);

/// Serves `router` at all `doors` until `stop` becomes true or its sender is
/// gone. The limits are of all doors together.
pub async fn serve(
    doors: Vec<Door>,
    router: Router,
    limits: ConnectionLimits,
    stop: watch::Receiver<bool>,
) {
    let open = Arc::new(OpenConnections::new(Bounds {
        total: limits.total,
        per_address: limits.per_address,
    }));
    let mut attended = tokio::task::JoinSet::new();
    for door in doors {
        let host = Host {
            tls: door.tls,
            router: router.clone(),
            head_timeout: limits.head_timeout,
        };
        attended.spawn(attend(door.listener, host, Arc::clone(&open), stop.clone()));
    }
    while attended.join_next().await.is_some() {}
}

/// Takes in who comes to one door.
async fn attend(
    listener: TcpListener,
    host: Host,
    open: Arc<OpenConnections>,
    mut stop: watch::Receiver<bool>,
) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            () = stopped(&mut stop) => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    let client = peer.ip().to_canonical();
                    // Above the limit the connection is closed unanswered: an
                    // answer would cost what the limit is there to save.
                    let Some(slot) = Slot::take(&open, client) else {
                        tracing::debug!(%client, "too many connections");
                        continue;
                    };
                    let host = host.clone();
                    let stop = stop.clone();
                    connections.spawn(async move {
                        host.receive(stream, client, stop).await;
                        drop(slot);
                    });
                }
                Err(error) => {
                    // Out of file descriptors, most likely: some will close.
                    tracing::warn!(%error, "accept failed");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    let finish = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(FAREWELL, finish).await;
}

/// What every connection of a door is met with.
#[derive(Clone)]
struct Host {
    tls: Option<ServerTls>,
    router: Router,
    head_timeout: Duration,
}

impl Host {
    async fn receive(&self, stream: TcpStream, client: IpAddr, mut stop: watch::Receiver<bool>) {
        let _ = stream.set_nodelay(true);
        let Some(tls) = &self.tls else {
            return self
                .converse(stream, client, self.router.clone(), stop)
                .await;
        };
        let secured = tokio::select! {
            secured = secure::accept(stream, tls, self.head_timeout) => secured,
            () = stopped(&mut stop) => return,
        };
        match secured {
            Ok(Secured::Tls(stream)) => {
                self.converse(stream, client, self.router.clone(), stop)
                    .await;
            }
            Ok(Secured::Plain(stream)) => {
                let hint = secure::hint();
                self.converse(stream, client, hint, stop).await;
            }
            Err(error) => tracing::debug!(%client, %error, "no TLS handshake"),
        }
    }

    /// Answers one connection's requests until it ends.
    async fn converse(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin,
        client: IpAddr,
        router: Router,
        mut stop: watch::Receiver<bool>,
    ) {
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(ClientAddr(client));
            let answer = router.clone().oneshot(request);
            async move { Ok::<_, Infallible>(answer.await.unwrap_or_else(|never| match never {})) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.head_timeout)
            .max_headers(MAX_HEADERS)
            .max_buf_size(MAX_HEAD_LEN)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = stopped(&mut stop) => {
                connection.as_mut().graceful_shutdown();
                connection.as_mut().await
            }
        };
        if let Err(error) = ended {
            tracing::trace!(%client, %error, "connection ended");
        }
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::routing::any;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    async fn start(limits: ConnectionLimits) -> (SocketAddr, watch::Sender<bool>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = watch::channel(false);
        let router = Router::new().route("/", any(|| async { "hello" }));
        let doors = vec![Door {
            listener,
            tls: None,
        }];
        tokio::spawn(serve(doors, router, limits, stopped));
        (address, stop)
    }

    fn limits() -> ConnectionLimits {
        ConnectionLimits {
            total: 8,
            per_address: 2,
            head_timeout: HEAD_TIMEOUT,
        }
    }

    /// All that the server sends until it closes.
    async fn rest(stream: &mut TcpStream) -> String {
        let mut text = String::new();
        // A reset is an end as well.
        let _ = stream.read_to_string(&mut text).await;
        text
    }

    async fn ask(address: SocketAddr) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        let _ = stream.write_all(request).await;
        rest(&mut stream).await
    }

    #[tokio::test]
    async fn responses_carry_their_length() {
        let (address, _stop) = start(limits()).await;
        let answer = ask(address).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.contains("content-length: 5\r\n"), "{answer}");
        assert!(!answer.contains("chunked"), "{answer}");
    }

    #[tokio::test]
    async fn one_address_has_so_many_connections_and_no_more() {
        let (address, _stop) = start(limits()).await;
        let mut first = TcpStream::connect(address).await.unwrap();
        let _second = TcpStream::connect(address).await.unwrap();
        // Served once, it is known to be counted.
        first
            .write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .unwrap();
        let mut answer = [0; 12];
        first.read_exact(&mut answer).await.unwrap();
        assert_eq!(ask(address).await, "", "closed unanswered");
        drop(first);
        let mut answer = String::new();
        for _ in 0..100 {
            answer = ask(address).await;
            if !answer.is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(
            answer.starts_with("HTTP/1.1 200"),
            "its place is free again"
        );
    }

    #[tokio::test]
    async fn a_head_that_dribbles_in_is_cut_off() {
        let head_timeout = Duration::from_millis(100);
        let (address, _stop) = start(ConnectionLimits {
            head_timeout,
            ..limits()
        })
        .await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nx: ").await.unwrap();
        let cut = tokio::time::timeout(Duration::from_secs(10), rest(&mut stream)).await;
        assert!(cut.is_ok());
    }

    #[tokio::test]
    async fn a_head_without_end_is_refused() {
        let (address, _stop) = start(limits()).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let long = format!(
            "GET / HTTP/1.1\r\nx: {}\r\n\r\n",
            "y".repeat(2 * MAX_HEAD_LEN)
        );
        let _ = stream.write_all(long.as_bytes()).await;
        let answer = rest(&mut stream).await;
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 431"),
            "{answer}"
        );
        assert!(
            ask(address).await.starts_with("HTTP/1.1 200"),
            "others are not concerned"
        );
    }

    #[tokio::test]
    async fn idle_connections_do_not_hold_up_the_end() {
        let (address, stop) = start(limits()).await;
        let mut idle = TcpStream::connect(address).await.unwrap();
        idle.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .unwrap();
        idle.read_exact(&mut [0; 12]).await.unwrap();
        stop.send(true).unwrap();
        let ended = tokio::time::timeout(Duration::from_secs(5), rest(&mut idle)).await;
        assert!(ended.is_ok());
        assert!(
            TcpStream::connect(address).await.is_err(),
            "nobody listens any more"
        );
    }
}
