//! [`Event`]: how the threads of the model wake each other.

use std::sync::atomic::{AtomicUsize, Ordering, fence};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A doorbell or an interrupt: cheap to raise while nobody waits for it.
#[derive(Debug, Default)]
pub(super) struct Event {
    waiting: AtomicUsize,
    lock: Mutex<()>,
    raised: Condvar,
}

impl Event {
    /// Wakes who waits. Whatever makes them ready has been stored before.
    pub(super) fn raise(&self) {
        // Either this sees the waiter, or the waiter sees what was stored: the fence there is its twin.
        fence(Ordering::SeqCst);
        if self.waiting.load(Ordering::Relaxed) != 0 {
            drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner));
            self.raised.notify_all();
        }
    }

    /// Waits until `ready`, or for `timeout` at the most.
    pub(super) fn wait(&self, timeout: Option<Duration>, ready: impl Fn() -> bool) {
        if ready() {
            return;
        }
        // A timeout that is longer than time goes is none.
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.waiting.fetch_add(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        while !ready() {
            match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                None => guard = self.raised.wait(guard).unwrap_or_else(PoisonError::into_inner),
                Some(left) => {
                    let (woken, result) = self.raised.wait_timeout(guard, left).unwrap_or_else(PoisonError::into_inner);
                    guard = woken;
                    if result.timed_out() {
                        break;
                    }
                }
            }
        }
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}
