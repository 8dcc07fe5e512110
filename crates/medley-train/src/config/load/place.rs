//! Where something was written, and how that is shown.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

/// Characters of a line that are shown; longer lines are cut around the place.
const SHOWN: usize = 100;

/// Who wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A config file.
    File(PathBuf),
    /// An override on the command line.
    Override,
}

/// A place in a config file or an override, with the line that is there.
///
/// Shown as
/// ```text
///   --> configs/small.toml:12:1
///    |
/// 12 | epoch = 5
///    | ^^^^^
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// In which text.
    pub origin: Origin,
    /// 1-based.
    pub line: usize,
    /// 1-based, in characters.
    pub column: usize,
    excerpt: String,
    /// Characters before the carets, and number of carets.
    carets: (usize, usize),
}

impl Place {
    /// The place of a span of bytes. Spans outside the text are moved into it.
    pub(super) fn new(origin: Origin, text: &str, span: &Range<usize>) -> Self {
        let start = floor_boundary(text, span.start);
        let end = floor_boundary(text, span.end).max(start);
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let line = text[..start].bytes().filter(|&byte| byte == b'\n').count() + 1;
        let before = text[line_start..start].chars().count();
        let marked = text[start..end.min(line_end)].trim_end().chars().count().max(1);
        let (excerpt, carets) = cut(text[line_start..line_end].trim_end_matches('\r'), before, marked);
        Self { origin, line, column: before + 1, excerpt, carets }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, width) = match &self.origin {
            Origin::File(path) => {
                writeln!(f, "  --> {}:{}:{}", printable(&path.to_string_lossy()), self.line, self.column)?;
                (self.line.to_string(), self.line.to_string().len().max(2))
            }
            Origin::Override => {
                writeln!(f, "  --> --set")?;
                (String::new(), 2)
            }
        };
        let (before, marked) = self.carets;
        writeln!(f, "{:width$} |", "")?;
        writeln!(f, "{number:width$} | {}", self.excerpt)?;
        write!(f, "{:width$} | {:before$}{}", "", "", "^".repeat(marked))
    }
}

/// The part of a line that is shown, and where the carets go under it.
fn cut(line: &str, before: usize, marked: usize) -> (String, (usize, usize)) {
    let length = line.chars().count();
    if length <= SHOWN {
        return (printable(line), (before, marked));
    }
    let from = before.saturating_sub(SHOWN / 2).min(length - SHOWN);
    let mut shown: String = line.chars().skip(from).take(SHOWN).collect();
    let mut offset = before - from; // The place may be one past the end: a line that is cut short.
    if from > 0 {
        shown.insert(0, '…');
        offset += 1;
    }
    if from + SHOWN < length {
        shown.push('…');
    }
    (printable(&shown), (offset, marked.min(SHOWN.saturating_sub(before - from)).max(1)))
}

/// Text that cannot move the cursor or colour the terminal of whoever reads an error about it.
pub(super) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\t' => ' ',
            c if c.is_control() => char::REPLACEMENT_CHARACTER,
            // Marks that reorder what follows.
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => char::REPLACEMENT_CHARACTER,
            c => c,
        })
        .collect()
}

/// [`printable`], and no longer than a line of a message should be.
pub(super) fn brief(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    printable(&shown)
}

fn floor_boundary(text: &str, index: usize) -> usize {
    let mut index = index.min(text.len());
    while !text.is_char_boundary(index) {
        index -= 1;
    }
    index
}
