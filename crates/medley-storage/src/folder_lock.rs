use std::path::Path;

/// A lock of the operating system on a folder itself, so that none of its own files is needed; held until it is dropped, and
/// never left by a process that was killed.
///
/// Whoever makes something under a temporary name in the folder holds it shared; whoever sweeps such names holds it alone, and so
/// never takes away what another process is making.
#[derive(Debug)]
pub struct FolderLock {
    _folder: std::fs::File,
}

impl FolderLock {
    /// Holds it with others. `None` where folders cannot be locked.
    pub fn shared(folder: &Path) -> Option<Self> {
        let folder = open(folder)?;
        folder.lock_shared().ok()?;
        Some(Self { _folder: folder })
    }

    /// Holds it alone. `None` while others hold it, and where folders cannot be locked.
    pub fn alone(folder: &Path) -> Option<Self> {
        let folder = open(folder)?;
        folder.try_lock().ok()?;
        Some(Self { _folder: folder })
    }
}

#[cfg(unix)]
fn open(folder: &Path) -> Option<std::fs::File> {
    use rustix::fs::{Mode, OFlags};
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    rustix::fs::open(folder, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).ok().map(Into::into)
}

#[cfg(not(unix))]
fn open(_: &Path) -> Option<std::fs::File> {
    None
}
