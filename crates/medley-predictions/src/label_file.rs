//! Labels in a file of their own.

use medley_core::{Labels, TaskSpec};
use medley_metrics::MetricError;

use crate::PredictionError;
use crate::lines::{lines, quoted, text, whole_number};
use crate::problems::{Problems, some};

/// A CSV of `index,label` (of a multi-label task `index,label,label,…` of 0 and 1), with or without a header, rows in any order.
///
/// # Errors
/// With the lines: a wrong number of cells, an index that is no whole number or comes twice, a label that is no class of the
/// task. For the file: no rows, missing rows.
pub fn from_csv(bytes: &[u8], task: &TaskSpec) -> Result<Labels, PredictionError> {
    let width = task.label_width();
    let mut problems = Problems::default();
    let mut rows: Vec<(usize, usize, Vec<u16>)> = Vec::new();
    for (position, (line, content)) in lines(text(bytes)?).enumerate() {
        let cells: Vec<&str> = content.split([',', '\t', ';']).map(str::trim).collect();
        if position == 0 && cells.iter().all(|cell| cell.parse::<f64>().is_err()) {
            continue;
        }
        if cells.len() != width + 1 {
            problems.add(
                line,
                format!("{} cells, but {} are expected: an index and {width} labels", cells.len(), width + 1),
            );
            continue;
        }
        let Some(index) = whole_number(cells[0]) else {
            problems.add(line, format!("the first cell is {}, not the index of a row", quoted(cells[0])));
            continue;
        };
        let label = |cell: &&str| {
            let value = whole_number(cell).filter(|&value| value < task.label_values());
            value.unwrap_or_else(|| {
                let range = task.label_values() - 1;
                problems.add(line, format!("the label {} is outside 0 to {range} of `{}`", quoted(cell), task.name));
                0
            }) as u16
        };
        let values = cells[1..].iter().map(label).collect();
        rows.push((index, line, values));
    }
    rows.sort_by_key(|row| row.0);
    for pair in rows.windows(2).filter(|pair| pair[0].0 == pair[1].0) {
        problems.add(pair[1].1, format!("the index {} is repeated; it is on line {} too", pair[1].0, pair[0].1));
    }
    problems.check()?;
    let missing = (0..rows.len()).filter(|index| rows.binary_search_by_key(index, |row| row.0).is_err());
    if let Some(missing) = some(missing) {
        return Err(PredictionError::File { problem: format!("labels are missing: rows {missing}") });
    }
    let count = rows.len();
    finish(rows.into_iter().flat_map(|row| row.2).collect(), count, task)
}

/// An array `[N]`, `[N, 1]` or `[N, L]` as NumPy saves it.
///
/// # Errors
/// What [`medley_npy::parse`] finds, other shapes, and what is no label of the task, with its row.
pub fn from_npy(bytes: &[u8], task: &TaskSpec) -> Result<Labels, PredictionError> {
    let array = medley_npy::parse(bytes)?;
    let rows = array.shape.first().copied().unwrap_or(0);
    let fits = match *array.shape.as_slice() {
        [_] => task.label_width() == 1,
        [_, width] => width == task.label_width(),
        _ => false,
    };
    if !fits {
        let problem = format!(
            "its shape is {:?}, but labels of `{}` have {} columns",
            array.shape,
            task.name,
            task.label_width()
        );
        return Err(PredictionError::File { problem });
    }
    let label = |(at, &value): (usize, &f64)| {
        if value.fract() == 0.0 && (0.0..65536.0).contains(&value) {
            Ok(value as u16)
        } else {
            let row = at / task.label_width();
            Err(PredictionError::File { problem: format!("row {row}: {value} is not a class index") })
        }
    };
    finish(array.values.iter().enumerate().map(label).collect::<Result<_, _>>()?, rows, task)
}

fn finish(values: Vec<u16>, rows: usize, task: &TaskSpec) -> Result<Labels, PredictionError> {
    if rows == 0 {
        return Err(MetricError::NoRows { task: task.name.clone() }.into());
    }
    let labels = Labels::multi(values, rows, task.label_width())?;
    task.check_labels(&labels)?;
    Ok(labels)
}
