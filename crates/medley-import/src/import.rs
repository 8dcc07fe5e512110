//! A user's own images as a data set that every subcommand knows by name.
//!
//! Images come from a folder with a sub-folder per class, from a CSV that names files and labels, or from arrays. They leave as
//! `NAME.npz` (`NAME_64.npz` at 64 pixels), which has the members of a MedMNIST file; `NAME.images.csv`, which says where each row
//! came from; and `NAME.toml`, the entry that makes the set known (see [`medley_data::registry::user`]) and states how it was made. The
//! same images and options give the same bytes, whatever the number of threads.
//!
//! What makes scores dishonest is looked for: images of one patient in several splits (name a `group` column and they stay
//! together), the same picture in several splits, the same picture under two labels.

mod arrays;
mod duplicates;
mod folder;
mod listing;
mod output;
mod read;
mod splits;
mod table;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use medley_core::message::{listed, quoted};
use medley_core::{Modality, Split, TaskKind};
use medley_data::OpenOptions;
use medley_storage::Storage;
use serde::Serialize;

use crate::ImportError;
use listing::{ImageList, ListedImage, refuse};
use medley_data::registry::user;
use splits::Item;

pub use duplicates::Duplicates;
pub use medley_pictures::{Alpha, Filter, Fit, MAX_PIXELS, SixteenBit};
pub use table::TableOptions;

/// Where images come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A folder with a sub-folder per class, perhaps below `train`, `val` and `test`.
    Folder(PathBuf),
    /// A CSV that names files and labels.
    Table(PathBuf, TableOptions),
    /// An `.npz`, or an `.npy` with images and one with labels.
    Arrays {
        /// `.npz` or `.npy`.
        images: PathBuf,
        /// `.npy`.
        labels: Option<PathBuf>,
    },
}

impl Source {
    /// The file or folder that is named first in messages.
    pub fn path(&self) -> &Path {
        match self {
            Self::Folder(path) | Self::Table(path, _) => path,
            Self::Arrays { images, .. } => images,
        }
    }
}

/// Grey or colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Colour {
    /// Grey if every picture is, else RGB.
    #[default]
    Auto,
    /// One channel; colours become luma (Rec. 709).
    Grey,
    /// Three channels; grey is repeated.
    Rgb,
}

/// What to make.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportOptions {
    /// Stem of the files: lower-case letters, digits and `-`.
    pub name: String,
    /// As written in reports; by default the name.
    pub title: Option<String>,
    /// What the images show. It decides how training images are varied.
    pub modality: Modality,
    /// By default binary for two classes, multi-class for more, multi-label for labels in columns.
    pub kind: Option<TaskKind>,
    /// Names of the classes in their order; by default those that occur, sorted. They matter for grades, and for the labels of arrays.
    pub classes: Option<Vec<String>>,
    /// Where the images come from, in words.
    pub origin: String,
    /// Short name of the licence.
    pub licence: String,
    /// Edge lengths in pixels, one file each.
    pub sizes: Vec<usize>,
    /// How images that are not square become so.
    pub fit: Fit,
    /// How pixels are resampled.
    pub filter: Filter,
    /// Grey or colour.
    pub colour: Colour,
    /// What happens to pictures of 16 bits per channel.
    pub sixteen_bit: SixteenBit,
    /// What happens to transparent pictures.
    pub alpha: Alpha,
    /// Shares of train, val and test where splits are not given. They sum to 1.
    pub shares: [f64; 3],
    /// Seed of the splits.
    pub seed: u64,
    /// Leave out pictures that cannot be read, instead of refusing all.
    pub skip_unreadable: bool,
    /// Replace a set of this name that was imported before.
    pub overwrite: bool,
    /// The most pixels of a picture, or of all frames of an animation.
    pub max_pixels: u64,
    /// Bytes of memory that the decoded images may take.
    pub memory_limit: u64,
}

impl ImportOptions {
    /// The defaults: 28 pixels, padded, bicubic, 70 % train, 10 % val and 20 % test.
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            title: None,
            modality: Modality::Other,
            kind: None,
            classes: None,
            origin: "imported by its user".to_owned(),
            licence: "not stated".to_owned(),
            sizes: vec![28],
            fit: Fit::default(),
            filter: Filter::default(),
            colour: Colour::default(),
            sixteen_bit: SixteenBit::default(),
            alpha: Alpha::default(),
            shares: [0.7, 0.1, 0.2],
            seed: 0,
            skip_unreadable: false,
            overwrite: false,
            max_pixels: MAX_PIXELS,
            memory_limit: OpenOptions::default().memory_limit,
        }
    }
}

/// What [`import`] made.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Imported {
    /// Name of the set.
    pub name: String,
    /// The entry.
    pub entry: PathBuf,
    /// The data files, one per size.
    pub files: Vec<PathBuf>,
    /// Where each row came from.
    pub list: PathBuf,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// 1 or 3.
    pub channels: usize,
    /// Images of train, val and test.
    pub rows: [usize; 3],
    /// Images of each class in train, val and test.
    pub class_counts: [Vec<usize>; 3],
    /// Pictures that could not be read and were left out, each with the reason.
    pub skipped: Vec<String>,
    /// Pictures that occur more than once.
    pub duplicates: Duplicates,
    /// Whatever else a person should know.
    pub remarks: Vec<String>,
    /// What was taken otherwise than it stood there, such as labels that count from 1.
    pub notes: Vec<String>,
}

/// Makes a set in `folder`, which is made when it is missing. `progress` is told how many images of how many were read, from any
/// thread.
///
/// # Errors
/// [`ImportError::Source`] for sources that cannot be used, with the first ten reasons; [`ImportError::InTheWay`] when the set is there
/// already; [`DataError::TooLarge`](medley_data::DataError::TooLarge); [`DataError::Storage`](medley_data::DataError::Storage). Nothing is written before everything is read and checked.
pub fn import(
    source: &Source,
    folder: &Path,
    options: &ImportOptions,
    storage: &dyn Storage,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Imported, ImportError> {
    check_options(source.path(), options)?;
    output::check_way(folder, options)?;
    let given = options.classes.as_deref();
    let mut listing = match source {
        Source::Folder(root) => folder::list(root, given)?,
        Source::Table(csv, columns) => table::list(csv, columns, options.kind, given)?,
        Source::Arrays { images, labels } => {
            arrays::list(images, labels.as_deref(), options.kind, given, options.memory_limit)?
        }
    };
    let kind = kind(source.path(), &listing, options)?;
    let decoded = read::read_all(source.path(), &mut listing, options, progress)?;
    check_classes(source.path(), &listing)?;
    let places = place(source.path(), &listing, options)?;
    let duplicates = duplicates::find(&listing, &decoded.images, &places);
    output::write(folder, source, options, &output::Made { kind, listing, decoded, places, duplicates }, storage)
}

fn check_options(path: &Path, options: &ImportOptions) -> Result<(), ImportError> {
    user::check_name(&options.name).map_err(|problem| refuse(path, problem))?;
    let mut sizes = options.sizes.clone();
    sizes.sort_unstable();
    sizes.dedup();
    if sizes.is_empty() || sizes.len() != options.sizes.len() || !sizes.iter().all(|size| user::SIZES.contains(size)) {
        let range = (user::SIZES.start(), user::SIZES.end());
        return Err(refuse(
            path,
            format!("the sizes {:?} are not different and {} to {}", options.sizes, range.0, range.1),
        ));
    }
    let sum: f64 = options.shares.iter().sum();
    // NaN fails every comparison.
    let legal = options.shares.iter().all(|&share| (0.0..=1.0).contains(&share)) && (sum - 1.0).abs() < 1e-6;
    if !legal || options.shares[0] == 0.0 {
        let problem = format!(
            "the shares {:?} of train, val and test must be 0 to 1 and sum to 1, train more than 0",
            options.shares
        );
        return Err(refuse(path, problem));
    }
    Ok(())
}

/// Characters of the name of a class, which stands in tables and charts.
const MAX_CLASS_NAME: usize = 200;

/// How labels are read: as told, else as they look.
fn kind(path: &Path, listing: &ImageList, options: &ImportOptions) -> Result<TaskKind, ImportError> {
    let classes = listing.classes.len();
    if classes < 2 {
        let only = listing.classes.first().map_or_else(|| "none".to_owned(), |name| format!("one, {}", quoted(name)));
        return Err(refuse(path, format!("two classes are needed to tell apart; there is {only}")));
    }
    if let Some(name) = listing.classes.iter().find(|name| name.chars().count() > MAX_CLASS_NAME) {
        let name = quoted(name);
        return Err(refuse(path, format!("{name} is no name for a class: at most {MAX_CLASS_NAME} characters")));
    }
    if classes > 256 {
        return Err(refuse(path, format!("{classes} classes are more than 256; is it the right column?")));
    }
    let seen = match (listing.multi_label, classes) {
        (true, _) => TaskKind::MultiLabel,
        (false, 2) => TaskKind::Binary,
        (false, _) => TaskKind::MultiClass,
    };
    match options.kind {
        None => Ok(seen),
        Some(kind) if kind == seen => Ok(kind),
        Some(TaskKind::Ordinal) if seen == TaskKind::MultiClass => Ok(TaskKind::Ordinal),
        Some(kind) => Err(refuse(path, format!("`--kind` is {kind}, but {classes} classes are {seen}"))),
    }
}

/// A class without images cannot be learnt.
fn check_classes(path: &Path, listing: &ImageList) -> Result<(), ImportError> {
    let mut counts = vec![0_usize; listing.classes.len()];
    for &class in listing.images.iter().flat_map(|image| &image.classes) {
        counts[usize::from(class)] += 1;
    }
    let empty: Vec<&str> =
        counts.iter().zip(&listing.classes).filter(|(count, _)| **count == 0).map(|(_, name)| name.as_str()).collect();
    if empty.is_empty() {
        return Ok(());
    }
    Err(refuse(path, format!("no image has the class {}: take it out of the classes", listed(empty))))
}

/// Splits as given. Images without one go where their group is given, and else are divided; so is train where no image is given to val or test.
fn place(path: &Path, listing: &ImageList, options: &ImportOptions) -> Result<Vec<Split>, ImportError> {
    let images = &listing.images;
    check_given_groups(path, listing)?;
    let given = |split: Split| images.iter().any(|image| image.split == Some(split));
    let none_given = images.iter().all(|image| image.split.is_none());
    let mut shares = options.shares;
    if !none_given {
        for split in [Split::Val, Split::Test].into_iter().filter(|&split| given(split)) {
            shares[split as usize] = 0.0;
        }
        let sum: f64 = shares.iter().sum();
        shares = shares.map(|share| share / sum);
    }
    let train_is_whole = given(Split::Val) && given(Split::Test);
    // An image without a split has that of its group.
    let of_groups: BTreeMap<_, Split> = images.iter().filter_map(|image| Some((image.group?, image.split?))).collect();
    let own = |image: &ListedImage| image.split.or_else(|| of_groups.get(&image.group?).copied());
    let open: Vec<usize> = (0..images.len())
        .filter(|&index| match own(&images[index]) {
            None => true,
            Some(Split::Train) => !train_is_whole,
            Some(_) => false,
        })
        .collect();
    let items: Vec<Item> =
        open.iter().map(|&index| Item { classes: images[index].classes.clone(), group: images[index].group }).collect();
    let drawn = splits::divide(&items, listing.classes.len(), shares, options.seed);
    let mut places: Vec<Split> = images.iter().map(|image| own(image).unwrap_or(Split::Train)).collect();
    for (index, split) in open.into_iter().zip(drawn) {
        places[index] = split;
    }
    for split in Split::ALL {
        if !places.contains(&split) {
            let groups = if images.iter().any(|image| image.group.is_some()) { " or groups" } else { "" };
            let problem = format!("no image is left for {split}: add images{groups}, or change --shares");
            return Err(refuse(path, problem));
        }
    }
    Ok(places)
}

/// A group that is given to two splits is a leak that no drawing can mend.
fn check_given_groups(path: &Path, listing: &ImageList) -> Result<(), ImportError> {
    let mut places = BTreeMap::new();
    for image in &listing.images {
        if let (Some(group), Some(split)) = (image.group, image.split) {
            let first = *places.entry(group).or_insert(split);
            if first != split {
                let name = listing.name(&image.place);
                let problem = format!(
                    "the group of `{name}` has images in {first} and in {split}: images of one \
                     patient must stay in one split"
                );
                return Err(refuse(path, problem));
            }
        }
    }
    Ok(())
}
