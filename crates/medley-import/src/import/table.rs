//! A CSV that names images and their labels.
//!
//! Either with a header and the columns `path`, `label` and perhaps `split` and `group` (other names can be told), or as the medmnist
//! package and `medley data export` write it, without a header: `TRAIN,train0_1.png,1`. Columns are separated by commas, semicolons or
//! tabs, whichever the header has.

mod cells;
mod lines;

use std::collections::BTreeMap;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Component, Path, PathBuf};

use csv::StringRecord;
use medley_core::message::{listed, quoted};
use medley_core::{Split, TaskKind};
use medley_data::DataError;
use medley_storage::{check_size, open_file};

use super::listing::{ImageList, ListedImage, PixelSource, refuse};
use crate::ImportError;
use crate::export::list::tag;
use cells::Cells;
use lines::{LimitedLines, Problems, TooLong};

/// What may stand between columns, the likeliest first.
const DELIMITERS: [u8; 3] = [b',', b';', b'\t'];
/// The largest list that is read, bytes: some million rows.
const MAX_FILE: u64 = 1 << 28;
/// Bytes of a file from which its form is told.
const START: u64 = 1 << 16;

/// Where things stand in a CSV.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableOptions {
    /// Folder that paths are relative to; by default that of the CSV, or for lists of exported images the folder of its name.
    pub images: Option<PathBuf>,
    /// Column of paths.
    pub path_column: String,
    /// Column of labels.
    pub label_column: String,
    /// Column of splits (`train`, `val`, `test`); it may be missing.
    pub split_column: String,
    /// Column of groups, such as patients; it may be missing unless it is named here.
    pub group_column: Option<String>,
    /// Ending that is added to paths that have none, such as `jpg`.
    pub ending: Option<String>,
    /// What stands between the labels of an image that has several.
    pub separator: String,
    /// What stands in place of labels where an image of a multi-label set has none, in letters of either case.
    pub none: String,
}

impl Default for TableOptions {
    fn default() -> Self {
        Self {
            images: None,
            path_column: "path".to_owned(),
            label_column: "label".to_owned(),
            split_column: "split".to_owned(),
            group_column: None,
            ending: None,
            separator: "|".to_owned(),
            none: "No Finding".to_owned(),
        }
    }
}

/// One image, as written.
struct Row {
    /// Where its line begins, bytes.
    offset: u64,
    path: String,
    /// Which of the [`Cells`] its labels are.
    cell: u32,
    split: Option<Split>,
    group: Option<u32>,
}

/// What was read of a file.
struct Table {
    rows: Vec<Row>,
    cells: Cells,
    notes: Vec<String>,
}

/// Lists the images that a CSV names, in its order. Every path is looked for, none is read.
pub(super) fn list(
    csv: &Path,
    options: &TableOptions,
    kind: Option<TaskKind>,
    given: Option<&[String]>,
) -> Result<ImageList, ImportError> {
    let mut file = open(csv)?;
    let exported = starts_like_export(&mut file).map_err(|source| DataError::io(csv, source))?;
    let mut problems = Problems::default();
    let mut table =
        if exported { exported_rows(csv, file, &mut problems)? } else { rows(csv, file, options, &mut problems)? };
    let folder = match (&options.images, exported) {
        (Some(folder), _) => folder.clone(),
        (None, true) => csv.with_extension(""),
        (None, false) => csv.parent().unwrap_or(Path::new("")).to_owned(),
    };
    let meaning = table.cells.meaning(options, kind, given, &mut table.notes);
    let mut listing = ImageList { classes: meaning.classes, multi_label: meaning.multi_label, ..ImageList::default() };
    let mut backslashes = None;
    for row in table.rows {
        let classes = match &meaning.of_cells[row.cell as usize] {
            Ok(classes) => classes.clone(),
            Err(problem) => {
                problems.add(row.offset, || problem.clone());
                Vec::new()
            }
        };
        let path = locate(&folder, &row.path, options.ending.as_deref()).unwrap_or_else(|problem| {
            problems.add(row.offset, || problem);
            Located { path: PathBuf::new(), backslash: false }
        });
        if path.backslash && backslashes.is_none() {
            backslashes = Some(quoted(&row.path));
        }
        let place = PixelSource::File(path.path, row.path);
        listing.images.push(ListedImage { place, classes, split: row.split, group: row.group });
    }
    if let Some(first) = backslashes {
        table.notes.push(format!("`\\` in paths such as {first} is taken as `/`"));
    }
    listing.notes = table.notes;
    problems.refuse(csv)?;
    if listing.images.is_empty() {
        return Err(refuse(csv, "it lists no images"));
    }
    Ok(listing)
}

fn open(csv: &Path) -> Result<fs_err::File, ImportError> {
    let file = open_file(csv).map_err(DataError::from)?;
    check_size(&file, MAX_FILE).map_err(DataError::from)?;
    Ok(file)
}

/// The first bytes; the file is then where it was.
fn start(file: &mut fs_err::File) -> std::io::Result<Vec<u8>> {
    let mut start = Vec::new();
    file.by_ref().take(START).read_to_end(&mut start)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(start)
}

fn starts_like_export(file: &mut fs_err::File) -> std::io::Result<bool> {
    let start = start(file)?;
    Ok(Split::ALL.into_iter().any(|split| start.starts_with(format!("{},", tag(split)).as_bytes())))
}

fn records<R: std::io::Read>(file: R, header: bool, delimiter: u8) -> csv::Reader<R> {
    csv::ReaderBuilder::new()
        .has_headers(header)
        .delimiter(delimiter)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(file)
}

/// Hands every record to `take`, with where it begins.
fn for_each(
    csv: &Path,
    reader: &mut csv::Reader<LimitedLines<fs_err::File>>,
    mut take: impl FnMut(u64, &StringRecord),
) -> Result<(), ImportError> {
    let mut record = StringRecord::new();
    loop {
        let offset = reader.position().byte();
        match reader.read_record(&mut record) {
            Ok(true) => take(offset, &record),
            Ok(false) => return Ok(()),
            Err(error) => return Err(unreadable(csv, offset, error)),
        }
    }
}

/// The error for a line that begins at `offset`.
fn unreadable(csv: &Path, offset: u64, error: csv::Error) -> ImportError {
    let problem = match error.into_kind() {
        csv::ErrorKind::Io(source) if TooLong::is(&source) => source.to_string(),
        csv::ErrorKind::Io(source) => return DataError::io(csv, source).into(),
        csv::ErrorKind::Utf8 { .. } => "it is not UTF-8; save the list with that encoding".to_owned(),
        other => format!("{other:?}"),
    };
    lines::refuse_line(csv, offset, problem)
}

fn exported_rows(csv: &Path, file: fs_err::File, problems: &mut Problems) -> Result<Table, ImportError> {
    let (mut rows, mut cells, mut width) = (Vec::new(), Cells::default(), None);
    for_each(csv, &mut records(LimitedLines::new(file), false, b','), |offset, record| {
        let width = *width.get_or_insert(record.len().max(3));
        if record.len() != width {
            problems.add(offset, || format!("it has {} columns, not {width}", record.len()));
            return;
        }
        let split = split_by(&record[0], |word| Split::ALL.into_iter().find(|&split| tag(split) == word));
        let split = split.unwrap_or_else(|problem| {
            problems.add(offset, || problem);
            None
        });
        let cell = cells.add_flags(record.iter().skip(2));
        rows.push(Row { offset, path: record[1].to_owned(), cell, split, group: None });
    })?;
    Ok(Table { rows, cells, notes: Vec::new() })
}

/// The split of a cell. An empty one is an image whose split is to be drawn.
fn split_by(word: &str, known: impl Fn(&str) -> Option<Split>) -> Result<Option<Split>, String> {
    match known(word) {
        None if !word.is_empty() => Err(format!("the split {} is none of train, val, test", quoted(word))),
        split => Ok(split),
    }
}

fn rows(
    csv: &Path,
    mut file: fs_err::File,
    options: &TableOptions,
    problems: &mut Problems,
) -> Result<Table, ImportError> {
    let delimiter = delimiter(&start(&mut file).map_err(|source| DataError::io(csv, source))?, options);
    let mut reader = records(LimitedLines::new(file), true, delimiter);
    let header = reader.headers().map_err(|error| unreadable(csv, 0, error))?.clone();
    let columns = Columns::find(csv, &header, options)?;
    let mut notes = columns.notes(&header);
    if delimiter != b',' {
        notes.push(format!("columns are separated by {}", if delimiter == b';' { "`;`" } else { "tabs" }));
    }
    let (mut rows, mut cells, mut groups) = (Vec::new(), Cells::default(), BTreeMap::<String, u32>::new());
    for_each(csv, &mut reader, |offset, record| {
        if record.len() != header.len() {
            problems.add(offset, || format!("it has {} columns, the header {}", record.len(), header.len()));
            return;
        }
        let split = columns.split.map_or(Ok(None), |column| split_by(&record[column], Split::of_word));
        let split = split.unwrap_or_else(|problem| {
            problems.add(offset, || problem);
            None
        });
        let group = columns.group.map(|column| &record[column]).filter(|group| !group.is_empty());
        let group = group.map(|group| {
            let fresh = groups.len() as u32;
            groups.get(group).copied().unwrap_or_else(|| *groups.entry(group.to_owned()).or_insert(fresh))
        });
        let cell = cells.add(&record[columns.label]);
        rows.push(Row { offset, path: record[columns.path].to_owned(), cell, split, group });
    })?;
    Ok(Table { rows, cells, notes })
}

/// The delimiter under which the header has the columns that are asked for; else the one that makes most of them.
fn delimiter(start: &[u8], options: &TableOptions) -> u8 {
    let worth = |&delimiter: &u8| {
        let mut reader = records(start, true, delimiter);
        let Ok(header) = reader.headers() else { return (0, 0) };
        let wanted = [&options.path_column, &options.label_column];
        (wanted.into_iter().filter(|name| column(header, name).is_some()).count(), header.len())
    };
    // Of equals the first is meant, where `max_by_key` takes the last.
    DELIMITERS.into_iter().rev().max_by_key(worth).unwrap_or(b',')
}

fn column(header: &StringRecord, name: &str) -> Option<usize> {
    // Spreadsheets put a byte order mark before the first name.
    header.iter().position(|column| column.trim_start_matches('\u{feff}') == name)
}

/// Where the columns stand.
struct Columns {
    path: usize,
    label: usize,
    split: Option<usize>,
    group: Option<usize>,
}

impl Columns {
    fn find(csv: &Path, header: &StringRecord, options: &TableOptions) -> Result<Self, ImportError> {
        let needed = |name: &str, option: &str| {
            column(header, name).ok_or_else(|| {
                let columns = listed(header.iter());
                let name = quoted(name);
                refuse(csv, format!("it has no column {name}; {option} names another. Its header is: {columns}"))
            })
        };
        Ok(Self {
            path: needed(&options.path_column, "--path-column")?,
            label: needed(&options.label_column, "--label-column")?,
            split: column(header, &options.split_column),
            group: match &options.group_column {
                Some(name) => Some(needed(name, "--group-column")?),
                None => column(header, "group"),
            },
        })
    }

    /// A column of patients that is not used is the commonest leak.
    fn notes(&self, header: &StringRecord) -> Vec<String> {
        let patient = |name: &&str| {
            let name = name.to_lowercase();
            ["patient", "subject", "lesion"].iter().any(|word| name.contains(word))
        };
        let unused = header.iter().enumerate().filter(|(at, _)| ![self.path, self.label].contains(at));
        match unused.map(|(_, name)| name).find(patient) {
            Some(name) if self.group.is_none() => vec![format!(
                "images of one patient may come into several splits: --group-column {} keeps them together, if that is what it says",
                quoted(name)
            )],
            _ => Vec::new(),
        }
    }
}

/// A file that was found.
struct Located {
    path: PathBuf,
    /// Whether a `\` in its name stood for a `/`.
    backslash: bool,
}

/// The file that a path names: below the folder, and there. Lists that were written under Windows have `\` between folders.
fn locate(folder: &Path, text: &str, ending: Option<&str>) -> Result<Located, String> {
    let path = below(folder, text, ending)?;
    if path.is_file() {
        return Ok(Located { path, backslash: false });
    }
    if text.contains('\\') {
        let path = below(folder, &text.replace('\\', "/"), ending)?;
        if path.is_file() {
            return Ok(Located { path, backslash: true });
        }
    }
    Err(format!("there is no file {}", quoted(&path.to_string_lossy())))
}

fn below(folder: &Path, text: &str, ending: Option<&str>) -> Result<PathBuf, String> {
    let mut relative = PathBuf::from(text);
    let inside = relative.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if text.is_empty() || text.contains('\0') || !inside {
        return Err(format!("the path {} does not lead to a file below the folder of images", quoted(text)));
    }
    if let (None, Some(ending)) = (relative.extension(), ending) {
        relative.set_extension(ending.trim_start_matches('.'));
    }
    Ok(folder.join(relative))
}
