//! What all text files have in common.

use crate::PredictionError;

pub(crate) use medley_core::message::quoted;

/// A table as text, without the mark that some spreadsheets put in front.
pub(crate) fn text(bytes: &[u8]) -> Result<&str, PredictionError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let line = bytes[..error.valid_up_to()].split(|&byte| byte == b'\n').count();
        PredictionError::File { problem: format!("the file is not text (line {line}); a CSV is expected") }
    })
}

/// Lines that are not blank, with their numbers from 1.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(at, line)| (at + 1, line.trim())).filter(|(_, line)| !line.is_empty())
}

/// The number of a row; pandas writes integers, some spreadsheets `0.0`.
pub(crate) fn whole_number(cell: &str) -> Option<usize> {
    cell.parse().ok().or_else(|| cell.strip_suffix(".0").and_then(|whole| whole.parse().ok()))
}
