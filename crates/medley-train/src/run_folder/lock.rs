//! One process at a time.

use std::fs::TryLockError;
use std::io::{self, Read as _, Write as _};
use std::time::Duration;

use fs_err::File;
use medley_core::RunLayout;
use medley_storage::{Access, ConfinedFolder, ReadError};

use super::{RunFolderError, system};

/// The lock of a run folder, held until it is dropped.
///
/// It is a lock of the operating system on `run.lock`, so a killed process does not leave it locked. The file says who holds
/// it; it stays, as removing it would let two processes hold two files of the same name.
#[derive(Debug)]
pub struct RunLock {
    _file: File,
}

impl RunLock {
    /// Takes the lock, or says who has it. On a file system without locks there is none to take: that is allowed.
    ///
    /// # Errors
    /// [`RunFolderError::InUse`], [`RunFolderError::Unwritable`]; [`RunFolderError::Read`] where `run.lock` is no regular file.
    pub fn acquire(layout: &RunLayout) -> Result<Self, RunFolderError> {
        let path = layout.lock();
        let unwritable = |source| RunFolderError::Unwritable { path: path.clone(), source };
        let opened = ConfinedFolder::new(layout.root()).open(&path, Access::Update);
        let mut file = opened.map_err(|error| match error {
            ReadError::Io { source, .. } => unwritable(source),
            error => error.into(),
        })?;
        match patiently(&file) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(RunFolderError::InUse { path: layout.root().to_owned(), holder: holder(&mut file) });
            }
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
                tracing::warn!(
                    "the file system of `{}` does not support locks: make sure that only one process uses the run",
                    path.display()
                );
            }
            Err(TryLockError::Error(source)) => return Err(unwritable(source)),
        }
        let text = format!("process {} on {}\n", std::process::id(), system::host_name());
        file.set_len(0).and_then(|()| file.write_all(text.as_bytes())).map_err(unwritable)?;
        Ok(Self { _file: file })
    }
}

/// Who wrote the file last.
fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.take(300).read_to_string(&mut text);
    let line: String = text.lines().next().unwrap_or_default().chars().filter(|c| !c.is_control()).collect();
    if read.is_ok() && !line.is_empty() { line } else { "another process".to_owned() }
}

/// Tries to lock for a tenth of a second: while another thread of this process starts a program, that one holds a copy of a lock
/// that was just given back.
fn patiently(file: &File) -> Result<(), TryLockError> {
    for _ in 0..20 {
        match file.file().try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(5)),
            other => return other,
        }
    }
    file.file().try_lock()
}
