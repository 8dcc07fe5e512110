//! Memory that threads share while they decode: who needs more than is left waits.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// So many bytes for all threads together.
#[derive(Debug)]
pub struct Budget {
    most: u64,
    held: Mutex<u64>,
    freed: Condvar,
}

/// Bytes that are held until this is dropped.
#[derive(Debug)]
pub struct Held<'a> {
    budget: &'a Budget,
    bytes: u64,
}

impl Budget {
    /// So many bytes.
    pub fn new(most: u64) -> Self {
        Self { most, held: Mutex::new(0), freed: Condvar::new() }
    }

    /// Waits until so many bytes are free. Who needs more than there are gets them when nobody else holds any.
    pub fn hold(&self, bytes: u64) -> Held<'_> {
        let bytes = bytes.min(self.most);
        let busy = |held: &mut u64| *held + bytes > self.most;
        let mut held = self.freed.wait_while(self.lock(), busy).unwrap_or_else(PoisonError::into_inner);
        *held += bytes;
        Held { budget: self, bytes }
    }

    fn lock(&self) -> MutexGuard<'_, u64> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        *self.budget.lock() -= self.bytes;
        self.budget.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn together_they_never_hold_more() {
        let budget = Budget::new(100);
        let (now, most) = (AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let (budget, now, most) = (&budget, &now, &most);
                scope.spawn(move || {
                    for turn in 0..50 {
                        // Some ask for more than there is.
                        let bytes = 20 + (thread * 31 + turn * 17) % 120;
                        let held = budget.hold(bytes);
                        most.fetch_max(now.fetch_add(held.bytes, Ordering::SeqCst) + held.bytes, Ordering::SeqCst);
                        std::thread::yield_now();
                        now.fetch_sub(held.bytes, Ordering::SeqCst);
                    }
                });
            }
        });
        assert!(most.into_inner() <= 100);
        assert_eq!(*budget.lock(), 0);
    }
}
