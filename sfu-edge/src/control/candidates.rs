use std::net::{IpAddr, SocketAddr};

use transom_rtc_proto::ice::Candidate;

use crate::settings::{Advertise, Family};
use crate::wildcard;

/// Which addresses stand in an answer.
#[derive(Clone, Debug)]
pub struct CandidatePolicy {
    /// The port we listen on.
    pub udp_port: u16,
    /// Addresses to offer besides those of the interfaces, before them.
    pub advertise: Vec<Advertise>,
    /// Interfaces to offer; `*` is a wildcard.
    pub interfaces: Vec<String>,
    /// Interfaces not to offer.
    pub exclude_interfaces: Vec<String>,
    /// Families to offer.
    pub families: Vec<Family>,
    /// Offer loopback, first, to clients on this machine.
    pub loopback: bool,
}

/// Most candidates in an answer: each costs every client checks.
const MAX_CANDIDATES: usize = 16;

/// The candidates for an answer given now: interfaces come and go.
pub fn gather(policy: &CandidatePolicy) -> Vec<Candidate> {
    select(policy, interfaces())
}

/// The addresses by which others on its networks reach this machine now, the
/// likeliest first.
pub fn network_addresses(policy: &CandidatePolicy) -> Vec<IpAddr> {
    let mut addresses = offered(policy, interfaces());
    addresses.retain(|ip| !ip.is_loopback() && policy.families.contains(&Family::of(*ip)));
    addresses
}

fn interfaces() -> Vec<(IpAddr, String)> {
    match if_addrs::get_if_addrs() {
        Ok(interfaces) => interfaces.into_iter().map(|i| (i.ip(), i.name)).collect(),
        Err(error) => {
            tracing::warn!(%error, "cannot list interfaces; set `advertise`");
            Vec::new()
        }
    }
}

/// What is wrong with `interfaces` now: one sentence for each pattern that
/// matches nothing. An interface may still come.
pub fn unmatched_interfaces(policy: &CandidatePolicy) -> Vec<String> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let mut names: Vec<String> = interfaces.into_iter().map(|i| i.name).collect();
    names.sort();
    names.dedup();
    unmatched(policy, &names)
}

fn unmatched(policy: &CandidatePolicy, names: &[String]) -> Vec<String> {
    let matches_none = |p: &&String| !names.iter().any(|name| wildcard::matches(p, name));
    let patterns = policy.interfaces.iter().filter(matches_none);
    patterns
        .map(|pattern| {
            format!(
                "no interface with an address matches `{pattern}`; there are {}",
                names.join(", ")
            )
        })
        .collect()
}

/// The interfaces' addresses that are to be offered, in order.
fn offered(policy: &CandidatePolicy, interfaces: Vec<(IpAddr, String)>) -> Vec<IpAddr> {
    let any = |patterns: &[String], name: &str| patterns.iter().any(|p| wildcard::matches(p, name));
    let wanted = interfaces.into_iter().filter_map(|(ip, name)| {
        let wanted = match ip.is_loopback() {
            true => policy.loopback,
            false => any(&policy.interfaces, &name) && !any(&policy.exclude_interfaces, &name),
        };
        (wanted && is_usable(ip)).then_some(ip)
    });
    let mut ips: Vec<IpAddr> = wanted.collect();
    // Loopback, then IPv4 before IPv6: on small networks it fails less often.
    ips.sort_by_key(|ip| (!ip.is_loopback(), ip.is_ipv6()));
    ips
}

fn select(policy: &CandidatePolicy, interfaces: Vec<(IpAddr, String)>) -> Vec<Candidate> {
    let advertised = policy
        .advertise
        .iter()
        .map(|a| SocketAddr::new(a.ip, a.port.unwrap_or(policy.udp_port)));
    let own = offered(policy, interfaces)
        .into_iter()
        .map(|ip| SocketAddr::new(ip, policy.udp_port));
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for address in advertised.chain(own) {
        if policy.families.contains(&Family::of(address.ip())) && !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    let preferences = (0..=u16::MAX).rev();
    addresses
        .into_iter()
        .take(MAX_CANDIDATES)
        .zip(preferences)
        .map(|(address, preference)| Candidate::host(address, preference))
        .collect()
}

/// An IPv6 link-local address means nothing without the client's zone, which
/// an answer cannot carry (RFC 8839 section 5.1).
fn is_usable(ip: IpAddr) -> bool {
    let link_local = matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local());
    !ip.is_unspecified() && !ip.is_multicast() && !link_local
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> CandidatePolicy {
        CandidatePolicy {
            udp_port: 7082,
            advertise: Vec::new(),
            interfaces: vec!["*".into()],
            exclude_interfaces: vec!["docker*".into()],
            families: vec![Family::Ipv4, Family::Ipv6],
            loopback: false,
        }
    }

    fn machine() -> Vec<(IpAddr, String)> {
        [
            ("127.0.0.1", "lo"),
            ("::1", "lo"),
            ("2001:db8::5", "wlan0"),
            ("fe80::5", "wlan0"),
            ("192.168.1.5", "wlan0"),
            ("10.0.0.5", "eth0"),
            ("172.17.0.1", "docker0"),
        ]
        .map(|(ip, name)| (ip.parse().unwrap(), name.to_owned()))
        .to_vec()
    }

    fn candidates(policy: &CandidatePolicy) -> Vec<String> {
        select(policy, machine())
            .iter()
            .map(|c| c.addr.to_string())
            .collect()
    }

    #[test]
    fn interfaces_but_no_bridges_no_loopback_no_link_local() {
        let expected = ["192.168.1.5:7082", "10.0.0.5:7082", "[2001:db8::5]:7082"];
        assert_eq!(candidates(&policy()), expected);
    }

    #[test]
    fn loopback_comes_first_where_clients_are_local() {
        let policy = CandidatePolicy {
            loopback: true,
            interfaces: vec![],
            ..policy()
        };
        assert_eq!(candidates(&policy), ["127.0.0.1:7082", "[::1]:7082"]);
    }

    #[test]
    fn a_pattern_that_matches_nothing_is_told_with_what_there_is() {
        let policy = CandidatePolicy {
            interfaces: vec!["nope".into(), "wlan*".into()],
            ..policy()
        };
        let names = ["lo".to_owned(), "wlan0".to_owned()];
        let told = unmatched(&policy, &names);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("`nope`") && told[0].contains("lo, wlan0"));
    }

    #[test]
    fn names_and_families_are_filtered() {
        let wireless = CandidatePolicy {
            interfaces: vec!["wlan*".into()],
            ..policy()
        };
        assert_eq!(
            candidates(&wireless),
            ["192.168.1.5:7082", "[2001:db8::5]:7082"]
        );
        let v6 = CandidatePolicy {
            families: vec![Family::Ipv6],
            ..policy()
        };
        assert_eq!(candidates(&v6), ["[2001:db8::5]:7082"]);
    }

    #[test]
    fn advertised_addresses_come_first_and_once() {
        let advertise = ["203.0.113.7:40000", "10.0.0.5"]
            .map(|a| a.parse().unwrap())
            .to_vec();
        let policy = CandidatePolicy {
            advertise,
            interfaces: vec!["eth0".into()],
            ..policy()
        };
        assert_eq!(candidates(&policy), ["203.0.113.7:40000", "10.0.0.5:7082"]);
        let candidates = select(&policy, machine());
        assert!(candidates[0].priority > candidates[1].priority);
    }
}
