use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use transom_rtc_doctor::Finding;
use transom_rtc_doctor::machine::{PortWish, Transport, holders_of_port};
use transom_rtc_udp::SocketConfig;

use crate::media;
use crate::media::api::MediaStartError;
use crate::settings::LAN;

/// A port of ours, which this flag chooses.
const fn wish(flag: &str) -> PortWish<'_> {
    PortWish {
        program: "transom-sfu",
        flag,
    }
}

/// Whether HTTP can listen where `flag` says.
pub(super) fn http(addr: SocketAddr, flag: &str) -> Finding {
    wish(flag).tcp(addr)
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
            wish("--udp-port").held(&format!("UDP port {port}"), &holders)
        }
        Err(error) => Finding::fail_told(error, "; ", "choose another port with --udp-port"),
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
    fn small_buffers_are_a_warning_with_the_line_to_type() {
        let wanted = SocketConfig::default();
        let small = buffers(212_992, 212_992, &wanted);
        assert_eq!(small.verdict, Verdict::Warn);
        assert!(small.mend.unwrap().contains("net.core.rmem_max=2097152"));
        let good = buffers(wanted.recv_buffer, wanted.send_buffer, &wanted);
        assert_eq!(good.verdict, Verdict::Ok);
    }
}
