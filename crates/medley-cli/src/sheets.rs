//! Contact sheets that subcommands draw and write, and files that are replaced only with `--overwrite`.

use std::path::{Path, PathBuf};

use medley_core::ImageSource;
use medley_import::sheet::{Grid, Sheet};
use medley_storage::{RealFs, StorageError, write_new, write_whole};

use crate::args::augment::SheetArguments;
use crate::failure::Usage;

/// What was asked for cannot be drawn.
pub fn usage(place: &str, error: &dyn std::error::Error) -> Usage {
    Usage(format!("{place}: {error}"))
}

/// An empty grid for images of a set.
///
/// # Errors
/// [`Usage`] where `--zoom` is out of range, or the sheet too large.
pub fn grid(
    set: &str,
    sheet: &SheetArguments,
    images: &dyn ImageSource,
    rows: usize,
    columns: usize,
) -> Result<Grid, Usage> {
    let zoom = sheet.zoom.unwrap_or_else(|| (84 / images.shape().width.max(1)).max(1));
    if !(1..=64).contains(&zoom) {
        return Err(Usage(format!("--zoom {zoom}: give a number from 1 to 64")));
    }
    Grid::new(images.shape(), rows, columns, zoom).map_err(|error| usage(set, &error))
}

/// Writes a sheet and says where.
///
/// # Errors
/// The disk; without `--overwrite`, a file of that name.
pub fn write(sheet: &Sheet, arguments: &SheetArguments, name: &str) -> anyhow::Result<PathBuf> {
    fs_err::create_dir_all(&arguments.out)?;
    let path = arguments.out.join(name);
    let bytes = sheet.to_png()?;
    write_or_replace(&path, &bytes, arguments.overwrite, "a sheet is only replaced with `--overwrite`")?;
    Ok(path)
}

/// Writes a file, in place of another only if that is wanted; `refusal` says why where it is not.
///
/// # Errors
/// The disk; a file that is there and is to stay.
pub(crate) fn write_or_replace(
    path: &Path,
    bytes: &[u8],
    overwrite: bool,
    refusal: &'static str,
) -> anyhow::Result<()> {
    if overwrite {
        return Ok(write_whole(&RealFs, path, bytes)?);
    }
    match write_new(&RealFs, path, bytes) {
        Err(error @ StorageError::Exists { .. }) => Err(anyhow::Error::new(error).context(refusal)),
        written => Ok(written?),
    }
}
