use std::fmt;

use askama::Template;
use askama::filters::HtmlSafe;

/// HTML that may stand in a page as it is.
///
/// There are two ways to make one: a template that askama has compiled with escaping on, and the [`svg`](crate::svg)
/// module, which escapes every text itself. A string from outside is never one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fragment(String);

impl Fragment {
    /// Renders a template.
    ///
    /// # Errors
    /// Whatever a value's `Display` returns; none of Medley's fails.
    pub fn render(template: &impl Template) -> Result<Self, askama::Error> {
        template.render().map(Self)
    }

    /// Markup whose texts were escaped by the caller.
    pub(crate) fn trusted(markup: String) -> Self {
        Self(markup)
    }

    /// The HTML.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Fragment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl HtmlSafe for Fragment {}

/// Text for element content and quoted attributes.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // Not allowed in HTML, and of no use to a reader.
            '\u{0}'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{7f}' => escaped.push('\u{fffd}'),
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Template)]
    #[template(source = "{{ text }}|{{ fragment }}|{{ list[0] }}", ext = "html")]
    struct Mixed<'a> {
        text: &'a str,
        fragment: &'a Fragment,
        list: Vec<Fragment>,
    }

    #[test]
    fn templates_escape_text_and_keep_fragments() {
        let fragment = Fragment::trusted("<b>bold</b>".into());
        let rendered =
            Fragment::render(&Mixed { text: "<script>", fragment: &fragment, list: vec![fragment.clone()] }).unwrap();
        assert_eq!(rendered.as_str(), "&#60;script&#62;|<b>bold</b>|<b>bold</b>");
    }

    proptest! {
        #[test]
        fn escaped_text_has_no_markup_and_loses_nothing(text in any::<String>()) {
            let escaped = escape(&text);
            prop_assert!(!escaped.contains(['<', '>', '"', '\'']));
            let back = escaped
                .replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#39;", "'").replace("&amp;", "&");
            let printable = |character: char| !character.is_ascii_control() || "\t\n\r".contains(character);
            let expected: String = text.chars().map(|c| if printable(c) { c } else { '\u{fffd}' }).collect();
            prop_assert_eq!(back, expected);
        }
    }
}
