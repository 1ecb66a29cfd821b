use std::net::IpAddr;

use transom_rtc_doctor::Finding;

use crate::control::{gather, unmatched_interfaces};
use crate::program::candidate_policy;
use crate::settings::{Advertise, Settings};

/// What clients are told of where to reach this machine.
pub(super) fn examine(settings: &Settings) -> Vec<Finding> {
    let policy = candidate_policy(settings, settings.udp_port, true);
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let own: Vec<IpAddr> = interfaces.into_iter().map(|i| i.ip()).collect();
    let advertised = settings.advertise.iter();
    let mut findings: Vec<Finding> = advertised
        .map(|a| advertises(a, &own, settings.udp_port))
        .collect();
    for pattern in unmatched_interfaces(&policy) {
        findings.push(Finding::warn(
            pattern,
            "correct `interfaces` (or --interface), or bring the interface up",
        ));
    }
    let candidates = gather(&policy);
    let offered: Vec<String> = candidates.iter().map(|c| c.addr.to_string()).collect();
    findings.push(match candidates.iter().all(|c| c.addr.ip().is_loopback()) {
        _ if candidates.is_empty() => Finding::fail(
            "no address to offer: clients cannot connect",
            "set `advertise`, or widen `interfaces` and `families`",
        ),
        true => Finding::warn(
            format!(
                "only {} is offered: nobody beyond this machine connects",
                offered.join(", ")
            ),
            "bring a network interface up, or widen `interfaces` and `families`",
        ),
        false => Finding::ok(format!("clients are told {}", offered.join(", "))),
    });
    findings
}

/// A public address may be a router's; a private one that no interface has is
/// most often that of last month.
fn advertises(advertise: &Advertise, own: &[IpAddr], udp_port: u16) -> Finding {
    let ip = advertise.ip;
    if own.contains(&ip) {
        return Finding::ok(format!("{ip} is advertised and of this machine"));
    }
    if is_private(ip) {
        return Finding::warn(
            format!("{ip} is advertised, and no interface of this machine has it"),
            "correct `advertise` (or --advertise); `ip address` lists this machine's",
        );
    }
    let outside = advertise.port.unwrap_or(udp_port);
    Finding::ok(format!(
        "{ip} is advertised and not of this machine: a router there must forward UDP port {outside} to port {udp_port} here"
    ))
}

/// RFC 1918, RFC 3927, RFC 4193 and loopback.
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_private() || ip.is_link_local() || ip.is_loopback(),
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local() || ip.is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use transom_rtc_doctor::Verdict;

    use super::*;

    #[test]
    fn advertised_addresses_are_looked_for() {
        let own = ["192.168.1.5".parse().unwrap()];
        let of = |text: &str| advertises(&text.parse().unwrap(), &own, 7082);
        assert_eq!(of("192.168.1.5").verdict, Verdict::Ok);
        assert_eq!(of("192.168.1.6").verdict, Verdict::Warn);
        assert_eq!(of("fd00::1").verdict, Verdict::Warn);
        let router = of("203.0.113.7:40000");
        assert_eq!(router.verdict, Verdict::Ok);
        assert!(router.found.contains("40000"), "{router:?}");
    }
}
