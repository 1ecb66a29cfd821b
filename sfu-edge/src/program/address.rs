use std::fs;
use std::io;
use std::path::Path;

use super::doors::{OpenDoor, Scheme};

/// The file's name in the state directory.
const FILE_NAME: &str = "address";

/// Notes what is listened on, for `transom-sfu link`: a reader finds all of it
/// or what the former start noted.
pub(super) fn record(state_dir: &Path, doors: &[OpenDoor]) -> io::Result<()> {
    let draft = state_dir.join(format!(".{FILE_NAME}.{}", std::process::id()));
    let lines: String = doors
        .iter()
        .map(|door| format!("{} {}\n", door.scheme.as_str(), door.address))
        .collect();
    fs::write(&draft, lines)?;
    let renamed = fs::rename(&draft, state_dir.join(FILE_NAME));
    if renamed.is_err() {
        let _ = fs::remove_file(&draft);
    }
    renamed
}

/// What the latest start listened on; nothing, if there was none.
pub(super) fn recorded(state_dir: &Path) -> Vec<OpenDoor> {
    let text = fs::read_to_string(state_dir.join(FILE_NAME)).unwrap_or_default();
    text.lines().filter_map(door).collect()
}

fn door(line: &str) -> Option<OpenDoor> {
    let (scheme, address) = line.trim().split_once(' ')?;
    let schemes = [Scheme::Http, Scheme::Https];
    Some(OpenDoor {
        scheme: schemes.into_iter().find(|s| s.as_str() == scheme)?,
        address: address.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_dir::TestDir;

    #[test]
    fn the_latest_start_is_found() {
        let dir = TestDir::new("address");
        assert_eq!(recorded(dir.path()), []);
        for port in [7080, 40_000] {
            let doors = [
                OpenDoor {
                    scheme: Scheme::Http,
                    address: ([127, 0, 0, 1], port).into(),
                },
                OpenDoor {
                    scheme: Scheme::Https,
                    address: "[::]:8443".parse().unwrap(),
                },
            ];
            record(dir.path(), &doors).unwrap();
            assert_eq!(recorded(dir.path()), doors);
        }
        let left = fs::read_dir(dir.path()).unwrap().count();
        assert_eq!(left, 1, "no draft is left behind");
        fs::write(dir.path().join(FILE_NAME), "127.0.0.1:7080\nhttps x\n\n").unwrap();
        assert_eq!(recorded(dir.path()), []);
    }
}
