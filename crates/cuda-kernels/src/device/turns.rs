//! Whose turn it is: what one thread records must hold no call of another.

use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread::{self, ThreadId};

/// Calls take turns with recordings, not with each other.
#[derive(Default)]
pub(super) struct Turns {
    calls: RwLock<()>,
    recorder: Mutex<Option<ThreadId>>,
}

/// A recording that goes on until this is dropped.
pub(crate) struct Recording<'a> {
    turns: &'a Turns,
    _no_calls: RwLockWriteGuard<'a, ()>,
}

impl Turns {
    /// Waits until no other thread records; a recording does not begin before this is dropped.
    pub(super) fn call(&self) -> Option<RwLockReadGuard<'_, ()>> {
        if *self.recorder() == Some(thread::current().id()) {
            return None;
        }
        Some(self.calls.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until no call is under way. This thread's calls are those of the recording.
    pub(super) fn record(&self) -> Recording<'_> {
        let no_calls = self.calls.write().unwrap_or_else(PoisonError::into_inner);
        *self.recorder() = Some(thread::current().id());
        Recording {
            turns: self,
            _no_calls: no_calls,
        }
    }

    fn recorder(&self) -> MutexGuard<'_, Option<ThreadId>> {
        self.recorder.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Recording<'_> {
    fn drop(&mut self) {
        *self.turns.recorder() = None;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn calls_of_others_wait_for_the_end_of_a_recording() {
        let (turns, is_over) = (Arc::new(Turns::default()), Arc::new(AtomicBool::new(false)));
        let recording = turns.record();
        assert!(turns.call().is_none(), "the recorder's own");
        let other = thread::spawn({
            let (turns, is_over) = (turns.clone(), is_over.clone());
            move || {
                let _turn = turns.call();
                is_over.load(Ordering::Relaxed)
            }
        });
        thread::sleep(std::time::Duration::from_millis(20));
        is_over.store(true, Ordering::Relaxed);
        drop(recording);
        assert!(other.join().unwrap());
        assert!(turns.call().is_some() && turns.call().is_some());
    }
}
