//! Config keys, each declared once.
//!
//! [`keys!`](crate::keys!) declares the keys of one TOML table: name, type, default, allowed range, and the doc comment as
//! meaning. It makes the serde struct (unknown keys are refused), its `Default`, and its [`Table`]: the list of keys that
//! documentation is written from, and the check of ranges. [`choices!`](crate::choices!) does the same for a key that is one of
//! a few words. A range is a Rust range: `1..=100`, `0.0..1.0`, `1..`. NaN is never in a range, and neither is a number that is
//! so small that it loses digits or vanishes in 32 bits.
//!
//! ```
//! use medley_core::keys::Table;
//!
//! medley_core::choices! {
//!     /// How a batch becomes one number.
//!     pub enum Reduction {
//!         /// The mean over all samples.
//!         Mean = "mean",
//!         /// The sum over all samples.
//!         Sum = "sum",
//!     }
//! }
//!
//! medley_core::keys! {
//!     /// `[example]`
//!     pub struct ExampleConfig {
//!         /// Passes over the data.
//!         epochs: usize = 10, in 1..=1000;
//!         /// Share of the target that is spread over the classes.
//!         label_smoothing: f64 = 0.05, in 0.0..1.0;
//!         /// Left out, all cores.
//!         threads: Option<usize> = None, in 1..=1024;
//!         /// How samples add up.
//!         reduction: Reduction = Reduction::Mean;
//!     }
//! }
//!
//! let config: ExampleConfig = serde_json::from_str(r#"{ "epochs": 0 }"#)?;
//! assert_eq!(config.check("example").unwrap_err().to_string(), "`example.epochs` is 0, but must be in [1, 1000]");
//! assert_eq!(ExampleConfig::default().check("example"), Ok(()));
//!
//! let keys = ExampleConfig::keys("example");
//! assert_eq!(keys[1].path, "example.label_smoothing");
//! assert_eq!((keys[1].kind, keys[1].default.as_deref()), ("number", Some("0.05")));
//! assert_eq!(keys[1].range.as_deref(), Some("[0, 1)"));
//! assert_eq!(keys[2].default, None);
//! assert_eq!(keys[3].range.as_deref(), Some("`mean`: The mean over all samples; `sum`: The sum over all samples"));
//! # Ok::<(), serde_json::Error>(())
//! ```

mod declare;
mod value;

use std::fmt::Debug;
use std::ops::{Bound, RangeBounds};

use serde::Serialize;

pub use value::{Number, Ranged, Value};

/// A key as documentation shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Key {
    /// Dotted, such as `train.epochs`.
    pub path: String,
    /// Type in words, such as `integer`.
    pub kind: &'static str,
    /// As TOML; `None` where nothing is the default.
    pub default: Option<String>,
    /// Whether it has to be written.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
    /// What is allowed: an interval such as `[0, 1)`, or the words that it can be. `None` where the type says all.
    pub range: Option<String>,
    /// In a sentence or two.
    pub meaning: String,
    /// Values of the `name` of its table with which it is there; empty for a key that is always there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub only_with: Vec<&'static str>,
}

/// A value outside its range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{key}` is {value}, but must be {allowed}")]
pub struct KeyError {
    /// Dotted, such as `train.epochs`.
    pub key: String,
    /// What was found.
    pub value: String,
    /// What is allowed, such as `in [1, 100]`.
    pub allowed: String,
}

/// The keys of a TOML table. [`keys!`](crate::keys!) implements it.
pub trait Table {
    /// What the table is for: the first paragraph of its documentation.
    fn about() -> String;

    /// All keys, those of tables within it among them, in the order of declaration. `at` is the dotted key of this table, empty
    /// for the whole file.
    fn keys(at: &str) -> Vec<Key>;

    /// Checks the ranges of all keys, those of tables within it among them.
    ///
    /// # Errors
    /// The first value that is outside its range.
    fn check(&self, at: &str) -> Result<(), KeyError>;
}

/// A key of the table `at`.
pub fn dotted(at: &str, key: &str) -> String {
    // A word of Rust that is a key has a mark there.
    let key = key.trim_start_matches("r#");
    if at.is_empty() { key.to_owned() } else { format!("{at}.{key}") }
}

/// The keys of a table whose key `named` chooses one of several: `named` itself, the keys `common` to all, and then those of each,
/// `(name, what it is, its keys)`, which say what they go with.
pub fn keys_of_choice(
    named: Key,
    common: Vec<Key>,
    choices: impl IntoIterator<Item = (&'static str, String, Vec<Key>)>,
) -> Vec<Key> {
    let (mut choice_names, mut keys) = (Vec::new(), vec![named]);
    keys.extend(common);
    for (name, about, own) in choices {
        choice_names.push((name, about));
        for key in own {
            // A key that several have alike is one.
            match keys.iter_mut().find(|known| Key { only_with: Vec::new(), ..(*known).clone() } == key) {
                Some(known) => known.only_with.push(name),
                None => keys.push(Key { only_with: vec![name], ..key }),
            }
        }
    }
    keys[0].range = Some(choice_range(&choice_names));
    keys
}

/// An interval as mathematics writes it: `[0, 1)`.
pub fn interval<N: Number>(range: &impl RangeBounds<N>) -> String {
    match (range.start_bound(), range.end_bound()) {
        (Bound::Included(low), Bound::Included(high)) => format!("[{}, {}]", plain(low), plain(high)),
        (Bound::Included(low), Bound::Excluded(high)) => format!("[{}, {})", plain(low), plain(high)),
        (Bound::Excluded(low), Bound::Included(high)) => format!("({}, {}]", plain(low), plain(high)),
        (Bound::Excluded(low), Bound::Excluded(high)) => format!("({}, {})", plain(low), plain(high)),
        (Bound::Included(low), Bound::Unbounded) => format!("[{}, ∞)", plain(low)),
        (Bound::Excluded(low), Bound::Unbounded) => format!("({}, ∞)", plain(low)),
        (Bound::Unbounded, Bound::Included(high)) => format!("(-∞, {}]", plain(high)),
        (Bound::Unbounded, Bound::Excluded(high)) => format!("(-∞, {})", plain(high)),
        (Bound::Unbounded, Bound::Unbounded) => "(-∞, ∞)".to_owned(),
    }
}

/// A number without a fraction of zero, and without a row of zeros.
fn plain(number: &impl Debug) -> String {
    let text = format!("{number:?}");
    let Some(whole) = text.strip_suffix(".0") else { return text };
    let digits = whole.trim_end_matches('0');
    if digits.len() == 1 && whole.len() > 6 { format!("{digits}e{}", whole.len() - 1) } else { whole.to_owned() }
}

/// Holds the numbers of a value against a range; what [`keys!`](crate::keys!) calls.
///
/// # Errors
/// The first number outside, NaN, or too small to compute with.
pub fn check_range<T: Ranged>(
    at: &str,
    key: &str,
    value: &T,
    range: &impl RangeBounds<T::Number>,
) -> Result<(), KeyError> {
    for number in value.numbers() {
        let refuse = |allowed| Err(KeyError { key: dotted(at, key), value: plain(&number), allowed });
        if !range.contains(&number) {
            return refuse(format!("in {}", interval(range)));
        }
        if !number.is_normal() {
            return refuse(format!("in {}, and 0 or at least {:?}", interval(range), f32::MIN_POSITIVE));
        }
    }
    Ok(())
}

/// The first paragraph of a doc comment as one line of text.
pub fn meaning(lines: &[&str]) -> String {
    lines.iter().map(|line| line.trim()).take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The words of a choice and what each means; what [`choices!`](crate::choices!) calls.
pub fn choice_range(choices: &[(&str, String)]) -> String {
    let choices: Vec<String> =
        choices.iter().map(|(word, meaning)| format!("`{word}`: {}", meaning.trim_end_matches('.'))).collect();
    choices.join("; ")
}

/// The words of a choice and what each means, of a range that [`choice_range`] wrote; `None` of an interval.
pub fn choices_of(range: &str) -> Option<Vec<(&str, &str)>> {
    let starts = |at: usize| {
        let name = range[at..].strip_prefix('`').and_then(|rest| rest.split_once("`: "));
        name.is_some_and(|(name, _)| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'))
    };
    let later = range.match_indices("; `").map(|(at, _)| at + 2).filter(|&at| starts(at));
    let places: Vec<usize> = starts(0).then_some(0).into_iter().chain(later).collect();
    let ends = places.iter().skip(1).map(|at| at - 2).chain([range.len()]);
    let parts = places.iter().zip(ends).filter_map(|(&start, end)| range[start + 1..end].split_once("`: "));
    starts(0).then(|| parts.collect())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    crate::keys! {
        /// `[inner]`
        struct Inner {
            /// A rate.
            rate: f64 = 0.5, in 0.0..=1e9;
            /// A word of Rust.
            r#match: String = "*".to_owned();
        }
    }

    crate::keys! {
        /// `[outer]`
        struct Outer {
            /// Left out,
            /// nothing.
            seeds: Vec<u64> = vec![0], in 0..;
            /// A table.
            inner: Inner = Inner::default();
            /// Several.
            groups: Vec<Inner> = Vec::new();
            /// Nothing by default.
            path: Option<PathBuf> = None;
        }
    }

    crate::keys! {
        /// Something must be said.
        struct Strict {
            /// How many.
            count: u32, in 1..=8;
            /// From here to there.
            factor: [f32; 2] = [0.9, 1.1], in 0.0..=10.0;
        }
    }

    #[test]
    fn a_key_without_a_default_is_required() {
        let keys = Strict::keys("at");
        assert_eq!((keys[0].required, keys[0].default.as_deref()), (true, None));
        assert_eq!((keys[1].required, keys[1].default.as_deref()), (false, Some("[0.9, 1.1]")));
        let read = |text: &str| serde_json::from_str::<Strict>(text).map_err(|error| error.to_string());
        assert_eq!(read(r#"{"count":2}"#), Ok(Strict { count: 2, factor: [0.9, 1.1] }));
        assert_eq!(
            serde_json::to_string(&read(r#"{"count":2}"#).unwrap()).unwrap(),
            r#"{"count":2,"factor":[0.9,1.1]}"#
        );
        assert!(read("{}").unwrap_err().contains("missing field `count`"));
        assert!(read(r#"{"count":2,"cuont":3}"#).unwrap_err().contains("unknown field `cuont`"));
    }

    #[test]
    fn both_ends_of_what_lies_between_are_checked_and_their_order() {
        let refused = |factor| Strict { count: 1, factor }.check("").err().map(|e| e.to_string());
        assert_eq!(refused([1.0, 1.0]), None);
        assert_eq!(refused([0.5, 11.0]).unwrap(), "`factor` is 11, but must be in [0, 10]");
        assert_eq!(refused([2.0, 1.5]).unwrap(), "`factor` is [2, 1.5], but must be [least, most]");
        assert!(refused([0.5, f32::NAN]).is_some());
    }

    #[test]
    fn the_words_of_a_choice_can_be_taken_apart() {
        let choices = [("one", "The first; `two` is another.".to_owned()), ("a_b2", "Last: `x`".to_owned())];
        let range = choice_range(&choices);
        assert_eq!(choices_of(&range), Some(vec![("one", "The first; `two` is another"), ("a_b2", "Last: `x`")]));
        assert_eq!((choices_of("[0, 1)"), choices_of("")), (None, None));
    }

    fn refused(outer: &Outer) -> String {
        outer.check("").unwrap_err().to_string()
    }

    #[test]
    fn keys_of_inner_tables_have_their_path() {
        let keys = Outer::keys("");
        let paths: Vec<_> = keys.iter().map(|key| key.path.as_str()).collect();
        assert_eq!(paths, ["seeds", "inner.rate", "inner.match", "groups", "groups[].rate", "groups[].match", "path"]);
        assert_eq!(keys[0].meaning, "Left out, nothing.");
        assert_eq!((keys[0].default.as_deref(), keys[0].range.as_deref()), (Some("[0]"), Some("[0, ∞)")));
        assert_eq!((keys[1].default.as_deref(), keys[1].range.as_deref()), (Some("0.5"), Some("[0, 1e9]")));
        assert_eq!(keys[2].default.as_deref(), Some("\"*\""));
        assert_eq!((keys[6].kind, keys[6].default.as_deref()), ("string", None));
    }

    #[test]
    fn values_outside_their_range_are_refused_wherever_they_are() {
        let with = |rate| Inner { rate, ..Inner::default() };
        assert_eq!(Outer::default().check(""), Ok(()));
        let outer = Outer { inner: with(-1.0), ..Outer::default() };
        assert_eq!(refused(&outer), "`inner.rate` is -1, but must be in [0, 1e9]");
        let outer = Outer { groups: vec![with(0.0), with(f64::NAN)], ..Outer::default() };
        assert_eq!(refused(&outer), "`groups[1].rate` is NaN, but must be in [0, 1e9]");
        for tiny in [1e-310, 1e-40] {
            assert!(refused(&Outer { inner: with(tiny), ..Outer::default() }).contains("0 or at least 1.1754944e-38"));
        }
        assert_eq!(with(1e-37).check(""), Ok(()));
    }

    #[test]
    fn what_is_left_out_is_not_written() {
        let text = serde_json::to_string(&Outer::default()).unwrap();
        assert_eq!(text, r#"{"seeds":[0],"inner":{"rate":0.5,"match":"*"},"groups":[]}"#);
        assert_eq!(serde_json::from_str::<Outer>(&text).unwrap(), Outer::default());
        assert!(
            serde_json::from_str::<Outer>(r#"{"sead":1}"#).unwrap_err().to_string().contains("unknown field `sead`")
        );
    }
}
