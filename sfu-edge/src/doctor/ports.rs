use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use transom_rtc_doctor::Finding;
use transom_rtc_doctor::machine::{Holder, Transport, holders_of_port, list_holders};
use transom_rtc_udp::SocketConfig;

use crate::media;
use crate::media::api::MediaStartError;
use crate::settings::LAN;

/// What the kernel calls us.
const OURS: &str = "transom-sfu";

/// Whether HTTP can listen where `flag` says.
pub(super) fn http(addr: SocketAddr, flag: &str) -> Finding {
    match TcpListener::bind(addr) {
        Ok(_) if addr.port() == 0 => Finding::ok("left to the system: a free one at the start"),
        Ok(_) => Finding::ok(format!("{addr} is free")),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let holders = holders_of_port(Transport::Tcp, addr.port());
            held(&addr.to_string(), &holders, flag)
        }
        Err(error) => match error.kind() {
            io::ErrorKind::AddrNotAvailable => Finding::fail(
                format!("no interface of this machine has {}", addr.ip()),
                format!("give an address of this machine with {flag} (`ip address` lists them)"),
            ),
            io::ErrorKind::PermissionDenied => Finding::fail(
                format!("no permission to listen on {addr}"),
                format!("choose a port above 1023 with {flag}"),
            ),
            _ => Finding::fail(
                format!("{addr}: {error}"),
                format!("choose another with {flag}"),
            ),
        },
    }
}

/// The addresses besides: those of `--listen`, and with `--lan` all.
pub(super) fn others(listen: &[SocketAddr], lan: bool) -> Vec<Finding> {
    let mut findings: Vec<_> = listen.iter().map(|addr| http(*addr, "--listen")).collect();
    if lan {
        let v4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, LAN.port()));
        let has_v6 = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)).is_ok();
        let other = "--listen ADDRESS:PORT in place of --lan";
        findings.push(http(if has_v6 { LAN } else { v4 }, other));
    }
    findings
}

/// Whether media can be received.
pub(super) fn udp(port: u16) -> Finding {
    match media::try_port(port) {
        Ok(_) if port == 0 => Finding::ok("left to the system: a free one at the start"),
        Ok(ipv6) => Finding::ok(format!(
            "{port} is free, for {}",
            if ipv6 { "IPv4 and IPv6" } else { "IPv4 only" }
        )),
        Err(MediaStartError::PortInUse { .. }) => {
            let holders = holders_of_port(Transport::Udp, port);
            held(&format!("UDP port {port}"), &holders, "--udp-port")
        }
        Err(error) => {
            let text = error.to_string();
            match text.rsplit_once("; ") {
                Some((found, mend)) => Finding::fail(found, mend),
                None => Finding::fail(text, "choose another port with --udp-port"),
            }
        }
    }
}

/// A server that runs already is what one wants; anybody else is in the way.
fn held(what: &str, holders: &[Holder], flag: &str) -> Finding {
    match holders {
        [] => Finding::fail(
            format!(
                "{what} is held by another program, of another user: its name is told to root only"
            ),
            format!(
                "`sudo transom-sfu doctor` names it; end it, or choose another port with {flag}"
            ),
        ),
        [us] if us.name == OURS => Finding::ok(format!("{what}: {us} already runs there")),
        holders => Finding::fail(
            format!("{what} is held by {}", list_holders(holders)),
            format!("end that program, or choose another port with {flag}"),
        ),
    }
}

/// What the kernel gives a socket of ours: batches, and room for them.
pub(super) fn socket() -> Vec<Finding> {
    let wanted = SocketConfig::default();
    let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
    let v4 = SocketAddr::from(([0, 0, 0, 0], 0));
    let bound = transom_rtc_udp::UdpSocket::bind(any, &wanted)
        .or_else(|_| transom_rtc_udp::UdpSocket::bind(v4, &wanted));
    let socket = match bound {
        Ok(socket) => socket,
        Err(error) => {
            return Finding::fail(
                format!("no UDP socket can be opened: {error}"),
                "transom needs Linux 3.x or later with UDP; see whether the network is up",
            )
            .into();
        }
    };
    let batches = match (socket.gso_in_use(), socket.gro_in_use()) {
        (true, true) => Finding::ok("the kernel sends and receives in batches (GSO, GRO)"),
        (gso, gro) => Finding::warn(
            format!(
                "the kernel lacks {}: each packet costs more",
                lacks(gso, gro)
            ),
            "Linux 5.0 or later has both; without them, expect about half as many viewers",
        ),
    };
    vec![
        batches,
        buffers(socket.recv_buffer(), socket.send_buffer(), &wanted),
    ]
}

const fn lacks(gso: bool, gro: bool) -> &'static str {
    match (gso, gro) {
        (false, false) => "GSO and GRO",
        (false, true) => "GSO",
        _ => "GRO",
    }
}

fn buffers(recv: usize, send: usize, wanted: &SocketConfig) -> Finding {
    let found = format!("buffers of {} KiB in, {} KiB out", recv >> 10, send >> 10);
    if recv >= wanted.recv_buffer && send >= wanted.send_buffer {
        return Finding::ok(found);
    }
    Finding::warn(
        format!("{found}: bursts of many viewers may be lost"),
        format!(
            "`sudo sysctl -w net.core.rmem_max={} net.core.wmem_max={}`; in /etc/sysctl.d/90-transom.conf it outlives a restart",
            wanted.recv_buffer, wanted.send_buffer
        ),
    )
}

#[cfg(test)]
mod tests {
    use transom_rtc_doctor::Verdict;

    use super::*;

    #[test]
    fn who_holds_a_port_decides() {
        let holder = |pid, name: &str| Holder {
            pid,
            name: name.into(),
        };
        let ours = held("x", &[holder(1, OURS)], "--http");
        assert_eq!(ours.verdict, Verdict::Ok);
        assert!(ours.found.contains("already runs"));
        let other = held("x", &[holder(7, "nginx")], "--http");
        assert_eq!(other.verdict, Verdict::Fail);
        assert!(other.found.contains("nginx (pid 7)"));
        let hidden = held("x", &[], "--http");
        assert!(hidden.mend.unwrap().contains("sudo"));
    }

    #[test]
    fn small_buffers_are_a_warning_with_the_line_to_type() {
        let wanted = SocketConfig::default();
        let small = buffers(212_992, 212_992, &wanted);
        assert_eq!(small.verdict, Verdict::Warn);
        assert!(small.mend.unwrap().contains("net.core.rmem_max=2097152"));
        let good = buffers(wanted.recv_buffer, wanted.send_buffer, &wanted);
        assert_eq!(good.verdict, Verdict::Ok);
    }

    #[test]
    fn an_address_of_another_machine_is_told() {
        // 192.0.2.0/24 is nobody's (RFC 5737).
        let finding = http(([192, 0, 2, 1], 0).into(), "--http");
        assert_eq!(finding.verdict, Verdict::Fail);
        assert!(finding.found.contains("192.0.2.1"), "{finding:?}");
    }
}
