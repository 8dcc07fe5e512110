//! Writing `.npz` files that NumPy and the medmnist package read.

use std::io::{Cursor, Write as _};
use std::path::Path;

use medley_npy::render_header;
use medley_storage::{Storage, write_whole};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::DataError;

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

/// An `.npz` file in the making, for arrays that are made chunk by chunk.
pub struct NpzWriter<'a> {
    path: &'a Path,
    options: SimpleFileOptions,
    writer: ZipWriter<Cursor<Vec<u8>>>,
    /// The member being written, the bytes its shape needs, and those it has.
    current: Option<(String, usize, usize)>,
}

impl<'a> NpzWriter<'a> {
    /// A file that will be written to `path`; `capacity` is the number of bytes it will probably have.
    pub fn new(path: &'a Path, compressed: bool, capacity: usize) -> Self {
        let method = if compressed { CompressionMethod::Deflated } else { CompressionMethod::Stored };
        let options = SimpleFileOptions::default()
            .compression_method(method)
            .compression_level(compressed.then_some(1))
            .last_modified_time(DateTime::default());
        Self { path, options, writer: ZipWriter::new(Cursor::new(Vec::with_capacity(capacity))), current: None }
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

    /// Begins an array, whose bytes [`Self::append`] adds.
    ///
    /// # Errors
    /// [`DataError::Array`], also when the array before it lacks bytes.
    pub fn begin(&mut self, name: &str, shape: &[usize]) -> Result<(), DataError> {
        self.end()?;
        let needed = shape.iter().product::<usize>();
        self.current = Some((name.to_owned(), needed, 0));
        let options = self.options.large_file(needed > u32::MAX as usize / 2);
        let started = self.writer.start_file(format!("{name}.npy"), options).map_err(|error| error.to_string());
        started
            .and_then(|()| self.writer.write_all(&render_header("|u1", shape)).map_err(|error| error.to_string()))
            .map_err(|problem| self.wrong(problem))
    }

    /// Adds bytes to the array that was begun.
    ///
    /// # Errors
    /// [`DataError::Array`].
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), DataError> {
        if let Some((_, _, written)) = &mut self.current {
            *written += bytes.len();
        }
        self.writer.write_all(bytes).map_err(|error| self.wrong(error.to_string()))
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

    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// [`DataError::Storage`], or [`DataError::Array`] when the last array lacks bytes.
    pub fn finish(mut self, storage: &dyn Storage) -> Result<(), DataError> {
        self.end()?;
        let archive = |error: zip::result::ZipError| DataError::Archive {
            path: self.path.to_owned(),
            problem: error.to_string(),
        };
        let finished = self.writer.finish().map_err(archive)?;
        Ok(write_whole(storage, self.path, &finished.into_inner())?)
    }

    fn wrong(&self, problem: String) -> DataError {
        let member = self.current.as_ref().map(|current| current.0.clone()).unwrap_or_default();
        DataError::Array { path: self.path.to_owned(), member, problem }
    }
}
