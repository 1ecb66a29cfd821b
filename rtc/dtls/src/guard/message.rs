//! Shape of whole handshake messages (RFC 5246 section 7.4): lengths must fill
//! each other exactly. webrtc-dtls indexes some of them without looking, and
//! panics on a ClientHello whose last extension is cut off.

use transom_rtc_proto::port::{DtlsRole, SrtpProfile};

use crate::guard::reader::Reader;

pub(crate) const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const HELLO_VERIFY_REQUEST: u8 = 3;
const CERTIFICATE: u8 = 11;
const SERVER_KEY_EXCHANGE: u8 = 12;
const CERTIFICATE_REQUEST: u8 = 13;
const SERVER_HELLO_DONE: u8 = 14;
const CERTIFICATE_VERIFY: u8 = 15;
const CLIENT_KEY_EXCHANGE: u8 = 16;

/// RFC 5764 section 4.1.1.
const USE_SRTP: u16 = 14;

/// Whether the peer of an endpoint with `role` may send such a message in epoch 0.
pub(crate) fn is_expected(role: DtlsRole, kind: u8) -> bool {
    match role {
        DtlsRole::Server => matches!(
            kind,
            CLIENT_HELLO | CERTIFICATE | CLIENT_KEY_EXCHANGE | CERTIFICATE_VERIFY
        ),
        DtlsRole::Client => matches!(
            kind,
            SERVER_HELLO
                | HELLO_VERIFY_REQUEST
                | CERTIFICATE
                | SERVER_KEY_EXCHANGE
                | CERTIFICATE_REQUEST
                | SERVER_HELLO_DONE
        ),
    }
}

/// Whether the message holds together.
pub(crate) fn is_well_formed(kind: u8, body: &[u8]) -> bool {
    let mut r = Reader(body);
    let complete = match kind {
        CLIENT_HELLO => client_hello_extensions(&mut r).is_some_and(extensions_are_whole),
        SERVER_HELLO => server_hello_extensions(&mut r).is_some_and(extensions_are_whole),
        HELLO_VERIFY_REQUEST => r.take(2).and_then(|_| r.vec8()).is_some(),
        CERTIFICATE => r.vec24().is_some_and(certificates_are_whole),
        SERVER_KEY_EXCHANGE => server_key_exchange(&mut r).is_some(),
        CERTIFICATE_REQUEST => certificate_request(&mut r).is_some(),
        SERVER_HELLO_DONE => true,
        CERTIFICATE_VERIFY => r.take(2).and_then(|_| r.vec16()).is_some(),
        // An ECDH point; two bytes at least, or webrtc-dtls reads past the end.
        CLIENT_KEY_EXCHANGE => r.vec8().is_some_and(|point| !point.is_empty()),
        _ => false,
    };
    complete && r.is_empty()
}

/// The SRTP profiles that a well-formed ClientHello offers and we know of.
pub(crate) fn offered_profiles(client_hello: &[u8]) -> Vec<SrtpProfile> {
    use_srtp(client_hello).unwrap_or_default()
}

fn use_srtp(client_hello: &[u8]) -> Option<Vec<SrtpProfile>> {
    let mut extensions = client_hello_extensions(&mut Reader(client_hello))?;
    while !extensions.is_empty() {
        let kind = extensions.u16()?;
        let mut body = extensions.vec16()?;
        if kind == USE_SRTP {
            let mut profiles = body.vec16()?;
            let mut known = Vec::new();
            while let Some(profile) = profiles.u16() {
                match profile {
                    0x0001 => known.push(SrtpProfile::Aes128CmSha1_80),
                    0x0007 => known.push(SrtpProfile::AeadAes128Gcm),
                    _ => {}
                }
            }
            return Some(known);
        }
    }
    None
}

/// RFC 6347 section 4.2.1: version, random, session id, cookie, cipher suites,
/// compression methods, extensions. webrtc-dtls misreads a session id that is
/// not empty; nobody who speaks WebRTC resumes sessions.
fn client_hello_extensions<'a>(r: &mut Reader<'a>) -> Option<Reader<'a>> {
    r.take(2 + 32)?;
    let session_id = r.vec8()?;
    let _cookie = r.vec8()?;
    let suites = r.vec16()?;
    let compression = r.vec8()?;
    let sane = session_id.is_empty()
        && !suites.is_empty()
        && suites.len().is_multiple_of(2)
        && !compression.is_empty();
    if sane { r.vec16() } else { None }
}

fn server_hello_extensions<'a>(r: &mut Reader<'a>) -> Option<Reader<'a>> {
    r.take(2 + 32)?;
    let session_id = r.vec8()?;
    r.take(2 + 1)?; // cipher suite, compression method
    if session_id.len() <= 32 {
        r.vec16()
    } else {
        None
    }
}

fn extensions_are_whole(mut extensions: Reader<'_>) -> bool {
    while !extensions.is_empty() {
        if extensions
            .take(2)
            .and_then(|_| extensions.vec16())
            .is_none()
        {
            return false;
        }
    }
    true
}

fn certificates_are_whole(mut list: Reader<'_>) -> bool {
    while !list.is_empty() {
        if list.vec24().is_none_or(|der| der.is_empty()) {
            return false;
        }
    }
    true
}

/// RFC 8422 section 5.4: a named curve, a point, and a signature over both.
fn server_key_exchange(r: &mut Reader<'_>) -> Option<()> {
    r.take(1 + 2)?;
    r.vec8()?;
    r.take(2)?;
    r.vec16().map(|_| ())
}

/// RFC 5246 section 7.4.4.
fn certificate_request(r: &mut Reader<'_>) -> Option<()> {
    r.vec8()?;
    let algorithms = r.vec16()?;
    r.vec16()?;
    algorithms.len().is_multiple_of(2).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client_hello(extensions: &[u8]) -> Vec<u8> {
        let mut out = vec![0xfe, 0xfd];
        out.extend_from_slice(&[7; 32]);
        out.extend_from_slice(&[0, 0, 0, 2, 0xc0, 0x2b, 1, 0]);
        out.extend_from_slice(&(extensions.len() as u16).to_be_bytes());
        out.extend_from_slice(extensions);
        out
    }

    #[test]
    fn reads_use_srtp_in_the_clients_order() {
        // Chromium's: CM_SHA1_80, AES-256-GCM, AES-128-GCM, no MKI.
        let hello = client_hello(&[
            0, 23, 0, 0, 0, 14, 0, 9, 0, 6, 0, 1, 0, 8, 0, 7, 0, 0xff, 1, 0, 1, 0,
        ]);
        assert!(is_well_formed(CLIENT_HELLO, &hello));
        assert_eq!(
            offered_profiles(&hello),
            [SrtpProfile::Aes128CmSha1_80, SrtpProfile::AeadAes128Gcm]
        );
        assert_eq!(offered_profiles(&client_hello(&[0, 23, 0, 0])), []);
    }

    #[test]
    fn extensions_fill_their_field_exactly() {
        for cut_off in [
            &[0][..],
            &[0, 23],
            &[0, 23, 0],
            &[0, 23, 0, 1],
            &[0, 23, 0, 0, 9],
        ] {
            assert!(!is_well_formed(CLIENT_HELLO, &client_hello(cut_off)));
        }
    }

    #[test]
    fn no_prefix_and_no_tail_is_well_formed() {
        let certificate = [0, 0, 5, 0, 0, 2, 0x30, 0];
        let messages: [(u8, Vec<u8>); 6] = [
            (CLIENT_HELLO, client_hello(&[0, 23, 0, 0])),
            (HELLO_VERIFY_REQUEST, vec![0xfe, 0xff, 2, 1, 2]),
            (CERTIFICATE, certificate.to_vec()),
            (SERVER_KEY_EXCHANGE, vec![3, 0, 29, 1, 9, 4, 3, 0, 1, 5]),
            (CERTIFICATE_VERIFY, vec![4, 3, 0, 1, 5]),
            (CLIENT_KEY_EXCHANGE, vec![2, 4, 5]),
        ];
        for (kind, mut body) in messages {
            assert!(is_well_formed(kind, &body), "{kind}");
            for end in 0..body.len() {
                assert!(!is_well_formed(kind, &body[..end]), "{kind} {end}");
            }
            body.push(0);
            assert!(!is_well_formed(kind, &body), "{kind}");
        }
        assert!(!is_well_formed(CERTIFICATE, &[0, 0, 5, 0, 0, 3, 0x30, 0]));
        assert!(!is_well_formed(20, &[0; 12]));
    }
}
