//! Each (key, SSRC, index) is sealed once: a second time costs GCM its
//! authenticity and counter mode both texts.

use transom_rtc_proto::id::{SeqNo, Ssrc};
use transom_rtc_proto::port::SrtpError;

use crate::window::{RtpWindow, guess};

/// The right to seal one packet. No two are alike under one key: there is no
/// copying one, [`Claims::next`] alone makes them, and sealing spends them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    ssrc: Ssrc,
    index: u64,
}

/// What of a source was claimed. It lives as long as the key.
pub(crate) struct Claims {
    ssrc: Ssrc,
    claimed: RtpWindow,
}

impl Claims {
    pub(crate) fn new(ssrc: Ssrc) -> Self {
        Self {
            ssrc,
            claimed: RtpWindow::default(),
        }
    }

    pub(crate) fn ssrc(&self) -> Ssrc {
        self.ssrc
    }

    /// Claims the index that a receiver will take `seq` for. One that cannot
    /// be told from a claimed one counts as claimed; whatever becomes of the
    /// packet, it stays so.
    pub(crate) fn next(&mut self, seq: SeqNo) -> Result<Claim, SrtpError> {
        let index = guess(&self.claimed, seq).ok_or(SrtpError::IndexReused)?;
        if !self.claimed.is_new(index) {
            return Err(SrtpError::IndexReused);
        }
        self.claimed.note(index);
        Ok(Claim {
            ssrc: self.ssrc,
            index,
        })
    }
}

impl Claim {
    pub(crate) fn ssrc(&self) -> Ssrc {
        self.ssrc
    }

    /// 48 bits: the rollover counter and the sequence number.
    pub(crate) fn index(&self) -> u64 {
        self.index
    }

    /// For test vectors, which say what the index is.
    #[cfg(test)]
    pub(crate) fn of(ssrc: Ssrc, index: u64) -> Self {
        Self { ssrc, index }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Any walk: steps, repeats, jumps and falls, round after round.
        #[test]
        fn no_index_is_claimed_twice(
            first in any::<u16>(),
            steps in prop::collection::vec(prop_oneof![
                8 => -3_i32..6,
                4 => -1100_i32..1100,
                2 => 20_000_i32..32_000,
                1 => any::<i32>(),
            ], 1..2000),
        ) {
            let mut claims = Claims::new(Ssrc(7));
            let mut claimed = HashSet::new();
            let mut seq = first;
            for step in steps {
                #[allow(clippy::cast_sign_loss, clippy::cast_possible_truncation)] // modulo 2^16
                let next = seq.wrapping_add(step as u16);
                seq = next;
                match claims.next(SeqNo(seq)) {
                    Ok(claim) => {
                        prop_assert_eq!(claim.index() % 65_536, u64::from(seq));
                        prop_assert!(claimed.insert(claim.index()), "{} twice", claim.index());
                    }
                    Err(e) => prop_assert_eq!(e, SrtpError::IndexReused),
                }
                prop_assert_eq!(claims.next(SeqNo(seq)), Err(SrtpError::IndexReused));
            }
        }
    }
}
