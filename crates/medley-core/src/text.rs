//! How counts, nouns and lists are written in messages and documents, and how a text from outside stays text in Markdown: once, for
//! every crate that writes something a person reads.
//!
//! ```
//! use medley_core::text::{count, list, markdown, plural};
//!
//! assert_eq!(count(97_176), "97,176");
//! assert_eq!([plural(1, "seed"), plural(3, "class")], ["1 seed", "3 classes"]);
//! assert_eq!(list(&["train", "val", "test"]), "train, val and test");
//! assert_eq!(markdown("a|b"), "a\\|b");
//! ```

use core::time::Duration;

/// A number with commas between thousands: `97,176`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The number of 64 bits with the same shortest decimal: nobody wants to read 0.10000000149011612 for 0.1.
pub fn widened(number: f32) -> f64 {
    number.to_string().parse().unwrap_or_else(|_| f64::from(number))
}

/// A number and what is counted, given in the singular: `1 seed`, `3 seeds`, `2 classes`, `1,200 entries`.
pub fn plural(number: usize, noun: &str) -> String {
    let number_text = count(number as u64);
    if number == 1 {
        return format!("{number_text} {noun}");
    }
    // `epoch` ends in a k, `batch` does not.
    if noun.ends_with(['s', 'x']) || noun.ends_with("sh") || noun.ends_with("tch") {
        return format!("{number_text} {noun}es");
    }
    match noun.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'i', 'o', 'u']) => format!("{number_text} {stem}ies"),
        _ => format!("{number_text} {noun}s"),
    }
}

/// Bytes in hexadecimal, two lower-case digits each, as hashes are written.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// `a`, `a and b`, `a, b and c`; empty for nothing.
pub fn list(items: &[impl AsRef<str>]) -> String {
    let Some((last, rest)) = items.split_last() else { return String::new() };
    if rest.is_empty() {
        return last.as_ref().to_owned();
    }
    let rest: Vec<&str> = rest.iter().map(AsRef::as_ref).collect();
    format!("{} and {}", rest.join(", "), last.as_ref())
}

/// A text that cannot break out of a paragraph or table cell of Markdown, nor turn into HTML. Control characters become spaces.
pub fn markdown(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '\\' | '|' | '`' | '*' | '_' | '[' | ']' | '#' | '~' => {
                escaped.push('\\');
                escaped.push(character);
            }
            _ if character.is_control() => escaped.push(' '),
            _ => escaped.push(character),
        }
    }
    escaped
}

/// `90s`, `20min`, `1.5h`: a number and `s`, `min` or `h`.
///
/// # Errors
/// What is expected, where it is none, or is not above zero and at most a year.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let unit = match text[digits..].trim() {
        "s" => 1.0,
        "min" => 60.0,
        "h" => 3600.0,
        _ => return Err(format!("it is {text:?}, it must be a time such as \"90s\", \"20min\" or \"1.5h\"")),
    };
    let seconds = text[..digits].parse::<f64>().map_or(f64::NAN, |number| number * unit);
    if seconds > 0.0 && seconds <= 366.0 * 86_400.0 {
        return Ok(Duration::from_secs_f64(seconds));
    }
    Err(format!("it is {text:?}, it must be a time above zero such as \"90s\", \"20min\" or \"1.5h\""))
}

/// A span of time as people say it, to two units: `8 s`, `3 min 20 s`, `2 h 5 min`.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    match (whole / 3_600, whole / 60 % 60, whole % 60) {
        (0, 0, _) if seconds < 9.95 => format!("{:.1} s", seconds.max(0.0)),
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn thousands_are_parted() {
        assert_eq!([0, 999, 1_000, 236_386, 1_234_567].map(count), ["0", "999", "1,000", "236,386", "1,234,567"]);
    }

    #[test]
    fn nouns_have_their_plural() {
        assert_eq!([0, 1, 2].map(|number| plural(number, "seed")), ["0 seeds", "1 seed", "2 seeds"]);
        let two = ["epoch", "class", "batch", "index", "entry", "day", "published row"].map(|noun| plural(2, noun));
        assert_eq!(two, ["2 epochs", "2 classes", "2 batches", "2 indexes", "2 entries", "2 days", "2 published rows"]);
    }

    #[test]
    fn the_last_of_a_list_has_an_and() {
        assert_eq!(
            [list(&["a"; 0]), list(&["a"]), list(&["a", "b"]), list(&["a", "b", "c"])],
            ["", "a", "a and b", "a, b and c"]
        );
    }

    #[test]
    fn times_are_read() {
        for (text, seconds) in [("90s", 90.0), ("20min", 1200.0), ("1.5h", 5400.0), ("0.5 min", 30.0)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs_f64(seconds)), "{text}");
        }
        for text in ["", "20", "min", "-1s", "0s", "1.2.3s", "1e9h", "20 minutes", "NaNs", "99999999h", "é"] {
            assert!(parse_duration(text).unwrap_err().contains("20min"), "{text}");
        }
    }

    #[test]
    fn durations_have_two_units() {
        let texts = [0.25, 59.4, 200.0, 7_530.0].map(duration);
        assert_eq!(texts, ["0.2 s", "59 s", "3 min 20 s", "2 h 5 min"]);
    }

    #[test]
    fn bytes_have_two_digits() {
        assert_eq!([hex(&[0, 10, 255]), hex(&[])], ["000aff", ""]);
    }

    #[test]
    fn hostile_names_stay_text() {
        assert_eq!(markdown("<script>|`x`\n"), "&lt;script&gt;\\|\\`x\\` ");
    }

    proptest! {
        #[test]
        fn markdown_has_no_bare_markup(text in "\\PC*") {
            let escaped = markdown(&text);
            prop_assert!(!escaped.contains('<') && !escaped.contains('\n'));
            let mut before = ' ';
            for character in escaped.chars() {
                prop_assert!(character != '|' || before == '\\');
                before = if before == '\\' { ' ' } else { character };
            }
        }
    }
}
