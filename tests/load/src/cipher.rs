//! What subscribers offer to seal with.

use transom_rtc_proto::port::SrtpProfile;

/// The kinds of subscribers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum CipherKind {
    /// AEAD_AES_128_GCM only
    Gcm,
    /// AES128_CM_HMAC_SHA1_80 only
    Cm,
    /// Every other subscriber the one and the other
    Mixed,
}

impl CipherKind {
    /// Its name on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Gcm => "gcm",
            Self::Cm => "cm",
            Self::Mixed => "mixed",
        }
    }

    /// The one profile that subscriber number `index` offers.
    pub(crate) const fn profile_of(self, index: usize) -> SrtpProfile {
        match self {
            Self::Gcm => SrtpProfile::AeadAes128Gcm,
            Self::Cm => SrtpProfile::Aes128CmSha1_80,
            Self::Mixed if index.is_multiple_of(2) => SrtpProfile::AeadAes128Gcm,
            Self::Mixed => SrtpProfile::Aes128CmSha1_80,
        }
    }
}

/// The name of a profile on the command line and in what is printed.
pub(crate) const fn profile_name(profile: SrtpProfile) -> &'static str {
    match profile {
        SrtpProfile::AeadAes128Gcm => "gcm",
        SrtpProfile::Aes128CmSha1_80 => "cm",
    }
}
