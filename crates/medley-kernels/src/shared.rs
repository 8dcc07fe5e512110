//! Work for several threads on one piece of memory.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Calls `f` with 0, 1, .. `count`, on up to so many threads.
pub(crate) fn for_each(threads: usize, count: usize, f: impl Fn(usize) + Sync) {
    let threads = threads.min(count);
    if threads <= 1 {
        return (0..count).for_each(f);
    }
    let next = AtomicUsize::new(0);
    let work = || {
        loop {
            let turn = next.fetch_add(1, Ordering::Relaxed);
            if turn >= count {
                return;
            }
            f(turn);
        }
    };
    rayon::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(|_| work());
        }
        work();
    });
}

/// Numbers that several threads write to, each to parts of its own.
#[derive(Clone, Copy)]
pub(crate) struct Shared<'a> {
    start: *mut f32,
    len: usize,
    lifetime: PhantomData<&'a mut [f32]>,
}

// SAFETY: `part` asks its callers to keep the parts of different threads apart.
#[allow(unsafe_code, reason = "a pointer into memory that is parted between threads")]
unsafe impl Send for Shared<'_> {}
// SAFETY: as above.
#[allow(unsafe_code, reason = "a pointer into memory that is parted between threads")]
unsafe impl Sync for Shared<'_> {}

impl<'a> Shared<'a> {
    pub(crate) fn new(data: &'a mut [f32]) -> Self {
        Self { start: data.as_mut_ptr(), len: data.len(), lifetime: PhantomData }
    }

    /// The numbers `at..at + len`.
    ///
    /// # Safety
    /// While the result lives, no other part that overlaps it may.
    #[allow(unsafe_code, reason = "see above")]
    #[allow(clippy::mut_from_ref, reason = "parts do not overlap")]
    #[inline]
    pub(crate) unsafe fn part(&self, at: usize, len: usize) -> &'a mut [f32] {
        assert!(at <= self.len && len <= self.len - at);
        // SAFETY: it lies within the slice that `new` took, and the caller keeps parts apart.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(at), len) }
    }
}

thread_local! {
    static SCRATCH: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

/// Memory that the thread keeps for the next call: fresh pages cost as much as what is computed in them. Its contents are whatever
/// was left there.
pub(crate) fn with_scratch<T>(len: usize, f: impl FnOnce(&mut [f32]) -> T) -> T {
    let mut buffer = SCRATCH.with_borrow_mut(Vec::pop).unwrap_or_default();
    if buffer.len() < len {
        buffer = vec![0.0; len];
    }
    let result = f(&mut buffer[..len]);
    SCRATCH.with_borrow_mut(|kept| kept.push(buffer));
    result
}
