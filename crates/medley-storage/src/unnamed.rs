use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

use crate::commit::{discard_file, temporary_sibling};

/// An empty file for reading and writing that has no name, so that no other process can open it. It lies on the file system of
/// `folder`, and goes with its last handle.
///
/// # Errors
/// Any I/O error.
pub fn unnamed_file(folder: &Path) -> io::Result<File> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{Mode, OFlags, open};
        let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
        if let Ok(file) = open(folder, flags, Mode::RUSR | Mode::WUSR) {
            return Ok(file.into());
        }
    }
    // File systems that know no such files: it loses its name while it is empty.
    let path = temporary_sibling(&folder.join("unnamed")).map_err(io::Error::other)?;
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
    discard_file(&path);
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Seek as _, Write as _};

    use super::*;

    #[test]
    fn it_is_in_no_list() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = unnamed_file(folder.path()).unwrap();
        file.write_all(b"text").unwrap();
        assert_eq!(fs_err::read_dir(folder.path()).unwrap().count(), 0);
        file.rewind().unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "text");
    }
}
