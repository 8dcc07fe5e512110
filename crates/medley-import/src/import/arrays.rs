//! Images and labels as arrays: `.npy` files, or members of an `.npz`.

mod form;
mod labels;
mod members;
mod values;

use std::io::Read as _;
use std::path::Path;

use medley_core::{Split, TaskKind};
use medley_data::DataError;
use medley_data::archive::Archive;
use medley_npy::{Header, class_indices, read_header};
use medley_storage::open_file;

use super::listing::{Found, Listing, Place, refuse};
use crate::ImportError;
use form::Form;
use labels::{Meaning, Rows, class_numbers};
use members::Names;

pub(super) use form::Stack;

/// An array that was read, and what it is called in messages.
struct Loaded {
    name: String,
    header: Header,
    bytes: Vec<u8>,
}

/// The arrays of one split, or of all images.
struct Part {
    split: Option<Split>,
    images: Loaded,
    labels: Loaded,
    groups: Option<Loaded>,
}

/// Lists the rows of the arrays. `labels` is needed beside an `.npy` only: an `.npz` holds both, perhaps for each split (see
/// [`mod@members`]).
pub(super) fn list(
    images: &Path,
    labels: Option<&Path>,
    kind: Option<TaskKind>,
    given: Option<&[String]>,
    limit: u64,
) -> Result<Listing, ImportError> {
    let mut listing = Listing::default();
    let npz = images.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("npz"));
    let mut parts = if npz {
        members(images, limit, &mut listing.notes)?
    } else {
        let labels =
            labels.ok_or_else(|| refuse(images, "an .npy holds images only; name that of the labels with --labels"))?;
        vec![Part { split: None, images: file(images, limit)?, labels: file(labels, limit)?, groups: None }]
    };
    let arrays = parts.iter_mut().map(|part| &mut part.images).collect();
    listing.notes.extend(values::to_bytes(arrays).map_err(|problem| wrong(images, &parts[0].images, problem))?);
    let mut rows = Rows::default();
    for part in parts {
        add(&mut listing, &mut rows, images, part)?;
    }
    let Meaning { classes, multi_label, of_rows } =
        rows.meaning(kind, given, &mut listing.notes).map_err(|problem| refuse(images, problem))?;
    for (found, classes) in listing.images.iter_mut().zip(of_rows) {
        found.classes = classes;
    }
    (listing.classes, listing.multi_label) = (classes, multi_label);
    listing.notes.dedup();
    Ok(listing)
}

fn wrong(path: &Path, array: &Loaded, problem: String) -> ImportError {
    DataError::Array { path: path.to_owned(), member: array.name.clone(), problem }.into()
}

/// The arrays of an `.npz`.
fn members(path: &Path, limit: u64, notes: &mut Vec<String>) -> Result<Vec<Part>, ImportError> {
    let archive = Archive::open(path)?;
    if archive.is_synthetic() {
        // Under another name nothing would say what it is.
        let problem = "it is SYNTHETIC, drawn by Medley: it opens by its own name, and would lose that mark here";
        return Err(refuse(path, problem));
    }
    let found = members::find(archive.members()).map_err(|problem| refuse(path, problem))?;
    notes.extend(members::note(&found));
    let mut spent = 0;
    let mut read = |name: &str| member(&archive, path, name, limit, &mut spent);
    let mut parts = Vec::new();
    for Names { split, images, labels, groups } in found {
        let (images, labels) = (read(&images)?, read(&labels)?);
        parts.push(Part { split, images, labels, groups: groups.map(|groups| read(&groups)).transpose()? });
    }
    Ok(parts)
}

fn member(archive: &Archive, path: &Path, name: &str, limit: u64, spent: &mut u64) -> Result<Loaded, ImportError> {
    let member = archive.member_of_numbers(name)?;
    *spent += member.header.data_len as u64;
    if *spent > limit {
        return Err(DataError::TooLarge { path: path.to_owned(), needed: *spent, limit }.into());
    }
    let bytes = archive.read(&member)?;
    Ok(Loaded { name: name.to_owned(), header: member.header, bytes })
}

fn file(path: &Path, limit: u64) -> Result<Loaded, ImportError> {
    let file = open_file(path).map_err(DataError::from)?;
    let metadata = file.metadata().map_err(|source| DataError::io(path, source))?;
    let mut reader = std::io::BufReader::new(file);
    let header = read_header(&mut reader).and_then(Header::require_row_major);
    let header = header.map_err(|error| refuse(path, error.to_string()))?;
    let needed = (header.offset + header.data_len) as u64;
    if metadata.len() != needed {
        let problem = format!("its shape {:?} needs {needed} bytes, but it has {}", header.shape, metadata.len());
        return Err(refuse(path, problem));
    }
    if needed > limit {
        return Err(DataError::TooLarge { path: path.to_owned(), needed, limit }.into());
    }
    let mut bytes = Vec::with_capacity(header.data_len);
    reader.take(header.data_len as u64).read_to_end(&mut bytes).map_err(|source| DataError::io(path, source))?;
    if bytes.len() != header.data_len {
        return Err(DataError::Changed { path: path.to_owned() }.into());
    }
    Ok(Loaded { name: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(), header, bytes })
}

/// Adds the rows of a part.
fn add(listing: &mut Listing, labels: &mut Rows, path: &Path, part: Part) -> Result<(), ImportError> {
    let form = Form::of(&part.images.header).map_err(|problem| wrong(path, &part.images, problem))?;
    listing.notes.extend(form.note(&part.images.header));
    let width = match part.labels.header.shape.as_slice() {
        [rows] if *rows == form.rows => 1,
        [rows, width] if *rows == form.rows && *width > 0 => *width,
        shape => {
            let problem = format!("its shape is {shape:?}; labels of {} images are (N,), (N, 1) or (N, L)", form.rows);
            return Err(wrong(path, &part.labels, problem));
        }
    };
    let values = class_numbers(&part.labels).map_err(|problem| wrong(path, &part.labels, problem))?;
    labels.add(width, values).map_err(|problem| wrong(path, &part.labels, problem))?;
    let groups = match &part.groups {
        None => None,
        Some(array) if array.header.shape == [form.rows] || array.header.shape == [form.rows, 1] => {
            let numbers = class_indices(array.header.item, &array.bytes);
            Some(numbers.map_err(|error| wrong(path, array, error.to_string()))?)
        }
        Some(array) => {
            let problem = format!("its shape is {:?}, not ({},)", array.header.shape, form.rows);
            return Err(wrong(path, array, problem));
        }
    };
    for row in 0..form.rows {
        let group = groups.as_ref().map(|groups| u32::from(groups[row]));
        let place = Place::Row { stack: listing.stacks.len(), row };
        listing.images.push(Found { place, classes: Vec::new(), split: part.split, group });
    }
    listing.stacks.push(Stack::new(part.images.name, form, part.images.bytes));
    Ok(())
}
