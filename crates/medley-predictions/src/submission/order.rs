//! Rows in the order that was asked for.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use medley_core::text::plural;
use medley_storage::read_file;

use super::write::TaskLabels;
use super::{LARGEST, SubmissionError};
use crate::RecordError;

/// One row of the file.
pub(super) struct Row<'a> {
    pub(super) id: Cow<'a, str>,
    pub(super) image: usize,
    pub(super) task: &'a str,
    pub(super) label: u16,
}

/// Task after task, sorted by a key of its name; ids count from 0.
pub(super) fn by_task<'a>(tasks: &'a [TaskLabels], key: &dyn Fn(&'a str) -> (usize, &'a str)) -> Vec<Row<'a>> {
    let mut ordered: Vec<&TaskLabels> = tasks.iter().collect();
    ordered.sort_by_key(|task| key(&task.task));
    let rows = ordered
        .into_iter()
        .flat_map(|task| task.labels.iter().enumerate().map(move |(image, &label)| (task.task.as_str(), image, label)));
    rows.enumerate().map(|(id, (task, image, label))| Row { id: id.to_string().into(), image, task, label }).collect()
}

/// Row by row as in a sample, which must name every image of each of its tasks once. Tasks of the run that the sample does
/// not know are left out, with a remark.
pub(super) fn like<'a>(
    tasks: &'a [TaskLabels],
    sample: &Path,
    remarks: &mut Vec<String>,
) -> Result<Vec<Row<'a>>, SubmissionError> {
    let fail =
        |line: u64, message: String| SubmissionError::Sample { path: sample.to_owned(), line: Some(line), message };
    let bytes = read_file(sample, LARGEST).map_err(RecordError::from)?;
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(bytes.as_slice());
    let headers = reader.headers().map_err(|error| fail(1, error.to_string()))?.clone();
    let column = |name: &str| {
        headers.iter().position(|header| header.trim() == name).ok_or_else(|| {
            let found: Vec<&str> = headers.iter().collect();
            fail(1, format!("no column `{name}`; the header is `{}`", found.join(",")))
        })
    };
    let (id, image, task) = (column("id")?, column("id_image_in_task")?, column("task_name")?);
    let by_name: BTreeMap<&str, &TaskLabels> = tasks.iter().map(|task| (task.task.as_str(), task)).collect();
    let mut seen: BTreeMap<&str, Vec<bool>> = BTreeMap::new();
    let mut rows = Vec::new();
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(|error| SubmissionError::Sample {
        path: sample.to_owned(),
        line: error.position().map(csv::Position::line),
        message: error.to_string(),
    })? {
        let line = record.position().map_or(1, csv::Position::line);
        let field = |at: usize| {
            record.get(at).map(str::trim).ok_or_else(|| fail(line, format!("only {} fields", record.len())))
        };
        let (name, number) = (field(task)?, field(image)?);
        let known = by_name.get(name).ok_or_else(|| fail(line, unknown(name, &by_name)))?;
        let number: usize = number.parse().map_err(|_| fail(line, format!("`{number}` is not an image number")))?;
        let &label = known.labels.get(number).ok_or_else(|| {
            fail(line, format!("image {number} of `{name}`, which has {} test images", known.labels.len()))
        })?;
        let seen = seen.entry(known.task.as_str()).or_insert_with(|| vec![false; known.labels.len()]);
        if std::mem::replace(&mut seen[number], true) {
            return Err(fail(line, format!("image {number} of `{name}` occurs twice")));
        }
        rows.push(Row { id: field(id)?.to_owned().into(), image: number, task: &known.task, label });
    }
    check_complete(tasks, &seen, remarks).map_err(|message| SubmissionError::Sample {
        path: sample.to_owned(),
        line: None,
        message,
    })?;
    Ok(rows)
}

fn unknown(name: &str, known: &BTreeMap<&str, &TaskLabels>) -> String {
    let known: Vec<String> = known.keys().map(|name| format!("`{name}`")).collect();
    format!("task `{name}` is not in the run, which has {}", known.join(", "))
}

fn check_complete(
    tasks: &[TaskLabels],
    seen: &BTreeMap<&str, Vec<bool>>,
    remarks: &mut Vec<String>,
) -> Result<(), String> {
    if seen.is_empty() {
        return Err("no rows".to_owned());
    }
    for task in tasks {
        match seen.get(task.task.as_str()) {
            None => remarks.push(format!("`{}` is not in the sample and is left out", task.task)),
            Some(seen) => {
                if let Some(missing) = seen.iter().position(|seen| !seen) {
                    let count = seen.iter().filter(|seen| !**seen).count();
                    let images = plural(count, "image");
                    return Err(format!("{images} of `{}` missing, the first is {missing}", task.task));
                }
            }
        }
    }
    Ok(())
}
