use std::io::{self, Write as _};
use std::path::Path;

use crate::Storage;

/// The file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealFs;

impl Storage for RealFs {
    fn write_synced(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = fs_err::File::create(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        fs_err::write(path, bytes)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs_err::rename(from, to)
    }

    fn rename_synced(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs_err::rename(from, to)?;
        match to.parent() {
            Some(parent) if cfg!(unix) && !parent.as_os_str().is_empty() => fs_err::File::open(parent)?.sync_all(),
            _ => Ok(()),
        }
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        fs_err::create_dir(path)
    }
}
