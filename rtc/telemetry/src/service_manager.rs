use std::ffi::OsString;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The service manager that started this process: systemd, or nobody (sd_notify(3)).
///
/// Each message is one datagram, sent without waiting. What cannot be sent is lost: it is the
/// manager's loss, and must not become the program's. Without a manager nothing is sent at all, so
/// callers need not ask whether there is one.
#[derive(Debug)]
pub struct ServiceManager {
    way: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl ServiceManager {
    /// Found by the variables that systemd sets: `NOTIFY_SOCKET`, and for its watchdog
    /// `WATCHDOG_USEC` and `WATCHDOG_PID`.
    pub fn from_env() -> Self {
        Self::new(|name| std::env::var_os(name), std::process::id())
    }

    /// The same in another environment, for the process `pid`.
    pub fn new(env: impl Fn(&str) -> Option<OsString>, pid: u32) -> Self {
        let way = env("NOTIFY_SOCKET").and_then(|name| open(&name).ok());
        let number = |name| env(name)?.to_str()?.parse::<u64>().ok();
        let micros = number("WATCHDOG_USEC").filter(|micros| *micros > 0);
        // Inherited by a child, it would be the parent's.
        let ours = env("WATCHDOG_PID").is_none() || number("WATCHDOG_PID") == Some(pid.into());
        Self {
            watchdog: micros
                .map(Duration::from_micros)
                .filter(|_| ours && way.is_some()),
            way,
        }
    }

    /// Whether anybody listens.
    pub fn is_there(&self) -> bool {
        self.way.is_some()
    }

    /// How long it waits for a [`beat`](Self::beat) before it takes the process for hung, if it
    /// watches.
    pub fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// The start is over: what depends on this process may start now.
    pub fn ready(&self) {
        self.tell("READY=1");
    }

    /// The process does what it is there for.
    pub fn beat(&self) {
        self.tell("WATCHDOG=1");
    }

    /// A line for people, as `systemctl status` shows it.
    pub fn status(&self, line: &str) {
        // Another line would be another message.
        self.tell(&format!("STATUS={}", line.replace(['\n', '\r'], " ")));
    }

    /// The process was asked to end, and is about it.
    pub fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    fn tell(&self, message: &str) {
        if let Some((socket, manager)) = &self.way {
            let _ = socket.send_to_addr(message.as_bytes(), manager);
        }
    }
}

fn open(name: &OsString) -> io::Result<(UnixDatagram, SocketAddr)> {
    let address = match name.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        [b'/', ..] => SocketAddr::from_pathname(name)?,
        // Managers of virtual machines have other kinds (`vsock:`), and start no programs.
        _ => return Err(io::ErrorKind::Unsupported.into()),
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    Ok((socket, address))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PID: u32 = 77;

    fn manager(variables: &[(&str, &str)]) -> ServiceManager {
        let find = |name: &str| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| OsString::from(value))
        };
        ServiceManager::new(find, PID)
    }

    fn heard(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 256];
        let len = socket.recv(&mut buffer).expect("a message");
        String::from_utf8(buffer[..len].to_vec()).expect("text")
    }

    fn told(manager: &ServiceManager, socket: &UnixDatagram) {
        manager.ready();
        assert_eq!(heard(socket), "READY=1");
        manager.beat();
        assert_eq!(heard(socket), "WATCHDOG=1");
        manager.status("two\nlines");
        assert_eq!(heard(socket), "STATUS=two lines");
        manager.stopping();
        assert_eq!(heard(socket), "STOPPING=1");
    }

    #[test]
    fn a_socket_in_the_file_system_hears() {
        let path = std::env::temp_dir().join(format!("transom-notify-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let socket = UnixDatagram::bind(&path).expect("a socket");
        let manager = manager(&[("NOTIFY_SOCKET", path.to_str().expect("text"))]);
        told(&manager, &socket);
        // It is gone, and so are our messages; nothing else happens.
        drop(socket);
        std::fs::remove_file(&path).expect("removed");
        manager.beat();
    }

    #[test]
    fn an_abstract_socket_hears() {
        let name = format!("transom-notify-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("an address");
        let socket = UnixDatagram::bind_addr(&address).expect("a socket");
        told(&manager(&[("NOTIFY_SOCKET", &format!("@{name}"))]), &socket);
    }

    #[test]
    fn a_manager_that_does_not_read_is_not_waited_for() {
        let name = format!("transom-deaf-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("an address");
        let _deaf = UnixDatagram::bind_addr(&address).expect("a socket");
        let manager = manager(&[("NOTIFY_SOCKET", &format!("@{name}"))]);
        for _ in 0..10_000 {
            manager.beat();
        }
    }

    #[test]
    fn nobody_listens_and_nobody_watches() {
        for variables in [
            &[][..],
            &[("NOTIFY_SOCKET", "")],
            &[("NOTIFY_SOCKET", "vsock:2:1234")],
            &[("WATCHDOG_USEC", "5000000")],
        ] {
            let manager = manager(variables);
            assert!(!manager.is_there(), "{variables:?}");
            assert_eq!(manager.watchdog(), None, "{variables:?}");
            manager.ready();
        }
    }

    #[test]
    fn the_watchdog_is_that_of_this_process() {
        let watchdog = |usec, pid: Option<&str>| {
            let mut variables = vec![("NOTIFY_SOCKET", "/run/x"), ("WATCHDOG_USEC", usec)];
            variables.extend(pid.map(|pid| ("WATCHDOG_PID", pid)));
            manager(&variables).watchdog()
        };
        let ten = Some(Duration::from_secs(10));
        assert_eq!(watchdog("10000000", Some("77")), ten);
        assert_eq!(watchdog("10000000", None), ten);
        assert_eq!(watchdog("10000000", Some("78")), None);
        assert_eq!(watchdog("10000000", Some("x")), None);
        assert_eq!(watchdog("0", None), None);
        assert_eq!(watchdog("soon", None), None);
    }
}
