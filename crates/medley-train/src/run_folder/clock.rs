//! Times as text, for people only: no result depends on them.

/// The time now as RFC 3339 text in UTC, to the second, such as `2026-11-23T10:45:22Z`.
pub fn utc_now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn now_is_read_back_as_the_time_it_is() {
        let before = jiff::Timestamp::now().as_second();
        let text = utc_now();
        let now = text.parse::<jiff::Timestamp>().unwrap().as_second();
        assert!((before..=before + 60).contains(&now), "{text}");
        assert!(text.len() == 20 && text.ends_with('Z'), "{text}");
    }
}
