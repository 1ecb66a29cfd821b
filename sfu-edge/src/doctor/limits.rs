use std::num::NonZeroUsize;

use rustix::process::{Resource, getrlimit};
use transom_rtc_doctor::{Finding, machine};

use crate::settings::Limits;

/// Descriptors besides those of connections: port, polls, bells, log, runtime.
const BASE_FILES: u64 = 64;

/// Descriptors of a media thread.
const FILES_A_WORKER: u64 = 4;

/// Whether as many connections can be open as `limits` allow. A session has no
/// descriptor of its own: all media goes through one port.
pub(super) fn open_files(limits: &Limits, workers: NonZeroUsize) -> Finding {
    let workers = u64::try_from(workers.get()).unwrap_or(u64::MAX);
    let connections = u64::from(limits.max_connections.get());
    let needed = BASE_FILES + connections + FILES_A_WORKER * workers;
    judge(getrlimit(Resource::Nofile).current, needed)
}

fn judge(limit: Option<u64>, needed: u64) -> Finding {
    match limit {
        None => Finding::ok("as many files may be open as one likes"),
        Some(limit) if limit >= needed => {
            Finding::ok(format!("{limit} files may be open, {needed} may be needed"))
        }
        Some(limit) => Finding::warn(
            format!("{limit} files may be open, and {needed} may be needed"),
            format!(
                "`ulimit -n {needed}` before the start, or LimitNOFILE={needed} in the systemd unit; or lower `limits.max_connections`"
            ),
        ),
    }
}

/// The program by itself, bytes.
const BASE_MEMORY: u64 = 16 << 20;

/// What answers a stream's NACKs and lets viewers begin at once, bytes.
const MEMORY_A_STREAM: u64 = 4 << 20;

/// A peer: handshake, keys, maps, bytes.
const MEMORY_A_SESSION: u64 = 64 << 10;

/// The streams of a household; more are rare, and warning of them would be noise.
const USUAL_STREAMS: u64 = 8;

pub(super) fn memory(limits: &Limits) -> Finding {
    let streams = u64::from(limits.max_streams.get()).min(USUAL_STREAMS);
    let sessions = u64::from(limits.max_sessions.get());
    machine::memory(BASE_MEMORY + streams * MEMORY_A_STREAM + sessions * MEMORY_A_SESSION)
}

#[cfg(test)]
mod tests {
    use transom_rtc_doctor::Verdict;

    use super::*;

    #[test]
    fn too_few_open_files_are_a_warning() {
        assert_eq!(judge(Some(1024), 580).verdict, Verdict::Ok);
        assert_eq!(judge(None, 580).verdict, Verdict::Ok);
        let few = judge(Some(256), 580);
        assert_eq!(few.verdict, Verdict::Warn);
        assert!(few.mend.unwrap().contains("LimitNOFILE=580"));
    }
}
