//! Labels in a file of their own.

use medley_core::message::quoted;
use medley_core::{Labels, TaskSpec};
use medley_metrics::MetricError;

use crate::PredictionError;
use crate::header::{self, Columns, Expected, Header};
use crate::lines::{cells, lines, text, whole_number};
use crate::problems::{Problems, some};

/// A CSV of `index,label` (of a multi-label task `index,label,label,…` of 0 and 1), rows in any order. A header that names columns
/// (`label`; of a multi-label task its labels) says where each stands, and one that names none is skipped.
///
/// # Errors
/// With the lines: a wrong number of cells, an index that is no whole number or comes twice, a label that is no class of the
/// task. For the file: no rows, missing rows, a header that names some columns and not all.
pub fn from_csv(bytes: &[u8], task: &TaskSpec) -> Result<Labels, PredictionError> {
    let width = task.label_width();
    let lines = lines(text(bytes)?);
    let first: Vec<_> = lines.clone().next().map(|(_, line)| cells(line).take(width + 2).collect()).unwrap_or_default();
    let only = ["label".to_owned()];
    let names = if width == 1 { &only[..] } else { &task.classes };
    let expected = Expected { classes: Some(names), last_alone: false, one_line_more: false };
    let (header, columns) = match header::read(&first, expected)? {
        Header::Absent => (0, Columns::in_order(width + 1, true)),
        Header::Unnamed => (1, Columns::in_order(width + 1, true)),
        Header::Named(columns) => (1, columns),
    };
    let Some(index_column) = columns.index else {
        return Err(PredictionError::File {
            problem: "line 1: the header has no column for the index of the row".to_owned(),
        });
    };
    let mut problems = Problems::default();
    let mut values: Vec<u16> = Vec::new();
    // Index, line, and where its labels begin.
    let mut rows: Vec<(usize, usize, usize)> = Vec::new();
    for (line, content) in lines.skip(header) {
        let cells: Vec<_> = cells(content).take(width + 2).collect();
        if cells.len() != width + 1 {
            let found =
                if cells.len() > width + 1 { format!("more than {}", width + 1) } else { cells.len().to_string() };
            problems.add(line, format!("{found} cells, but {} are expected: an index and {width} labels", width + 1));
            continue;
        }
        let Some(index) = whole_number(&cells[index_column]) else {
            let cell = quoted(&cells[index_column]);
            problems.add(line, format!("cell {} is {cell}, not the index of a row", index_column + 1));
            continue;
        };
        rows.push((index, line, values.len()));
        values.extend(columns.classes.iter().map(|&column| label(&cells[column], line, task, &mut problems)));
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
    finish(rows.iter().flat_map(|row| &values[row.2..row.2 + width]).copied().collect(), rows.len(), task)
}

fn label(cell: &str, line: usize, task: &TaskSpec, problems: &mut Problems) -> u16 {
    let value = whole_number(cell).filter(|&value| value < task.label_values());
    value.unwrap_or_else(|| {
        let range = task.label_values() - 1;
        problems.add(line, format!("the label {} is outside 0 to {range} of `{}`", quoted(cell), task.name));
        0
    }) as u16
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

#[cfg(test)]
mod tests {
    use medley_core::{ImageShape, Modality, Origin, TaskKind};

    use super::*;

    fn read(text: &str, kind: TaskKind) -> Result<Vec<u16>, String> {
        let task = TaskSpec {
            name: "mine".into(),
            title: "mine".into(),
            kind,
            modality: Modality::Other,
            classes: ["Mass", "Hernia"].map(str::to_owned).to_vec(),
            shape: ImageShape::flat(1, 1, 1),
            origin: Origin::User,
        };
        from_csv(text.as_bytes(), &task).map(|labels| labels.values().to_vec()).map_err(|error| error.to_string())
    }

    #[test]
    fn columns_are_those_of_the_header() {
        for text in ["0,1\n1,0\n", "index,label\n1,0\n0,1\n", "label;id\n1;0\n0;1\n", "id,target\n0,1\n1,0\n"] {
            assert_eq!(read(text, TaskKind::Binary), Ok(vec![1, 0]), "{text}");
        }
        for text in
            ["0,1,0\n1,0,0\n", "id,hernia,mass\n0,0,1\n1,0,0\n", "mass,id,hernia\n0,1,0\n1,0,0\n", ",0,1\n0,1,0\n1,0,0"]
        {
            assert_eq!(read(text, TaskKind::MultiLabel), Ok(vec![1, 0, 0, 0]), "{text}");
        }
    }

    #[test]
    fn mistakes_have_their_lines() {
        for (text, kind, part) in [
            (
                "id,mass,other\n0,1,0\n",
                TaskKind::MultiLabel,
                "line 1: the header names only some of the classes, not \"Hernia\"",
            ),
            ("mass,hernia\n1,0\n", TaskKind::MultiLabel, "line 1: the header has no column for the index"),
            ("label,id\n0,x\n", TaskKind::Binary, "line 2: cell 2 is \"x\", not the index of a row"),
            ("0,2\n", TaskKind::Binary, "line 1: the label \"2\" is outside 0 to 1"),
            ("0,1\n1\n2,1,1,1,1\n", TaskKind::Binary, "line 2: 1 cells, but 2 are expected"),
            ("0,1\n2,1\n", TaskKind::Binary, "labels are missing: rows 1"),
            ("0,1\n0,1\n", TaskKind::Binary, "line 2: the index 0 is repeated"),
        ] {
            let message = read(text, kind).unwrap_err();
            assert!(message.contains(part), "{message}");
        }
    }
}
