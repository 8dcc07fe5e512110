use std::fmt::Write as _;

/// A Markdown table whose source is aligned as well; the first column to the left, the others to the right. Cells are
/// escaped by the caller, the first row is the header.
pub(crate) fn pipe_table(rows: &[Vec<String>]) -> String {
    let mut text = String::new();
    let widths = widths(rows, 3);
    for (number, row) in rows.iter().enumerate() {
        for cell in aligned(row, &widths) {
            let _ = write!(text, "| {cell} ");
        }
        text.push_str("|\n");
        if number == 0 {
            for (column, &width) in widths.iter().enumerate() {
                let dashes = "-".repeat(width);
                let _ = if column == 0 { write!(text, "|:{dashes}-") } else { write!(text, "|-{dashes}:") };
            }
            text.push_str("|\n");
        }
    }
    text
}

fn widths(rows: &[Vec<String>], least: usize) -> Vec<usize> {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0).max(least);
    (0..columns).map(width).collect()
}

fn aligned(row: &[String], widths: &[usize]) -> Vec<String> {
    (row.iter().zip(widths).enumerate())
        .map(|(column, (cell, &width))| {
            let fill = " ".repeat(width.saturating_sub(cell.chars().count()));
            if column == 0 { format!("{cell}{fill}") } else { format!("{fill}{cell}") }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align() {
        let rows = [["Task", "AUC"], ["PathMNIST", "0.9"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(pipe_table(&rows), "| Task      | AUC |\n|:----------|----:|\n| PathMNIST | 0.9 |\n");
    }
}
