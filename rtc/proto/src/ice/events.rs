use alloc::collections::VecDeque;

use super::IceEvent;

/// Owners poll after every call, so that a handful suffices. When it is full
/// the oldest event goes: the later ones tell the present state.
const MAX_EVENTS: usize = 16;

#[derive(Debug)]
pub(super) struct EventQueue {
    events: VecDeque<IceEvent>,
    dropped: u64,
}

impl EventQueue {
    pub(super) fn new() -> Self {
        Self {
            events: VecDeque::with_capacity(MAX_EVENTS),
            dropped: 0,
        }
    }

    pub(super) fn push(&mut self, event: IceEvent) {
        if self.events.len() >= MAX_EVENTS {
            self.events.pop_front();
            self.dropped += 1;
        }
        self.events.push_back(event);
    }

    pub(super) fn pop(&mut self) -> Option<IceEvent> {
        self.events.pop_front()
    }

    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_first() {
        let mut queue = EventQueue::new();
        for _ in 0..MAX_EVENTS {
            queue.push(IceEvent::Failed);
        }
        queue.push(IceEvent::ConsentLost);
        assert_eq!(queue.dropped(), 1);
        let last = core::iter::from_fn(|| queue.pop()).last();
        assert_eq!(last, Some(IceEvent::ConsentLost));
    }
}
