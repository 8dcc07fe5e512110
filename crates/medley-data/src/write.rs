//! Writing `.npz` files that NumPy and the medmnist package read.

use std::io::{Cursor, Seek, Write};
use std::path::Path;

use medley_npy::render_header;
use medley_storage::{Storage, create_file, write_whole};
use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::DataError;
use crate::file_writer::FileWriter;

/// One `uint8` array.
#[derive(Debug, Clone)]
pub struct Array<'a> {
    /// Member name without `.npy`.
    pub name: &'a str,
    /// Its dimensions.
    pub shape: &'a [usize],
    /// Row-major bytes.
    pub bytes: &'a [u8],
}

/// Writes arrays to an `.npz` file, whole or not at all. The same arrays give the same bytes: the members carry no
/// time. `compressed` deflates them at the fastest level.
///
/// # Errors
/// [`DataError::Storage`], or [`DataError::Array`] when a shape does not fit its bytes.
pub fn write_npz(storage: &dyn Storage, path: &Path, arrays: &[Array<'_>], compressed: bool) -> Result<(), DataError> {
    let total = arrays.iter().map(|array| array.bytes.len() + 1_024).sum::<usize>();
    let mut writer = NpzWriter::new(path, compressed, if compressed { 0 } else { total });
    for array in arrays {
        writer.array(array.name, array.shape, array.bytes)?;
    }
    writer.finish(storage)
}

/// An `.npz` file in the making, for arrays that are made chunk by chunk: in memory, or as a file at its path.
pub struct NpzWriter<'a, W: Write + Seek = Cursor<Vec<u8>>> {
    path: &'a Path,
    options: SimpleFileOptions,
    writer: ZipWriter<W>,
    /// The member being written, the bytes its shape needs, and those it has.
    current: Option<(String, usize, usize)>,
}

impl<'a> NpzWriter<'a> {
    /// A file that will be written to `path`; `capacity` is the number of bytes it will probably have.
    pub fn new(path: &'a Path, compressed: bool, capacity: usize) -> Self {
        Self::on(Cursor::new(Vec::with_capacity(capacity)), path, compressed)
    }

    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// [`DataError::Storage`], or [`DataError::Array`] when the last array lacks bytes.
    pub fn finish(self, storage: &dyn Storage) -> Result<(), DataError> {
        let path = self.path;
        Ok(write_whole(storage, path, &self.close()?.into_inner())?)
    }
}

impl<'a> NpzWriter<'a, FileWriter> {
    /// Creates a file at the path `at`, which grows as arrays are added; messages name `path`, which it gets when it is whole.
    ///
    /// # Errors
    /// [`DataError::Storage`].
    pub fn create(at: &Path, path: &'a Path, compressed: bool) -> Result<Self, DataError> {
        let file = create_file(at).map_err(|source| DataError::unwritable(path, source))?;
        Ok(Self::on(FileWriter::new(file), path, compressed))
    }

    /// Ends the file and flushes it to the device.
    ///
    /// # Errors
    /// As [`NpzWriter::finish`].
    pub fn sync(self) -> Result<(), DataError> {
        let path = self.path;
        self.close()?.sync().map_err(|source| DataError::unwritable(path, source))
    }
}

impl<'a, W: Write + Seek> NpzWriter<'a, W> {
    fn on(writer: W, path: &'a Path, compressed: bool) -> Self {
        let method = if compressed { CompressionMethod::Deflated } else { CompressionMethod::Stored };
        let options = SimpleFileOptions::default()
            .compression_method(method)
            .compression_level(compressed.then_some(1))
            .last_modified_time(DateTime::default());
        Self { path, options, writer: ZipWriter::new(writer), current: None }
    }

    /// Adds a whole array.
    ///
    /// # Errors
    /// As [`Self::begin`] and [`Self::append`].
    pub fn array(&mut self, name: &str, shape: &[usize], bytes: &[u8]) -> Result<(), DataError> {
        self.begin(name, shape)?;
        self.append(bytes)?;
        self.end()
    }

    /// Adds a whole array of 32-bit floating-point numbers.
    ///
    /// # Errors
    /// As [`Self::begin`] and [`Self::append`].
    pub fn floats(&mut self, name: &str, shape: &[usize], values: &[f32]) -> Result<(), DataError> {
        self.begin_items(name, shape, "<f4", 4)?;
        self.append(&values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>())?;
        self.end()
    }

    /// Adds a whole array of 64-bit integers.
    ///
    /// # Errors
    /// As [`Self::begin`] and [`Self::append`].
    pub fn integers(&mut self, name: &str, shape: &[usize], values: &[i64]) -> Result<(), DataError> {
        self.begin_items(name, shape, "<i8", 8)?;
        self.append(&values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>())?;
        self.end()
    }

    /// Begins an array, whose bytes [`Self::append`] adds.
    ///
    /// # Errors
    /// [`DataError::Array`] when the array before it lacks bytes, [`DataError::Storage`].
    pub fn begin(&mut self, name: &str, shape: &[usize]) -> Result<(), DataError> {
        self.begin_items(name, shape, "|u1", 1)
    }

    fn begin_items(&mut self, name: &str, shape: &[usize], description: &str, size: usize) -> Result<(), DataError> {
        self.end()?;
        let needed = shape.iter().product::<usize>() * size;
        self.current = Some((name.to_owned(), needed, 0));
        let options = self.options.large_file(needed > u32::MAX as usize / 2);
        self.writer.start_file(format!("{name}.npy"), options).map_err(|error| archive(self.path, error))?;
        self.writer
            .write_all(&render_header(description, shape))
            .map_err(|source| DataError::unwritable(self.path, source))
    }

    /// Adds bytes to the array that was begun.
    ///
    /// # Errors
    /// [`DataError::Storage`].
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), DataError> {
        if let Some((_, _, written)) = &mut self.current {
            *written += bytes.len();
        }
        self.writer.write_all(bytes).map_err(|source| DataError::unwritable(self.path, source))
    }

    /// Checks that the last array has the bytes of its shape.
    fn end(&mut self) -> Result<(), DataError> {
        match &self.current {
            Some((_, needed, written)) if needed != written => {
                let problem = format!("its shape needs {needed} bytes, not {written}");
                Err(self.wrong(problem))
            }
            _ => Ok(()),
        }
    }

    /// Checks the last array and writes the list of members.
    fn close(mut self) -> Result<W, DataError> {
        self.end()?;
        let path = self.path;
        self.writer.finish().map_err(|error| archive(path, error))
    }

    fn wrong(&self, problem: String) -> DataError {
        let member = self.current.as_ref().map(|current| current.0.clone()).unwrap_or_default();
        DataError::Array { path: self.path.to_owned(), member, problem }
    }
}

fn archive(path: &Path, error: ZipError) -> DataError {
    match error {
        ZipError::Io(source) => DataError::unwritable(path, source),
        other => DataError::Archive { path: path.to_owned(), problem: other.to_string() },
    }
}
