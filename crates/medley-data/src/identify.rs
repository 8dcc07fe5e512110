//! Which set a file holds: told by its name, an entry beside it, or its content.

use std::path::{Path, PathBuf};

use crate::archive::Archive;
use crate::registry::Entry;
use crate::{DataError, Registry};

/// The set that a file holds, and the size of its images: by its name, a published one or one whose entry lies beside the
/// file; else by its content.
///
/// # Errors
/// [`DataError::UnknownSet`] when neither tells; [`DataError`] when the file must be looked at and cannot be read.
pub fn set_of(path: &Path) -> Result<(Entry, usize), DataError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let folder = path.parent().unwrap_or(Path::new(""));
    if let Some(found) = set_by_name(&name, folder)? {
        return Ok(found);
    }
    let archive = Archive::open(path)?;
    let (md5, _) = archive.hashes()?;
    let shape = |member: &str| archive.member(member).ok().map(|member| member.header.shape);
    let shapes = ["train_images", "val_images", "test_images"].map(shape);
    archive.unchanged()?;
    let registry = Registry::builtin();
    let found = registry.by_content(&md5, shapes.each_ref().map(Option::as_deref));
    found.map(|(entry, size)| (entry.clone(), size)).ok_or_else(|| registry.unknown(&name))
}

/// The set that a file name such as `pathmnist_64.npz` stands for, among the published ones and those with an entry in the folder.
///
/// # Errors
/// [`DataError::Entry`] for the first entry that is wrong.
pub fn set_by_name(file: &str, folder: &Path) -> Result<Option<(Entry, usize)>, DataError> {
    let owned = |(entry, size): (&Entry, usize)| (entry.clone(), size);
    if let Some(found) = Registry::builtin().by_file_name(file) {
        return Ok(Some(owned(found)));
    }
    Ok(Registry::of_folder(folder)?.by_file_name(file).map(owned))
}

/// The set that a person names, `pathmnist` or `pathmnist_64`, in a folder.
///
/// # Errors
/// [`DataError::UnknownSet`], and as [`set_by_name`].
fn set_named(name: &str, folder: &Path) -> Result<(Entry, usize), DataError> {
    set_by_name(&format!("{name}.npz"), folder)?.ok_or_else(|| Registry::builtin().unknown(name))
}

/// The file that a person names: its path, or a set in a folder, such as `pathmnist` or `pathmnist_64`.
///
/// # Errors
/// [`DataError::UnknownSet`] for what is neither a file nor a set, [`DataError::UnknownSize`], and as [`set_by_name`].
pub fn file_named(named: &Path, folder: &Path) -> Result<PathBuf, DataError> {
    if named.extension().is_some_and(|extension| extension == "npz") || named.is_file() {
        return Ok(named.to_owned());
    }
    let (entry, size) = set_named(&named.to_string_lossy(), folder)?;
    entry.path_in(folder, size)
}
