//! Tables of scores: result files, CSV, arrays.

use medley_core::{Scores, TaskKind};

use medley_metrics::sample::PROBABILITY_TOLERANCE;
use medley_npy::NumericArray;

use crate::PredictionError;
use crate::lines::{lines, quoted, text, whole_number};
use crate::problems::{Problems, some};

/// Scores `[N, C]` with the line of the file that each row stands on.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoreTable {
    /// Row `i` is image `i` of the split.
    pub scores: Scores,
    /// Line of each row, 1-based; for arrays without lines the 0-based row.
    places: Vec<usize>,
    is_text: bool,
}

/// One line of numbers.
struct Row {
    line: usize,
    index: usize,
    values: Vec<f64>,
}

impl ScoreTable {
    /// A standard result file: an index and one score per class on each line, no header, rows in any order.
    ///
    /// # Errors
    /// With the lines: a wrong number of columns, what is not a finite number, an index that is no whole number or comes twice.
    /// For the file: no rows, or indices that are missing.
    pub fn from_result_file(bytes: &[u8]) -> Result<Self, PredictionError> {
        let cells: Vec<(usize, Vec<&str>)> = split(text(bytes)?);
        Self::indexed(&cells)
    }

    /// A CSV of scores of a task with `classes` classes (binary tasks may have one column, that of the positive class). A
    /// header is skipped. With one column more than classes, the first is the index of the row; a table of two columns of a
    /// binary task has an index if its first column counts the rows, and so has any table where the number of classes is not
    /// known.
    ///
    /// # Errors
    /// As [`Self::from_result_file`].
    pub fn from_csv(bytes: &[u8], kind: TaskKind, classes: Option<usize>) -> Result<Self, PredictionError> {
        let mut cells = split(text(bytes)?);
        if cells.first().is_some_and(|(_, first)| first.iter().all(|cell| cell.parse::<f64>().is_err())) {
            cells.remove(0);
        }
        let width = cells.first().map_or(0, |(_, first)| first.len());
        let binary = kind == TaskKind::Binary;
        let undecided = classes.is_none() || (binary && width == 2);
        if classes.is_some_and(|classes| width == classes + 1) || (undecided && width > 1 && counts_rows(&cells)) {
            return Self::indexed(&cells);
        }
        if let Some(classes) = classes.filter(|&classes| width != classes && !(binary && width == 1) && width > 0) {
            return Err(PredictionError::File {
                problem: format!(
                    "{width} columns, but the task has {classes} classes: {classes} scores are expected on each line, with or \
                     without the index of the row before them"
                ),
            });
        }
        let mut problems = Problems::default();
        let mut rows = Vec::with_capacity(cells.len());
        for (index, (line, cells)) in cells.iter().enumerate() {
            let values = numbers(cells, *line, &mut problems);
            check_width(values.len(), width, *line, &mut problems);
            rows.push(Row { line: *line, index, values });
        }
        problems.check()?;
        Self::assemble(rows, width)
    }

    /// An array `[N, C]` or `[N]` as NumPy saves it.
    ///
    /// # Errors
    /// What [`medley_npy::parse`] finds, other shapes, and values that are not finite.
    pub fn from_npy(bytes: &[u8]) -> Result<Self, PredictionError> {
        let NumericArray { shape, values } = medley_npy::parse(bytes)?;
        let (rows, columns) = match *shape.as_slice() {
            [rows] => (rows, 1),
            [rows, columns] => (rows, columns),
            _ => {
                let problem = format!("its shape is {shape:?}, but scores are [rows, classes]");
                return Err(PredictionError::File { problem });
            }
        };
        let scores = Scores::new(values, rows, columns)?;
        Ok(Self { scores, places: (0..rows).collect(), is_text: false })
    }

    fn indexed(cells: &[(usize, Vec<&str>)]) -> Result<Self, PredictionError> {
        let mut problems = Problems::default();
        let width = cells.first().map_or(0, |(_, first)| first.len() - 1);
        let mut rows = Vec::with_capacity(cells.len());
        for (line, cells) in cells {
            let Some(index) = whole_number(cells[0]) else {
                let cell = quoted(cells[0]);
                problems
                    .add(*line, format!("the first cell is {cell}, not the index of a row; there must be no header"));
                continue;
            };
            let values = numbers(&cells[1..], *line, &mut problems);
            check_width(values.len(), width, *line, &mut problems);
            rows.push(Row { line: *line, index, values });
        }
        // Stable: of two rows with one index, the later line is the second.
        rows.sort_by_key(|row| row.index);
        for pair in rows.windows(2).filter(|pair| pair[0].index == pair[1].index) {
            let problem = format!("the index {} is repeated; it is on line {} too", pair[1].index, pair[0].line);
            problems.add(pair[1].line, problem);
        }
        problems.check()?;
        if let Some(last) = rows.last()
            && last.index != rows.len() - 1
        {
            let mut present = rows.iter().map(|row| row.index).peekable();
            // Gaps end at the last index, and at the first ten numbers; the loop is as long as the file, not as the index.
            let gaps = (0..rows.len()).filter(|&index| {
                while present.peek().is_some_and(|&seen| seen < index) {
                    present.next();
                }
                present.peek() != Some(&index)
            });
            let missing = some(gaps).unwrap_or_default();
            let problem = format!(
                "rows are missing: {missing}; there are {} rows, and the last index is {}",
                rows.len(),
                last.index
            );
            return Err(PredictionError::File { problem });
        }
        Self::assemble(rows, width)
    }

    fn assemble(rows: Vec<Row>, width: usize) -> Result<Self, PredictionError> {
        if rows.is_empty() {
            return Err(PredictionError::File { problem: "the file has no rows".to_owned() });
        }
        let places = rows.iter().map(|row| row.line).collect();
        let count = rows.len();
        let values = rows.into_iter().flat_map(|row| row.values).collect();
        Ok(Self { scores: Scores::new(values, count, width)?, places, is_text: true })
    }

    /// Whether the scores are probabilities: each in 0 to 1, and where classes exclude each other, summing to 1, both up to
    /// [`PROBABILITY_TOLERANCE`].
    ///
    /// # Errors
    /// The first ten lines where they are not.
    pub fn check_probabilities(&self, kind: TaskKind) -> Result<(), PredictionError> {
        let mut problems = Problems::default();
        let exclusive = kind != TaskKind::MultiLabel && self.scores.columns() > 1;
        for (row, &place) in self.scores.view().rows().into_iter().zip(&self.places) {
            let where_ = if self.is_text { String::new() } else { format!("row {place}: ") };
            let line = if self.is_text { place } else { place + 1 };
            let range = -PROBABILITY_TOLERANCE..=1.0 + PROBABILITY_TOLERANCE;
            if let Some(score) = row.iter().find(|score| !range.contains(score)) {
                problems.add(line, format!("{where_}the score {score} is not a probability"));
            } else if exclusive && (row.sum() - 1.0).abs() > PROBABILITY_TOLERANCE {
                problems.add(line, format!("{where_}the scores sum to {:.6}, not to 1", row.sum()));
            }
        }
        problems.check()
    }
}

fn split(text: &str) -> Vec<(usize, Vec<&str>)> {
    lines(text).map(|(number, line)| (number, line.split([',', '\t', ';']).map(str::trim).collect())).collect()
}

/// Whether the first column holds each of 0 to n - 1 once.
fn counts_rows(cells: &[(usize, Vec<&str>)]) -> bool {
    let mut seen = vec![false; cells.len()];
    cells.iter().all(|(_, cells)| {
        let index = whole_number(cells[0]).filter(|&index| index < seen.len());
        index.is_some_and(|index| !std::mem::replace(&mut seen[index], true))
    })
}

fn numbers(cells: &[&str], line: usize, problems: &mut Problems) -> Vec<f64> {
    let number = |cell: &&str| {
        let value = cell.parse::<f64>().ok().filter(|value| value.is_finite());
        value.unwrap_or_else(|| {
            problems.add(line, format!("the score {} is not a finite number", quoted(cell)));
            0.0
        })
    };
    cells.iter().map(number).collect()
}

fn check_width(found: usize, expected: usize, line: usize, problems: &mut Problems) {
    if found == 0 {
        problems.add(line, "an index and no score");
    } else if found != expected {
        problems.add(line, format!("{found} scores, but the first line has {expected}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn csv(text: &str) -> Result<Vec<Vec<f64>>, String> {
        let table =
            ScoreTable::from_csv(text.as_bytes(), TaskKind::Binary, Some(2)).map_err(|error| error.to_string())?;
        Ok(table.scores.view().rows().into_iter().map(|row| row.to_vec()).collect())
    }

    #[test]
    fn headers_and_indices_are_seen() {
        let expected = Ok(vec![vec![0.2, 0.8], vec![0.9, 0.1]]);
        assert_eq!(csv("0.2,0.8\n0.9,0.1\n"), expected);
        assert_eq!(csv("benign,malignant\n0.2,0.8\n0.9,0.1\n"), expected);
        assert_eq!(csv("\u{feff}id,a,b\r\n1,0.9,0.1\r\n0,0.2,0.8\r\n"), expected);
        assert_eq!(csv("0.8\n0.1\n"), Ok(vec![vec![0.8], vec![0.1]]));
        assert_eq!(csv("1,0.1\n0,0.8\n"), Ok(vec![vec![0.8], vec![0.1]]));
        assert!(csv("1,2,3,4\n").unwrap_err().contains("4 columns"));
        assert!(csv("").unwrap_err().contains("no rows"));
    }

    #[test]
    fn an_unknown_number_of_classes_follows_from_the_table() {
        let columns =
            |text: &str| ScoreTable::from_csv(text.as_bytes(), TaskKind::MultiClass, None).unwrap().scores.columns();
        assert_eq!((columns("1,0.2,0.3,0.5\n0,0.2,0.3,0.5\n"), columns("0.2,0.3,0.5\n0.2,0.3,0.5\n")), (3, 3));
    }

    #[test]
    fn all_mistakes_are_named_up_to_ten() {
        let mut text = String::from("0,0.5,0.5\n0,0.5,0.5\nx,1,2\n3,0.5\n4,nan,0.5\n");
        let message = ScoreTable::from_result_file(text.as_bytes()).unwrap_err().to_string();
        for part in ["4 lines are wrong", "line 2: the index 0", "line 3: the first cell", "line 4: 1 scores", "line 5"]
        {
            assert!(message.contains(part), "{message}");
        }
        text.push_str(&"y,1,1\n".repeat(20));
        let message = ScoreTable::from_result_file(text.as_bytes()).unwrap_err().to_string();
        assert!(message.contains("24 lines are wrong") && message.contains("and 14 more"), "{message}");
    }

    #[test]
    fn gaps_are_named_and_do_not_allocate() {
        let message = ScoreTable::from_result_file(b"0,1\n18446744073709551615,1\n5,1\n").unwrap_err().to_string();
        assert!(message.contains("missing: 1, 2") || message.contains("missing: 1"), "{message}");
    }

    #[test]
    fn what_is_no_probability_has_a_line() {
        let table = ScoreTable::from_result_file(b"1,0.5,0.4\n0,0.5,0.5\n2,1.5,-0.5\n").unwrap();
        let message = table.check_probabilities(TaskKind::Binary).unwrap_err().to_string();
        assert!(
            message.contains("line 1: the scores sum to 0.9") && message.contains("line 3: the score 1.5"),
            "{message}"
        );
        assert!(
            ScoreTable::from_result_file(b"0,0.5,0.4\n").unwrap().check_probabilities(TaskKind::MultiLabel).is_ok()
        );
    }
}
