//! HMAC-SHA1 of a packet and its rollover counter, cut to 80 bits (RFC 2104,
//! RFC 3711 section 4.2.1).
//!
//! The `hmac` crate does the same; this one saves its copies of a block buffer,
//! a sixth of what opening a sound packet costs, and takes whole blocks while
//! the next are still being encrypted.

use sha1::Sha1Core;
use sha1::digest::core_api::Buffer;

/// Bytes that SHA-1 takes in at a time.
const BLOCK: usize = 64;
/// Bits of the message length behind the padding, as bytes.
const LENGTH: usize = 8;
/// What SHA-1 starts from (FIPS 180-4 section 5.3.1).
const INITIAL: State = [
    0x6745_2301,
    0xefcd_ab89,
    0x98ba_dcfe,
    0x1032_5476,
    0xc3d2_e1f0,
];

type State = [u32; 5];

/// One direction's authentication key, hashed already.
pub(crate) struct HmacSha1 {
    inner: State,
    outer: State,
}

/// The hash of one packet, so far as it has come.
pub(crate) struct Running<'a> {
    key: &'a HmacSha1,
    state: State,
    /// Bytes hashed, the key's block among them.
    len: usize,
}

impl HmacSha1 {
    /// The key is shorter than a block, so it need not be hashed itself.
    pub(crate) fn new(key: &[u8; 20]) -> Self {
        let keyed = |pad: u8| {
            let mut block = [pad; BLOCK];
            for (byte, key) in block.iter_mut().zip(key) {
                *byte ^= key;
            }
            let mut state = INITIAL;
            sha1::compress(&mut state, &[block.into()]);
            state
        };
        Self {
            inner: keyed(0x36),
            outer: keyed(0x5c),
        }
    }

    pub(crate) fn begin(&self) -> Running<'_> {
        Running {
            key: self,
            state: self.inner,
            len: BLOCK,
        }
    }
}

impl Running<'_> {
    /// Hashes the whole blocks that `bytes` begins with and returns the rest.
    pub(crate) fn blocks<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let (blocks, rest) = bytes.split_at(bytes.len() / BLOCK * BLOCK);
        // A buffer that is empty passes whole blocks on where they stand.
        Buffer::<Sha1Core>::default()
            .digest_blocks(blocks, |blocks| sha1::compress(&mut self.state, blocks));
        self.len += blocks.len();
        rest
    }

    /// Hashes what is left of the packet and the rollover counter.
    pub(crate) fn finish(mut self, bytes: &[u8], rollovers: [u8; 4]) -> [u8; 10] {
        let rest = self.blocks(bytes);
        let mut tail = [0; 2 * BLOCK];
        tail[..rest.len()].copy_from_slice(rest);
        tail[rest.len()..][..4].copy_from_slice(&rollovers);
        tail[rest.len() + 4] = 0x80;
        let used = rest.len() + 4 + 1 + LENGTH;
        let end = used.next_multiple_of(BLOCK);
        let bits = 8 * (self.len + rest.len() + 4) as u64;
        tail[end - LENGTH..end].copy_from_slice(&bits.to_be_bytes());
        self.blocks(&tail[..end]);

        let mut last = [0; BLOCK];
        for (bytes, word) in last.chunks_exact_mut(4).zip(self.state) {
            bytes.copy_from_slice(&word.to_be_bytes());
        }
        last[20] = 0x80;
        let bits = 8 * (BLOCK as u64 + 20);
        last[BLOCK - LENGTH..].copy_from_slice(&bits.to_be_bytes());
        let mut state = self.key.outer;
        sha1::compress(&mut state, &[last.into()]);

        let mut tag = [0; 10];
        for (bytes, word) in tag.chunks_mut(4).zip(state) {
            for (byte, of_word) in bytes.iter_mut().zip(word.to_be_bytes()) {
                *byte = of_word;
            }
        }
        tag
    }
}

#[cfg(test)]
mod tests {
    use hmac::{Hmac, Mac};
    use proptest::prelude::*;
    use sha1::Sha1;

    use super::*;

    /// RFC 2202 section 3, test 1: the message is "Hi There".
    #[test]
    fn hmac_sha1_test_vector() {
        let tag = HmacSha1::new(&[0x0b; 20]).begin().finish(b"Hi T", *b"here");
        assert_eq!(
            tag,
            [0xb6, 0x17, 0x31, 0x86, 0x55, 0x05, 0x72, 0x64, 0xe2, 0x8b]
        );
    }

    #[test]
    fn every_length_hashes_as_the_hmac_crate_hashes_it() {
        let key = [0x17; 20];
        let bytes: Vec<u8> = (0..=255).cycle().take(1600).collect();
        for len in 0..bytes.len() {
            assert_eq!(
                HmacSha1::new(&key).begin().finish(&bytes[..len], [9; 4]),
                theirs(&key, &bytes[..len], [9; 4]),
                "{len}"
            );
        }
    }

    fn theirs(key: &[u8; 20], bytes: &[u8], rollovers: [u8; 4]) -> [u8; 10] {
        let mut mac = <Hmac<Sha1> as Mac>::new_from_slice(key).unwrap();
        mac.update(bytes);
        mac.update(&rollovers);
        *mac.finalize().into_bytes().first_chunk().unwrap()
    }

    proptest! {
        #[test]
        fn pieces_make_the_same_hash(
            key in any::<[u8; 20]>(),
            bytes in prop::collection::vec(any::<u8>(), 0..700),
            rollovers in any::<[u8; 4]>(),
            cuts in prop::collection::vec(0_usize..700, 0..6),
        ) {
            let hmac = HmacSha1::new(&key);
            let mut running = hmac.begin();
            let mut hashed = 0;
            for cut in cuts {
                let end = cut.min(bytes.len()).max(hashed);
                hashed = end - running.blocks(&bytes[hashed..end]).len();
            }
            prop_assert_eq!(
                running.finish(&bytes[hashed..], rollovers),
                theirs(&key, &bytes, rollovers)
            );
        }
    }
}
