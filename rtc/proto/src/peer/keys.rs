use crate::port::{DtlsRole, SrtpKey, SrtpProfile};

/// The keys of both directions.
#[derive(Debug)]
pub(super) struct SrtpKeys {
    /// Seals what we send.
    pub(super) local: SrtpKey,
    /// Opens what we receive.
    pub(super) remote: SrtpKey,
}

/// Splits exported keying material (RFC 5764 section 4.2):
///
/// ```text
/// client_write_key | server_write_key | client_write_salt | server_write_salt
/// ```
///
/// `None` where the material is not as long as the profile needs.
pub(super) fn split(profile: SrtpProfile, role: DtlsRole, material: &[u8]) -> Option<SrtpKeys> {
    if material.len() != profile.keying_material_len() {
        return None;
    }
    let (keys, salts) = material.split_at(2 * SrtpProfile::KEY_LEN);
    let (client_key, server_key) = keys.split_at(SrtpProfile::KEY_LEN);
    let (client_salt, server_salt) = salts.split_at(profile.salt_len());
    let client = SrtpKey::new(profile, client_key, client_salt)?;
    let server = SrtpKey::new(profile, server_key, server_salt)?;
    Some(match role {
        DtlsRole::Client => SrtpKeys {
            local: client,
            remote: server,
        },
        DtlsRole::Server => SrtpKeys {
            local: server,
            remote: client,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn each_end_seals_with_what_the_other_opens() {
        for profile in [SrtpProfile::Aes128CmSha1_80, SrtpProfile::AeadAes128Gcm] {
            let material: Vec<u8> = (0..60).take(profile.keying_material_len()).collect();
            let client = split(profile, DtlsRole::Client, &material).unwrap();
            let server = split(profile, DtlsRole::Server, &material).unwrap();
            assert_eq!(client.local, server.remote);
            assert_eq!(client.remote, server.local);
            assert_eq!(client.local.key()[0], 0);
            assert_eq!(server.local.key()[0], 16);
            assert_eq!(client.local.salt()[0], 32);
            assert_eq!(usize::from(server.local.salt()[0]), 32 + profile.salt_len());
            assert!(split(profile, DtlsRole::Client, &material[1..]).is_none());
        }
    }
}
