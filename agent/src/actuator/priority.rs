//! Never wait for a page or for the processor.

use std::io;

use rustix::mm::{MlockAllFlags, mlockall};
use thread_priority::{
    Error, NormalThreadSchedulePolicy, RealtimeThreadSchedulePolicy, ThreadPriority,
    ThreadPriorityOsValue, ThreadSchedulePolicy, set_thread_priority_and_policy, thread_native_id,
    thread_schedule_policy,
};

/// Above everything that is not real-time, below the kernel's own threads.
const PRIORITY: u8 = 20;

/// Locks the memory and takes a real-time priority; returns what was refused, one line each.
pub(super) fn raise() -> Vec<String> {
    let locked = mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE);
    let memory = locked.err().map(|error| {
        format!("memory is not locked ({error}): a page fault may delay a stop; LimitMEMLOCK=infinity in the systemd unit mends it")
    });
    let scheduled = ThreadPriority::try_from(PRIORITY)
        .map_err(str::to_owned)
        .and_then(|priority| {
            set_thread_priority_and_policy(
                thread_native_id(),
                priority,
                ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::Fifo),
            )
            .map_err(|error| match error {
                Error::OS(code) => io::Error::from_raw_os_error(code).to_string(),
                other => format!("{other:?}"),
            })
        });
    let priority = scheduled.err().map(|error| {
        format!("no real-time priority ({error}): a busy processor may delay a stop; LimitRTPRIO=20 in the systemd unit mends it")
    });
    memory.into_iter().chain(priority).collect()
}

/// Goes back among all others: a process inherits the priority of who started it.
pub(super) fn lower() {
    let Ok(ThreadSchedulePolicy::Realtime(_)) = thread_schedule_policy() else {
        return;
    };
    // Niceness zero. It cannot be refused.
    let ordinary = ThreadPriority::Os(ThreadPriorityOsValue::default());
    let policy = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Other);
    let _ = set_thread_priority_and_policy(thread_native_id(), ordinary, policy);
}
