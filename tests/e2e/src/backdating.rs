//! A TCP relay to a server whose clock it makes a year slow.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;

/// Passes HTTP on, every `Date` of an answer a year back. Its threads end with
/// the test's process.
pub fn backdating_relay(server: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = listener.local_addr().expect("its address");
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            thread::spawn(move || relay(client, server));
        }
    });
    addr
}

fn relay(mut client: TcpStream, server: SocketAddr) {
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
    backdate(&mut answer);
    let _ = client.write_all(&answer);
    let _ = client.shutdown(Shutdown::Both);
}

/// `date: Wed, 25 Nov 2026 ...`: the year is as long as the one before.
fn backdate(answer: &mut [u8]) {
    const MARK: &[u8] = b"\r\ndate: ";
    const DAY: usize = b"Wed, 25 Nov ".len();
    let Some(at) = answer
        .windows(MARK.len())
        .position(|w| w.eq_ignore_ascii_case(MARK))
    else {
        return;
    };
    let year = at + MARK.len() + DAY;
    let Some(digits) = answer.get_mut(year..year + 4) else {
        return;
    };
    let text = std::str::from_utf8(digits).expect("a year");
    let before = text.parse::<u32>().expect("a year") - 1;
    digits.copy_from_slice(before.to_string().as_bytes());
}
