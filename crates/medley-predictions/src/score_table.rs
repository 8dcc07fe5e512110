//! Tables of scores: result files, CSV, arrays.

use medley_core::message::{listed, quoted};
use medley_core::{Scores, TaskKind};

use medley_metrics::sample::PROBABILITY_TOLERANCE;
use medley_npy::NumericArray;

use crate::PredictionError;
use crate::header::{self, Columns, Expected, Header};
use crate::lines::{cells, lines, text, whole_number};
use crate::problems::{Problems, some};

/// Scores `[N, C]` with the line of the file that each row stands on.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoreTable {
    /// Row `i` is image `i` of the split.
    pub scores: Scores,
    /// What should be known of how it was read, one sentence each.
    pub remarks: Vec<String>,
    /// Line of each row, 1-based; for arrays without lines the 0-based row.
    places: Vec<usize>,
    is_text: bool,
}

/// What is known of a table of scores before it is read.
#[derive(Debug, Clone, Copy)]
pub struct TableShape<'a> {
    /// How labels of the task are read: a binary task may have one column, that of the positive class.
    pub kind: TaskKind,
    /// Its classes by name, as far as they are known.
    pub classes: Option<&'a [String]>,
    /// Rows that are expected, where that is known.
    pub rows: Option<usize>,
}

/// Most columns of a table where the number of classes is not known.
const MOST_COLUMNS: usize = 4096;
/// Most bytes that a number, or an index, and what parts it from the next take.
const LONGEST_CELL: usize = 64;

impl TableShape<'_> {
    /// Most bytes that a table of text of this shape takes, with room to spare; of `rows` rows.
    pub(crate) fn text_limit(&self, rows: usize) -> u64 {
        (rows as u64 + 1).saturating_mul(self.line_limit() as u64)
    }

    /// Most bytes that an array of this shape takes, its header included.
    pub(crate) fn array_limit(&self, rows: usize) -> u64 {
        (1 << 17) + (rows as u64).saturating_mul(8 * self.classes.map_or(MOST_COLUMNS, <[_]>::len) as u64)
    }

    /// Most bytes of a line. The names of a header may be longer than its numbers.
    fn line_limit(&self) -> usize {
        let names: usize = self.classes.unwrap_or_default().iter().map(String::len).sum();
        (self.classes.map_or(MOST_COLUMNS, <[_]>::len) + 1) * LONGEST_CELL + names
    }
}

impl ScoreTable {
    /// A standard result file: an index and one score per class on each line, no header, rows in any order.
    ///
    /// # Errors
    /// With the lines: a wrong number of columns, what is not a finite number, an index that is no whole number or comes twice.
    /// For the file: no rows, or indices that are missing.
    pub fn from_result_file(bytes: &[u8]) -> Result<Self, PredictionError> {
        let lines = lines(text(bytes)?);
        let width = lines.clone().next().map_or(0, |(_, first)| cells(first).count());
        check_columns(width)?;
        read(lines, &Columns::in_order(width, true), "the first line")
    }

    /// A CSV of scores. A header that names the classes says where each stands, and one that names none is skipped. Without names,
    /// classes stand in their order; with one column more than classes, the first is the index of the row; a table of two columns
    /// of a binary task has an index if its first column counts the rows, and so has any table where the number of classes is not
    /// known.
    ///
    /// # Errors
    /// As [`Self::from_result_file`], and when a header names some classes and not all.
    pub fn from_csv(bytes: &[u8], shape: TableShape<'_>) -> Result<Self, PredictionError> {
        let lines = lines(text(bytes)?);
        let binary = shape.kind == TaskKind::Binary;
        let first: Vec<_> = match lines.clone().next() {
            Some((line, first)) if first.len() > shape.line_limit() => {
                let (found, most) = (first.len(), shape.line_limit());
                let problem = format!("line {line} has {found} characters; a line of such scores has at most {most}");
                return Err(PredictionError::File { problem });
            }
            first => first.map(|(_, first)| cells(first).collect()).unwrap_or_default(),
        };
        let one_line_more = shape.rows.is_some_and(|rows| lines.clone().count() == rows + 1);
        let expected = Expected { classes: shape.classes, last_alone: binary, one_line_more };
        match header::read(&first, expected)? {
            Header::Named(columns) => {
                let mut table = read(lines.skip(1), &columns, "the header")?;
                if !columns.are_in_order() {
                    let remark =
                        "its header names the classes in another order than the task: each column is that of its name";
                    table.remarks.push(remark.to_owned());
                }
                Ok(table)
            }
            Header::Unnamed => {
                let mut table = Self::without_names(lines.skip(1), shape)?;
                let classes = shape.classes.unwrap_or_default();
                if table.scores.columns() > 1 && !classes.is_empty() {
                    let classes = listed(classes.iter().map(String::as_str));
                    table.remarks.push(format!("its header names no class: columns are taken in the order {classes}"));
                }
                Ok(table)
            }
            Header::Absent => Self::without_names(lines, shape),
        }
    }

    /// Lines of which each has the classes in order, perhaps after an index.
    fn without_names<'a>(
        lines: impl Iterator<Item = (usize, &'a str)> + Clone,
        shape: TableShape<'_>,
    ) -> Result<Self, PredictionError> {
        let width = lines.clone().next().map_or(0, |(_, first)| cells(first).count());
        check_columns(width)?;
        let (binary, classes) = (shape.kind == TaskKind::Binary, shape.classes.map(<[_]>::len));
        let undecided = classes.is_none() || (binary && width == 2);
        let indexed = classes.is_some_and(|classes| width == classes + 1)
            || (undecided && width > 1 && counts_rows(lines.clone()));
        let scores = width - usize::from(indexed);
        if let Some(classes) = classes.filter(|&classes| scores != classes && !(binary && scores == 1) && width > 0) {
            return Err(PredictionError::File {
                problem: format!(
                    "{width} columns, but the task has {classes} classes: {classes} scores are expected on each line, with or \
                     without the index of the row before them"
                ),
            });
        }
        read(lines, &Columns::in_order(width, indexed), "the first line")
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
        Ok(Self { scores, remarks: Vec::new(), places: (0..rows).collect(), is_text: false })
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

/// Reads lines whose columns are known.
fn read<'a>(
    lines: impl Iterator<Item = (usize, &'a str)>,
    columns: &Columns,
    pattern: &str,
) -> Result<ScoreTable, PredictionError> {
    let (width, classes) = (columns.width(), columns.classes.len());
    let mut problems = Problems::default();
    let mut values: Vec<f64> = Vec::new();
    // Index and line of each row, in the order of the file.
    let mut rows: Vec<(usize, usize)> = Vec::new();
    for (line, content) in lines {
        let (start, mut found, mut index) = (values.len(), 0, Some(rows.len()));
        for (column, cell) in cells(content).enumerate() {
            found += 1;
            if columns.index == Some(column) {
                index = whole_number(&cell);
                if index.is_none() {
                    problems.add(line, no_index(&cell, columns));
                    break;
                }
            } else if column < width {
                values.push(number(&cell, line, &mut problems));
            }
        }
        let Some(index) = index else { continue };
        check_width(found, width, columns.index.is_some(), pattern, line, &mut problems);
        values.resize(start + classes, 0.0); // What is too short or too long is refused below.
        rows.push((index, line));
    }
    if columns.index.is_some() {
        check_indices(&rows, problems)?;
    } else {
        problems.check()?;
    }
    if rows.is_empty() {
        return Err(PredictionError::File { problem: "the file has no rows".to_owned() });
    }
    let order = sorted(&rows);
    let places = order.iter().map(|&at| rows[at].1).collect();
    let values = if columns.are_in_order() && order.is_sorted() { values } else { arranged(&values, &order, columns) };
    let scores = Scores::new(values, rows.len(), classes)?;
    Ok(ScoreTable { scores, remarks: Vec::new(), places, is_text: true })
}

/// Positions of rows by their index. Stable: of two rows with one index, the later line is the second.
fn sorted(rows: &[(usize, usize)]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_key(|&at| rows[at].0);
    order
}

/// Values `[row, column without the index]` in the order of rows and classes.
fn arranged(values: &[f64], order: &[usize], columns: &Columns) -> Vec<f64> {
    let classes = columns.classes.len();
    let before_index = |column: usize| columns.index.is_some_and(|index| index < column);
    let places: Vec<usize> = columns.classes.iter().map(|&column| column - usize::from(before_index(column))).collect();
    order.iter().flat_map(|&at| places.iter().map(move |&place| values[at * classes + place])).collect()
}

/// Whether each of 0 to n - 1 comes once.
fn check_indices(rows: &[(usize, usize)], mut problems: Problems) -> Result<(), PredictionError> {
    let order = sorted(rows);
    for pair in order.windows(2).filter(|pair| rows[pair[0]].0 == rows[pair[1]].0) {
        let ((index, line), (_, first)) = (rows[pair[1]], rows[pair[0]]);
        problems.add(line, format!("the index {index} is repeated; it is on line {first} too"));
    }
    problems.check()?;
    let Some(last) = order.last().map(|&at| rows[at].0).filter(|&last| last != rows.len() - 1) else { return Ok(()) };
    let mut present = order.iter().map(|&at| rows[at].0).peekable();
    // Gaps end at the last index, and at the first ten numbers; the loop is as long as the file, not as the index.
    let gaps = (0..rows.len()).filter(|&index| {
        while present.peek().is_some_and(|&seen| seen < index) {
            present.next();
        }
        present.peek() != Some(&index)
    });
    let missing = some(gaps).unwrap_or_default();
    let problem = format!("rows are missing: {missing}; there are {} rows, and the last index is {last}", rows.len());
    Err(PredictionError::File { problem })
}

/// Whether the first column holds each of 0 to n - 1 once.
fn counts_rows<'a>(lines: impl Iterator<Item = (usize, &'a str)> + Clone) -> bool {
    let mut seen = vec![false; lines.clone().count()];
    lines.into_iter().all(|(_, line)| {
        let index = cells(line).next().and_then(|cell| whole_number(&cell)).filter(|&index| index < seen.len());
        index.is_some_and(|index| !std::mem::replace(&mut seen[index], true))
    })
}

fn number(cell: &str, line: usize, problems: &mut Problems) -> f64 {
    let value = cell.parse::<f64>().ok().filter(|value| value.is_finite());
    value.unwrap_or_else(|| {
        problems.add(line, format!("the score {} is not a finite number", quoted(cell)));
        0.0
    })
}

fn no_index(cell: &str, columns: &Columns) -> String {
    let cell = quoted(cell);
    match columns.index {
        Some(0) => format!("the first cell is {cell}, not the index of a row; there must be no header"),
        _ => format!("cell {} is {cell}, not the index of a row", columns.index.map_or(1, |index| index + 1)),
    }
}

fn check_width(found: usize, expected: usize, indexed: bool, pattern: &str, line: usize, problems: &mut Problems) {
    let without = usize::from(indexed);
    if found <= without {
        problems.add(line, "an index and no score");
    } else if found != expected {
        problems.add(line, format!("{} scores, but {pattern} has {}", found - without, expected - without));
    }
}

fn check_columns(width: usize) -> Result<(), PredictionError> {
    if width <= MOST_COLUMNS + 1 {
        return Ok(());
    }
    Err(PredictionError::File {
        problem: format!("{width} columns, more than the {MOST_COLUMNS} classes that a task may have"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str, classes: &[&str], rows: Option<usize>) -> Result<ScoreTable, String> {
        let classes: Vec<String> = classes.iter().map(ToString::to_string).collect();
        let kind = if classes.len() == 2 { TaskKind::Binary } else { TaskKind::MultiClass };
        let classes = (!classes.is_empty()).then_some(classes.as_slice());
        ScoreTable::from_csv(text.as_bytes(), TableShape { kind, classes, rows }).map_err(|error| error.to_string())
    }

    fn csv(text: &str) -> Result<Vec<Vec<f64>>, String> {
        let table = table(text, &["benign", "malignant"], Some(2))?;
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
    fn columns_are_those_of_the_header() {
        let expected = Ok(vec![vec![0.2, 0.8], vec![0.9, 0.1]]);
        assert_eq!(csv("Malignant;\"benign\"\n0.8;0.2\n0.1;0.9\n"), expected);
        assert_eq!(csv("malignant,row,benign\n0.1,1,0.9\n0.8,0,0.2\n"), expected);
        assert_eq!(csv(",1,0\n0,0.8,0.2\n1,0.1,0.9\n"), expected);
        // Three lines where two rows are expected: the numbers are a header.
        assert_eq!(csv("1,0\n0.8,0.2\n0.1,0.9\n"), expected);
        assert_eq!(csv("1,0\n0.1,0.9\n"), Ok(vec![vec![1.0, 0.0], vec![0.1, 0.9]]));
        assert_eq!(csv("id,malignant\n1,0.1\n0,0.8\n"), Ok(vec![vec![0.8], vec![0.1]]));
        let message = csv("malignant,row,benign\n0.1,x,0.9\n").unwrap_err();
        assert_eq!(message, "line 2: cell 2 is \"x\", not the index of a row");
        assert_eq!(csv("malignant,benign\n0.1\n").unwrap_err(), "line 2: 1 scores, but the header has 2");
    }

    #[test]
    fn what_a_header_meant_is_remarked() {
        let remarks = |text: &str| table(text, &["benign", "malignant"], None).unwrap().remarks;
        assert_eq!(remarks("0.2,0.8\n"), [""; 0]);
        assert_eq!(remarks("benign,malignant\n0.2,0.8\n"), [""; 0]);
        let [other] = &remarks("malignant,benign\n0.2,0.8\n")[..] else { panic!("one remark") };
        assert!(other.contains("in another order"), "{other}");
        let [none] = &remarks("a,b\n0.2,0.8\n")[..] else { panic!("one remark") };
        assert!(none.ends_with("names no class: columns are taken in the order \"benign\", \"malignant\""), "{none}");
    }

    #[test]
    fn an_unknown_number_of_classes_follows_from_the_table() {
        let columns = |text: &str| table(text, &[], None).unwrap().scores.columns();
        assert_eq!((columns("1,0.2,0.3,0.5\n0,0.2,0.3,0.5\n"), columns("0.2,0.3,0.5\n0.2,0.3,0.5\n")), (3, 3));
        let scores = table("c2,c0,c1\n0.2,0.3,0.5\n", &[], None).unwrap().scores;
        assert_eq!(scores.row(0).to_vec(), [0.3, 0.5, 0.2]);
    }

    #[test]
    fn endless_lines_are_refused() {
        let wide = "0.5,".repeat(MOST_COLUMNS + 2);
        assert!(table(&wide, &[], None).unwrap_err().contains("more than the 4096 classes that a task may have"));
        let long = "x".repeat(1000);
        assert!(table(&long, &["a", "b"], None).unwrap_err().contains("line 1 has 1000 characters; a line"));
        let message = ScoreTable::from_result_file(wide.as_bytes()).unwrap_err().to_string();
        assert!(message.contains("4099 columns"), "{message}");
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
