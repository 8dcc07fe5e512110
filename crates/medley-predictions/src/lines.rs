//! What all text files have in common.

use std::borrow::Cow;

use crate::PredictionError;

/// A table as text, without the mark that some spreadsheets put in front.
pub(crate) fn text(bytes: &[u8]) -> Result<&str, PredictionError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let line = bytes[..error.valid_up_to()].split(|&byte| byte == b'\n').count();
        PredictionError::File { problem: format!("the file is not text (line {line}); a CSV is expected") }
    })
}

/// Lines that are not blank, with their numbers from 1.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> + Clone {
    // Tabs part cells: at the end of a line they are not blank.
    let line = |(at, line): (usize, _)| (at + 1, str::trim_matches(line, ' '));
    text.lines().enumerate().map(line).filter(|(_, line)| !line.trim().is_empty())
}

/// The cells of a line, parted by commas, tabs or semicolons. Between quotes such a mark is text, and two quotes are one.
pub(crate) fn cells(line: &str) -> Cells<'_> {
    Cells { rest: Some(line) }
}

#[derive(Debug, Clone)]
pub(crate) struct Cells<'a> {
    rest: Option<&'a str>,
}

impl<'a> Iterator for Cells<'a> {
    type Item = Cow<'a, str>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest?.trim_start_matches(' ');
        let (cell, after) = match rest.strip_prefix('"') {
            Some(quoted) => unquote(quoted),
            None => (Cow::Borrowed(""), rest),
        };
        let end = after.bytes().position(|byte| matches!(byte, b',' | b'\t' | b';'));
        let (tail, rest) = end.map_or((after, None), |end| (&after[..end], Some(&after[end + 1..])));
        self.rest = rest;
        let tail = tail.trim();
        Some(if cell.is_empty() { Cow::Borrowed(tail) } else { cell + tail })
    }
}

/// What stands before the closing quote, and what follows it.
fn unquote(text: &str) -> (Cow<'_, str>, &str) {
    let mut cell = Cow::Borrowed("");
    let mut rest = text;
    loop {
        let Some((part, after)) = rest.split_once('"') else { return (cell + rest, "") };
        cell += part;
        match after.strip_prefix('"') {
            None => return (cell, after),
            Some(after) => {
                cell += "\"";
                rest = after;
            }
        }
    }
}

/// The number of a row; pandas writes integers, some spreadsheets `0.0`.
pub(crate) fn whole_number(cell: &str) -> Option<usize> {
    cell.parse().ok().or_else(|| cell.strip_suffix(".0").and_then(|whole| whole.parse().ok()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parted(line: &str) -> Vec<String> {
        cells(line).map(Cow::into_owned).collect()
    }

    #[test]
    fn cells_are_parted_outside_quotes() {
        assert_eq!(parted("0, 0.5;x\ty"), ["0", "0.5", "x", "y"]);
        assert_eq!(parted(r#""normal, benign",malignant"#), ["normal, benign", "malignant"]);
        assert_eq!(parted(r#" "a ""b"" c" ,"",d"#), [r#"a "b" c"#, "", "d"]);
        assert_eq!(parted(",0,"), ["", "0", ""]);
        assert_eq!(parted(r#"a"b,"c"#), [r#"a"b"#, "c"]);
    }

    #[test]
    fn blank_lines_are_left_out_and_tabs_kept() {
        assert_eq!(lines("\n \t\r\n\t0\t1 \r\nx").collect::<Vec<_>>(), [(3, "\t0\t1"), (4, "x")]);
    }

    proptest! {
        #[test]
        fn what_is_quoted_comes_back(written in prop::collection::vec("[a\",; \t]{0,5}x", 1..5)) {
            let quoted: Vec<String> = written.iter().map(|cell| format!("\"{}\"", cell.replace('"', "\"\""))).collect();
            prop_assert_eq!(parted(&quoted.join(",")), written);
        }
    }
}
