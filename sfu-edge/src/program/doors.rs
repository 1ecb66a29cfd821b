use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tokio::net::TcpListener;

use super::ProgramError;
use crate::http::Door;
use crate::settings::{LAN, Settings};
use crate::tls::ServerTls;

/// How a door is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Http,
    Https,
}

impl Scheme {
    /// What never leaves this machine needs no certificate.
    fn of(address: SocketAddr) -> Self {
        match address.ip().to_canonical().is_loopback() {
            true => Self::Http,
            false => Self::Https,
        }
    }

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// Where clients come in, as it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OpenDoor {
    pub(super) scheme: Scheme,
    /// With its real port.
    pub(super) address: SocketAddr,
}

impl OpenDoor {
    /// What leads here, for whoever calls this machine by one of `addresses`.
    pub(super) fn urls(&self, addresses: &[IpAddr]) -> Vec<String> {
        let (ip, port) = (self.address.ip(), self.address.port());
        let url = |ip: IpAddr| {
            let host = SocketAddr::new(ip, port);
            format!("{}://{host}", self.scheme.as_str())
        };
        if !ip.is_unspecified() {
            return vec![url(ip)];
        }
        let reached = addresses.iter().filter(|a| ip.is_ipv6() || a.is_ipv4());
        reached.map(|a| url(*a)).collect()
    }
}

/// What the settings would have opened; ports that the start chooses are 0.
pub(super) fn wanted(settings: &Settings) -> Vec<OpenDoor> {
    // The settings let plain HTTP elsewhere only if that was said.
    let http = OpenDoor {
        scheme: Scheme::Http,
        address: settings.http,
    };
    let more = settings.listen.iter().copied();
    let more = more.chain(settings.lan.then_some(LAN));
    let more = more.map(|address| OpenDoor {
        scheme: Scheme::of(address),
        address,
    });
    [http].into_iter().chain(more).collect()
}

/// Opens them, the one for this machine first.
pub(super) async fn open(
    settings: &Settings,
    tls: Option<&ServerTls>,
) -> Result<(Vec<Door>, Vec<OpenDoor>), ProgramError> {
    let (mut doors, mut opened) = (Vec::new(), Vec::new());
    for (n, OpenDoor { scheme, address }) in wanted(settings).into_iter().enumerate() {
        let listener = match TcpListener::bind(address).await {
            // A system without IPv6.
            Err(_) if address == LAN && !has_ipv6() => {
                TcpListener::bind((Ipv4Addr::UNSPECIFIED, LAN.port())).await
            }
            listener => listener,
        };
        let flag = match n {
            0 => "--http",
            _ => "--listen",
        };
        let listener = listener.map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => ProgramError::ListenInUse(address, flag),
            _ => ProgramError::Listen(address, error, flag),
        })?;
        let address = listener
            .local_addr()
            .map_err(|error| ProgramError::Listen(address, error, flag))?;
        let tls = match scheme {
            Scheme::Http => None,
            // Never plain for want of a certificate.
            Scheme::Https => Some(tls.cloned().ok_or(ProgramError::NoCertificate)?),
        };
        opened.push(OpenDoor { scheme, address });
        doors.push(Door { listener, tls });
    }
    Ok((doors, opened))
}

fn has_ipv6() -> bool {
    std::net::UdpSocket::bind("[::]:0").is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door(scheme: Scheme, address: &str) -> OpenDoor {
        OpenDoor {
            scheme,
            address: address.parse().unwrap(),
        }
    }

    #[test]
    fn a_door_everywhere_is_reached_by_every_address() {
        let addresses = ["192.168.1.5", "2001:db8::5"].map(|a| a.parse().unwrap());
        let urls = |address| door(Scheme::Https, address).urls(&addresses);
        assert_eq!(
            urls("[::]:8443"),
            ["https://192.168.1.5:8443", "https://[2001:db8::5]:8443"]
        );
        assert_eq!(urls("0.0.0.0:8443"), ["https://192.168.1.5:8443"]);
        assert_eq!(urls("10.0.0.1:8443"), ["https://10.0.0.1:8443"]);
        let here = door(Scheme::Http, "127.0.0.1:7080").urls(&addresses);
        assert_eq!(here, ["http://127.0.0.1:7080"]);
    }

    #[test]
    fn only_loopback_is_plain() {
        for (address, scheme) in [
            ("127.0.0.1:1", Scheme::Http),
            ("[::1]:1", Scheme::Http),
            ("[::ffff:127.0.0.1]:1", Scheme::Http),
            ("0.0.0.0:1", Scheme::Https),
            ("192.168.1.5:1", Scheme::Https),
            ("[::]:1", Scheme::Https),
        ] {
            assert_eq!(Scheme::of(address.parse().unwrap()), scheme, "{address}");
        }
    }
}
