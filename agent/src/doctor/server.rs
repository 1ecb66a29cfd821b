//! The way to the server: name, TCP, TLS, HTTP.

use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::time::{Duration, SystemTime};

use transom_rtc_doctor::{Finding, machine};
use transom_rtc_tokio::client::{ClientError, Endpoint, TlsFault, TransportError, Url};

/// A server in the same house answers within milliseconds, one far away within
/// a second; a SYN that is lost is sent again after one.
const CONNECT: Duration = Duration::from_millis(3500);

/// Most addresses of one name that are tried.
const MAX_ADDRESSES: usize = 4;

/// What a server says of itself.
pub(super) struct Greeting {
    /// Its clock.
    pub(super) date: Option<String>,
}

/// The addresses of the server's name.
pub(super) fn resolve(url: &Url) -> (Finding, Option<Vec<SocketAddr>>) {
    let host = url.host();
    let fail = |found| {
        let mend = format!(
            "correct the host in `whip`, or use its IP address; `getent hosts {host}` asks as the agent does, and a name in .local needs `sudo apt install libnss-mdns`"
        );
        (Finding::fail(found, mend), None)
    };
    match (host, url.port()).to_socket_addrs() {
        Err(error) => fail(format!("the name {host} does not resolve: {error}")),
        Ok(found) => {
            let found: Vec<_> = found.take(MAX_ADDRESSES).collect();
            if found.is_empty() {
                return fail(format!("the name {host} has no address"));
            }
            let ips: Vec<_> = found.iter().map(|a| a.ip().to_string()).collect();
            let ok = Finding::ok(format!("{host} is {}", ips.join(", ")));
            (ok, Some(found))
        }
    }
}

/// Whether one of `addresses` takes a connection.
pub(super) fn connect(addresses: &[SocketAddr]) -> (Finding, bool) {
    let mut last = None;
    for addr in addresses {
        match TcpStream::connect_timeout(addr, CONNECT) {
            Ok(_) => return (Finding::ok(format!("{addr} takes connections")), true),
            Err(error) => last = Some((addr, error)),
        }
    }
    let finding = match last {
        Some((addr, error)) => unconnected(addr, &error),
        None => Finding::skipped("there is no address"),
    };
    (finding, false)
}

fn unconnected(addr: &SocketAddr, error: &io::Error) -> Finding {
    let (ip, port) = (addr.ip(), addr.port());
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Finding::fail(
            format!("nobody listens on {addr}"),
            format!(
                "start transom-sfu there, or correct the port in `whip`; `transom-sfu doctor` on that machine says who holds port {port}"
            ),
        ),
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Finding::fail(
            format!("{addr} does not answer"),
            format!(
                "see whether the machine is on (`ping {ip}`) and its firewall lets TCP port {port} in (`sudo ufw allow {port}/tcp`)"
            ),
        ),
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => Finding::fail(
            format!("no way to {addr}: {error}"),
            "see whether this machine is on the network (`ip address`, `ip route`)",
        ),
        _ => Finding::fail(
            format!("cannot connect to {addr}: {error}"),
            "see whether the machine is on and `whip` names the right port",
        ),
    }
}

/// Whether what listens there speaks HTTP, over TLS where `whip` says so.
pub(super) fn greet(endpoint: &Endpoint) -> (Finding, Option<Greeting>) {
    let url = endpoint.url();
    let probed = match super::udp::block_on(endpoint.probe("/healthz")) {
        Ok(probed) => probed,
        Err(error) => return (unanswered(url, &error), None),
    };
    let finding = match probed.status {
        200 => Finding::ok(match url.is_https() {
            true => "it speaks HTTP over TLS, with a certificate that is trusted",
            false => "it speaks HTTP",
        }),
        // Other servers have other paths.
        404 | 405 => Finding::ok("it speaks HTTP; it is not a transom-sfu, or an old one"),
        status @ 500.. => Finding::warn(
            format!("it answers {status}: the proxy or the server behind it is not well"),
            "see the logs of both there; `transom-sfu doctor` on that machine says more",
        ),
        status => Finding::ok(format!("it speaks HTTP (and answers {status} to /healthz)")),
    };
    let greeting = Greeting { date: probed.date };
    (finding, Some(greeting))
}

fn unanswered(url: &Url, error: &ClientError) -> Finding {
    let ClientError::Transport(transport) = error else {
        return Finding::fail(
            error.to_string(),
            "correct `whip`: transom-sfu link prints the right one",
        );
    };
    if let Some(fault) = transport.tls_fault() {
        return Finding::fail(format!("{fault} ({transport})"), mend_tls(fault, url));
    }
    match transport {
        TransportError::Timeout => Finding::fail(
            "it takes the connection and says nothing",
            "see whether `whip` names the right port, and restart the server",
        ),
        TransportError::Http(_) | TransportError::TooLong => Finding::fail(
            format!("what listens there does not speak HTTP as it should ({transport})"),
            "correct the port in `whip`; if the server speaks TLS there, write https://",
        ),
        _ => Finding::fail(
            transport.to_string(),
            "see whether the server runs, and try again",
        ),
    }
}

fn mend_tls(fault: TlsFault, url: &Url) -> String {
    match fault {
        TlsFault::Expired => {
            "renew it on the server (`sudo certbot renew`); if it has been, see whether this machine's clock is right".into()
        }
        TlsFault::NotValidYet => "see whether this machine's clock is right (`date`)".into(),
        TlsFault::WrongName => format!(
            "write the name that the certificate is for into `whip`, or have one issued for {}",
            url.host()
        ),
        TlsFault::UnknownIssuer => {
            "use a certificate that a public authority has signed (Let's Encrypt), its whole chain in the file"
                .into()
        }
        TlsFault::NotPinned => {
            "pair anew with what the server prints now, if it was its owner who changed it".into()
        }
        TlsFault::NotTls => "write http:// into `whip`, or the port on which the server speaks TLS".into(),
        _ => format!("`openssl s_client -connect {}:{}` shows what is said", url.host(), url.port()),
    }
}

/// This machine's clock against the server's.
pub(super) fn compare_clocks(date: &str) -> Finding {
    match machine::skew(SystemTime::now(), date) {
        Some((_, finding)) => finding,
        None => Finding::skipped("the server tells no date"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use transom_rtc_doctor::Verdict;

    #[test]
    fn each_way_of_not_connecting_has_its_mend() {
        let addr = "192.0.2.1:7080".parse().expect("an address");
        let of = |kind: io::ErrorKind| unconnected(&addr, &kind.into());
        let mend = |kind| of(kind).mend.unwrap_or_default();
        assert!(mend(io::ErrorKind::ConnectionRefused).contains("start transom-sfu"));
        assert!(mend(io::ErrorKind::TimedOut).contains("ufw allow 7080/tcp"));
        assert!(mend(io::ErrorKind::NetworkUnreachable).contains("ip route"));
        assert_eq!(of(io::ErrorKind::Other).verdict, Verdict::Fail);
    }

    #[test]
    fn every_tls_fault_has_a_mend() {
        let url = "https://door.example/whip/a".parse().expect("a URL");
        for fault in [
            TlsFault::Expired,
            TlsFault::WrongName,
            TlsFault::UnknownIssuer,
            TlsFault::NotTls,
            TlsFault::Other,
        ] {
            assert!(mend_tls(fault, &url).len() > 20, "{fault}");
        }
    }
}
