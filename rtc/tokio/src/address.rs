//! This machine's addresses, as host candidates (RFC 8445 section 5.1.1.1).

use std::io;
use std::net::{IpAddr, SocketAddr};

use transom_rtc_proto::ice::Candidate;

/// Which addresses are offered to the other end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressPolicy {
    /// Loopback too, and before all others: for a server on this machine.
    pub loopback: bool,
    /// IPv6 too.
    pub ipv6: bool,
    /// Interfaces to use, by name; empty for all that are not of containers
    /// and virtual machines. A name that ends in `*` stands for all that begin so.
    pub interfaces: Vec<String>,
    /// Interfaces not to use, likewise.
    pub excluded: Vec<String>,
}

impl Default for AddressPolicy {
    fn default() -> Self {
        Self {
            loopback: false,
            ipv6: true,
            interfaces: Vec::new(),
            excluded: Vec::new(),
        }
    }
}

/// Interfaces of containers and virtual machines on this host: nobody outside
/// reaches them. VPN interfaces are not among these, robots live behind them.
const VIRTUAL: [&str; 14] = [
    "docker*", "br-*", "veth*", "virbr*", "vmnet*", "vboxnet*", "cni*", "flannel*", "cali*",
    "lxc*", "lxd*", "podman*", "vnet*", "ifb*",
];

/// More candidates cost the other end checks and gain nothing.
const MAX_CANDIDATES: usize = 16;

/// Host candidates on `port` for the addresses that this machine has now.
///
/// # Errors
/// Where the system does not tell its interfaces.
pub fn host_candidates(policy: &AddressPolicy, port: u16) -> io::Result<Vec<Candidate>> {
    let interfaces = if_addrs::get_if_addrs()?;
    let addresses = interfaces
        .iter()
        .filter(|i| i.is_oper_up() || i.is_loopback());
    Ok(select(
        policy,
        addresses.map(|i| (i.name.as_str(), i.ip())),
        port,
    ))
}

/// What of `addresses` is offered, in order of preference: loopback where it
/// is wanted, then IPv6 and IPv4 by turns (RFC 8421 section 4), then what
/// hosts give themselves where nobody gives them an address.
fn select<'a>(
    policy: &AddressPolicy,
    addresses: impl Iterator<Item = (&'a str, IpAddr)>,
    port: u16,
) -> Vec<Candidate> {
    let mut offered: Vec<_> = addresses
        .filter(|(name, ip)| is_offered(policy, name, *ip))
        .map(|(_, ip)| ip)
        .collect();
    // Within a family the system's order stays.
    offered.sort_by_key(|ip| (rank(*ip), ip.is_ipv4()));
    let mut ordered: Vec<(u8, usize, bool, IpAddr)> = Vec::new();
    for ip in offered {
        if ordered.iter().any(|o| o.3 == ip) {
            continue;
        }
        let alike = |o: &&(u8, usize, bool, IpAddr)| o.0 == rank(ip) && o.2 == ip.is_ipv4();
        let turn = ordered.iter().filter(alike).count();
        ordered.push((rank(ip), turn, ip.is_ipv4(), ip));
    }
    ordered.sort();
    let preferences = (0..=u16::MAX).rev();
    ordered
        .into_iter()
        .zip(preferences)
        .map(|((.., ip), preference)| Candidate::host(SocketAddr::new(ip, port), preference))
        .take(MAX_CANDIDATES)
        .collect()
}

fn is_offered(policy: &AddressPolicy, name: &str, ip: IpAddr) -> bool {
    let usable = match ip {
        IpAddr::V4(ip) => !ip.is_unspecified() && !ip.is_broadcast(),
        // A link-local address means nothing without its interface, which a
        // candidate cannot name.
        IpAddr::V6(ip) => policy.ipv6 && !ip.is_unspecified() && !ip.is_unicast_link_local(),
    };
    if !usable || ip.is_multicast() {
        return false;
    }
    if ip.is_loopback() {
        return policy.loopback;
    }
    let named = |names: &[String]| names.iter().any(|n| matches(n, name));
    if named(&policy.excluded) {
        return false;
    }
    if policy.interfaces.is_empty() {
        !VIRTUAL.iter().any(|n| matches(n, name))
    } else {
        named(&policy.interfaces)
    }
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == pattern,
    }
}

const fn rank(ip: IpAddr) -> u8 {
    match ip {
        _ if ip.is_loopback() => 0,
        IpAddr::V4(ip) if ip.is_link_local() => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: [(&str, &str); 11] = [
        ("lo", "127.0.0.1"),
        ("lo", "::1"),
        ("docker0", "172.17.0.1"),
        ("eth0", "169.254.7.7"),
        ("eth0", "192.168.1.5"),
        ("eth0", "fe80::1"),
        ("eth0", "2001:db8::5"),
        ("wlan0", "10.0.0.5"),
        ("wlan0", "2001:db8::6"),
        ("wlan0", "2001:db8::7"),
        ("wg0", "10.9.0.2"),
    ];

    fn offered(policy: &AddressPolicy) -> Vec<String> {
        let addresses = HOST.iter().map(|(name, ip)| (*name, ip.parse().unwrap()));
        let candidates = select(policy, addresses, 7);
        assert!(candidates.is_sorted_by(|a, b| a.priority > b.priority));
        assert!(candidates.iter().all(|c| c.addr.port() == 7));
        candidates.iter().map(|c| c.addr.ip().to_string()).collect()
    }

    #[test]
    fn families_take_turns_and_virtual_interfaces_stay_out() {
        assert_eq!(
            offered(&AddressPolicy::default()),
            [
                "2001:db8::5",
                "192.168.1.5",
                "2001:db8::6",
                "10.0.0.5",
                "2001:db8::7",
                "10.9.0.2",
                "169.254.7.7"
            ]
        );
    }

    #[test]
    fn loopback_leads_where_it_is_wanted() {
        let policy = AddressPolicy {
            loopback: true,
            ipv6: false,
            excluded: vec!["w*".into()],
            ..AddressPolicy::default()
        };
        assert_eq!(
            offered(&policy),
            ["127.0.0.1", "192.168.1.5", "169.254.7.7"]
        );
    }

    #[test]
    fn named_interfaces_are_the_only_ones() {
        let policy = AddressPolicy {
            interfaces: vec!["docker0".into(), "wg*".into()],
            ..AddressPolicy::default()
        };
        assert_eq!(offered(&policy), ["172.17.0.1", "10.9.0.2"]);
    }

    #[test]
    fn there_are_not_too_many_and_none_twice() {
        let many = (0..=255).map(|i| ("eth0", IpAddr::from([10, 0, 0, i])));
        let twice = many.clone().chain(many);
        let candidates = select(&AddressPolicy::default(), twice, 7);
        assert_eq!(candidates.len(), MAX_CANDIDATES);
        let one = IpAddr::from([10, 0, 0, 1]);
        let twice = [("eth0", one), ("eth1", one)].into_iter();
        assert_eq!(select(&AddressPolicy::default(), twice, 7).len(), 1);
    }

    #[test]
    fn this_machine_has_loopback() {
        let policy = AddressPolicy {
            loopback: true,
            ..AddressPolicy::default()
        };
        let candidates = host_candidates(&policy, 7).unwrap();
        assert!(candidates[0].addr.ip().is_loopback());
    }
}
