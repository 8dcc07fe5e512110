//! How much a reader may take.

use crate::cache::{self, CacheUse};
use crate::memory;

/// Limits of reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenOptions {
    /// Bytes of memory that the decoded arrays of one file may take. By default half of what is free (8 GiB where that
    /// cannot be read).
    pub memory_limit: u64,
    /// What happens to files that take more. By default they are decoded into a cache on disk, if there is a folder for it.
    pub cache: CacheUse,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            memory_limit: memory::available().map_or(8 << 30, |free| free.bytes / 2),
            cache: cache::default_folder().map_or(CacheUse::Never, CacheUse::WhenLarge),
        }
    }
}
