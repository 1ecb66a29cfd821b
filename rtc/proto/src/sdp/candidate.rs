//! The candidate attribute (RFC 8839 section 5.1, RFC 6544 section 4.5).

use core::fmt;
use core::net::{IpAddr, SocketAddr};

use crate::ice::{Candidate, CandidateKind, Transport};

/// Why a candidate attribute gave no candidate. None of these spoils the
/// description: a candidate that cannot be used is passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum CandidateParseError {
    /// Fields are missing or are not what they should be.
    #[error("malformed candidate")]
    Malformed,
    /// The address is a name (mDNS hides host addresses behind `.local` names).
    #[error("candidate with a name for an address")]
    Name,
    /// Not component 1: RTP and RTCP share that one.
    #[error("candidate of another component")]
    OtherComponent,
    /// Neither UDP nor TCP with a `tcptype`.
    #[error("candidate with an unknown transport")]
    UnknownTransport,
    /// Neither host, srflx, prflx nor relay.
    #[error("candidate of an unknown type")]
    UnknownKind,
    /// Unspecified, multicast or broadcast address, or port 0.
    #[error("candidate that no datagram reaches")]
    Unreachable,
}

/// Reads the value of an `a=candidate` attribute, with or without the leading `candidate:`.
///
/// The foundation is not kept: all checks go out at one pace, whatever it says.
pub fn parse_candidate(value: &str) -> Result<Candidate, CandidateParseError> {
    use CandidateParseError::{
        Malformed, Name, OtherComponent, UnknownKind, UnknownTransport, Unreachable,
    };
    let value = value.strip_prefix("candidate:").unwrap_or(value);
    let mut fields = value.split_ascii_whitespace();
    let mut field = || fields.next().ok_or(Malformed);

    let _foundation = field()?;
    let component: u16 = field()?.parse().map_err(|_| Malformed)?;
    let transport = field()?;
    let priority: u32 = field()?.parse().map_err(|_| Malformed)?;
    let address = field()?;
    let port: u16 = field()?.parse().map_err(|_| Malformed)?;
    if field()? != "typ" {
        return Err(Malformed);
    }
    let kind = match field()? {
        "host" => CandidateKind::Host,
        "srflx" => CandidateKind::ServerReflexive,
        "prflx" => CandidateKind::PeerReflexive,
        "relay" => CandidateKind::Relayed,
        _ => return Err(UnknownKind),
    };
    let mut tcptype = None;
    while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
        if name == "tcptype" {
            tcptype = Some(value);
        }
    }

    if component != 1 {
        return Err(OtherComponent);
    }
    let transport = match (transport.eq_ignore_ascii_case("udp"), tcptype) {
        (true, _) => Transport::Udp,
        (false, _) if !transport.eq_ignore_ascii_case("tcp") => return Err(UnknownTransport),
        (false, Some("passive")) => Transport::TcpPassive,
        (false, Some("active")) => Transport::TcpActive,
        (false, Some("so")) => Transport::TcpSimultaneousOpen,
        (false, _) => return Err(UnknownTransport),
    };
    let ip: IpAddr = address.parse().map_err(|_| Name)?;
    let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    // An active TCP candidate's port means nothing (RFC 6544 section 4.5).
    let no_port = port == 0 && transport != Transport::TcpActive;
    if ip.is_unspecified() || ip.is_multicast() || broadcast || no_port {
        return Err(Unreachable);
    }
    Ok(Candidate {
        kind,
        transport,
        addr: SocketAddr::new(ip, port),
        priority,
    })
}

/// Writes a candidate as the value of an `a=candidate` attribute.
#[derive(Clone, Copy, Debug)]
pub struct CandidateValue<'a>(pub &'a Candidate);

impl fmt::Display for CandidateValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let candidate = self.0;
        let (transport, tcptype) = match candidate.transport {
            Transport::Udp => ("udp", None),
            Transport::TcpPassive => ("tcp", Some("passive")),
            Transport::TcpActive => ("tcp", Some("active")),
            Transport::TcpSimultaneousOpen => ("tcp", Some("so")),
        };
        let kind = match candidate.kind {
            CandidateKind::Host => "host",
            CandidateKind::ServerReflexive => "srflx",
            CandidateKind::PeerReflexive => "prflx",
            CandidateKind::Relayed => "relay",
        };
        write!(
            f,
            "{} 1 {transport} {} {} {} typ {kind}",
            foundation(candidate),
            candidate.priority,
            candidate.addr.ip(),
            candidate.addr.port(),
        )?;
        if candidate.kind != CandidateKind::Host {
            // Must be there; the real base is nobody's business (RFC 8839 section 5.1).
            f.write_str(match candidate.addr {
                SocketAddr::V4(_) => " raddr 0.0.0.0 rport 9",
                SocketAddr::V6(_) => " raddr :: rport 9",
            })?;
        }
        match tcptype {
            Some(tcptype) => write!(f, " tcptype {tcptype}"),
            None => Ok(()),
        }
    }
}

/// The same for candidates of one type, transport and address, different for
/// others (RFC 8445 section 5.1.1.3): an FNV-1a hash of the three.
fn foundation(candidate: &Candidate) -> u32 {
    let mut hash: u32 = 0x811c_9dc5;
    let mut add = |byte: u8| hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    add(candidate.kind as u8);
    add(candidate.transport as u8);
    match candidate.addr.ip() {
        IpAddr::V4(ip) => ip.octets().into_iter().for_each(&mut add),
        IpAddr::V6(ip) => ip.octets().into_iter().for_each(&mut add),
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn chromiums_candidates() {
        let udp = parse_candidate(
            "candidate:2320945852 1 udp 2122063615 192.0.2.2 54995 typ host generation 0 network-id 1",
        );
        assert_eq!(
            udp,
            Ok(Candidate {
                kind: CandidateKind::Host,
                transport: Transport::Udp,
                addr: "192.0.2.2:54995".parse().unwrap(),
                priority: 2_122_063_615,
            })
        );
        let tcp = parse_candidate(
            "4092288148 1 tcp 1518154495 2001:db8::2 9 typ host tcptype active generation 0",
        )
        .unwrap();
        assert_eq!(tcp.transport, Transport::TcpActive);
        assert!(tcp.addr.is_ipv6());
        let srflx = parse_candidate(
            "842163049 1 UDP 1677729535 198.51.100.7 54321 typ srflx raddr 192.0.2.2 rport 54321",
        )
        .unwrap();
        assert_eq!(srflx.kind, CandidateKind::ServerReflexive);
    }

    #[test]
    fn unusable_candidates_say_why() {
        use CandidateParseError::*;
        for (value, why) in [
            ("", Malformed),
            ("1 1 udp 1 192.0.2.1 9", Malformed),
            ("1 1 udp 99999999999 192.0.2.1 9 typ host", Malformed),
            ("1 1 udp 1 192.0.2.1 65536 typ host", Malformed),
            ("1 1 udp 1 192.0.2.1 9 type host", Malformed),
            ("1 1 udp 1 8c1d5f1e.local 5000 typ host", Name),
            ("1 2 udp 1 192.0.2.1 5000 typ host", OtherComponent),
            ("1 1 ssltcp 1 192.0.2.1 443 typ host", UnknownTransport),
            ("1 1 tcp 1 192.0.2.1 443 typ host", UnknownTransport),
            ("1 1 udp 1 192.0.2.1 5000 typ token", UnknownKind),
            ("1 1 udp 1 192.0.2.1 0 typ host", Unreachable),
            ("1 1 udp 1 224.0.0.1 5000 typ host", Unreachable),
            ("1 1 udp 1 255.255.255.255 5000 typ host", Unreachable),
            ("1 1 udp 1 :: 5000 typ host", Unreachable),
        ] {
            assert_eq!(parse_candidate(value), Err(why), "{value}");
        }
    }

    #[test]
    fn written_candidates_read_back() {
        for kind in [
            CandidateKind::Host,
            CandidateKind::ServerReflexive,
            CandidateKind::PeerReflexive,
            CandidateKind::Relayed,
        ] {
            for transport in [
                Transport::Udp,
                Transport::TcpPassive,
                Transport::TcpActive,
                Transport::TcpSimultaneousOpen,
            ] {
                for addr in ["192.0.2.1:7082", "[2001:db8::1]:7082"] {
                    let candidate = Candidate {
                        kind,
                        transport,
                        addr: addr.parse().unwrap(),
                        priority: Candidate::priority_of(kind, 1),
                    };
                    let text = CandidateValue(&candidate).to_string();
                    assert_eq!(parse_candidate(&text), Ok(candidate), "{text}");
                }
            }
        }
    }

    #[test]
    fn foundations_tell_addresses_apart() {
        let a = Candidate::host("192.0.2.1:1".parse().unwrap(), 1);
        let same = Candidate::host("192.0.2.1:2".parse().unwrap(), 2);
        let other = Candidate::host("192.0.2.2:1".parse().unwrap(), 1);
        assert_eq!(foundation(&a), foundation(&same));
        assert_ne!(foundation(&a), foundation(&other));
    }
}
