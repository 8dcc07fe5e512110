//! The files of an imported set: all of them, or none.
//!
//! They are written under temporary names and then renamed, the entry last, as it is what makes the set known. A note that lies beside
//! them from before the first rename until after the last says that they are being put in place: whatever a crash leaves, the next
//! import of that name replaces it.

use std::path::{Path, PathBuf};

use medley_core::text::plural;
use medley_core::{Split, TaskKind};
use medley_data::{DataError, NpzWriter, hash_file};
use medley_storage::{
    Storage, StorageError, Together, create_folder, read_text, remove_if_present, sweep_abandoned, write_whole,
};
use toml::{Table, Value};

use super::duplicates::Duplicates;
use super::listing::{ImageList, refuse};
use super::read::Decoded;
use super::{Colour, ImportOptions, Imported, Source};
use crate::ImportError;
use medley_data::registry::user::{FORMAT, UserEntry, UserFile};

/// Everything that was found out.
pub(super) struct Made {
    pub(super) kind: TaskKind,
    pub(super) listing: ImageList,
    pub(super) decoded: Decoded,
    pub(super) places: Vec<Split>,
    pub(super) duplicates: Duplicates,
}

/// Removes what a killed import of this name left unfinished, and refuses a name that is in use. Only what an earlier import made is replaced, and only when asked, unless that import never ended.
pub(super) fn check_way(folder: &Path, options: &ImportOptions) -> Result<(), ImportError> {
    let entry = entry_path(folder, options);
    let files = options.sizes.iter().map(|&size| npz_path(folder, options, size));
    let others = [entry.clone(), note_path(folder, options), list_path(folder, options)];
    let ours: Vec<PathBuf> = files.clone().chain(others).collect();
    sweep_abandoned(folder, |name| ours.iter().any(|path| path.ends_with(name)));
    let Some(path) = std::iter::once(entry.clone()).chain(files).find(|path| path.symlink_metadata().is_ok()) else {
        return Ok(());
    };
    if is_unfinished(folder, options) {
        return Ok(());
    }
    let problem = match (UserEntry::read(&entry).is_ok(), options.overwrite) {
        (true, true) => return Ok(()),
        (true, false) => {
            "belongs to a set that was imported before; replace it with `--overwrite`, or choose another name"
        }
        (false, _) => "is not a file of an imported set, so it is not replaced; choose another name or folder",
    };
    Err(ImportError::InTheWay { path, problem })
}

/// First line of the note that says that files are being put in place.
const UNFINISHED: &str =
    "The import of this set was interrupted while its files were put in place; importing it again replaces them.\n";

fn note_path(folder: &Path, options: &ImportOptions) -> PathBuf {
    folder.join(format!("{}.unfinished", options.name))
}

fn is_unfinished(folder: &Path, options: &ImportOptions) -> bool {
    let note = note_path(folder, options);
    read_text(&note, UNFINISHED.len() as u64).is_ok_and(|text| text == UNFINISHED)
}

/// Gives the files of a set their names.
fn put_in_place(
    folder: &Path,
    options: &ImportOptions,
    files: Together<'_>,
    storage: &dyn Storage,
) -> Result<(), ImportError> {
    let (note, entry) = (note_path(folder, options), entry_path(folder, options));
    write_whole(storage, &note, UNFINISHED.as_bytes())?;
    // The entry of an earlier set must not stand beside data that are not its own.
    remove(&entry)?;
    files.commit()?;
    remove(&note)
}

fn remove(path: &Path) -> Result<(), ImportError> {
    Ok(remove_if_present(path).map_err(|source| StorageError::io(path, source))?)
}

fn entry_path(folder: &Path, options: &ImportOptions) -> PathBuf {
    folder.join(format!("{}.toml", options.name))
}

fn list_path(folder: &Path, options: &ImportOptions) -> PathBuf {
    folder.join(format!("{}.images.csv", options.name))
}

fn npz_path(folder: &Path, options: &ImportOptions, size: usize) -> PathBuf {
    let name = &options.name;
    folder.join(if size == 28 { format!("{name}.npz") } else { format!("{name}_{size}.npz") })
}

/// Writes the data files, the list of their rows, and the entry that makes them known.
pub(super) fn write(
    folder: &Path,
    source: &Source,
    options: &ImportOptions,
    made: &Made,
    storage: &dyn Storage,
) -> Result<Imported, ImportError> {
    create_folder(folder).map_err(DataError::from)?;
    let mut together = Together::new(storage);
    let mut files = Vec::new();
    let mut entries = Vec::new();
    for (index, &size) in options.sizes.iter().enumerate() {
        let path = npz_path(folder, options, size);
        let md5 = together.fill(&path, |temporary| {
            write_arrays(temporary, &path, made, index, size)?;
            Ok::<_, ImportError>(hash_file(temporary)?.0)
        })?;
        entries.push(UserFile { size, md5 });
        files.push(path);
    }
    let list = list_path(folder, options);
    together.write(&list, &rows_csv(&list, made)?)?;
    let rows = Split::ALL.map(|split| made.rows(split).count());
    let entry = UserEntry {
        medley_set: FORMAT,
        name: options.name.clone(),
        title: options.title.clone().unwrap_or_else(|| options.name.clone()),
        modality: options.modality,
        source: options.origin.clone(),
        kind: made.kind,
        dimensions: if made.decoded.volumes { 3 } else { 2 },
        channels: made.decoded.channels,
        classes: made.listing.classes.clone(),
        licence: options.licence.clone(),
        citations: Vec::new(),
        rows,
        files: entries,
        import: made.statement(source, options),
    };
    let path = entry_path(folder, options);
    entry.check().map_err(|problem| DataError::Entry { path: path.clone(), problem })?;
    let text = toml::to_string(&entry).map_err(|error| refuse(&path, error.to_string()))?;
    let text =
        format!("# Written by `medley data import`. Title, source, licence and citations may be edited.\n{text}");
    together.write(&path, text.as_bytes())?;
    put_in_place(folder, options, together, storage)?;
    Ok(Imported {
        name: options.name.clone(),
        entry: path,
        files,
        list,
        classes: made.listing.classes.clone(),
        channels: made.decoded.channels,
        rows,
        class_counts: Split::ALL.map(|split| made.class_counts(split)),
        skipped: made.decoded.skipped.clone(),
        duplicates: made.duplicates.clone(),
        remarks: made.remarks(),
        notes: made.listing.notes.clone(),
    })
}

/// Writes the images of a size and their labels to `at`, a file that will be called `path`.
fn write_arrays(at: &Path, path: &Path, made: &Made, index: usize, size: usize) -> Result<(), ImportError> {
    let (channels, classes) = (made.decoded.channels, made.listing.classes.len());
    let mut shape = vec![size; if made.decoded.volumes { 3 } else { 2 }];
    if channels > 1 {
        shape.push(channels);
    }
    let mut file = NpzWriter::create(at, path, true)?;
    for split in Split::ALL {
        file.begin(&format!("{split}_images"), &[&[made.rows(split).count()], shape.as_slice()].concat())?;
        let mut one = Vec::new();
        for row in made.rows(split) {
            one.clear();
            made.decoded.images[row].append(index, channels, &mut one);
            file.append(&one)?;
        }
    }
    let width = if made.kind == TaskKind::MultiLabel { classes } else { 1 };
    for split in Split::ALL {
        let mut labels = Vec::new();
        for row in made.rows(split) {
            let shown = &made.listing.images[row].classes;
            if width == 1 {
                labels.extend(shown.iter().map(|&class| class as u8));
            } else {
                labels.extend((0..width as u16).map(|label| u8::from(shown.contains(&label))));
            }
        }
        file.array(&format!("{split}_labels"), &[made.rows(split).count(), width], &labels)?;
    }
    Ok(file.sync()?)
}

/// `split,row,image`: where each row came from. Labels are in the data file alone.
fn rows_csv(path: &Path, made: &Made) -> Result<Vec<u8>, ImportError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let wrong = |error: csv::Error| refuse(path, error.to_string());
    writer.write_record(["split", "row", "image"]).map_err(wrong)?;
    for split in Split::ALL {
        for (row, index) in made.rows(split).enumerate() {
            let name = made.listing.name(&made.listing.images[index].place);
            writer.write_record([split.as_str(), &row.to_string(), &name]).map_err(wrong)?;
        }
    }
    writer.into_inner().map_err(|error| refuse(path, error.to_string()))
}

impl Made {
    /// Images of a split, in the order of the listing.
    fn rows(&self, split: Split) -> impl Iterator<Item = usize> + '_ {
        self.places.iter().enumerate().filter(move |(_, place)| **place == split).map(|(index, _)| index)
    }

    fn class_counts(&self, split: Split) -> Vec<usize> {
        let mut counts = vec![0; self.listing.classes.len()];
        for row in self.rows(split) {
            for &class in &self.listing.images[row].classes {
                counts[usize::from(class)] += 1;
            }
        }
        counts
    }

    /// What was done to the images, for the entry.
    fn statement(&self, source: &Source, options: &ImportOptions) -> Table {
        let decoded = &self.decoded;
        let given = self.listing.images.iter().filter(|image| image.split.is_some()).count();
        let grouped = self.listing.images.iter().any(|image| image.group.is_some());
        let drawn = if grouped { "random, groups kept together" } else { "random, stratified by class" };
        let splits = match (given, self.listing.images.len()) {
            (0, _) => drawn.to_owned(),
            (given, all) if given == all && self.as_given() => "given".to_owned(),
            (given, all) if given == all => {
                format!(
                    "given for all images, but not for each split: some of those given to train were drawn for the others ({drawn})"
                )
            }
            (given, all) if grouped => {
                format!("given for {given} of {all} images, else that of their group where it is given, else {drawn}")
            }
            (given, all) => format!("given for {given} of {all} images, else {drawn}"),
        };
        let colour = match (options.colour, decoded.channels) {
            (Colour::Grey, _) => "grey: colours became luma (Rec. 709)",
            (_, 1) => "grey, as all pictures are",
            _ => "RGB: grey pictures have three equal channels",
        };
        let mut table = Table::new();
        let mut say = |key: &str, value: Value| table.insert(key.to_owned(), value);
        let from = source.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
        say("medley", env!("CARGO_PKG_VERSION").into());
        say("from", from.into());
        say("from_shapes", format!("{} to {}", decoded.shapes.0, decoded.shapes.1).into());
        say("fit", word(options.fit));
        say("filter", word(options.filter));
        say("colour", colour.into());
        say("sixteen_bit", word(options.sixteen_bit));
        say("alpha", word(options.alpha));
        say("orientation", "rotated as EXIF says".into());
        say("splits", splits.into());
        if given < self.listing.images.len() || !self.as_given() {
            say("shares", options.shares.to_vec().into());
            say("seed", options.seed.to_string().into());
        }
        if !self.listing.notes.is_empty() {
            say("notes", self.listing.notes.clone().into());
        }
        say("unreadable_skipped", (decoded.skipped.len() as i64).into());
        say("equal_pictures_across_splits", (self.duplicates.across_splits as i64).into());
        table
    }

    fn as_given(&self) -> bool {
        self.listing
            .images
            .iter()
            .zip(&self.places)
            .all(|(image, place)| image.split.is_none_or(|split| split == *place))
    }

    fn remarks(&self) -> Vec<String> {
        let mut remarks = self.listing.remarks.clone();
        let found = &self.duplicates;
        if found.across_splits > 0 {
            remarks.push(format!(
                "{} in more than one split, so scores on val and test are too optimistic; a `group` column keeps them together",
                plural(found.across_splits, "equal picture")
            ));
        }
        if found.conflicting_labels > 0 {
            remarks.push(format!(
                "{} with different labels: at least one of the labels is wrong",
                plural(found.conflicting_labels, "equal picture")
            ));
        }
        for split in [Split::Val, Split::Test] {
            let counts = self.class_counts(split);
            let absent: Vec<&str> = (counts.iter().zip(&self.listing.classes))
                .filter(|(count, _)| **count == 0)
                .map(|(_, name)| name.as_str())
                .collect();
            if !absent.is_empty() {
                remarks.push(format!("{split} has no image of {}", absent.join(", ")));
            }
        }
        remarks
    }
}

/// A choice as it is written in options.
fn word(choice: impl serde::Serialize) -> Value {
    Value::try_from(choice).unwrap_or_else(|_| Value::String(String::new()))
}
