//! What systemd's watchdog hears: that everything works on which clients depend.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use transom_rtc_telemetry::ServiceManager;

use crate::media::api::{MediaCommand, MediaPort};

/// Knocks at the media threads and at the runtime's workers, and beats once all have answered.
pub(super) struct Heartbeat {
    manager: ServiceManager,
    media: Arc<dyn MediaPort>,
    /// How many must answer.
    expected: usize,
    every: Option<Duration>,
    next: Instant,
    answers: Option<Arc<AtomicUsize>>,
}

impl Heartbeat {
    /// For `media` with so many threads.
    pub(super) fn new(
        manager: ServiceManager,
        media: Arc<dyn MediaPort>,
        media_threads: usize,
        now: Instant,
    ) -> Self {
        Self {
            // Four in the time that the watchdog grants: answers to one are counted at the next.
            every: manager.watchdog().map(|time| time / 4),
            manager,
            media,
            expected: media_threads + 1,
            next: now,
            answers: None,
        }
    }

    /// To be called often, by the loop that serves; `runtime` is its own.
    pub(super) fn handle_timeout(&mut self, now: Instant, runtime: &Handle) {
        let Some(every) = self.every.filter(|_| now >= self.next) else {
            return;
        };
        self.next = now + every;
        if let Some(answers) = &self.answers {
            if answers.load(Ordering::Relaxed) < self.expected {
                // Nobody is asked twice. Who answers late is in time for the next look.
                return;
            }
            self.manager.beat();
        }
        let answers = Arc::new(AtomicUsize::new(0));
        let answer = Arc::clone(&answers);
        runtime.spawn(async move {
            answer.fetch_add(1, Ordering::Relaxed);
        });
        // Where the queue is full, the thread that should empty it does not answer either.
        let _ = self.media.send(MediaCommand::Knock(Arc::clone(&answers)));
        self.answers = Some(answers);
    }

    /// The server serves.
    pub(super) fn ready(&self, status: &str) {
        self.manager.status(status);
        self.manager.ready();
    }

    /// It ends.
    pub(super) fn stopping(&self) {
        self.manager.stopping();
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::os::unix::net::UnixDatagram;
    use std::sync::Mutex;

    use super::*;
    use crate::media::api::MediaBusy;
    use crate::test_dir::TestDir;

    /// Keeps what it is asked.
    #[derive(Default)]
    struct Door(Mutex<Vec<Arc<AtomicUsize>>>);

    impl MediaPort for Door {
        fn send(&self, command: MediaCommand) -> Result<(), MediaBusy> {
            if let MediaCommand::Knock(answers) = command {
                self.0.lock().unwrap().push(answers);
            }
            Ok(())
        }
    }

    fn heard(socket: &UnixDatagram) -> Option<String> {
        let mut buffer = [0; 64];
        let len = socket.recv(&mut buffer).ok()?;
        Some(String::from_utf8_lossy(&buffer[..len]).into_owned())
    }

    #[test]
    fn it_beats_when_all_have_answered() {
        let dir = TestDir::new("heartbeat");
        let path = dir.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        let env = |name: &str| match name {
            "NOTIFY_SOCKET" => Some(path.clone().into_os_string()),
            "WATCHDOG_USEC" => Some(OsString::from("4000000")),
            _ => None,
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .build()
            .unwrap();
        let door = Arc::new(Door::default());
        let begun = Instant::now();
        let at = |ms| begun + Duration::from_millis(ms);
        let manager = ServiceManager::new(env, 1);
        let mut heartbeat = Heartbeat::new(manager, Arc::clone(&door) as _, 2, begun);
        let mut look = |ms| heartbeat.handle_timeout(at(ms), runtime.handle());
        let knocks = || door.0.lock().unwrap().len();

        look(0);
        assert_eq!((knocks(), heard(&socket)), (1, None));
        let answers = Arc::clone(&door.0.lock().unwrap()[0]);
        // The runtime answers by itself.
        while answers.load(Ordering::Relaxed) == 0 {
            std::thread::yield_now();
        }
        answers.fetch_add(1, Ordering::Relaxed);
        look(500);
        look(1000);
        look(60_000);
        assert_eq!((knocks(), heard(&socket)), (1, None), "one is silent");
        answers.fetch_add(1, Ordering::Relaxed);
        look(60_500);
        assert_eq!(heard(&socket), None, "it is not time yet");
        look(61_000);
        assert_eq!(knocks(), 2);
        assert_eq!(heard(&socket).as_deref(), Some("WATCHDOG=1"));
    }
}
