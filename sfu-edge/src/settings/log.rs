use transom_rtc_telemetry::{Crate, LogNames};

/// What `log` may name.
pub(super) const NAMES: LogNames = LogNames {
    crates: &[
        Crate {
            name: "transom_sfu",
            modules: &[
                "auth",
                "control",
                "directory",
                "doctor",
                "http",
                "media",
                "metrics",
                "private_file",
                "program",
                "secrets",
                "settings",
                "tls",
                "wildcard",
            ],
        },
        Crate {
            name: "transom_rtc_dtls",
            modules: &[],
        },
    ],
    libraries: &["dtls", "mio", "sctp_proto", "webrtc_srtp", "webrtc_util"],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_modules_are_those_of_the_crate() {
        let source = include_str!("../lib.rs");
        let lines = source.lines().map(|line| line.trim_start_matches("pub "));
        let modules = lines.filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';'));
        let modules: Vec<&str> = modules.filter(|name| *name != "test_dir").collect();
        assert_eq!(modules, NAMES.crates[0].modules);
    }
}
