//! Where something was written, and how that is shown.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use medley_storage::Shown;

/// Columns of a line that are shown; longer lines are cut around the place.
const SHOWN: usize = 100;

/// A place in a file, shown with the line that is there:
/// ```text
///  --> study.toml:12:1
///    |
/// 12 | budgte = 5
///    | ^^^^^^
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    path: PathBuf,
    text: Arc<str>,
    /// In bytes, within one line.
    span: Range<usize>,
}

impl Place {
    /// The place of a span of bytes, or of its first line. Spans outside the text are moved into it.
    pub(crate) fn new(path: &Path, text: &Arc<str>, span: &Range<usize>) -> Self {
        let start = text.floor_char_boundary(span.start);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let end = text.floor_char_boundary(span.end).clamp(start, line_end);
        Self { path: path.to_owned(), text: Arc::clone(text), span: start..end }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = AnnotationKind::Primary.span(self.span.clone());
        let snippet = Snippet::source(&*self.text).path(Shown(&self.path).to_string()).annotation(mark);
        let shown = Renderer::plain().term_width(SHOWN).render(&[Group::with_level(Level::ERROR).element(snippet)]);
        f.write_str(&shown)
    }
}
