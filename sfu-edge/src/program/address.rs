use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;

/// The file's name in the state directory.
const FILE_NAME: &str = "address";

/// Notes where HTTP listens, for `--show-link`: a reader finds the whole
/// address or the former one.
pub(super) fn record(state_dir: &Path, http: SocketAddr) -> io::Result<()> {
    let draft = state_dir.join(format!(".{FILE_NAME}.{}", std::process::id()));
    fs::write(&draft, format!("{http}\n"))?;
    let renamed = fs::rename(&draft, state_dir.join(FILE_NAME));
    if renamed.is_err() {
        let _ = fs::remove_file(&draft);
    }
    renamed
}

/// Where the latest start listened, if there was one.
pub(super) fn recorded(state_dir: &Path) -> Option<SocketAddr> {
    let text = fs::read_to_string(state_dir.join(FILE_NAME)).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_dir::TestDir;

    #[test]
    fn the_latest_start_is_found() {
        let dir = TestDir::new("address");
        assert_eq!(recorded(dir.path()), None);
        for port in [7080, 40_000] {
            let http = SocketAddr::from(([127, 0, 0, 1], port));
            record(dir.path(), http).unwrap();
            assert_eq!(recorded(dir.path()), Some(http));
        }
        let left = fs::read_dir(dir.path()).unwrap().count();
        assert_eq!(left, 1, "no draft is left behind");
    }
}
