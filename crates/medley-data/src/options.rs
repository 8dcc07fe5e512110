//! How much a reader may take.

use crate::cache::{self, CacheUse};

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
            memory_limit: free_memory().map_or(8 << 30, |free| free / 2),
            cache: cache::default_folder().map_or(CacheUse::Never, CacheUse::WhenLarge),
        }
    }
}

/// `MemAvailable` of the kernel, bytes.
fn free_memory() -> Option<u64> {
    let text = fs_err::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kibibytes| kibibytes * 1024)
}
