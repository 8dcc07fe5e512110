//! Text from outside, inside a message: escaped, and no longer than a person reads.
//!
//! A cell, a name or a key may come from anywhere and may have any length. Whatever quotes one does it with [`quoted`], whatever
//! lists some does it with [`listed`].

/// Characters of a quotation.
const SHOWN: usize = 60;
/// Texts of a list.
const LISTED: usize = 20;
/// Characters of a line of what another library says.
const LINE: usize = 160;

/// A text in quotation marks. Control characters are escaped; of a long text the start is shown, with the length of the whole.
///
/// ```
/// use medley_core::message::quoted;
///
/// assert_eq!(quoted("a\tb"), r#""a\tb""#);
/// assert!(quoted(&"x".repeat(100_000_000)).ends_with("xxx…\" (100000000 bytes)"));
/// ```
pub fn quoted(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?} ({} bytes)", format!("{}…", &text[..end]), text.len()),
    }
}

/// Texts in quotation marks, with commas between them; after twenty, how many more there are.
///
/// ```
/// assert_eq!(medley_core::message::listed(["a", "b"]), r#""a", "b""#);
/// ```
pub fn listed<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let mut texts = texts.into_iter();
    let mut list: Vec<String> = texts.by_ref().take(LISTED).map(quoted).collect();
    match texts.count() {
        0 => {}
        more => list.push(format!("and {more} more")),
    }
    list.join(", ")
}

/// What another library says, which may show a line of a file: no line is longer than 160 characters.
pub fn shortened(text: &str) -> String {
    let short = |line: &str| match line.char_indices().nth(LINE) {
        None => line.to_owned(),
        Some((end, _)) => format!("{}…", &line[..end]),
    };
    text.lines().map(short).collect::<Vec<_>>().join("\n")
}

/// Where files were, at the end of an advice to use those; nothing where that is not known.
pub fn then_in(folder: Option<&str>) -> String {
    folder.map_or_else(String::new, |folder| format!(", then in `{folder}`"))
}

/// Whether an error says that memory could not be had, of the machine or of a GPU. libtorch has no other sign of it.
pub fn is_out_of_memory(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    ["can't allocate memory", "cannot allocate memory", "out of memory", "std::bad_alloc"]
        .iter()
        .any(|words| message.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotations_are_short_and_printable() {
        assert_eq!(quoted(""), "\"\"");
        assert_eq!(quoted(&"é".repeat(60)), format!("{:?}", "é".repeat(60)));
        assert_eq!(quoted(&"é".repeat(61)), format!("{:?} (122 bytes)", "é".repeat(60) + "…"));
        assert!(!quoted("\u{1b}[2J\r\0").contains(char::is_control));
    }

    #[test]
    fn lists_are_short() {
        let many: Vec<String> = (0..1_000).map(|index| index.to_string()).collect();
        let list = listed(many.iter().map(String::as_str));
        assert!(list.starts_with("\"0\", \"1\",") && list.ends_with("\"19\", and 980 more"), "{list}");
        assert_eq!(listed([]), "");
    }

    #[test]
    fn lines_are_short() {
        assert_eq!(shortened("a\n  b"), "a\n  b");
        assert_eq!(shortened(&format!("a\n{}\nb", "x".repeat(200))), format!("a\n{}…\nb", "x".repeat(160)));
    }

    #[test]
    fn a_lack_of_memory_is_told_from_other_problems() {
        assert!(is_out_of_memory("CUDA out of memory. Tried to allocate 2.00 GiB"));
        assert!(!is_out_of_memory("shape '[3]' is invalid for input of size 2"));
    }
}
