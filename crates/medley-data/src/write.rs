//! Writing `.npz` files that NumPy and the medmnist package read.

use std::io::Write as _;
use std::path::Path;

use medley_storage::{Storage, write_whole};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::DataError;
use crate::npy::render_header;

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
    let method = if compressed { CompressionMethod::Deflated } else { CompressionMethod::Stored };
    let options = SimpleFileOptions::default()
        .compression_method(method)
        .compression_level(compressed.then_some(1))
        .last_modified_time(DateTime::default());
    let mut writer = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for array in arrays {
        let wrong =
            |problem: String| DataError::Array { path: path.to_owned(), member: array.name.to_owned(), problem };
        if array.shape.iter().product::<usize>() != array.bytes.len() {
            return Err(wrong(format!("shape {:?} does not fit {} bytes", array.shape, array.bytes.len())));
        }
        let large = array.bytes.len() > u32::MAX as usize / 2;
        writer
            .start_file(format!("{}.npy", array.name), options.large_file(large))
            .map_err(|error| wrong(error.to_string()))?;
        writer
            .write_all(&render_header("|u1", array.shape))
            .and_then(|()| writer.write_all(array.bytes))
            .map_err(|error| wrong(error.to_string()))?;
    }
    let finished =
        writer.finish().map_err(|error| DataError::Archive { path: path.to_owned(), problem: error.to_string() })?;
    Ok(write_whole(storage, path, &finished.into_inner())?)
}
