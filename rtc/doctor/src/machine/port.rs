//! Ports that a program wants.

use std::io;
use std::net::{SocketAddr, TcpListener};

use super::holder::{Holder, Transport, holders_of_port, list};
use crate::Finding;

/// Who wants a port, and by which flag another is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortWish<'a> {
    /// The program, as the kernel calls it.
    pub program: &'a str,
    /// The flag, such as `--http`.
    pub flag: &'a str,
}

impl PortWish<'_> {
    /// Whether `addr` can be listened on; it is let go again.
    pub fn tcp(&self, addr: SocketAddr) -> Finding {
        let flag = self.flag;
        match TcpListener::bind(addr) {
            Ok(_) if addr.port() == 0 => Finding::ok("left to the system: a free one at the start"),
            Ok(_) => Finding::ok(format!("{addr} is free")),
            Err(error) => match error.kind() {
                io::ErrorKind::AddrInUse => {
                    let holders = holders_of_port(Transport::Tcp, addr.port());
                    self.held(&addr.to_string(), &holders)
                }
                io::ErrorKind::AddrNotAvailable => Finding::fail(
                    format!("no interface of this machine has {}", addr.ip()),
                    format!(
                        "give an address of this machine with {flag} (`ip address` lists them)"
                    ),
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

    /// Of a port that is in use: the program itself is what one wants there,
    /// anybody else is in the way.
    pub fn held(&self, what: &str, holders: &[Holder]) -> Finding {
        let (program, flag) = (self.program, self.flag);
        match holders {
            [] => Finding::fail(
                format!(
                    "{what} is held by another program, of another user: its name is told to root only"
                ),
                format!(
                    "`sudo {program} doctor` names it; end it, or choose another port with {flag}"
                ),
            ),
            [us] if us.name == program => Finding::ok(format!(
                "{what}: {us} already runs there; a second one would not start"
            )),
            holders => Finding::fail(
                format!("{what} is held by {}", list(holders)),
                format!("end that program, or choose another port with {flag}"),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Verdict;

    const WISH: PortWish<'_> = PortWish {
        program: "transom-sfu",
        flag: "--http",
    };

    #[test]
    fn who_holds_a_port_decides() {
        let holder = |pid, name: &str| Holder {
            pid,
            name: name.into(),
        };
        let ours = WISH.held("x", &[holder(1, "transom-sfu")]);
        assert_eq!(ours.verdict, Verdict::Ok);
        assert!(ours.found.contains("already runs"));
        let other = WISH.held("x", &[holder(7, "nginx")]);
        assert_eq!(other.verdict, Verdict::Fail);
        assert!(other.found.contains("nginx (pid 7)"));
        let hidden = WISH.held("x", &[]);
        assert!(hidden.mend.is_some_and(|m| m.contains("sudo transom-sfu")));
    }

    #[test]
    fn an_address_of_another_machine_is_told() {
        // 192.0.2.0/24 is nobody's (RFC 5737).
        let finding = WISH.tcp(([192, 0, 2, 1], 0).into());
        assert_eq!(finding.verdict, Verdict::Fail);
        assert!(finding.found.contains("192.0.2.1"), "{finding:?}");
    }

    #[test]
    fn a_port_is_let_go_again() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let addr = listener.local_addr().expect("its address");
        assert_eq!(WISH.tcp(addr).verdict, Verdict::Fail);
        drop(listener);
        for _ in 0..2 {
            assert_eq!(WISH.tcp(addr).verdict, Verdict::Ok);
        }
    }
}
