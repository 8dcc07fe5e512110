//! Standard output, politely: a closed pipe ends the program quietly.

use std::io::{self, Write as _};
use std::path::Path;

use medley_report::tables::Table;
use medley_storage::{Shown, printable};

/// Prints what a person reads. Names from outside that it quotes move no cursor.
///
/// # Errors
/// As [`document()`].
pub fn line(text: &str) -> anyhow::Result<()> {
    document(&printable(text))
}

/// Prints what another program reads, such as JSON, TOML or CSV: each has its own way to write control characters.
///
/// # Errors
/// When standard output fails for another reason than a reader that has gone.
pub fn document(text: &str) -> anyhow::Result<()> {
    match writeln!(io::stdout().lock(), "{text}") {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

/// Prints a value as indented JSON.
///
/// # Errors
/// As [`document()`].
pub fn json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    document(&serde_json::to_string_pretty(value)?)
}

/// Prints a line to standard error; if that is closed there is nobody to tell. Names from outside that it quotes move no cursor.
pub fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", printable(text));
}

/// Columns with two spaces between them: words at the left, numbers at the right. A cell stays on its line.
pub fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let header: Vec<String> = header.iter().map(|title| on_one_line(title)).collect();
    let rows = rows.iter().map(|row| row.iter().map(|cell| on_one_line(cell)).collect()).collect();
    Table { header, rows }.text()
}

/// A text from outside that moves neither cursor nor line.
pub fn on_one_line(text: &str) -> String {
    Shown(Path::new(text)).to_string()
}

/// Lines of a key and its value, the values below each other. A value stays on its line.
pub fn pairs(pairs: &[(String, String)]) -> String {
    let width = pairs.iter().map(|(key, _)| key.chars().count()).max().unwrap_or(0);
    let line = |(key, value): &(String, String)| format!("{key:width$}  {}", on_one_line(value)).trim_end().to_owned();
    pairs.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Characters that a line of standard output may have: those of the terminal; `None` where it is none.
pub fn width() -> Option<usize> {
    terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0))
}

/// Bytes as people write them.
pub fn bytes(count: u64) -> String {
    match count {
        0..1_000 => format!("{count} B"),
        1_000..1_000_000 => format!("{:.1} kB", count as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", count as f64 / 1e6),
        _ => format!("{:.2} GB", count as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_align() {
        let text = table(&["task", "AUC"], &[vec!["a".into(), "0.9".into()], vec!["bbbbb".into(), "10.25".into()]]);
        assert_eq!(text, "task   AUC\na        0.9\nbbbbb  10.25");
        let text =
            table(&["size", "what"], &[vec!["9.5 MB".into(), "9-layer".into()], vec!["12 MB".into(), "a".into()]]);
        assert_eq!(text, "size    what\n9.5 MB  9-layer\n 12 MB  a");
        assert_eq!(table(&["a"], &[vec!["b\nc\u{1b}[2J".into()]]), "a\nb\\nc\\u{1b}[2J");
        assert_eq!(pairs(&[("a".into(), "b\nc".into()), ("long".into(), "d".into())]), "a     b\\nc\nlong  d");
    }

    #[test]
    fn bytes_have_units() {
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(4_170_669), "4.2 MB");
    }
}
