//! HTTP to the server by way of us, so that media goes through a [`Cable`](crate::Cable).

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;

/// Passes requests on and, in every answer, names `media` as the server's only candidate. Where it listens. Its
/// threads end with the process.
pub fn detour(server: SocketAddr, media: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = listener.local_addr().expect("its address");
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            thread::spawn(move || pass(client, server, media));
        }
    });
    addr
}

fn pass(mut client: TcpStream, server: SocketAddr, media: SocketAddr) {
    let (Ok(mut upstream), Ok(mut from_client)) = (TcpStream::connect(server), client.try_clone())
    else {
        return;
    };
    let Ok(mut to_server) = upstream.try_clone() else {
        return;
    };
    thread::spawn(move || std::io::copy(&mut from_client, &mut to_server));
    // The clients here ask for the connection to be closed after the answer.
    let mut answer = Vec::new();
    let _ = upstream.read_to_end(&mut answer);
    let _ = client.write_all(&redirected(&answer, media));
    let _ = client.shutdown(Shutdown::Both);
}

/// The answer with other candidates, if it is one with an SDP in it.
fn redirected(answer: &[u8], media: SocketAddr) -> Vec<u8> {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return answer.to_vec();
    };
    if !body.contains("a=candidate:") {
        return answer.to_vec();
    }
    let mut sdp = String::new();
    let mut named = false;
    for line in body.split_inclusive('\n') {
        let Some(candidate) = line.strip_prefix("a=candidate:") else {
            // Each section begins anew.
            named &= !line.starts_with("m=");
            sdp.push_str(line);
            continue;
        };
        let words: Vec<&str> = candidate.split_whitespace().collect();
        let is_ipv4 = words.get(4).is_some_and(|address| !address.contains(':'));
        if let [foundation, component, transport, priority, _, _, more @ ..] = &words[..]
            && is_ipv4
            && !named
        {
            named = true;
            let (ip, port) = (media.ip(), media.port());
            let more = more.join(" ");
            sdp.push_str(&format!(
                "a=candidate:{foundation} {component} {transport} {priority} {ip} {port} {more}\r\n"
            ));
        }
    }
    let is_length = |line: &&str| {
        let name = line.split(':').next().unwrap_or_default();
        name.eq_ignore_ascii_case("content-length")
    };
    let head: Vec<&str> = head.split("\r\n").filter(|line| !is_length(line)).collect();
    let head = head.join("\r\n");
    format!("{head}\r\ncontent-length: {}\r\n\r\n{sdp}", sdp.len()).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_candidate_a_section_is_ours() {
        let answer = "HTTP/1.1 201 Created\r\nContent-Length: 99\r\nlocation: /whip/x/1\r\n\r\nv=0\r\nm=video 9 X 96\r\na=candidate:1 1 udp 2130706431 192.0.2.1 7000 typ host\r\na=candidate:2 1 udp 1 127.0.0.1 7000 typ host\r\na=mid:0\r\n";
        let media = SocketAddr::from(([127, 0, 0, 1], 9999));
        let answer = String::from_utf8(redirected(answer.as_bytes(), media)).expect("text");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a body");
        assert_eq!(
            body,
            "v=0\r\nm=video 9 X 96\r\na=candidate:1 1 udp 2130706431 127.0.0.1 9999 typ host\r\na=mid:0\r\n"
        );
        assert!(
            head.ends_with(&format!("content-length: {}", body.len())),
            "{head}"
        );
        assert_eq!(
            redirected(b"HTTP/1.1 204 No\r\n\r\n", media),
            b"HTTP/1.1 204 No\r\n\r\n"
        );
    }
}
