//! The keys of the records, from what the handshake agreed on.

use ring::hmac;

/// Bytes of an AES-128 key.
pub(crate) const KEY: usize = 16;
/// Bytes of the implicit part of a nonce (RFC 5288 section 3).
pub(crate) const SALT: usize = 4;

/// `key_block` of RFC 5246 section 6.3 for AES-128-GCM, which has no MAC keys:
/// client key, server key, client salt, server salt.
const KEY_BLOCK: usize = 2 * (KEY + SALT);

const LABEL: &[u8] = b"key expansion";
/// RFC 5246 section 8.1.
const MASTER_SECRET: usize = 48;

/// Key and salt of one direction.
pub(crate) struct RecordKey {
    pub(crate) key: [u8; KEY],
    pub(crate) salt: [u8; SALT],
}

/// What the client seals with, and what the server seals with. `None` for a
/// master secret that is none.
pub(crate) fn expand(
    master_secret: &[u8],
    client_random: &[u8],
    server_random: &[u8],
) -> Option<[RecordKey; 2]> {
    if master_secret.len() != MASTER_SECRET {
        return None;
    }
    let mut seed = LABEL.to_vec();
    seed.extend_from_slice(server_random); // the other way round than everywhere else
    seed.extend_from_slice(client_random);
    let mut block = [0; KEY_BLOCK];
    p_sha256(master_secret, &seed, &mut block);
    let (client_key, rest) = block.split_first_chunk()?;
    let (server_key, rest) = rest.split_first_chunk()?;
    let (client_salt, rest) = rest.split_first_chunk()?;
    let server_salt = rest.first_chunk()?;
    let of = |key: &[u8; KEY], salt: &[u8; SALT]| RecordKey {
        key: *key,
        salt: *salt,
    };
    Some([of(client_key, client_salt), of(server_key, server_salt)])
}

/// `P_SHA256` of RFC 5246 section 5.
fn p_sha256(secret: &[u8], seed: &[u8], out: &mut [u8]) {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let mut a = hmac::sign(&key, seed);
    for chunk in out.chunks_mut(32) {
        let mut mac = hmac::Context::with_key(&key);
        mac.update(a.as_ref());
        mac.update(seed);
        for (to, from) in chunk.iter_mut().zip(mac.sign().as_ref()) {
            *to = *from;
        }
        a = hmac::sign(&key, a.as_ref());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector that implementers of TLS 1.2 compare with: P_SHA256 of this
    /// secret, label and seed.
    #[test]
    fn p_sha256_is_what_others_compute() {
        let secret = hex("9bbe436ba940f017b17652849a71db35");
        let mut seed = b"test label".to_vec();
        seed.extend(hex("a0ba9f936cda311827a6f796ffd5198c"));
        let mut out = [0; 100];
        p_sha256(&secret, &seed, &mut out);
        let expected = hex(concat!(
            "e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a",
            "6b301791e90d35c9c9a46b4e14baf9af0fa022f7077def17abfd3797c0564bab",
            "4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff701",
            "87347b66",
        ));
        assert_eq!(out[..], expected);
    }

    fn hex(text: &str) -> Vec<u8> {
        let digit = |d: u8| (d as char).to_digit(16).unwrap() as u8;
        let pairs = text.as_bytes().chunks(2);
        pairs.map(|p| digit(p[0]) << 4 | digit(p[1])).collect()
    }
}
