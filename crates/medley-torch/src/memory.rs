//! Allocations that fail end the program with words and the documented code.
//!
//! libtorch reports a failed allocation as an error. Rust's standard library does not: it ends the program by an abort, which
//! scripts see as 134. The allocator here notes that an allocation has failed before the library hears of it, and the handler of the
//! abort then says what to do and exits as README.md has it. Whoever can do without the memory and asks in another way is not
//! disturbed.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::SIGABRT;

use medley_cli::failure::{Code, MEMORY_ADVICE};

/// The allocator of the system, which is watched.
struct Watched;

#[global_allocator]
static ALLOCATOR: Watched = Watched;

static FAILED: AtomicBool = AtomicBool::new(false);

fn noted(memory: *mut u8) -> *mut u8 {
    if memory.is_null() {
        FAILED.store(true, Ordering::Relaxed);
    }
    memory
}

// SAFETY: every call goes to the system's allocator with what was passed, and its answer is passed on; what is noted allocates
// nothing.
#[allow(unsafe_code, reason = "an allocator is an unsafe trait")]
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        noted(unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        noted(unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as the caller promises.
        noted(unsafe { System.realloc(memory, layout, size) })
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(memory, layout) }
    }
}

/// From now on, an abort after a failed allocation is an exit with the code of errors about memory.
pub(crate) fn watch() {
    let answer = || {
        if FAILED.load(Ordering::Relaxed) {
            for text in ["error: out of memory\n", MEMORY_ADVICE, "\n"] {
                let _ = rustix::io::write(std::io::stderr(), text.as_bytes());
            }
            signal_hook::low_level::exit(i32::from(Code::Disk as u8));
        }
    };
    // SAFETY: the handler reads an atomic, writes constant text to a file descriptor and exits, all of which signals allow.
    #[allow(unsafe_code, reason = "a handler of a signal may do little, which the compiler cannot see")]
    let registered = unsafe { signal_hook::low_level::register(SIGABRT, answer) };
    // Without it, an allocation that fails ends the program all the same, with another code.
    drop(registered);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allocation_that_fails_is_noted() {
        assert!(!FAILED.load(Ordering::Relaxed));
        // More than any machine has address space for.
        assert!(Vec::<u8>::new().try_reserve_exact(1 << 60).is_err());
        assert!(FAILED.load(Ordering::Relaxed));
    }
}
