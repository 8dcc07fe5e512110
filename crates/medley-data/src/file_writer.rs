//! A buffered file under a zip writer.

use std::io::{self, BufWriter, Seek, SeekFrom, Write};

/// A file that fails once. A zip writer that is dropped after an error writes the rest of its archive nevertheless, and prints what
/// comes of it; what was refused once is therefore taken, and thrown away, from then on.
pub struct FileWriter {
    file: BufWriter<fs_err::File>,
    /// Where the next byte goes, and the length so far, once something has failed.
    failed: Option<(u64, u64)>,
}

impl FileWriter {
    pub(crate) fn new(file: fs_err::File) -> Self {
        Self { file: BufWriter::with_capacity(1 << 18, file), failed: None }
    }

    /// Flushes to the device.
    pub(crate) fn sync(self) -> io::Result<()> {
        self.file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
    }

    fn note<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &result
            && error.kind() != io::ErrorKind::Interrupted
        {
            self.failed = Some((0, 0));
        }
        result
    }
}

impl Write for FileWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some((position, length)) = &mut self.failed {
            *position += bytes.len() as u64;
            *length = (*length).max(*position);
            return Ok(bytes.len());
        }
        let written = self.file.write(bytes);
        self.note(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.failed.is_some() {
            return Ok(());
        }
        let flushed = self.file.flush();
        self.note(flushed)
    }
}

impl Seek for FileWriter {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        if let Some((position, length)) = &mut self.failed {
            let target = match to {
                SeekFrom::Start(target) => Some(target),
                SeekFrom::End(offset) => length.checked_add_signed(offset),
                SeekFrom::Current(offset) => position.checked_add_signed(offset),
            };
            *position = target.unwrap_or_default();
            return Ok(*position);
        }
        let sought = self.file.seek(to);
        self.note(sought)
    }
}
