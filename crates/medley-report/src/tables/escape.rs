//! Names from outside stay text in LaTeX, and in comments. In Markdown [`medley_core::text::markdown`] sees to that.

/// A text for LaTeX's text mode.
pub(crate) fn escape_latex(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' => escaped.push_str("\\textbackslash{}"),
            '~' => escaped.push_str("\\textasciitilde{}"),
            '^' => escaped.push_str("\\textasciicircum{}"),
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => {
                escaped.push('\\');
                escaped.push(character);
            }
            '<' => escaped.push_str("\\textless{}"),
            '>' => escaped.push_str("\\textgreater{}"),
            '|' => escaped.push_str("\\textbar{}"),
            // A bracket at the start of a row would be an argument of the line break before it.
            '[' => escaped.push_str("{[}"),
            ']' => escaped.push_str("{]}"),
            '±' => escaped.push_str("$\\pm$"),
            '−' => escaped.push_str("$-$"),
            '–' => escaped.push_str("--"),
            '≈' => escaped.push_str("$\\approx$"),
            '…' => escaped.push_str("\\dots{}"),
            _ if character.is_control() => escaped.push(' '),
            _ => escaped.push(character),
        }
    }
    escaped
}

/// A text on one line, for a comment.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hostile_names_stay_text() {
        assert_eq!(escape_latex("a_b\\input{x} ± 5%"), "a\\_b\\textbackslash{}input\\{x\\} $\\pm$ 5\\%");
    }

    proptest! {
        #[test]
        fn latex_braces_balance(text in "\\PC*") {
            let escaped = escape_latex(&text).replace("\\{", "").replace("\\}", "");
            prop_assert_eq!(escaped.matches('{').count(), escaped.matches('}').count());
        }
    }
}
