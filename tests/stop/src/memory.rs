//! Memory that runs short for real: a cgroup with a limit, somebody greedy in it, and the kernel's OOM killer.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::Duration;

use transom_tests_e2e::monotonic_us;

/// Before anything happens there is room for the agent and its actuator.
const ROOM: u64 = 512 << 20;

/// A group of processes that share a limit. Removed with the value, once all of them are gone.
pub struct MemoryGroup {
    folder: PathBuf,
    unified: bool,
}

impl MemoryGroup {
    /// Makes one; the error is why that cannot be done here.
    pub fn new() -> Result<Self, String> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let root = Path::new("/sys/fs/cgroup");
        let controllers = fs::read_to_string(root.join("cgroup.subtree_control"));
        let unified = controllers.is_ok_and(|all| all.split_whitespace().any(|c| c == "memory"));
        let parent = match unified {
            true => root.to_owned(),
            false => root.join("memory"),
        };
        let name = format!(
            "transom-stop-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let group = Self {
            folder: parent.join(name),
            unified,
        };
        fs::create_dir(&group.folder)
            .and_then(|()| group.limit(ROOM))
            .map_err(|error| format!("no memory group in {}: {error}", parent.display()))?;
        Ok(group)
    }

    /// What runs a program within: the agent, and every child of its.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("sh");
        command.args(["-ec", "echo $$ > \"$0\"; exec \"$@\""]);
        command.arg(self.folder.join("cgroup.procs")).arg(program);
        command
    }

    /// Tells the kernel whom to take first when memory runs short: else it might be the greedy one.
    pub fn offer(&self, pid: u32) {
        adjust(pid, 1000);
    }

    /// Somebody in it who takes more and more.
    pub fn greedy(&self, program: &Path) -> Child {
        let used = self.number(if self.unified {
            "memory.current"
        } else {
            "memory.usage_in_bytes"
        });
        // Little is left: it is over at once.
        self.limit(used + (16 << 20)).expect("a limit");
        let mut command = self.command(program);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let greedy = command.spawn().expect("our own program");
        // Who is greedy is larger than an actuator, but not in so small a group.
        adjust(greedy.id(), 500);
        greedy
    }

    /// How many processes the kernel has killed in it.
    pub fn kills(&self) -> u64 {
        self.counted(
            if self.unified {
                "memory.events"
            } else {
                "memory.oom_control"
            },
            "oom_kill",
        )
    }

    fn limit(&self, bytes: u64) -> std::io::Result<()> {
        let name = if self.unified {
            "memory.max"
        } else {
            "memory.limit_in_bytes"
        };
        fs::write(self.folder.join(name), bytes.to_string())
    }

    fn number(&self, name: &str) -> u64 {
        let text = fs::read_to_string(self.folder.join(name)).expect("a figure");
        text.trim().parse().expect("a number")
    }

    fn counted(&self, file: &str, key: &str) -> u64 {
        let text = fs::read_to_string(self.folder.join(file)).expect("figures");
        let mut pairs = text.lines().filter_map(|line| line.split_once(' '));
        let pair = pairs.find(|(name, _)| *name == key);
        pair.and_then(|(_, count)| count.parse().ok())
            .expect("a count")
    }
}

/// As if it had so many thousandths of the memory more.
fn adjust(pid: u32, thousandths: u32) {
    let file = format!("/proc/{pid}/oom_score_adj");
    fs::write(file, thousandths.to_string()).expect("a process of ours");
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        for _ in 0..200 {
            if fs::remove_dir(&self.folder).is_ok() {
                return;
            }
            sleep(Duration::from_millis(10));
        }
    }
}

/// Takes a megabyte each millisecond and keeps it, until somebody ends it.
pub fn be_greedy() -> ! {
    let mut taken = Vec::new();
    let begun = monotonic_us();
    loop {
        // It ends by itself should nobody end it.
        if monotonic_us() - begun < 20_000_000 {
            taken.push(vec![1_u8; 1 << 20]);
        } else {
            std::process::exit(1);
        }
        sleep(Duration::from_millis(1));
    }
}
