//! Names of files as messages show them.
//!
//! A file name may hold any byte but `/` and NUL: line breaks that forge a line of the message, escape sequences that move the
//! cursor, marks that reorder what follows. Names come from outside, so they are escaped before a terminal sees them.

use std::borrow::Cow;
use std::fmt;
use std::path::Path;

/// A path for a message: control characters are escaped as in Rust's literals, bytes that are no UTF-8 are replaced.
///
/// ```
/// use medley_storage::Shown;
/// use std::path::Path;
///
/// assert_eq!(Shown(Path::new("runs/a-1")).to_string(), "runs/a-1");
/// assert_eq!(Shown(Path::new("a\n\u{1b}[2J")).to_string(), r"a\n\u{1b}[2J");
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a>(pub &'a Path);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape(&self.0.to_string_lossy(), &[]))
    }
}

/// Text of several lines as a terminal may have it: all control characters but line breaks and tabs are escaped.
///
/// ```
/// assert_eq!(medley_storage::printable("one\n\u{9b}2J\rtwo"), "one\n\\u{9b}2J\\rtwo");
/// ```
pub fn printable(text: &str) -> Cow<'_, str> {
    escape(text, &['\n', '\t'])
}

fn escape<'a>(text: &'a str, kept: &[char]) -> Cow<'a, str> {
    let harmful = |c: char| (c.is_control() || reorders(c)) && !kept.contains(&c);
    if !text.contains(harmful) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' | '\t' | '\r' if harmful(c) => escaped.extend(c.escape_default()),
            c if harmful(c) => escaped.extend(c.escape_unicode()),
            c => escaped.push(c),
        }
    }
    Cow::Owned(escaped)
}

/// Marks of bidirectional text.
fn reorders(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
