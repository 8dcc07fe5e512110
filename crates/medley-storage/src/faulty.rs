use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::{RealFs, Storage};

/// How [`FaultyFs`] fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The operation does nothing and reports a full disk; later operations work.
    DiskFull,
    /// Half of the bytes reach the file, then an error; later operations work.
    Torn,
    /// The operation and all later ones fail, as if the process had been killed there.
    Crash,
}

/// The file system, failing at the `fail_at`-th operation (0-based). For tests: loop `fail_at` from 0 until
/// [`FaultyFs::tripped`] is false, and assert after each round that the old or the new state is there.
#[derive(Debug)]
pub struct FaultyFs {
    fail_at: usize,
    fault: Fault,
    operations: AtomicUsize,
}

impl FaultyFs {
    /// Fails once (or, for [`Fault::Crash`], from then on) at operation `fail_at`.
    pub fn new(fail_at: usize, fault: Fault) -> Self {
        Self { fail_at, fault, operations: AtomicUsize::new(0) }
    }

    /// Whether the fault has happened.
    pub fn tripped(&self) -> bool {
        self.operations.load(Ordering::SeqCst) > self.fail_at
    }

    fn next_fails(&self) -> bool {
        let operation = self.operations.fetch_add(1, Ordering::SeqCst);
        operation == self.fail_at || (self.fault == Fault::Crash && operation > self.fail_at)
    }

    fn error(&self) -> io::Error {
        match self.fault {
            Fault::DiskFull => io::Error::new(io::ErrorKind::StorageFull, "no space left on device (injected)"),
            Fault::Torn => io::Error::other("input/output error (injected)"),
            Fault::Crash => io::Error::other("process killed (injected)"),
        }
    }
}

impl Storage for FaultyFs {
    fn write_synced(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        if !self.next_fails() {
            return RealFs.write_synced(path, bytes);
        }
        if self.fault != Fault::DiskFull {
            let _ = RealFs.write_synced(path, &bytes[..bytes.len() / 2]);
        }
        Err(self.error())
    }

    fn rename_synced(&self, from: &Path, to: &Path) -> io::Result<()> {
        if self.next_fails() { Err(self.error()) } else { RealFs.rename_synced(from, to) }
    }

    fn link_synced(&self, from: &Path, to: &Path) -> io::Result<()> {
        if self.next_fails() { Err(self.error()) } else { RealFs.link_synced(from, to) }
    }

    fn sync_files(&self, folder: &Path, names: &[&str]) -> io::Result<()> {
        if self.next_fails() { Err(self.error()) } else { RealFs.sync_files(folder, names) }
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        if self.next_fails() { Err(self.error()) } else { RealFs.create_dir(path) }
    }
}
