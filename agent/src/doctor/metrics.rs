use transom_rtc_doctor::Finding;
use transom_rtc_doctor::machine::PortWish;

use crate::config::MetricsAddr;

const WISH: PortWish<'_> = PortWish {
    program: "transom-agent",
    flag: "--metrics",
};

/// Whether figures can be served there, and to whom. `open` is that the configuration lets others read.
pub(super) fn examine(address: Option<MetricsAddr>, open: bool) -> Vec<Finding> {
    let Some(address) = address else {
        return Finding::skipped(
            "no figures are served; metrics = \"127.0.0.1:9101\" in transom-agent.toml serves Prometheus",
        )
        .into();
    };
    let mut findings = vec![WISH.tcp(address.0)];
    if open && !address.is_loopback() {
        findings.push(Finding::warn(
            format!("whoever reaches {address} reads the figures, without a token"),
            "choose 127.0.0.1:9101 if Prometheus runs here; else let the firewall pass its machine only",
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use transom_rtc_doctor::Verdict;

    #[test]
    fn figures_for_everybody_are_a_warning() {
        let verdicts = |address: &str, open| -> Vec<Verdict> {
            let address = address.parse().expect("an address");
            let findings = examine(Some(address), open).into_iter();
            findings.map(|f| f.verdict).collect()
        };
        assert_eq!(verdicts("127.0.0.1:0", true), [Verdict::Ok]);
        assert_eq!(verdicts("0.0.0.0:0", true), [Verdict::Ok, Verdict::Warn]);
        // That it is not allowed at all is a mistake of the configuration.
        assert_eq!(verdicts("0.0.0.0:0", false), [Verdict::Ok]);
        assert_eq!(examine(None, false)[0].verdict, Verdict::Skipped);
    }
}
