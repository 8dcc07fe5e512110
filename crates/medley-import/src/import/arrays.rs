//! Images and labels as arrays: `.npy` files, or members of an `.npz`.

use std::io::Read as _;
use std::path::Path;

use medley_core::Split;
use medley_data::DataError;
use medley_npy::{Header, ItemType, class_indices, read_header};

use super::listing::{Found, Listing, Place, refuse};
use super::picture::Picture;
use crate::ImportError;
use medley_data::archive::Archive;

/// Images in one array.
#[derive(Debug)]
pub(super) struct Stack {
    pub(super) name: String,
    form: Form,
    bytes: Vec<u8>,
}

/// `[N, H, W]`, `[N, H, W, 1]` or `[N, H, W, 3]`, or `[N, D, H, W]`.
#[derive(Debug, Clone, Copy)]
struct Form {
    rows: usize,
    depth: Option<usize>,
    height: usize,
    width: usize,
    channels: usize,
}

/// An array that was read, and what it is called in messages.
struct Loaded {
    name: String,
    header: Header,
    bytes: Vec<u8>,
}

/// Lists the rows of the arrays. `labels` is needed beside an `.npy` only: an `.npz` holds `images` and `labels`, and perhaps
/// `groups`; or `train_images`, `train_labels` and so on for given splits.
pub(super) fn list(
    images: &Path,
    labels: Option<&Path>,
    given: Option<&[String]>,
    limit: u64,
) -> Result<Listing, ImportError> {
    let npz = images.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("npz"));
    let mut listing = Listing::default();
    let mut widest = 0;
    if npz {
        let archive = Archive::open(images)?;
        let has = |name: &str| archive.has(name);
        if archive.is_synthetic() {
            // Under another name nothing would say what it is.
            let problem = "it is SYNTHETIC, drawn by Medley: it opens by its own name, and would lose that mark here";
            return Err(refuse(images, problem));
        }
        let mut spent = 0;
        if has("train_images") {
            for split in Split::ALL.into_iter().filter(|split| has(&format!("{split}_images"))) {
                let pixels = member(&archive, images, &format!("{split}_images"), limit, &mut spent)?;
                let labels = member(&archive, images, &format!("{split}_labels"), limit, &mut spent)?;
                widest = widest.max(add(&mut listing, images, pixels, &labels, None, Some(split))?);
            }
        } else {
            let pixels = member(&archive, images, "images", limit, &mut spent)?;
            let labels = member(&archive, images, "labels", limit, &mut spent)?;
            let groups = has("groups").then(|| member(&archive, images, "groups", limit, &mut spent)).transpose()?;
            widest = add(&mut listing, images, pixels, &labels, groups.as_ref(), None)?;
        }
    } else {
        let labels =
            labels.ok_or_else(|| refuse(images, "an .npy holds images only; name that of the labels with --labels"))?;
        let pixels = file(images, limit)?;
        widest = add(&mut listing, images, pixels, &file(labels, limit)?, None, None)?;
    }
    listing.multi_label = widest > 1;
    let most = listing.images.iter().flat_map(|found| &found.classes).max().map_or(0, |&class| usize::from(class) + 1);
    let count = if listing.multi_label { widest } else { most };
    listing.classes = match given {
        Some(given) if count > given.len() => {
            return Err(refuse(
                images,
                format!("labels go up to {}, but {} classes are named", count - 1, given.len()),
            ));
        }
        Some(given) => given.to_vec(),
        None if listing.multi_label => (0..count).map(|label| format!("label {label}")).collect(),
        None => (0..count).map(|class| class.to_string()).collect(),
    };
    Ok(listing)
}

fn member(archive: &Archive, path: &Path, name: &str, limit: u64, spent: &mut u64) -> Result<Loaded, ImportError> {
    let member = archive.member(name)?;
    *spent += member.header.data_len as u64;
    if *spent > limit {
        return Err(DataError::TooLarge { path: path.to_owned(), needed: *spent, limit }.into());
    }
    let bytes = archive.read(&member)?;
    Ok(Loaded { name: name.to_owned(), header: member.header, bytes })
}

fn file(path: &Path, limit: u64) -> Result<Loaded, ImportError> {
    let metadata = fs_err::metadata(path).map_err(|source| DataError::io(path, source))?;
    if !metadata.is_file() {
        return Err(DataError::NotAFile { path: path.to_owned(), what: "a folder or a device" }.into());
    }
    let mut reader = std::io::BufReader::new(fs_err::File::open(path).map_err(|source| DataError::io(path, source))?);
    let header = read_header(&mut reader).and_then(Header::require_row_major_integers);
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

/// Adds the rows of an array; returns the columns of its labels.
fn add(
    listing: &mut Listing,
    path: &Path,
    images: Loaded,
    labels: &Loaded,
    groups: Option<&Loaded>,
    split: Option<Split>,
) -> Result<usize, ImportError> {
    let wrong = |array: &Loaded, problem: String| DataError::Array {
        path: path.to_owned(),
        member: array.name.clone(),
        problem,
    };
    let form = Form::of(&images.header).map_err(|problem| wrong(&images, problem))?;
    let stack = Stack { name: images.name, form, bytes: images.bytes };
    let width = match labels.header.shape.as_slice() {
        [rows] if *rows == form.rows => 1,
        [rows, width] if *rows == form.rows && *width > 0 => *width,
        shape => {
            let problem = format!("its shape is {shape:?}; labels of {} images are (N,), (N, 1) or (N, L)", form.rows);
            return Err(wrong(labels, problem).into());
        }
    };
    let values = class_indices(labels.header.item, &labels.bytes).map_err(|error| wrong(labels, error.to_string()))?;
    let groups = match groups {
        None => None,
        Some(array) if array.header.shape == [form.rows] || array.header.shape == [form.rows, 1] => {
            let numbers =
                class_indices(array.header.item, &array.bytes).map_err(|error| wrong(array, error.to_string()))?;
            Some(numbers)
        }
        Some(array) => {
            let problem = format!("its shape is {:?}, not ({},)", array.header.shape, form.rows);
            return Err(wrong(array, problem).into());
        }
    };
    for (row, values) in values.chunks_exact(width).enumerate() {
        let classes = if width == 1 {
            values.to_vec()
        } else {
            flagged(values).ok_or_else(|| {
                wrong(labels, format!("row {row} has values other than 0 and 1, though it has {width} columns"))
            })?
        };
        let group = groups.as_ref().map(|groups| u32::from(groups[row]));
        listing.images.push(Found { place: Place::Row { stack: listing.stacks.len(), row }, classes, split, group });
    }
    listing.stacks.push(stack);
    Ok(width)
}

fn flagged(values: &[u16]) -> Option<Vec<u16>> {
    let legal = values.iter().all(|&value| value <= 1);
    legal.then(|| (0..).zip(values).filter(|(_, value)| **value == 1).map(|(label, _)| label).collect())
}

impl Form {
    fn of(header: &Header) -> Result<Self, String> {
        if header.item != ItemType::U8 {
            return Err(
                "images must be of type uint8, 0 to 255; scale others first: which of their values matter is not \
                        known"
                    .to_owned(),
            );
        }
        let (rows, depth, height, width, channels) = match *header.shape.as_slice() {
            [rows, height, width] => (rows, None, height, width, 1),
            // Three or one at the end are channels, anything else is the width of a volume.
            [rows, height, width, channels @ (1 | 3)] => (rows, None, height, width, channels),
            [rows, depth, height, width] | [rows, depth, height, width, 1] => (rows, Some(depth), height, width, 1),
            _ => {
                let shape = &header.shape;
                return Err(format!("its shape is {shape:?}; images are (N, H, W), (N, H, W, 3) or (N, D, H, W)"));
            }
        };
        if rows == 0 || height == 0 || width == 0 || depth == Some(0) {
            return Err(format!("its shape {:?} has no pixels", header.shape));
        }
        Ok(Self { rows, depth, height, width, channels })
    }
}

impl Stack {
    /// One image.
    pub(super) fn picture(&self, row: usize) -> Picture {
        let Form { rows, depth, height, width, channels } = self.form;
        let length = self.bytes.len() / rows;
        let bytes = self.bytes[row * length..(row + 1) * length].to_vec();
        Picture { depth, height, width, channels, bytes }.grey_if_it_is()
    }
}
