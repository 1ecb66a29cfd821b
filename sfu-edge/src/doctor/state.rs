use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::process::geteuid;
use transom_rtc_doctor::Finding;
use transom_rtc_doctor::machine::may_write;

use crate::secrets::{Secrets, SecretsError};

/// Whether tokens can be kept in `dir`, and are safe there.
pub(super) fn examine(dir: &Path) -> Vec<Finding> {
    let shown = dir.display();
    let metadata = match fs::metadata(dir) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return not_there(dir),
        Err(error) => {
            return Finding::fail(
                format!("{shown}: {error}"),
                "give a directory that the server may read with --state-dir",
            )
            .into();
        }
    };
    if !metadata.is_dir() {
        return Finding::fail(
            format!("{shown} is not a directory"),
            "give a directory with --state-dir",
        )
        .into();
    }
    let mut findings = Vec::new();
    let (owner, us) = (metadata.uid(), geteuid().as_raw());
    if owner != us && us == 0 {
        findings.push(Finding::warn(
            format!(
                "{shown} is owned by user {owner}, and the doctor runs as root, who may do all"
            ),
            format!("to see what the server sees, run `sudo -u '#{owner}' transom-sfu doctor`"),
        ));
    }
    if !may_write(dir) {
        findings.push(Finding::fail(
            format!("{shown} (owner {owner}) cannot be written by user {us}"),
            format!("`sudo chown -R {us} {shown}`, or give another directory with --state-dir"),
        ));
    }
    findings.push(secrets(dir));
    findings
}

fn secrets(dir: &Path) -> Finding {
    match Secrets::load(dir) {
        Ok(Some(_)) => Finding::ok(format!("tokens are in {}", dir.display())),
        Ok(None) => Finding::ok(format!(
            "{} has no tokens yet: the first start makes them",
            dir.display()
        )),
        Err(SecretsError::Exposed { path, mode }) => {
            let path = path.display();
            Finding::fail(
                format!("{path} can be read by others (mode {mode:o})"),
                format!("`chmod 600 {path}`, and remove it if the tokens may have leaked"),
            )
        }
        Err(error) => Finding::fail_told(error, "; ", "give another directory with --state-dir"),
    }
}

/// The first start makes it, if the nearest directory above lets it.
fn not_there(dir: &Path) -> Vec<Finding> {
    let above = dir.ancestors().skip(1).find(|d| d.exists());
    // A relative path has nothing above.
    let above = above.filter(|d| !d.as_os_str().is_empty());
    let above = above.unwrap_or(Path::new("."));
    let finding = match above.is_dir() && may_write(above) {
        true => Finding::ok(format!("{}: the first start makes it", dir.display())),
        false => Finding::fail(
            format!(
                "{} is not there and cannot be made in {}",
                dir.display(),
                above.display()
            ),
            "make it for the user that runs the server, or give another with --state-dir",
        ),
    };
    finding.into()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use transom_rtc_doctor::Verdict;

    use super::*;
    use crate::test_dir::TestDir;

    fn worst(dir: &Path) -> Finding {
        let findings = examine(dir);
        findings.into_iter().max_by_key(|f| f.verdict).unwrap()
    }

    #[test]
    fn nothing_is_made() {
        let dir = TestDir::new("doctor-state");
        let state = dir.path().join("a/b");
        assert_eq!(worst(&state).verdict, Verdict::Ok);
        assert!(!dir.path().join("a").exists());
    }

    #[test]
    fn exposed_tokens_and_files_for_directories_fail() {
        let dir = TestDir::new("doctor-exposed");
        Secrets::load_or_create(dir.path()).unwrap();
        assert_eq!(worst(dir.path()).verdict, Verdict::Ok);
        let file = dir.path().join("secrets.toml");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        let exposed = worst(dir.path());
        assert_eq!(exposed.verdict, Verdict::Fail);
        assert!(exposed.mend.unwrap().contains("chmod 600"));
        assert_eq!(worst(&file).verdict, Verdict::Fail);
        assert_eq!(worst(&file.join("below")).verdict, Verdict::Fail);
    }
}
