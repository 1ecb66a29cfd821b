//! XOR-MAPPED-ADDRESS (RFC 8489 section 14.2).
//!
//! ```text
//! +---------------+---------------+-------------------------------+
//! |  reserved     | family 1 or 2 | port ^ magic cookie's top     |
//! +---------------+---------------+-------------------------------+
//! |  address ^ (magic cookie, transaction id), 4 or 16 bytes      |
//! ```

use core::net::{IpAddr, SocketAddr};

use super::{COOKIE, TransactionId};

const IPV4: u8 = 1;
const IPV6: u8 = 2;

/// The value and its length.
pub(super) fn emit(addr: SocketAddr, id: TransactionId) -> ([u8; 20], usize) {
    let mut value = [0; 20];
    let pad = pad(id);
    let port = addr.port().to_be_bytes();
    value[2] = port[0] ^ pad[0];
    value[3] = port[1] ^ pad[1];
    match addr.ip().to_canonical() {
        IpAddr::V4(ip) => {
            value[1] = IPV4;
            xor(&mut value[4..8], &ip.octets(), &pad);
            (value, 8)
        }
        IpAddr::V6(ip) => {
            value[1] = IPV6;
            xor(&mut value[4..], &ip.octets(), &pad);
            (value, 20)
        }
    }
}

pub(super) fn parse(value: &[u8], id: TransactionId) -> Option<SocketAddr> {
    let (&[_, family, p0, p1], address) = value.split_first_chunk::<4>()?;
    let pad = pad(id);
    let port = u16::from_be_bytes([p0 ^ pad[0], p1 ^ pad[1]]);
    let ip = match family {
        IPV4 => {
            let mut ip = [0; 4];
            xor(&mut ip, <&[u8; 4]>::try_from(address).ok()?, &pad);
            IpAddr::from(ip)
        }
        IPV6 => {
            let mut ip = [0; 16];
            xor(&mut ip, <&[u8; 16]>::try_from(address).ok()?, &pad);
            IpAddr::from(ip)
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

fn pad(id: TransactionId) -> [u8; 16] {
    let mut pad = [0; 16];
    pad[..4].copy_from_slice(&COOKIE);
    pad[4..].copy_from_slice(&id.0);
    pad
}

fn xor(out: &mut [u8], plain: &[u8], pad: &[u8; 16]) {
    for ((out, plain), pad) in out.iter_mut().zip(plain).zip(pad) {
        *out = plain ^ pad;
    }
}
