use std::time::Duration;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        for (text, seconds) in [("90s", 90.0), ("20min", 1200.0), ("1.5h", 5400.0), ("0.5 min", 30.0)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs_f64(seconds)), "{text}");
        }
        for text in ["", "20", "min", "-1s", "0s", "1.2.3s", "1e9h", "20 minutes", "NaNs", "99999999h", "é"] {
            assert!(parse_duration(text).unwrap_err().contains("20min"), "{text}");
        }
    }
}
