//! Bytes of a file that nobody can change any more.
//!
//! A file that is mapped as it lies on the disk can be cut off by whoever may write to it, which kills the program that looks at a
//! byte beyond the end (SIGBUS), or be changed, which changes results. So the bytes are copied to where no other process has a
//! name for: into memory, or where they do not fit, into a file without a name, which is mapped. That costs a second time the room
//! of the arrays on the disk of the cache while the program runs, and the time to copy them, which file systems that share blocks
//! between files (Btrfs, XFS) save.

use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::ops::Deref;
use std::path::Path;

use medley_storage::unnamed_file;
use memmap2::Mmap;

/// A private copy.
pub(crate) enum PrivateCopy {
    /// In memory.
    Memory(Vec<u8>),
    /// In a file without a name.
    Mapped(Mmap),
}

impl PrivateCopy {
    /// Copies `len` bytes of a file from its beginning: into memory if they are at most `memory_limit`, else into `folder`.
    #[allow(unsafe_code, reason = "mapping a file is unsafe, as another process might write to it")]
    pub(crate) fn of(mut file: &File, len: u64, folder: &Path, memory_limit: u64) -> io::Result<Self> {
        file.rewind()?;
        if len <= memory_limit {
            let mut bytes = Vec::with_capacity(len as usize);
            file.take(len).read_to_end(&mut bytes)?;
            return Ok(Self::Memory(bytes));
        }
        let mut copy = unnamed_file(folder)?;
        // The standard library has the system copy, or share, the blocks.
        if io::copy(&mut file.take(len), &mut copy)? != len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // SAFETY: the file has no name and its only handle is the one that is dropped here, so no other process can open it to
        // write to it or to cut it off.
        Ok(Self::Mapped(unsafe { Mmap::map(&copy) }?))
    }
}

impl Deref for PrivateCopy {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Memory(bytes) => bytes,
            Self::Mapped(map) => map,
        }
    }
}
