//! A bounded queue from a capture thread to the publisher's task.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// A queue of at most `capacity` items (at least one).
pub fn bounded<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Shared {
        state: Mutex::new(State {
            items: VecDeque::with_capacity(capacity),
            dropped: 0,
            closed: false,
        }),
        filled: Notify::new(),
        capacity: capacity.max(1),
    });
    (
        Sender {
            shared: Arc::clone(&shared),
        },
        Receiver { shared },
    )
}

/// The capturing end; never blocks. Dropping it ends the queue.
#[derive(Debug)]
pub struct Sender<T> {
    shared: Arc<Shared<T>>,
}

/// The publishing end.
#[derive(Debug)]
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
}

#[derive(Debug)]
struct Shared<T> {
    state: Mutex<State<T>>,
    filled: Notify,
    capacity: usize,
}

#[derive(Debug)]
struct State<T> {
    items: VecDeque<T>,
    dropped: u64,
    closed: bool,
}

impl<T> Sender<T> {
    /// Appends an item. Drop policy: from a full queue the oldest goes. Whether
    /// one did.
    pub fn push(&self, item: T) -> bool {
        let mut state = self.shared.lock();
        let full = state.items.len() >= self.shared.capacity;
        if full {
            state.items.pop_front();
            state.dropped += 1;
        }
        state.items.push_back(item);
        drop(state);
        self.shared.filled.notify_one();
        full
    }

    /// Whether the next push would drop an item. Only the receiver can change
    /// a yes into a no.
    pub fn is_full(&self) -> bool {
        self.shared.lock().items.len() >= self.shared.capacity
    }

    /// Drops all that waits and counts it; how many that were.
    pub fn drop_all(&self) -> u64 {
        let mut state = self.shared.lock();
        let dropped = state.items.len() as u64;
        state.dropped += dropped;
        state.items.clear();
        dropped
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.filled.notify_one();
    }
}

impl<T> Receiver<T> {
    /// The next item; `None` once the sender is gone and the queue is empty.
    ///
    /// Cancel safe: an item is taken only in the poll that returns it.
    pub async fn recv(&mut self) -> Option<T> {
        loop {
            {
                let mut state = self.shared.lock();
                if let Some(item) = state.items.pop_front() {
                    return Some(item);
                }
                if state.closed {
                    return None;
                }
            }
            // A push between the check and here leaves a permit behind.
            self.shared.filled.notified().await;
        }
    }

    /// The next item where one waits already.
    pub fn try_recv(&mut self) -> Option<T> {
        self.shared.lock().items.pop_front()
    }

    /// Throws away what waits, not counted as dropped: stale media after a
    /// reconnect.
    pub fn clear(&mut self) {
        self.shared.lock().items.clear();
    }

    /// Items lost to the queue's bound so far.
    pub fn dropped(&self) -> u64 {
        self.shared.lock().dropped
    }
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // Nothing in here can panic half-way: a poisoned lock is still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(receiver: &mut Receiver<u32>) -> Vec<u32> {
        std::iter::from_fn(|| receiver.try_recv()).collect()
    }

    #[test]
    fn the_oldest_goes() {
        let (sender, mut receiver) = bounded(2);
        sender.push(1);
        sender.push(2);
        assert!(sender.is_full());
        sender.push(3);
        assert_eq!(receiver.dropped(), 1);
        assert_eq!(drain(&mut receiver), [2, 3]);
    }

    #[test]
    fn all_go_and_are_counted() {
        let (sender, mut receiver) = bounded(2);
        sender.push(1);
        sender.push(2);
        sender.drop_all();
        sender.push(3);
        assert_eq!(receiver.dropped(), 2);
        assert_eq!(drain(&mut receiver), [3]);
    }

    #[tokio::test]
    async fn items_cross_threads_in_order_and_the_end_is_seen() {
        let (sender, mut receiver) = bounded(1000);
        let thread = std::thread::spawn(move || {
            for item in 0..500 {
                sender.push(item);
            }
        });
        let mut got = Vec::new();
        while let Some(item) = receiver.recv().await {
            got.push(item);
        }
        thread.join().expect("the sender ends");
        assert_eq!(got, (0..500).collect::<Vec<u32>>());
    }
}
