//! What systemd is told: that the agent runs, and how publishing goes.

use std::convert::Infallible;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use transom_rtc_telemetry::ServiceManager;

use crate::publisher::{PublishFigures, PublisherState};

/// How old the status may be.
const STATUS: Duration = Duration::from_secs(1);

/// Beats while the runtime works, and tells of every change. Goes on until it is dropped; to be polled by
/// the task that publishes, so that both stand still together.
pub async fn report(manager: &ServiceManager, figures: &PublishFigures) -> Infallible {
    if !manager.is_there() {
        return std::future::pending().await;
    }
    // Three in the time that the watchdog grants: one may be late.
    let every = manager.watchdog().map_or(STATUS, |time| time / 3);
    let mut ticks = interval(every.min(STATUS));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = None;
    loop {
        ticks.tick().await;
        // A worker thread has to do it: the sessions' sockets are served by these.
        if tokio::spawn(async {}).await.is_ok() {
            manager.beat();
        }
        let state = figures.state();
        if told.replace(state) != Some(state) {
            manager.status(words(state));
        }
    }
}

const fn words(state: PublisherState) -> &'static str {
    match state {
        PublisherState::Connecting => "connecting to the server",
        PublisherState::Connected => "publishing",
        PublisherState::Waiting => "no session: the log says why; tried again soon",
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::os::unix::net::UnixDatagram;
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    const WATCHDOG: &str = "150000";
    const LONG: Duration = Duration::from_millis(600);

    /// All that was said so far.
    fn heard(socket: &UnixDatagram) -> Vec<String> {
        let mut buffer = [0; 256];
        let mut heard = Vec::new();
        while let Ok(len) = socket.recv(&mut buffer) {
            heard.push(String::from_utf8_lossy(&buffer[..len]).into_owned());
        }
        heard
    }

    #[test]
    fn a_runtime_whose_workers_hang_does_not_beat() {
        let path = std::env::temp_dir().join(format!("transom-service-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let socket = UnixDatagram::bind(&path).expect("a socket");
        socket.set_nonblocking(true).expect("nonblocking");
        let env = |name: &str| match name {
            "NOTIFY_SOCKET" => Some(path.clone().into_os_string()),
            "WATCHDOG_USEC" => Some(OsString::from(WATCHDOG)),
            _ => None,
        };
        let manager = ServiceManager::new(env, 1);
        let figures = PublishFigures::default();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        // Not by the runtime's own timers: nobody turns them while its worker hangs.
        let report_for = |time| {
            let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
            thread::scope(|scope| {
                scope.spawn(|| {
                    runtime.block_on(async {
                        tokio::select! {
                            never = report(&manager, &figures) => match never {},
                            _ = stopped => {}
                        }
                    });
                });
                thread::sleep(time);
                let _ = stop.send(());
            });
        };

        report_for(LONG);
        let said = heard(&socket);
        assert!(said.iter().filter(|line| *line == "WATCHDOG=1").count() > 2);
        assert!(said.contains(&"STATUS=connecting to the server".to_owned()));

        let (go_on, held) = mpsc::channel::<()>();
        let (begun, hangs) = mpsc::channel();
        runtime.spawn(async move {
            let _ = begun.send(thread::current().id());
            let _ = held.recv();
        });
        hangs.recv().expect("it hangs");
        report_for(LONG);
        let beats = heard(&socket);
        assert!(!beats.contains(&"WATCHDOG=1".to_owned()), "{beats:?}");

        drop(go_on);
        report_for(LONG);
        assert!(heard(&socket).contains(&"WATCHDOG=1".to_owned()));
        std::fs::remove_file(&path).expect("removed");
    }
}
