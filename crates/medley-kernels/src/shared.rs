//! Work for several threads on one piece of memory.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::LocalKey;

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
pub(crate) struct Shared<'a, T> {
    start: *mut T,
    len: usize,
    lifetime: PhantomData<&'a mut [T]>,
}

// SAFETY: `part` asks its callers to keep the parts of different threads apart.
#[allow(unsafe_code, reason = "a pointer into memory that is parted between threads")]
unsafe impl<T: Send> Send for Shared<'_, T> {}
// SAFETY: as above.
#[allow(unsafe_code, reason = "a pointer into memory that is parted between threads")]
unsafe impl<T: Send> Sync for Shared<'_, T> {}

impl<'a, T> Shared<'a, T> {
    pub(crate) fn new(data: &'a mut [T]) -> Self {
        Self { start: data.as_mut_ptr(), len: data.len(), lifetime: PhantomData }
    }

    /// The numbers `at..at + len`.
    ///
    /// # Safety
    /// While the result lives, no other part that overlaps it may.
    #[allow(unsafe_code, reason = "see above")]
    #[allow(clippy::mut_from_ref, reason = "parts do not overlap")]
    #[inline]
    pub(crate) unsafe fn part(&self, at: usize, len: usize) -> &'a mut [T] {
        assert!(at <= self.len && len <= self.len - at);
        // SAFETY: it lies within the slice that `new` took, and the caller keeps parts apart.
        unsafe { self.part_unchecked(at, len) }
    }

    /// As [`Self::part`], not compared with [`Self::len`].
    ///
    /// # Safety
    /// It lies within the slice, and while the result lives, no other part that overlaps it may.
    #[allow(unsafe_code, reason = "see above")]
    #[allow(clippy::mut_from_ref, reason = "parts do not overlap")]
    #[inline]
    pub(crate) unsafe fn part_unchecked(&self, at: usize, len: usize) -> &'a mut [T] {
        debug_assert!(at <= self.len && len <= self.len - at);
        // SAFETY: the caller's.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(at), len) }
    }

    /// Where `len` numbers from `at` on lie, for what writes rows that are apart.
    pub(crate) fn pointer(&self, at: usize, len: usize) -> *mut T {
        assert!(at <= self.len && len <= self.len - at);
        self.start.wrapping_add(at)
    }

    /// Where a number lies, or would lie.
    pub(crate) fn address(&self, at: usize) -> *const T {
        self.start.wrapping_add(at)
    }

    /// Numbers in all.
    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

/// Numbers of which a thread keeps memory, see [`with_scratch`].
pub trait Scratch: Copy + Default + 'static {
    /// What the thread keeps.
    fn kept() -> &'static LocalKey<RefCell<Vec<Vec<Self>>>>;
}

macro_rules! scratch {
    ($number:ty) => {
        impl Scratch for $number {
            fn kept() -> &'static LocalKey<RefCell<Vec<Vec<Self>>>> {
                thread_local! {
                    static KEPT: RefCell<Vec<Vec<$number>>> = const { RefCell::new(Vec::new()) };
                }
                &KEPT
            }
        }
    };
}
scratch!(f32);
scratch!(u32);

/// Bytes.
const CACHE_LINE: usize = 64;

/// Memory that the thread keeps for the next call: fresh pages cost as much as what is computed in them. It begins with a line of the
/// cache, and its contents are whatever was left there.
pub(crate) fn with_scratch<N: Scratch, T>(len: usize, f: impl FnOnce(&mut [N]) -> T) -> T {
    let mut buffer = N::kept().with_borrow_mut(Vec::pop).unwrap_or_default();
    // Sixteen numbers are then a line of the cache, not parts of two.
    let line = CACHE_LINE / size_of::<N>();
    if buffer.len() < len + line {
        buffer = vec![N::default(); len + line];
    }
    let start = buffer.as_ptr().align_offset(CACHE_LINE).min(line);
    let result = f(&mut buffer[start..start + len]);
    N::kept().with_borrow_mut(|kept| kept.push(buffer));
    result
}
