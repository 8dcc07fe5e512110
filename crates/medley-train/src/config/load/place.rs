//! Where something was written, and how that is shown.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use medley_storage::Shown;

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

/// A place in a config file or an override, shown with the line that is there:
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
    text: Arc<str>,
    /// In bytes, within one line.
    span: Range<usize>,
}

impl Place {
    /// The place of a span of bytes, or of its first line. Spans outside the text are moved into it.
    pub(super) fn new(origin: Origin, text: &Arc<str>, span: &Range<usize>) -> Self {
        let start = text.floor_char_boundary(span.start);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let end = text.floor_char_boundary(span.end).clamp(start, line_end);
        Self { origin, text: Arc::clone(text), span: start..end }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match &self.origin {
            Origin::File(path) => Shown(path).to_string(),
            Origin::Override => "--set".to_owned(),
        };
        let mark = AnnotationKind::Primary.span(self.span.clone());
        let snippet = Snippet::source(&*self.text).path(name).annotation(mark);
        let picture = Renderer::plain().term_width(SHOWN).render(&[Group::with_level(Level::ERROR).element(snippet)]);
        f.write_str(&picture)
    }
}

/// Text of a user for a message: cut where it is long, without control characters.
pub(super) fn brief(text: &str) -> String {
    cut(text, SHOWN)
}

/// A sentence of ours, which may hold a user's text.
pub(super) fn sentence(text: &str) -> String {
    cut(text, 4 * SHOWN)
}

fn cut(text: &str, most: usize) -> String {
    let mut shown: String = text.chars().take(most).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    Shown(shown.as_ref()).to_string()
}
