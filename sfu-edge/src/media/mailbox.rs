//! How others reach the media thread: queues and one bell.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use mio::{Poll, Token, Waker};

use super::api::{MediaBusy, MediaCommand, MediaPort};

/// The bell's place in the thread's poll.
pub(super) const BELL: Token = Token(1);

/// The control plane's end.
#[derive(Debug)]
pub(super) struct Sender {
    commands: SyncSender<MediaCommand>,
    bell: Arc<Bell>,
}

impl MediaPort for Sender {
    fn send(&self, command: MediaCommand) -> Result<(), MediaBusy> {
        match self.commands.try_send(command) {
            Ok(()) => {
                self.bell.ring();
                Ok(())
            }
            Err(TrySendError::Full(command) | TrySendError::Disconnected(command)) => {
                Err(MediaBusy(command))
            }
        }
    }
}

/// Rung from any thread; heard by the media thread's poll.
#[derive(Debug)]
pub(super) struct Bell {
    waker: Waker,
    /// Peers whose DTLS neighbour has something to say; each at most once.
    dtls: Mutex<Vec<u32>>,
}

impl Bell {
    pub(super) fn new(poll: &Poll) -> io::Result<Self> {
        Ok(Self {
            waker: Waker::new(poll.registry(), BELL)?,
            dtls: Mutex::default(),
        })
    }

    pub(super) fn ring(&self) {
        // It fails only where the thread has ended, and then nobody waits for it.
        let _ = self.waker.wake();
    }

    /// The neighbour of the peer with this key has events.
    pub(super) fn ring_for_dtls(&self, key: u32) {
        let mut waiting = self.dtls.lock().unwrap_or_else(PoisonError::into_inner);
        let first = waiting.is_empty();
        if !waiting.contains(&key) {
            waiting.push(key);
        }
        drop(waiting);
        if first {
            self.ring();
        }
    }

    /// Takes the peers that were rung for, into `keys`.
    pub(super) fn take_dtls(&self, keys: &mut Vec<u32>) {
        let mut waiting = self.dtls.lock().unwrap_or_else(PoisonError::into_inner);
        keys.append(&mut waiting);
    }
}

/// The two ends of the command queue, with room for `room` commands.
pub(super) fn mailbox(room: usize, bell: Arc<Bell>) -> (Sender, Receiver<MediaCommand>) {
    let (commands, receiver) = sync_channel(room.max(1));
    (Sender { commands, bell }, receiver)
}
