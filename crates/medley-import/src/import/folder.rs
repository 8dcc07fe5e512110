//! A folder with a sub-folder per class, perhaps under `train`, `val` and `test`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use medley_core::Split;
use medley_core::message::listed;
use medley_core::text::plural;
use medley_data::DataError;

use super::listing::{ImageList, ListedImage, PixelSource, class_names, indices, refuse};
use crate::ImportError;

/// Folders in folders, below that of a class.
const MAX_DEPTH: usize = 32;

/// Images of one class folder.
struct ClassFolder {
    class: String,
    split: Option<Split>,
    path: PathBuf,
    files: Vec<PathBuf>,
}

/// Lists the images of all classes, in the order of their paths.
pub(super) fn list(root: &Path, given: Option<&[String]>) -> Result<ImageList, ImportError> {
    let mut others = Others::default();
    let top = entries(root, &mut others)?;
    if top.folders.is_empty() {
        return Err(refuse(root, no_classes(&[], top.images.len())));
    }
    let (mut folders, mut loose) = (Vec::new(), top.images.len());
    if let Some(split_folders) = split_folders(root, &top.folders)? {
        for (split, path) in &split_folders {
            let inner = entries(path, &mut others)?;
            loose += inner.images.len();
            for class in inner.folders {
                folders.push(class_folder(class, Some(*split), &mut others)?);
            }
        }
        if folders.is_empty() {
            let names: Vec<String> = split_folders.iter().map(|(_, path)| shown(root, path)).collect();
            return Err(refuse(root, no_classes(&names, loose)));
        }
    } else {
        for class in top.folders {
            folders.push(class_folder(class, None, &mut others)?);
        }
    }
    check_not_empty(&folders, &others)?;
    let classes = class_names(folders.iter().map(|folder| folder.class.as_str()), given);
    let known = indices(&classes);
    let mut images = Vec::new();
    for folder in &folders {
        let class = *known.get(folder.class.as_str()).ok_or_else(|| {
            let names = listed(classes.iter().map(String::as_str));
            refuse(&folder.path, format!("the folder is none of the classes {names}"))
        })?;
        images.extend(folder.files.iter().map(|path| ListedImage {
            place: PixelSource::File(path.clone(), shown(root, path)),
            classes: vec![class],
            split: folder.split,
            group: None,
        }));
    }
    let mut remarks = others.remarks();
    if loose > 0 {
        let (pictures, they) = (plural(loose, "picture"), if loose == 1 { "it shows" } else { "they show" });
        remarks.push(format!("{pictures} beside the folders of classes passed over: nothing says what {they}"));
    }
    Ok(ImageList { images, classes, remarks, ..ImageList::default() })
}

/// What to do where no folder says a class: `folders` are those of splits.
fn no_classes(folders: &[String], pictures: usize) -> String {
    let place = if folders.is_empty() { "it has".to_owned() } else { format!("{} have", folders.join(" and ")) };
    let first = folders.first().map_or_else(String::new, |folder| format!("{folder}/"));
    format!(
        "{place} {} and no folders of classes, so nothing says what a picture shows. Move each into a folder \
         named after its class ({first}CLASS/picture.png), or write a CSV with the columns path, label{}, and import that",
        plural(pictures, "picture"),
        if folders.is_empty() { "" } else { ", split" }
    )
}

fn shown(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned()
}

/// The folders of the splits, if that is what the top level has.
fn split_folders(root: &Path, top: &[PathBuf]) -> Result<Option<Vec<(Split, PathBuf)>>, ImportError> {
    let named: Vec<(Option<Split>, &PathBuf)> = top
        .iter()
        .map(|path| (Split::of_word(&path.file_name().unwrap_or_default().to_string_lossy()), path))
        .collect();
    let train = named.iter().any(|(split, _)| *split == Some(Split::Train));
    match named.iter().find(|(split, _)| split.is_none()) {
        // A class may be called `test`, but not when `train` is beside it.
        Some((_, other)) if train => Err(refuse(
            root,
            format!("beside `train` is `{}`, which is not a split: move one of them", shown(root, other)),
        )),
        Some(_) => Ok(None),
        None if !train => Err(refuse(root, "it has folders of splits, but none is `train`")),
        None => Ok(Some(named.into_iter().filter_map(|(split, path)| Some((split?, path.clone()))).collect())),
    }
}

fn class_folder(path: PathBuf, split: Option<Split>, others: &mut Others) -> Result<ClassFolder, ImportError> {
    let name = path.file_name().unwrap_or_default();
    let class = name.to_str().ok_or_else(|| refuse(&path, "its name is not UTF-8, so no class can be called so"))?;
    let mut files = Vec::new();
    walk(&path, &mut Vec::new(), &mut files, others)?;
    Ok(ClassFolder { class: class.to_owned(), split, files, path })
}

fn check_not_empty(folders: &[ClassFolder], others: &Others) -> Result<(), ImportError> {
    let mut counts: BTreeMap<&str, (usize, &Path)> = BTreeMap::new();
    for folder in folders {
        counts.entry(&folder.class).or_insert((0, &folder.path)).0 += folder.files.len();
    }
    match counts.values().find(|(count, _)| *count == 0) {
        None => Ok(()),
        Some((_, path)) => {
            let also = others.remarks().join("; ");
            let also = if also.is_empty() { also } else { format!(" ({also})") };
            Err(refuse(
                path,
                format!("the class has no image that can be read: {}{also}", medley_pictures::ENDINGS.join(", ")),
            ))
        }
    }
}

/// Collects images in the order of their names. Links are followed, but not in a circle.
fn walk(
    folder: &Path,
    above: &mut Vec<PathBuf>,
    files: &mut Vec<PathBuf>,
    others: &mut Others,
) -> Result<(), ImportError> {
    let real = fs_err::canonicalize(folder).map_err(|source| DataError::io(folder, source))?;
    if above.contains(&real) {
        return Err(refuse(folder, "the link leads back to a folder above it"));
    }
    if above.len() == MAX_DEPTH {
        return Err(refuse(folder, format!("folders are nested more than {MAX_DEPTH} deep")));
    }
    above.push(real);
    let found = entries(folder, others)?;
    files.extend(found.images);
    for inner in found.folders {
        walk(&inner, above, files, others)?;
    }
    above.pop();
    Ok(())
}

/// What a folder holds, each by name.
struct Entries {
    folders: Vec<PathBuf>,
    images: Vec<PathBuf>,
}

fn entries(folder: &Path, others: &mut Others) -> Result<Entries, ImportError> {
    let mut found = Entries { folders: Vec::new(), images: Vec::new() };
    for entry in fs_err::read_dir(folder).map_err(|source| DataError::io(folder, source))? {
        let path = entry.map_err(|source| DataError::io(folder, source))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // Dot files and the like are what systems leave in folders of pictures.
        if name.starts_with('.') || matches!(name.as_str(), "Thumbs.db" | "desktop.ini" | "__MACOSX") {
            continue;
        }
        // Follows links; a dangling one is an error that names it.
        let metadata = fs_err::metadata(&path).map_err(|source| DataError::io(&path, source))?;
        if metadata.is_dir() {
            found.folders.push(path);
            continue;
        }
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
        if metadata.is_file() && medley_pictures::is_picture(&path) {
            found.images.push(path);
        } else {
            *others.0.entry(ending).or_default() += 1;
        }
    }
    found.folders.sort();
    found.images.sort();
    Ok(found)
}

/// Files that are no pictures, by ending.
#[derive(Default)]
struct Others(BTreeMap<String, usize>);

impl Others {
    fn remarks(&self) -> Vec<String> {
        let kinds = self.0.iter().map(|(ending, count)| match ending.as_str() {
            "" => format!("{} without an ending passed over", plural(*count, "file")),
            ending => format!("{} passed over", plural(*count, &format!(".{ending} file"))),
        });
        kinds.collect()
    }
}
