//! Which profile is cheaper where we run.

use std::fmt;
use std::time::{Duration, Instant};

use transom_rtc_proto::id::{SeqNo, Ssrc};
use transom_rtc_proto::port::{SrtpError, SrtpKey, SrtpProfile};

use crate::cipher::RtpCipher;
use crate::claim::Claims;

/// Packets that are sealed by each cipher where it has to be measured.
const ROUNDS: u16 = 8;
/// Measuring ends when it has taken this long, however slow the processor is.
const BUDGET: Duration = Duration::from_millis(1);
/// A packet of video.
const LEN: usize = 1200;

/// SRTP profiles to accept, best first, and why in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preference {
    /// Best first.
    pub profiles: [SrtpProfile; 2],
    /// Why.
    pub reason: PreferenceReason,
}

/// Why a profile goes before the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PreferenceReason {
    /// The processor has instructions for AES and for carry-less products,
    /// which AES-GCM is made of.
    Instructions,
    /// It has not, and this is how long a packet of video took.
    Measured {
        /// By AES-GCM.
        gcm: Duration,
        /// By counter mode and HMAC-SHA1.
        counter_mode: Duration,
    },
    /// It has not, and a cipher failed when it was measured.
    Unmeasured,
}

impl Preference {
    /// Looks at the processor, and measures for a millisecond where it has no
    /// AES instructions: a Raspberry Pi 4 and older. Call it once and early.
    pub fn of_this_machine() -> Self {
        if has_instructions() {
            return Self::decide(PreferenceReason::Instructions);
        }
        Self::decide(measure().unwrap_or(PreferenceReason::Unmeasured))
    }

    fn decide(reason: PreferenceReason) -> Self {
        let (gcm, counter_mode) = (SrtpProfile::AeadAes128Gcm, SrtpProfile::Aes128CmSha1_80);
        let profiles = match reason {
            PreferenceReason::Measured {
                gcm: gcm_took,
                counter_mode: counter_mode_took,
            } if counter_mode_took < gcm_took => [counter_mode, gcm],
            _ => [gcm, counter_mode],
        };
        Self { profiles, reason }
    }
}

impl fmt::Display for Preference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, _] = self.profiles;
        let first = match first {
            SrtpProfile::AeadAes128Gcm => "AES-GCM",
            SrtpProfile::Aes128CmSha1_80 => "AES-CM with HMAC-SHA1",
        };
        write!(f, "{first} first, because {}", self.reason)
    }
}

impl fmt::Display for PreferenceReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instructions => f.write_str("the processor has AES instructions"),
            Self::Measured { gcm, counter_mode } => write!(
                f,
                "without AES instructions a packet of {LEN} bytes took {gcm:.1?} by AES-GCM \
                 and {counter_mode:.1?} by AES-CM with HMAC-SHA1"
            ),
            Self::Unmeasured => f.write_str("it is the stronger one; measuring them failed"),
        }
    }
}

#[cfg(any(target_arch = "x86_64", target_arch = "x86"))]
fn has_instructions() -> bool {
    std::arch::is_x86_feature_detected!("aes") && std::arch::is_x86_feature_detected!("pclmulqdq")
}

#[cfg(target_arch = "aarch64")]
fn has_instructions() -> bool {
    use std::arch::is_aarch64_feature_detected;
    is_aarch64_feature_detected!("aes") && is_aarch64_feature_detected!("pmull")
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "x86", target_arch = "aarch64")))]
fn has_instructions() -> bool {
    false
}

/// The quickest packet of each: whatever else the machine did meanwhile made
/// the others slower.
fn measure() -> Result<PreferenceReason, SrtpError> {
    let began = Instant::now();
    let mut ciphers = [
        Probe::new(SrtpProfile::AeadAes128Gcm)?,
        Probe::new(SrtpProfile::Aes128CmSha1_80)?,
    ];
    let mut took = [Duration::MAX; 2];
    for seq in 0..ROUNDS {
        for (probe, took) in ciphers.iter_mut().zip(&mut took) {
            *took = probe.seal(SeqNo(seq))?.min(*took);
        }
        if began.elapsed() > BUDGET {
            break;
        }
    }
    let [gcm, counter_mode] = took;
    Ok(PreferenceReason::Measured { gcm, counter_mode })
}

/// A cipher under a key that protects nothing.
struct Probe {
    cipher: RtpCipher,
    claims: Claims,
}

impl Probe {
    fn new(profile: SrtpProfile) -> Result<Self, SrtpError> {
        let salt = &[0; 14][..profile.salt_len()];
        let master = SrtpKey::new(profile, &[0; 16], salt).ok_or(SrtpError::Internal)?;
        Ok(Self {
            cipher: RtpCipher::new(profile, &master)?,
            claims: Claims::new(Ssrc(0)),
        })
    }

    fn seal(&mut self, seq: SeqNo) -> Result<Duration, SrtpError> {
        let mut packet = [0; LEN + 16];
        let claim = self.claims.next(seq)?;
        let began = Instant::now();
        self.cipher.seal(&mut packet, LEN, 12, claim)?;
        Ok(began.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GCM: SrtpProfile = SrtpProfile::AeadAes128Gcm;
    const CM: SrtpProfile = SrtpProfile::Aes128CmSha1_80;

    #[test]
    fn the_quicker_goes_first_and_the_stronger_where_nothing_tells_them_apart() {
        let took = |gcm, counter_mode| PreferenceReason::Measured {
            gcm: Duration::from_micros(gcm),
            counter_mode: Duration::from_micros(counter_mode),
        };
        for (reason, first) in [
            (PreferenceReason::Instructions, GCM),
            (PreferenceReason::Unmeasured, GCM),
            (took(20, 21), GCM),
            (took(20, 20), GCM),
            (took(20, 19), CM),
        ] {
            let preference = Preference::decide(reason);
            assert_eq!(preference.profiles[0], first, "{reason:?}");
            assert_ne!(preference.profiles[1], first, "{reason:?}");
        }
    }

    #[test]
    fn the_reason_is_a_line_that_a_person_reads() {
        let measured = PreferenceReason::Measured {
            gcm: Duration::from_nanos(31_400),
            counter_mode: Duration::from_nanos(24_100),
        };
        assert_eq!(
            Preference::decide(measured).to_string(),
            "AES-CM with HMAC-SHA1 first, because without AES instructions a packet of 1200 \
             bytes took 31.4µs by AES-GCM and 24.1µs by AES-CM with HMAC-SHA1"
        );
        assert_eq!(
            Preference::decide(PreferenceReason::Instructions).to_string(),
            "AES-GCM first, because the processor has AES instructions"
        );
    }

    #[test]
    fn both_are_measured_in_little_time() {
        let began = Instant::now();
        let reason = measure().unwrap();
        assert!(matches!(reason, PreferenceReason::Measured { .. }));
        // A millisecond and one packet of each, on a machine that may be loaded.
        assert!(began.elapsed() < 100 * BUDGET, "{:?}", began.elapsed());
    }
}
