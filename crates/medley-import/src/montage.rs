//! Contact sheets: many images of a split in one PNG.
//!
//! Images lie on a grid in the order of their draw, or by class, a row each with the class's name before it. A volume takes a row to
//! itself: slices at equal distances, first to last. The choice is seeded, so a sheet can be drawn again.

use std::path::{Path, PathBuf};

use medley_core::seed::{Purpose, stream};
use medley_core::{ImageSource, Labels, OpenedTask, ScoringToken, Split};
use medley_storage::{Storage, write_new, write_whole};
use rand::seq::SliceRandom as _;
use serde::Serialize;

use crate::ImportError;
use crate::export::{file_stem, part};
use crate::sheet::{LETTER, MOST_CHARACTERS, Sheet};

/// What a sheet shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MontageOptions {
    /// Which split.
    pub split: Split,
    /// Images, or slices, in a row.
    pub columns: usize,
    /// Rows; with `by_class`, rows for each class.
    pub rows: usize,
    /// A row for each class. The test split needs a token for it.
    pub by_class: bool,
    /// Pixels of the sheet for a pixel of an image.
    pub scale: usize,
    /// Pixels between images.
    pub gap: usize,
    /// Seed of the choice.
    pub seed: u64,
    /// Replace a sheet that is there.
    pub overwrite: bool,
}

impl Default for MontageOptions {
    fn default() -> Self {
        Self { split: Split::Train, columns: 12, rows: 8, by_class: false, scale: 2, gap: 2, seed: 0, overwrite: false }
    }
}

/// What [`montage`] drew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Montage {
    /// The sheet.
    pub path: PathBuf,
    /// Pixels across.
    pub width: usize,
    /// Pixels down.
    pub height: usize,
    /// Which images each row shows, from left to right. A volume has a row to itself.
    pub rows: Vec<SheetRow>,
}

/// A row of a sheet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SheetRow {
    /// Its class, on sheets by class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Images by index in the split.
    pub images: Vec<usize>,
}

/// `breastmnist_64_train_montage.png`: what a sheet is called unless it is told otherwise.
pub fn file_name(task: &OpenedTask, split: Split) -> String {
    format!("{}_{split}_montage.png", file_stem(&task.spec))
}

/// Draws a sheet and writes it to `path`, whole or not at all. The same options give the same bytes.
///
/// # Errors
/// [`ImportError::Sealed`] for the test split by class without a token, [`ImportError::Image`] when a sheet would be empty or too large,
/// [`ImportError::InTheWay`], [`DataError::Storage`](medley_data::DataError::Storage).
pub fn montage(
    task: &OpenedTask,
    path: &Path,
    options: &MontageOptions,
    token: Option<&ScoringToken>,
    storage: &dyn Storage,
) -> Result<Montage, ImportError> {
    if !options.overwrite && path.symlink_metadata().is_ok() {
        let problem = "is only replaced with `--overwrite`";
        return Err(ImportError::InTheWay { path: path.to_owned(), problem });
    }
    let images: &dyn ImageSource = match options.split {
        Split::Train => task.train.images().as_ref(),
        Split::Val => task.val.images().as_ref(),
        Split::Test => task.test.images.as_ref(),
    };
    let rows = if options.by_class {
        let labels = part(task, options.split, token)?.labels;
        rows_by_class(&task.spec.classes, labels, images.shape().depth.is_some(), options)
    } else {
        rows_as_drawn(images, options)
    };
    let sheet =
        draw(images, &rows, options).map_err(|problem| ImportError::Image { path: path.to_owned(), problem })?;
    let bytes =
        sheet.to_png().map_err(|error| ImportError::Image { path: path.to_owned(), problem: error.to_string() })?;
    if options.overwrite {
        write_whole(storage, path, &bytes)?;
    } else {
        write_new(storage, path, &bytes)?;
    }
    Ok(Montage { path: path.to_owned(), width: sheet.width(), height: sheet.height(), rows })
}

/// Rows of images in the order of the draw; of volumes, one a row.
fn rows_as_drawn(images: &dyn ImageSource, options: &MontageOptions) -> Vec<SheetRow> {
    let per_row = if images.shape().depth.is_some() { 1 } else { options.columns };
    let chosen = choose((0..images.len()).collect(), per_row.saturating_mul(options.rows), options.seed, 0);
    chosen.chunks(per_row.max(1)).map(|images| SheetRow { class: None, images: images.to_vec() }).collect()
}

/// Rows of each class in turn. An image with several labels may stand in the rows of each; a class without images has a row that is
/// empty, so that it is missed.
fn rows_by_class(classes: &[String], labels: &Labels, volumes: bool, options: &MontageOptions) -> Vec<SheetRow> {
    let per_row = if volumes { 1 } else { options.columns };
    let shows = |row: &[u16], class: usize| if row.len() == 1 { usize::from(row[0]) == class } else { row[class] == 1 };
    let mut rows = Vec::new();
    for (class, name) in classes.iter().enumerate() {
        let members = (0..labels.rows()).filter(|&index| shows(labels.row(index), class)).collect();
        let chosen = choose(members, per_row.saturating_mul(options.rows), options.seed, 1 + class as u64);
        let mut chunks: Vec<Vec<usize>> = chosen.chunks(per_row.max(1)).map(<[usize]>::to_vec).collect();
        if chunks.is_empty() {
            chunks.push(Vec::new());
        }
        rows.extend(chunks.into_iter().map(|images| SheetRow { class: Some(name.clone()), images }));
    }
    rows
}

fn choose(mut from: Vec<usize>, count: usize, seed: u64, position: u64) -> Vec<usize> {
    let mut rng = stream(seed, Purpose::Sampler, &[position]);
    let (chosen, _) = from.partial_shuffle(&mut rng, count);
    chosen.to_vec()
}

fn draw(images: &dyn ImageSource, rows: &[SheetRow], options: &MontageOptions) -> Result<Sheet, String> {
    let shape = images.shape();
    let (scale, gap) = (options.scale, options.gap);
    if options.columns == 0 || rows.is_empty() || scale == 0 {
        return Err("a sheet needs rows, columns and a scale of at least 1".to_owned());
    }
    let (cell_height, cell_width) = (shape.height * scale, shape.width * scale);
    let widest = rows.iter().map(|row| row.images.len()).max().unwrap_or(0);
    let columns = shape.depth.map_or(widest, |depth| options.columns.min(depth)).max(1);
    // Letters grow with the images, but stay readable next to small ones.
    let letter = (cell_height / 28).clamp(1, 3);
    let longest = rows.iter().filter_map(|row| row.class.as_ref()).map(|name| name.chars().count()).max();
    let margin = longest.map_or(0, |characters| characters.min(MOST_CHARACTERS) * LETTER * letter + 2 * gap + 4);
    // A row is at least as high as its name.
    let row_height = if longest.is_some() { cell_height.max(LETTER * letter) } else { cell_height };
    let width = margin + columns.saturating_mul(cell_width + gap) + gap;
    let height = rows.len().saturating_mul(row_height + gap) + gap;
    let mut sheet = Sheet::new(width, height).map_err(|error| error.to_string())?;
    for (index, row) in rows.iter().enumerate() {
        let top = gap + index * (row_height + gap);
        if let Some(name) = row.class.as_ref().filter(|_| index == 0 || rows[index - 1].class != row.class) {
            let middle = top + (row_height - LETTER * letter) / 2;
            sheet.text(gap + 2, middle, name, letter);
        }
        let left = |column: usize| margin + gap + column * (cell_width + gap);
        match (shape.depth, row.images.first()) {
            (Some(depth), Some(&volume)) => {
                let pixels = images.image(volume);
                let slice = pixels.len() / depth;
                for column in 0..columns {
                    let at = slice_at(column, columns, depth) * slice;
                    sheet.picture(left(column), top, shape, &pixels[at..at + slice], scale);
                }
            }
            _ => {
                for (column, &image) in row.images.iter().enumerate() {
                    sheet.picture(left(column), top, shape, images.image(image), scale);
                }
            }
        }
    }
    Ok(sheet)
}

/// The slice in a column: the first in the first, the last in the last, the middle one in a single column.
fn slice_at(column: usize, columns: usize, depth: usize) -> usize {
    if columns < 2 { depth / 2 } else { (2 * column * (depth - 1) + columns - 1) / (2 * (columns - 1)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_spread_evenly() {
        let slices = |columns| (0..columns).map(|column| slice_at(column, columns, 28)).collect::<Vec<_>>();
        assert_eq!(slices(1), [14]);
        assert_eq!(slices(4), [0, 9, 18, 27]);
        assert_eq!(slices(28), (0..28).collect::<Vec<_>>());
    }

    #[test]
    fn several_labels_stand_in_the_row_of_each() {
        let labels = Labels::multi(vec![1, 1, 0, 1, 0, 0], 3, 2).unwrap();
        let options = MontageOptions { columns: 4, rows: 1, ..MontageOptions::default() };
        let mut rows = rows_by_class(&["a".to_owned(), "b".to_owned()], &labels, false, &options);
        rows[1].images.sort_unstable();
        assert_eq!((rows[0].images.clone(), rows[1].images.clone()), (vec![0], vec![0, 1]));
        let none = Labels::single(vec![0, 0]).unwrap();
        let rows = rows_by_class(&["a".to_owned(), "b".to_owned()], &none, false, &options);
        assert_eq!((rows.len(), rows[1].images.len()), (2, 0));
    }
}
