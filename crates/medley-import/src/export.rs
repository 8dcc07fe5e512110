//! Data sets as folders of images, named and listed exactly as the medmnist package's `save` does it.
//!
//! ```text
//! breastmnist.csv                 TRAIN,train0_1.png,1
//! breastmnist/train0_1.png        VALIDATION,val0_0.png,0
//! breastmnist/val0_0.png          ...
//! ```
//!
//! Two-dimensional images are PNG, volumes are GIF with a frame of 200 ms per slice. The pixels are those of the file, bit for
//! bit. What differs from the package: it appends to the list, so that saving twice lists everything twice, where here the list is
//! written whole and last; and its GIF encoder merges equal neighbouring slices into one longer frame, where here each slice is a
//! frame.

pub(crate) mod list;
pub(crate) mod picture;

use std::path::{Path, PathBuf};

use medley_core::{ImageSource, Labels, OpenedTask, ScoringToken, Split, TaskSpec};
use medley_data::DataError;
use medley_storage::{Batch, Storage, create_folder, write_whole};
use rayon::prelude::*;
use serde::Serialize;

use crate::ImportError;
use list::List;

/// What to export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportOptions {
    /// Which splits, in any order. Test images carry their labels in their names: that split needs a token.
    pub splits: Vec<Split>,
    /// Replace images and lines of these splits that are there already.
    pub overwrite: bool,
}

impl Default for ExportOptions {
    fn default() -> Self {
        Self { splits: vec![Split::Train, Split::Val], overwrite: false }
    }
}

/// What [`export`] wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Exported {
    /// The folder of the images.
    pub folder: PathBuf,
    /// The list.
    pub list: PathBuf,
    /// Images written.
    pub images: usize,
    /// Images of an earlier export of the same splits that this one does not have, removed.
    pub removed: usize,
}

/// Writes `parent/{name}{_size}/` and `parent/{name}{_size}.csv`. Each image is whole or absent, and the list names no image before
/// all are there. Splits that were exported earlier stay. Images are encoded in parallel; the bytes do not depend on the number of
/// threads. `progress` is called with the number of images written so far, from any thread.
///
/// # Errors
/// [`ImportError::Sealed`] for the test split without a token, [`ImportError::InTheWay`] when a split is there already and may not be
/// replaced or the list is of another make, [`ImportError::Image`] for volumes in colour, [`DataError::Storage`].
pub fn export(
    task: &OpenedTask,
    parent: &Path,
    options: &ExportOptions,
    token: Option<&ScoringToken>,
    storage: &dyn Storage,
    progress: &(dyn Fn(usize) + Sync),
) -> Result<Exported, ImportError> {
    let stem = file_stem(&task.spec);
    let target =
        Exported { folder: parent.join(&stem), list: parent.join(format!("{stem}.csv")), images: 0, removed: 0 };
    let splits: Vec<Split> = Split::ALL.into_iter().filter(|split| options.splits.contains(split)).collect();
    let parts = splits.iter().map(|&split| part(task, split, token)).collect::<Result<Vec<_>, _>>()?;
    picture::check_shape(&target.folder, &task.spec)?;
    let mut list = List::read(&target.list)?;
    let stale = check_way(&list, &target, &splits, options.overwrite)?;
    create_folder(&target.folder).map_err(DataError::from)?;

    let written = std::sync::atomic::AtomicUsize::new(0);
    let batch = Batch::new(storage, &target.folder);
    let mut all = Vec::new();
    for part in &parts {
        let names = part.names();
        names.par_iter().enumerate().try_for_each(|(index, name)| {
            let path = target.folder.join(name);
            let bytes = picture::encode(&path, task.spec.shape, part.images.image(index))?;
            batch.write(name, &bytes)?;
            progress(1 + written.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
            Ok::<_, ImportError>(())
        })?;
        all.extend(names.iter().cloned());
        list.set(part.split, names.iter().enumerate().map(|(index, name)| (name.as_str(), part.labels.row(index))));
    }
    batch.flush(&all.iter().map(String::as_str).collect::<Vec<_>>())?;
    write_whole(storage, &target.list, list.render().as_bytes())?;
    let removed = remove(&target.folder, list.unlisted(&stale).into_iter());
    Ok(Exported { images: written.into_inner(), removed, ..target })
}

/// `breastmnist`, `breastmnist_64`: what files of a set of this size are called.
pub(crate) fn file_stem(spec: &TaskSpec) -> String {
    match spec.shape.height {
        28 => spec.name.clone(),
        size => format!("{}_{size}", spec.name),
    }
}

/// The images and labels of one split.
pub(crate) struct Part<'a> {
    pub(crate) split: Split,
    pub(crate) images: &'a dyn ImageSource,
    pub(crate) labels: &'a Labels,
}

/// A split with its labels; those of the test split are under seal.
pub(crate) fn part<'a>(
    task: &'a OpenedTask,
    split: Split,
    token: Option<&ScoringToken>,
) -> Result<Part<'a>, ImportError> {
    let learning = match split {
        Split::Train => &task.train,
        Split::Val => &task.val,
        Split::Test => {
            let token = token.ok_or_else(|| ImportError::Sealed { name: task.spec.name.clone() })?;
            let labels = task.test.labels.open(token);
            let labels = labels.map_err(DataError::content(Path::new(&task.spec.name)))?;
            return Ok(Part { split, images: task.test.images.as_ref(), labels });
        }
    };
    Ok(Part { split, images: learning.images().as_ref(), labels: learning.labels() })
}

impl Part<'_> {
    /// `{split}{index}_{labels joined by _}.png`, or `.gif` for volumes.
    fn names(&self) -> Vec<String> {
        let ending = if self.images.shape().depth.is_some() { "gif" } else { "png" };
        (0..self.images.len())
            .map(|index| format!("{}{index}_{}.{ending}", self.split, list::join(self.labels.row(index), '_')))
            .collect()
    }
}

/// Whether the splits may be written. Returns the names of images of earlier exports of them.
fn check_way(list: &List, target: &Exported, splits: &[Split], overwrite: bool) -> Result<Vec<String>, ImportError> {
    let listed: Vec<String> = splits.iter().flat_map(|&split| list.files_of(split)).map(str::to_owned).collect();
    let unlisted = || {
        let entries = fs_err::read_dir(&target.folder).into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.into_iter().any(|name| splits.iter().any(|&split| list::is_image_of(split, &name)))
    };
    let in_the_way = |path: &Path, problem| Err(ImportError::InTheWay { path: path.to_owned(), problem });
    if overwrite {
        Ok(listed)
    } else if !listed.is_empty() {
        in_the_way(&target.list, "already lists images of these splits; `--overwrite` replaces them")
    } else if unlisted() {
        let problem = "has images of these splits that no list names, perhaps of an export that was interrupted; \
                       `--overwrite` replaces them";
        in_the_way(&target.folder, problem)
    } else {
        Ok(listed)
    }
}

/// Best effort: the new export is complete, and an image too many does no harm to whoever reads the list.
fn remove<'a>(folder: &Path, names: impl Iterator<Item = &'a String>) -> usize {
    names.filter(|name| fs_err::remove_file(folder.join(name)).is_ok()).count()
}
