use std::collections::HashMap;
use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tower::ServiceExt as _;

use super::ClientAddr;

/// How many connections there may be.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// Of everybody.
    pub total: usize,
    /// Of one address.
    pub per_address: usize,
}

/// How long the head of a request may take, and a connection lie idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Largest head of a request, bytes.
const MAX_HEAD_LEN: usize = 16 * 1024;
/// Most header fields of a request.
const MAX_HEADERS: usize = 64;
/// What open connections get to finish when the program ends.
const FAREWELL: Duration = Duration::from_secs(1);

/// Serves `router` until `stop` becomes true or its sender is gone.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: ConnectionLimits,
    mut stop: watch::Receiver<bool>,
) {
    let open = Arc::new(OpenConnections {
        limits,
        by_address: Mutex::default(),
    });
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
                    let router = router.clone();
                    let stop = stop.clone();
                    connections.spawn(async move {
                        connection(stream, client, router, stop).await;
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

async fn connection(
    stream: TcpStream,
    client: IpAddr,
    router: Router,
    mut stop: watch::Receiver<bool>,
) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ClientAddr(client));
        let answer = router.clone().oneshot(request);
        async move { Ok::<_, Infallible>(answer.await.unwrap_or_else(|never| match never {})) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
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

async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

struct OpenConnections {
    limits: ConnectionLimits,
    by_address: Mutex<HashMap<IpAddr, usize>>,
}

/// One open connection's place.
struct Slot {
    open: Arc<OpenConnections>,
    client: IpAddr,
}

impl Slot {
    fn take(open: &Arc<OpenConnections>, client: IpAddr) -> Option<Self> {
        let mut by_address = open
            .by_address
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let total: usize = by_address.values().sum();
        let mine = by_address.get(&client).copied().unwrap_or(0);
        if total >= open.limits.total || mine >= open.limits.per_address {
            return None;
        }
        by_address.insert(client, mine + 1);
        Some(Self {
            open: Arc::clone(open),
            client,
        })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut by_address = self
            .open
            .by_address
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(mine) = by_address.get_mut(&self.client) {
            *mine -= 1;
            if *mine == 0 {
                by_address.remove(&self.client);
            }
        }
    }
}
