use std::io::{self, Write as _};
use std::path::Path;

use crate::Storage;

/// The file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealFs;

impl Storage for RealFs {
    fn write_synced(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = create_file(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        create_file(path)?.write_all(bytes)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs_err::rename(from, to)
    }

    fn rename_synced(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs_err::rename(from, to)?;
        sync_parent(to)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        fs_err::create_dir(path)
    }
}

pub(crate) fn link_synced(from: &Path, to: &Path) -> io::Result<()> {
    fs_err::hard_link(from, to)?;
    sync_parent(to)
}

fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if cfg!(unix) && !parent.as_os_str().is_empty() => fs_err::File::open(parent)?.sync_all(),
        _ => Ok(()),
    }
}

/// An empty file to write to, in place of what was there. What is written is not written through a link.
///
/// # Errors
/// Any I/O error.
pub fn create_file(path: &Path) -> io::Result<fs_err::File> {
    let mut options = fs_err::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use fs_err::os::unix::fs::OpenOptionsExt as _;
        options.custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
    }
    options.open(path)
}

/// From so many files on, one flush of the whole file system takes less time than one of each.
#[cfg(target_os = "linux")]
const MANY: usize = 32;

pub(crate) fn sync_files(folder: &Path, names: &[&str]) -> io::Result<()> {
    let opened = fs_err::File::open(folder)?;
    #[cfg(target_os = "linux")]
    if names.len() >= MANY {
        return Ok(rustix::fs::syncfs(opened.file())?);
    }
    names.iter().try_for_each(|name| fs_err::File::open(folder.join(name))?.sync_all())?;
    if cfg!(unix) { opened.sync_all() } else { Ok(()) }
}
