//! A CSV that names images and their labels.
//!
//! Either with a header and the columns `path`, `label` and perhaps `split` and `group` (other names can be told), or as the medmnist
//! package and `medley data export` write it, without a header: `TRAIN,train0_1.png,1`.

use std::collections::BTreeMap;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Component, Path, PathBuf};

use csv::StringRecord;
use medley_core::Split;
use medley_data::DataError;
use medley_storage::open_file;

use super::listing::{Found, Listing, Place, class_index, class_names, indices, refuse, refuse_all, split_of};
use crate::ImportError;
use crate::export::list::tag;

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
        }
    }
}

/// One line, as written.
struct Row {
    line: u64,
    path: String,
    labels: Vec<String>,
    split: Option<String>,
    group: Option<String>,
}

/// Lists the images that a CSV names, in its order. Every path is looked for, none is read.
pub(super) fn list(
    csv: &Path,
    options: &TableOptions,
    multi_label: bool,
    given: Option<&[String]>,
) -> Result<Listing, ImportError> {
    let mut file = open_file(csv).map_err(DataError::from)?;
    let exported = starts_like_export(&mut file).map_err(|source| DataError::io(csv, source))?;
    let mut problems = Vec::new();
    let rows = if exported {
        exported_rows(csv, file, &mut problems)?
    } else {
        rows(csv, file, options, multi_label, &mut problems)?
    };
    let wide = exported && rows.iter().any(|row| row.labels.len() > 1);
    let folder = match (&options.images, exported) {
        (Some(folder), _) => folder.clone(),
        (None, true) => csv.with_extension(""),
        (None, false) => csv.parent().unwrap_or(Path::new("")).to_owned(),
    };
    let mut listing =
        if wide { flags(&rows, given, &mut problems) } else { names(&rows, multi_label, given, &mut problems) };
    let mut groups: BTreeMap<&str, u32> = BTreeMap::new();
    for (row, found) in rows.iter().zip(&mut listing.images) {
        match locate(&folder, &row.path, options.ending.as_deref()) {
            Ok(path) => found.place = Place::File(path, row.path.clone()),
            Err(problem) => problems.push(format!("line {}: {problem}", row.line)),
        }
        match row.split.as_deref().map(|word| (word, split_of(word))) {
            Some((word, None)) => {
                problems.push(format!("line {}: the split {word:?} is not train, val or test", row.line));
            }
            Some((_, split)) => found.split = split,
            None => {}
        }
        if let Some(group) = &row.group {
            let fresh = groups.len() as u32;
            found.group = Some(*groups.entry(group).or_insert(fresh));
        }
    }
    if listing.images.is_empty() && problems.is_empty() {
        return Err(refuse(csv, "it lists no images"));
    }
    if !problems.is_empty() {
        let line =
            |text: &String| text.strip_prefix("line ").and_then(|rest| rest.split(':').next()?.parse::<u64>().ok());
        problems.sort_by_key(line);
        return Err(refuse_all(csv, "line", "cannot be used", &problems));
    }
    Ok(listing)
}

fn starts_like_export(file: &mut fs_err::File) -> std::io::Result<bool> {
    let mut start = Vec::new();
    file.by_ref().take(16).read_to_end(&mut start)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(Split::ALL.into_iter().any(|split| start.starts_with(format!("{},", tag(split)).as_bytes())))
}

fn records(file: fs_err::File, header: bool) -> csv::Reader<std::io::BufReader<fs_err::File>> {
    // Long lines are broken ones; the reader's own buffer is bounded by the file.
    csv::ReaderBuilder::new()
        .has_headers(header)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(std::io::BufReader::new(file))
}

fn line_of(record: &StringRecord) -> u64 {
    record.position().map_or(0, csv::Position::line)
}

fn exported_rows(csv: &Path, file: fs_err::File, problems: &mut Vec<String>) -> Result<Vec<Row>, ImportError> {
    let mut rows: Vec<Row> = Vec::new();
    for record in records(file, false).records() {
        let record = record.map_err(|error| refuse(csv, error.to_string()))?;
        let line = line_of(&record);
        let width = rows.first().map_or(record.len().max(3), |row| row.labels.len() + 2);
        if record.len() != width {
            problems.push(format!("line {line}: it has {} columns, not {width}", record.len()));
            continue;
        }
        rows.push(Row {
            line,
            path: record[1].to_owned(),
            labels: record.iter().skip(2).map(str::to_owned).collect(),
            split: Some(record[0].to_owned()),
            group: None,
        });
    }
    Ok(rows)
}

fn rows(
    csv: &Path,
    file: fs_err::File,
    options: &TableOptions,
    multi_label: bool,
    problems: &mut Vec<String>,
) -> Result<Vec<Row>, ImportError> {
    let mut reader = records(file, true);
    let header = reader.headers().map_err(|error| refuse(csv, error.to_string()))?.clone();
    // Spreadsheets put a byte order mark before the first name.
    let find = |name: &str| header.iter().position(|column| column.trim_start_matches('\u{feff}') == name);
    let needed = |name: &str, option: &str| {
        find(name).ok_or_else(|| {
            let columns = header.iter().collect::<Vec<_>>().join(", ");
            refuse(csv, format!("it has no column `{name}` ({option} names another); its header is: {columns}"))
        })
    };
    let path = needed(&options.path_column, "--path-column")?;
    let label = needed(&options.label_column, "--label-column")?;
    let split = find(&options.split_column);
    let group = match &options.group_column {
        Some(name) => Some(needed(name, "--group-column")?),
        None => find("group"),
    };
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| refuse(csv, error.to_string()))?;
        let line = line_of(&record);
        if record.len() != header.len() {
            problems.push(format!("line {line}: it has {} columns, the header {}", record.len(), header.len()));
            continue;
        }
        let text = &record[label];
        let labels = match (multi_label, text.is_empty()) {
            (true, true) => Vec::new(),
            (true, false) => text.split(options.separator.as_str()).map(|part| part.trim().to_owned()).collect(),
            (false, _) => vec![text.to_owned()],
        };
        let filled = |column: Option<usize>| column.map(|at| record[at].to_owned());
        rows.push(Row {
            line,
            path: record[path].to_owned(),
            labels,
            // An empty cell is an image whose split is to be drawn.
            split: filled(split).filter(|text| !text.is_empty()),
            group: filled(group).filter(|text| !text.is_empty()),
        });
    }
    Ok(rows)
}

/// Labels by name.
fn names(rows: &[Row], multi_label: bool, given: Option<&[String]>, problems: &mut Vec<String>) -> Listing {
    let occurring = rows.iter().flat_map(|row| &row.labels).map(String::as_str).filter(|label| !label.is_empty());
    let classes = class_names(occurring, given);
    let known = indices(&classes);
    let mut images = Vec::with_capacity(rows.len());
    for row in rows {
        let mut found = Vec::with_capacity(row.labels.len());
        for label in &row.labels {
            match class_index(&known, label) {
                Some(class) => found.push(class),
                None if label.is_empty() => problems.push(format!("line {}: it has no label", row.line)),
                None => problems.push(format!("line {}: the label {label:?} is not one of the classes", row.line)),
            }
        }
        found.sort_unstable();
        found.dedup();
        images.push(unplaced(found));
    }
    Listing { images, classes, multi_label, ..Listing::default() }
}

/// Labels as a column of 0 and 1 each.
fn flags(rows: &[Row], given: Option<&[String]>, problems: &mut Vec<String>) -> Listing {
    let width = rows.first().map_or(0, |row| row.labels.len());
    let classes: Vec<String> =
        given.map_or_else(|| (0..width).map(|label| format!("label {label}")).collect(), <[String]>::to_vec);
    let mut images = Vec::with_capacity(rows.len());
    for row in rows {
        let mut found = Vec::new();
        for (label, flag) in (0..).zip(&row.labels) {
            match flag.as_str() {
                "0" => {}
                "1" if usize::from(label) < classes.len() => found.push(label),
                _ => problems.push(format!("line {}: label {label} is {flag:?}, not 0 or 1", row.line)),
            }
        }
        images.push(unplaced(found));
    }
    Listing { images, classes, multi_label: true, ..Listing::default() }
}

fn unplaced(classes: Vec<u16>) -> Found {
    Found { place: Place::File(PathBuf::new(), String::new()), classes, split: None, group: None }
}

/// The file that a path names: below the folder, and there.
fn locate(folder: &Path, text: &str, ending: Option<&str>) -> Result<PathBuf, String> {
    let mut relative = PathBuf::from(text);
    let inside = relative.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if text.is_empty() || text.contains('\0') || !inside {
        return Err(format!("the path {text:?} does not lead to a file below the folder of images"));
    }
    if let (None, Some(ending)) = (relative.extension(), ending) {
        relative.set_extension(ending.trim_start_matches('.'));
    }
    let path = folder.join(relative);
    if path.is_file() { Ok(path) } else { Err(format!("there is no file `{}`", path.display())) }
}
