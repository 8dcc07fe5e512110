//! How numbers, dates and durations are written, everywhere in the same way.

use medley_core::record::{Interval, Spread};
pub(crate) use medley_core::text::{count, list, plural};

/// Decimals of AUC, accuracy and macro-F1 of a task, as in the official tables.
pub(crate) const TASK_DECIMALS: usize = 3;
/// Decimals of the harmonic mean, as on the competition's board.
pub(crate) const MEAN_DECIMALS: usize = 4;
/// Where there is no number.
pub(crate) const NONE: &str = "–";

/// A number, or a dash.
pub(crate) fn number(value: Option<f64>, decimals: usize) -> String {
    match value {
        Some(value) if value.is_finite() => signed(value, decimals),
        _ => NONE.to_owned(),
    }
}

/// With a true minus sign, and never a negative zero.
fn signed(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    match text.strip_prefix('-') {
        Some(rest) if rest.bytes().all(|byte| byte == b'0' || byte == b'.') => rest.to_owned(),
        Some(rest) => format!("−{rest}"),
        None => text,
    }
}

/// A difference, always with its sign.
pub(crate) fn difference(value: f64, decimals: usize) -> String {
    let text = signed(value, decimals);
    if text.starts_with('−') || text.bytes().all(|byte| byte == b'0' || byte == b'.') {
        text
    } else {
        format!("+{text}")
    }
}

/// `0.917 ± 0.004`, or `0.917` for a single seed.
pub(crate) fn spread(spread: Option<&Spread>, decimals: usize) -> String {
    let mean = number(spread.map(|spread| spread.mean), decimals);
    match spread.and_then(|spread| spread.standard_deviation) {
        Some(deviation) => format!("{mean} ± {deviation:.decimals$}"),
        None => mean,
    }
}

/// `0.901–0.931`, or a dash.
pub(crate) fn interval(interval: Option<&Interval>, decimals: usize) -> String {
    interval.map_or_else(
        || NONE.to_owned(),
        |ends| format!("{}–{}", signed(ends.low, decimals), signed(ends.high, decimals)),
    )
}

/// `12.3 %`.
pub(crate) fn percent(share: f64) -> String {
    if share.is_finite() { format!("{:.1} %", share * 100.0) } else { NONE.to_owned() }
}

/// `95 %`.
pub(crate) fn confidence(share: f64) -> String {
    format!("{} %", (share * 1000.0).round() / 10.0)
}

/// `1 h 05 min`, `4 min 10 s`, `12 s`.
pub(crate) fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return NONE.to_owned();
    }
    let seconds = seconds.round() as u64;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds:02} s"),
        (hours, minutes, _) => format!("{} h {minutes:02} min", count(hours)),
    }
}

/// `2026-11-23T10:26:05Z` as `23 November 2026, 10:26 UTC`; what is no such date stays as it is.
pub(crate) fn date(rfc3339: &str) -> String {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let parse = || -> Option<String> {
        let (date, time) = rfc3339.split_once('T')?;
        let mut parts = date.split('-');
        let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
        let month = MONTHS.get(month.parse::<usize>().ok()?.checked_sub(1)?)?;
        let day: u8 = day.parse().ok()?;
        let minutes = time.get(..5)?;
        time.ends_with('Z').then(|| format!("{day} {month} {year}, {minutes} UTC"))
    };
    parse().unwrap_or_else(|| rfc3339.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(number(Some(-0.000_01), 3), "0.000");
        assert_eq!(number(Some(-0.25), 2), "−0.25");
        assert_eq!(number(Some(f64::NAN), 3), "–");
        assert_eq!(difference(0.012, 3), "+0.012");
        assert_eq!(difference(-0.012, 3), "−0.012");
        assert_eq!(difference(0.000_01, 3), "0.000");
    }

    #[test]
    fn times_read_well() {
        assert_eq!(duration(7.4), "7 s");
        assert_eq!(duration(250.0), "4 min 10 s");
        assert_eq!(duration(3900.0), "1 h 05 min");
        assert_eq!(duration(f64::NAN), "–");
        assert_eq!(date("2026-11-23T10:26:05Z"), "23 November 2026, 10:26 UTC");
        assert_eq!(date("yesterday"), "yesterday");
        assert_eq!(date("2026-13-23T10:26:05Z"), "2026-13-23T10:26:05Z");
    }
}
