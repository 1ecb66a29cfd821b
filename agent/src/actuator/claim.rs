//! One actuator a machine: the header's registers know no owner, and whoever opens its lines makes them safe
//! under the hands of whoever drives by them. Of other boards a claim tells `make-safe` that somebody drives.

use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::thread;
use std::time::{Duration, Instant};

use transom_boards_hal::DriveError;

const NAME: &str = "transom-actuator";
/// What the former one may still take to go.
const PATIENCE: Duration = Duration::from_millis(200);

/// Held until the process ends, however it does: the kernel forgets an abstract name with its socket.
#[derive(Debug)]
pub(super) struct Claim {
    _socket: UnixDatagram,
}

/// Claims the machine's header.
pub(super) fn header() -> Result<Claim, DriveError> {
    named(NAME).map_err(|error| DriveError::Denied {
        board: "the header",
        told: match error.kind() {
            io::ErrorKind::AddrInUse => {
                "another transom-agent drives by it (`pgrep -a transom-agent` tells which): end that one first"
                    .to_owned()
            }
            _ => error.to_string(),
        },
    })
}

/// Claims a board that knows its owners itself, or has none, by what it is; waits for nobody.
pub(super) fn board(what: &[u8]) -> io::Result<Claim> {
    // FNV-1a: a name for what may be longer than a name.
    let hash = what.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    within(&format!("{NAME}-{hash:016x}"), Duration::ZERO)
}

fn named(name: &str) -> io::Result<Claim> {
    within(name, PATIENCE)
}

fn within(name: &str, patience: Duration) -> io::Result<Claim> {
    let address = SocketAddr::from_abstract_name(name)?;
    let until = Instant::now() + patience;
    loop {
        match UnixDatagram::bind_addr(&address) {
            Ok(socket) => return Ok(Claim { _socket: socket }),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && Instant::now() < until => {
                thread::sleep(Duration::from_millis(5));
            }
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_at_a_time() {
        let name = format!("transom-test-{}", std::process::id());
        let first = named(&name).expect("free");
        let second = named(&name).map(|_| ()).map_err(|error| error.kind());
        assert_eq!(second, Err(io::ErrorKind::AddrInUse));
        let freed = thread::spawn(move || {
            thread::sleep(Duration::from_millis(50));
            drop(first);
        });
        named(&name).expect("the former one had gone");
        freed.join().expect("dropped");
    }
}
