//! Tables as text, Markdown and LaTeX: one set of writers and escapes for everything that is not HTML.
//!
//! Cells are plain text, and the writers escape them: a task named `a|b` or `\input{x}` stays a name. Numbers stand at the right of
//! their column, words at the left.

mod escape;

use std::fmt::Write as _;

pub(crate) use escape::{escape_latex, one_line};
pub(crate) use medley_core::text::markdown as escape_markdown;

/// A header and rows with as many cells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    /// Titles of the columns.
    pub header: Vec<String>,
    /// The rows, from top to bottom.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub fn new(header: &[&str]) -> Self {
        Self { header: header.iter().map(ToString::to_string).collect(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn push(&mut self, row: impl IntoIterator<Item = String>) {
        self.rows.push(row.into_iter().collect());
    }

    /// With spaces between the columns, for a terminal.
    pub fn text(&self) -> String {
        let widths = self.widths(&|cell| cell.to_owned(), 0);
        let lines: Vec<String> = (self.lines())
            .map(|row| {
                let cells: Vec<String> =
                    row.iter().zip(&widths).map(|(cell, &width)| padded(cell, width, is_number(cell))).collect();
                cells.join("  ").trim_end().to_owned()
            })
            .collect();
        lines.join("\n")
    }

    /// A pipe table, aligned in its source too.
    pub fn markdown(&self) -> String {
        let widths = self.widths(&escape_markdown, 3);
        let right: Vec<bool> = (0..self.header.len()).map(|column| self.is_numeric(column)).collect();
        let mut text = String::new();
        for (number, row) in self.lines().enumerate() {
            for ((cell, &width), &right) in row.iter().zip(&widths).zip(&right) {
                let _ = write!(text, "| {} ", padded(&escape_markdown(cell), width, right));
            }
            text.push_str("|\n");
            if number == 0 {
                for (&width, &right) in widths.iter().zip(&right) {
                    let dashes = "-".repeat(width);
                    let _ = if right { write!(text, "|-{dashes}:") } else { write!(text, "|:{dashes}-") };
                }
                text.push_str("|\n");
            }
        }
        text
    }

    /// A `tabular` environment with `booktabs` rules.
    pub fn latex(&self) -> String {
        let columns: String =
            (0..self.header.len()).map(|column| if self.is_numeric(column) { 'r' } else { 'l' }).collect();
        let mut text = format!("\\begin{{tabular}}{{{columns}}}\n\\toprule\n");
        for (number, row) in self.lines().enumerate() {
            let cells: Vec<String> = row.iter().map(|cell| escape_latex(cell)).collect();
            let _ = writeln!(text, "{} \\\\", cells.join(" & "));
            if number == 0 {
                text.push_str("\\midrule\n");
            }
        }
        text.push_str("\\bottomrule\n\\end{tabular}");
        text
    }

    fn lines(&self) -> impl Iterator<Item = &Vec<String>> {
        std::iter::once(&self.header).chain(&self.rows)
    }

    fn widths(&self, escape: &dyn Fn(&str) -> String, least: usize) -> Vec<usize> {
        let mut widths = vec![least; self.header.len()];
        for row in self.lines() {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(escape(cell).chars().count());
            }
        }
        widths
    }

    /// Whether a column has numbers and nothing else. The first names its rows.
    fn is_numeric(&self, column: usize) -> bool {
        let mut cells = self.rows.iter().filter_map(|row| row.get(column)).filter(|cell| !cell.is_empty());
        column > 0 && cells.all(|cell| is_number(cell))
    }
}

/// "11.17 M", "86.3%" and "0.917 ± 0.004" begin with a number, "18-layer net" does not; a dash stands for a missing one.
fn is_number(cell: &str) -> bool {
    let word = cell.split([' ', '–']).find(|word| !word.is_empty()).unwrap_or("-");
    let word = word.trim_start_matches(['<', '−', '+', '-']).trim_end_matches(['%', '?']).replace(',', "");
    word.is_empty() || word.parse::<f64>().is_ok()
}

fn padded(cell: &str, width: usize, right: bool) -> String {
    let fill = " ".repeat(width.saturating_sub(cell.chars().count()));
    if right { format!("{fill}{cell}") } else { format!("{cell}{fill}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(header: &[&str], rows: &[&[&str]]) -> Table {
        let mut table = Table::new(header);
        for row in rows {
            table.push(row.iter().map(ToString::to_string));
        }
        table
    }

    #[test]
    fn columns_align() {
        let table = table(&["Task", "AUC"], &[&["PathMNIST", "0.9"], &["a", "10.25"]]);
        assert_eq!(table.text(), "Task       AUC\nPathMNIST    0.9\na          10.25");
        assert_eq!(
            table.markdown(),
            "| Task      |   AUC |\n|:----------|------:|\n| PathMNIST |   0.9 |\n| a         | 10.25 |\n"
        );
        assert!(table.latex().starts_with("\\begin{tabular}{lr}\n\\toprule\nTask & AUC \\\\\n\\midrule\n"));
    }

    #[test]
    fn numbers_are_told_from_words() {
        for number in
            ["0.9", "−0.1", "+0.1", "12,345", "<0.0001", "0.917 ± 0.004", "0.901–0.931", "–", "-", "9.5 MB", "0.9?"]
        {
            assert!(is_number(number), "{number}");
        }
        for word in ["9-layer", "yes", "a 1", "DeLong"] {
            assert!(!is_number(word), "{word}");
        }
    }

    #[test]
    fn cells_cannot_break_out_of_their_table() {
        let table = table(&["x_y", "50 %"], &[&["a|b", "\\evil{}"]]);
        assert!(table.markdown().contains("| a\\|b | \\\\evil{}"), "{}", table.markdown());
        assert!(table.latex().contains("x\\_y & 50 \\%") && table.latex().contains("\\textbackslash{}evil\\{\\}"));
    }
}
