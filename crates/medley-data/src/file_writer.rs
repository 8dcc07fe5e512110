//! A buffered file under a zip writer.

use std::io::{self, BufWriter, Seek, SeekFrom, Write};

/// A file that fails once. A zip writer that is dropped after an error writes the rest of its archive nevertheless, and prints what
/// comes of it; what was refused once is therefore taken, and thrown away, from then on, as if the file went on.
pub struct FileWriter<W: Write = fs_err::File> {
    file: BufWriter<W>,
    failed: bool,
    /// Where the next byte goes, and the length so far: a zip writer computes with both, after an error too.
    position: u64,
    length: u64,
}

impl FileWriter {
    /// Flushes to the device.
    pub(crate) fn sync(self) -> io::Result<()> {
        self.file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
    }
}

impl<W: Write> FileWriter<W> {
    /// Of an empty file.
    pub(crate) fn new(file: W) -> Self {
        Self { file: BufWriter::with_capacity(1 << 18, file), failed: false, position: 0, length: 0 }
    }

    /// Does it, or `without` it once something has failed.
    fn unless_failed<T>(&mut self, without: T, act: impl FnOnce(&mut BufWriter<W>) -> io::Result<T>) -> io::Result<T> {
        if self.failed {
            return Ok(without);
        }
        let result = act(&mut self.file);
        self.failed = result.as_ref().is_err_and(|error| error.kind() != io::ErrorKind::Interrupted);
        result
    }
}

impl<W: Write> Write for FileWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.unless_failed(bytes.len(), |file| file.write(bytes))?;
        self.position += written as u64;
        self.length = self.length.max(self.position);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.unless_failed((), Write::flush)
    }
}

impl<W: Write + Seek> Seek for FileWriter<W> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(target) => Some(target),
            SeekFrom::End(offset) => self.length.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        let target = target.ok_or(io::ErrorKind::InvalidInput)?;
        self.unless_failed((), |file| file.seek(SeekFrom::Start(target)).map(drop))?;
        self.position = target;
        Ok(target)
    }
}

#[cfg(test)]
mod tests {
    use zip::write::SimpleFileOptions;
    use zip::{CompressionMethod, ZipWriter};

    use super::*;

    /// A disk without room.
    struct Full;

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Seek for Full {
        fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
            Ok(0)
        }
    }

    #[test]
    fn a_zip_writer_is_dropped_quietly_wherever_the_disk_was_full() {
        // Within the first member, within a later one, and with the list of members.
        for lengths in [vec![1 << 20], vec![200_000, 200_000], vec![1_000]] {
            let mut writer = ZipWriter::new(FileWriter::new(Full));
            let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
            let mut write = || -> io::Result<()> {
                for (index, &length) in lengths.iter().enumerate() {
                    writer.start_file(index.to_string(), options)?;
                    writer.write_all(&vec![7; length])?;
                }
                writer.flush()
            };
            assert_eq!(write().unwrap_err().kind(), io::ErrorKind::StorageFull);
            drop(writer);
        }
    }
}
