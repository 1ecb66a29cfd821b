//! Who holds a port or a device.

use std::fmt;
use std::fs;
use std::path::Path;

/// A process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its number.
    pub pid: u32,
    /// Its name, as `ps` has it (at most 15 bytes); of one that was started by way
    /// of `/proc/self/exe`, what it was called then.
    pub name: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (pid {})", self.name, self.pid)
    }
}

/// Several on one line.
pub fn list(holders: &[Holder]) -> String {
    let shown: Vec<String> = holders.iter().map(ToString::to_string).collect();
    shown.join(", ")
}

/// Which ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TCP, listening.
    Tcp,
    /// UDP.
    Udp,
}

/// Who holds a port on whatever address. Empty where nobody does, or where the
/// kernel does not tell us: other users' processes are told to root only.
pub fn holders_of_port(transport: Transport, port: u16) -> Vec<Holder> {
    let tables = match transport {
        Transport::Tcp => ["/proc/net/tcp", "/proc/net/tcp6"],
        Transport::Udp => ["/proc/net/udp", "/proc/net/udp6"],
    };
    let mut links = Vec::new();
    for table in tables {
        let text = fs::read_to_string(table).unwrap_or_default();
        let inodes = inodes_of(&text, transport, port);
        links.extend(inodes.into_iter().map(|inode| format!("socket:[{inode}]")));
    }
    match links.is_empty() {
        true => Vec::new(),
        false => holders(|link| links.iter().any(|l| Path::new(l) == link)),
    }
}

/// Who has a file or a device open, likewise.
pub fn holders_of_file(path: &Path) -> Vec<Holder> {
    let Ok(path) = fs::canonicalize(path) else {
        return Vec::new();
    };
    holders(|link| link == path)
}

/// The inodes of the sockets on a port, from a table of proc_pid_net(5):
/// `sl local rem st tx:rx tr:when retrnsmt uid timeout inode ...`.
fn inodes_of(table: &str, transport: Transport, port: u16) -> Vec<u64> {
    /// `TCP_LISTEN` of the kernel's `tcp_states.h`.
    const LISTEN: &str = "0A";
    let inode = |line: &str| {
        let mut fields = line.split_ascii_whitespace();
        let (_, local_port) = fields.nth(1)?.rsplit_once(':')?;
        let state = fields.nth(1)?;
        let inode = fields.nth(5)?.parse().ok()?;
        let wanted = u16::from_str_radix(local_port, 16) == Ok(port)
            && (transport == Transport::Udp || state == LISTEN)
            && inode != 0;
        wanted.then_some(inode)
    };
    table.lines().skip(1).filter_map(inode).collect()
}

/// The processes that have an open descriptor which `is_it` knows by its link.
fn holders(is_it: impl Fn(&Path) -> bool) -> Vec<Holder> {
    let Ok(processes) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let holder = |entry: fs::DirEntry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let mut descriptors = fs::read_dir(entry.path().join("fd")).ok()?.flatten();
        let holds = descriptors.any(|fd| fs::read_link(fd.path()).is_ok_and(|link| is_it(&link)));
        holds.then(|| Holder {
            pid,
            name: name_of(&entry.path()),
        })
    };
    processes.flatten().filter_map(holder).collect()
}

/// The name of the process in this folder of `/proc`.
fn name_of(process: &Path) -> String {
    let read = |file| fs::read_to_string(process.join(file)).unwrap_or_default();
    let name = read("comm").trim().to_owned();
    if name != "exe" {
        return name;
    }
    let words = read("cmdline");
    let called = words
        .split('\0')
        .next()
        .and_then(|word| word.rsplit('/').next());
    match called {
        Some(called) if !called.is_empty() => called.to_owned(),
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, UdpSocket};

    use super::*;

    const TABLE: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1BA8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0
   1: 0100007F:1BA8 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 20 4 30 10 -1
   2: 0100007F:1BA9 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1 0 100 0 0 10 0
   3: nonsense
";

    #[test]
    fn the_table_is_read() {
        assert_eq!(inodes_of(TABLE, Transport::Tcp, 7080), [4711]);
        assert_eq!(inodes_of(TABLE, Transport::Udp, 7080), [4711, 4712]);
        assert!(inodes_of(TABLE, Transport::Tcp, 1).is_empty());
        assert!(inodes_of("", Transport::Tcp, 7080).is_empty());
    }

    #[test]
    fn a_program_that_started_itself_has_its_own_name() {
        let folder = std::env::temp_dir().join(format!("transom-name-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let name = |comm: &str, words: &str| {
            fs::write(folder.join("comm"), comm).expect("a file");
            fs::write(folder.join("cmdline"), words).expect("a file");
            name_of(&folder)
        };
        assert_eq!(name("motion\n", "/usr/bin/motion\0-n\0"), "motion");
        assert_eq!(name("exe\n", "transom-agent\0actuator\0"), "transom-agent");
        assert_eq!(name("exe\n", "/bin/x\0"), "x");
        assert_eq!(name("exe\n", ""), "exe");
        fs::remove_dir_all(&folder).expect("the folder goes");
    }

    #[test]
    fn we_find_ourselves() {
        let tcp = TcpListener::bind("127.0.0.1:0").expect("a port");
        let udp = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let me = std::process::id();
        for (transport, addr) in [
            (Transport::Tcp, tcp.local_addr()),
            (Transport::Udp, udp.local_addr()),
        ] {
            let port = addr.expect("an address").port();
            let found = holders_of_port(transport, port);
            assert!(found.iter().any(|h| h.pid == me), "{found:?}");
        }
        let path = std::env::temp_dir().join(format!("transom-held-{me}"));
        let file = fs::File::create(&path).expect("a file");
        let found = holders_of_file(&path);
        drop(file);
        fs::remove_file(&path).expect("the file goes");
        assert!(found.iter().any(|h| h.pid == me), "{found:?}");
    }
}
