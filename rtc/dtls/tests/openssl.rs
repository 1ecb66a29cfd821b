//! Handshakes with somebody else's DTLS: OpenSSL's, over loopback UDP. The
//! keying material that both export must be the same, and each reads what the
//! other says.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)] // test code

#[allow(dead_code, unreachable_pub)] // shared by the test binaries
mod support;

use std::io::{BufRead, BufReader, Write as _};
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use support::{End, config};
use transom_rtc_dtls::Certificate;
use transom_rtc_proto::port::{DtlsAction, DtlsRole, SrtpProfile};

struct Openssl {
    child: Child,
    printed: Receiver<String>,
    is_server: bool,
    _pem: Pem,
}

/// A certificate with its key in a file, gone when dropped.
struct Pem(std::path::PathBuf);

impl Pem {
    fn write(certificate: &Certificate, name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("transom-{name}-{}.pem", std::process::id()));
        std::fs::write(&path, certificate.to_pem()).unwrap();
        Self(path)
    }
}

impl Drop for Pem {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Openssl {
    fn run(certificate: &Certificate, name: &str, profile: SrtpProfile, args: &[&str]) -> Self {
        let pem = Pem::write(certificate, name);
        let file = pem.0.to_str().unwrap();
        let use_srtp = match profile {
            SrtpProfile::Aes128CmSha1_80 => "SRTP_AES128_CM_SHA1_80",
            SrtpProfile::AeadAes128Gcm => "SRTP_AEAD_AES_128_GCM",
        };
        let export_len = profile.keying_material_len().to_string();
        let mut child = Command::new("openssl")
            .args(args)
            .args([
                "-dtls1_2",
                "-cert",
                file,
                "-key",
                file,
                "-use_srtp",
                use_srtp,
            ])
            .args(["-keymatexport", "EXTRACTOR-dtls_srtp"])
            .args(["-keymatexportlen", &export_len])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl(1) is installed");
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (line, printed) = channel();
        thread::spawn(move || {
            stdout
                .lines()
                .map_while(Result::ok)
                .try_for_each(|l| line.send(l))
        });
        Self {
            child,
            printed,
            is_server: args.first() == Some(&"s_server"),
            _pem: pem,
        }
    }

    /// What follows `label` in the line that it prints with it.
    fn prints(&self, label: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.printed.recv_timeout(left).expect(label);
            if let Some(rest) = line.trim().strip_prefix(label) {
                return rest.to_owned();
            }
        }
    }

    /// The keying material that it exports.
    fn keying_material(&self) -> String {
        self.prints("Keying material: ")
    }
}

impl Drop for Openssl {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Carries datagrams between `end` and the socket until `done`, ten seconds at most.
async fn relay(
    end: &mut End,
    socket: &UdpSocket,
    peer: &mut Option<SocketAddr>,
    done: impl Fn(&End) -> bool,
) {
    let until = Instant::now() + Duration::from_secs(10);
    let mut buf = [0; 2048];
    while Instant::now() < until {
        while let Ok((len, from)) = socket.recv_from(&mut buf) {
            *peer = Some(from);
            end.dtls
                .handle_action(DtlsAction::Datagram(buf[..len].to_vec()));
        }
        for datagram in end.datagrams() {
            if let Some(peer) = peer {
                let _ = socket.send_to(&datagram, *peer);
            }
        }
        if done(end) {
            return;
        }
        end.woken(Duration::from_millis(2)).await;
    }
}

/// Whether the handshake is over, well or not.
fn is_shaken(end: &End) -> bool {
    end.connected().is_some() || end.failed().is_some()
}

/// Says something to each other, both ways, and parts.
async fn talk(
    end: &mut End,
    openssl: &mut Openssl,
    socket: &UdpSocket,
    peer: &mut Option<SocketAddr>,
) {
    let stdin = openssl.child.stdin.as_mut().unwrap();
    stdin.write_all(b"from openssl\n").unwrap();
    stdin.flush().unwrap();
    relay(end, socket, peer, |end| !end.received().is_empty()).await;
    assert_eq!(end.received(), [b"from openssl\n"]);
    for line in [&b"from transom\n"[..], b"and again\n"] {
        end.dtls.handle_action(DtlsAction::Send(line.to_vec()));
    }
    relay(end, socket, peer, |_| true).await;
    openssl.prints("from transom");
    openssl.prints("and again");
    end.dtls.handle_action(DtlsAction::Close);
    assert!(end.dtls.is_finished());
    relay(end, socket, peer, |_| true).await;
    openssl.prints(match openssl.is_server {
        true => "DONE",
        false => "closed",
    });
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02X}")).collect()
}

#[tokio::test]
async fn openssl_as_client() {
    for profile in [SrtpProfile::AeadAes128Gcm, SrtpProfile::Aes128CmSha1_80] {
        let socket = socket();
        let mut server = End::start(config(), DtlsRole::Server);
        let theirs = Certificate::generate().unwrap();
        let at = socket.local_addr().unwrap().to_string();
        let args = ["s_client", "-connect", &at];
        let mut client = Openssl::run(&theirs, "client", profile, &args);
        let mut peer = None;
        relay(&mut server, &socket, &mut peer, is_shaken).await;
        let (chosen, keys, shown) = server.connected().expect("connected");
        assert_eq!((chosen, shown), (profile, theirs.der()));
        assert_eq!(client.keying_material(), hex(keys));
        talk(&mut server, &mut client, &socket, &mut peer).await;
    }
}

#[tokio::test]
async fn openssl_as_server() {
    for profile in [SrtpProfile::AeadAes128Gcm, SrtpProfile::Aes128CmSha1_80] {
        let socket = socket();
        let theirs = Certificate::generate().unwrap();
        let port = UdpSocket::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let accept = format!("127.0.0.1:{port}");
        let args = ["s_server", "-accept", &accept, "-Verify", "1"];
        let mut server = Openssl::run(&theirs, "server", profile, &args);
        server.prints("ACCEPT");
        let mut client = End::start(config(), DtlsRole::Client);
        let mut peer = Some(accept.parse().unwrap());
        relay(&mut client, &socket, &mut peer, is_shaken).await;
        let (chosen, keys, shown) = client.connected().expect("connected");
        assert_eq!((chosen, shown), (profile, theirs.der()));
        assert_eq!(server.keying_material(), hex(keys));
        talk(&mut client, &mut server, &socket, &mut peer).await;
    }
}
