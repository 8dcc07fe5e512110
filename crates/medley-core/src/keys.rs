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

use std::collections::BTreeMap;
use std::fmt::{Debug, Display};
use std::ops::{Bound, RangeBounds};
use std::path::PathBuf;

use serde::Serialize;

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

/// What can be the value of a key.
pub trait Value {
    /// In words, such as `integer`.
    const KIND: &'static str;

    /// As TOML; `None` for a value that is left out.
    fn to_toml(&self) -> Option<String>;

    /// What is allowed where the declaration gives no range.
    fn range() -> Option<String> {
        None
    }

    /// Whether nothing is written for it.
    fn is_left_out(&self) -> bool {
        Self::KIND != "table" && self.to_toml().is_none()
    }

    /// The keys of a value that is a table at `at`; none for any other.
    fn keys_within(at: &str) -> Vec<Key> {
        let _ = at;
        Vec::new()
    }

    /// What `key`, which has a value of this type, is in documentation: the keys of a table, or else itself.
    fn describe(key: Key) -> Vec<Key> {
        let within = Self::keys_within(&key.path);
        if within.is_empty() { vec![key] } else { within }
    }

    /// Checks what is in a value that is a table, or has tables in it.
    ///
    /// # Errors
    /// The first value that is outside its range.
    fn check_within(&self, at: &str) -> Result<(), KeyError> {
        let _ = at;
        Ok(())
    }
}

/// A number that a range can be given for.
pub trait Number: Copy + PartialOrd + Display + Debug {
    /// Whether it keeps its value in computation: false for NaN, and for numbers so small that 32 bits do not hold their digits.
    fn is_normal(self) -> bool {
        true
    }
}

/// A value with numbers in it, which are all held against the range of their key.
pub trait Ranged {
    /// Of which type.
    type Number: Number;

    /// All of them.
    fn numbers(&self) -> Vec<Self::Number>;
}

macro_rules! numbers {
    ($($number:ty: $kind:literal, $is_normal:expr;)*) => {
        $(
            impl Number for $number {
                fn is_normal(self) -> bool {
                    $is_normal(self)
                }
            }

            impl Value for $number {
                const KIND: &'static str = $kind;

                fn to_toml(&self) -> Option<String> {
                    Some(format!("{self:?}"))
                }
            }

            impl Ranged for $number {
                type Number = Self;

                fn numbers(&self) -> Vec<Self> {
                    vec![*self]
                }
            }
        )*
    };
}

numbers! {
    u8: "integer", |_| true;
    u16: "integer", |_| true;
    u32: "integer", |_| true;
    u64: "integer", |_| true;
    usize: "integer", |_| true;
    i64: "integer", |_| true;
    f32: "number", |number: f32| number == 0.0 || number.abs() >= f32::MIN_POSITIVE;
    f64: "number", |number: f64| number == 0.0 || number.abs() >= f64::from(f32::MIN_POSITIVE);
}

impl Value for bool {
    const KIND: &'static str = "boolean";

    fn to_toml(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Value for String {
    const KIND: &'static str = "string";

    fn to_toml(&self) -> Option<String> {
        Some(format!("{self:?}"))
    }
}

impl Value for PathBuf {
    const KIND: &'static str = "string";

    fn to_toml(&self) -> Option<String> {
        Some(format!("{:?}", self.to_string_lossy()))
    }
}

impl<T: Value> Value for Option<T> {
    const KIND: &'static str = T::KIND;

    fn to_toml(&self) -> Option<String> {
        self.as_ref().and_then(T::to_toml)
    }

    fn range() -> Option<String> {
        T::range()
    }

    fn check_within(&self, at: &str) -> Result<(), KeyError> {
        self.as_ref().map_or(Ok(()), |value| value.check_within(at))
    }
}

impl<T: Ranged> Ranged for Option<T> {
    type Number = T::Number;

    fn numbers(&self) -> Vec<T::Number> {
        self.as_ref().map(T::numbers).unwrap_or_default()
    }
}

impl<T: Value> Value for Vec<T> {
    const KIND: &'static str = "array";

    fn to_toml(&self) -> Option<String> {
        let items: Vec<String> = self.iter().filter_map(T::to_toml).collect();
        Some(format!("[{}]", items.join(", ")))
    }

    fn describe(key: Key) -> Vec<Key> {
        let within = T::keys_within(&format!("{}[]", key.path));
        [vec![key], within].concat()
    }

    fn check_within(&self, at: &str) -> Result<(), KeyError> {
        self.iter().enumerate().try_for_each(|(index, value)| value.check_within(&format!("{at}[{index}]")))
    }
}

impl<T: Ranged> Ranged for Vec<T> {
    type Number = T::Number;

    fn numbers(&self) -> Vec<T::Number> {
        self.iter().flat_map(T::numbers).collect()
    }
}

impl<T: Value> Value for BTreeMap<String, T> {
    const KIND: &'static str = "table";

    /// Always `None`: what a user names has no default.
    fn to_toml(&self) -> Option<String> {
        None
    }

    fn describe(key: Key) -> Vec<Key> {
        let within = T::keys_within(&dotted(&key.path, "NAME"));
        [vec![key], within].concat()
    }

    fn is_left_out(&self) -> bool {
        self.is_empty()
    }

    fn check_within(&self, at: &str) -> Result<(), KeyError> {
        self.iter().try_for_each(|(name, value)| value.check_within(&dotted(at, name)))
    }
}

/// A key of the table `at`.
pub fn dotted(at: &str, key: &str) -> String {
    // A word of Rust that is a key has a mark there.
    let key = key.trim_start_matches("r#");
    if at.is_empty() { key.to_owned() } else { format!("{at}.{key}") }
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

/// Declares the keys of a TOML table: `name: type = default, in range;`, with the meaning as doc comment. See [`keys`](mod@crate::keys).
///
/// The crate that uses it needs serde. A value of another type than numbers, strings, words of [`choices!`](crate::choices!) and
/// tables of this macro implements [`Value`].
#[macro_export]
macro_rules! keys {
    (
        $(#[doc = $about:literal])+
        $(#[derive($($derive:path),+)])?
        $visibility:vis struct $name:ident {
            $($(#[doc = $doc:literal])+ $key:ident: $type:ty = $default:expr $(, in $range:expr)?;)*
        }
    ) => {
        $(#[doc = $about])+
        $(#[derive($($derive),+)])?
        #[derive(Debug, Clone, PartialEq, ::serde::Serialize, ::serde::Deserialize)]
        #[serde(deny_unknown_fields, default)]
        $visibility struct $name {
            $($(#[doc = $doc])+ #[serde(skip_serializing_if = "::medley_core::keys::Value::is_left_out")] pub $key: $type,)*
        }

        impl ::std::default::Default for $name {
            fn default() -> Self {
                Self { $($key: $default,)* }
            }
        }

        impl $crate::keys::Table for $name {
            fn about() -> ::std::string::String {
                $crate::keys::meaning(&[$($about),+])
            }

            #[allow(unused, clippy::allow_attributes, reason = "a table may have no keys, and a key no range")]
            fn keys(at: &str) -> ::std::vec::Vec<$crate::keys::Key> {
                let defaults = Self::default();
                let mut keys = ::std::vec::Vec::new();
                $(
                    let range = <$type as $crate::keys::Value>::range();
                    $(let range = Some($crate::keys::interval::<<$type as $crate::keys::Ranged>::Number>(&($range)));)?
                    keys.extend(<$type as $crate::keys::Value>::describe($crate::keys::Key {
                        path: $crate::keys::dotted(at, stringify!($key)),
                        kind: <$type as $crate::keys::Value>::KIND,
                        default: $crate::keys::Value::to_toml(&defaults.$key),
                        required: false,
                        range,
                        meaning: $crate::keys::meaning(&[$($doc),+]),
                        only_with: ::std::vec::Vec::new(),
                    }));
                )*
                keys
            }

            fn check(&self, at: &str) -> ::std::result::Result<(), $crate::keys::KeyError> {
                let _ = at;
                $(
                    $($crate::keys::check_range(at, stringify!($key), &self.$key, &($range))?;)?
                    $crate::keys::Value::check_within(&self.$key, &$crate::keys::dotted(at, stringify!($key)))?;
                )*
                Ok(())
            }
        }

        impl $crate::keys::Value for $name {
            const KIND: &'static str = "table";

            fn to_toml(&self) -> ::std::option::Option<::std::string::String> {
                None
            }

            fn keys_within(at: &str) -> ::std::vec::Vec<$crate::keys::Key> {
                <Self as $crate::keys::Table>::keys(at)
            }

            fn check_within(&self, at: &str) -> ::std::result::Result<(), $crate::keys::KeyError> {
                $crate::keys::Table::check(self, at)
            }
        }
    };
}

/// Declares a key's words, each with its meaning as doc comment: an enum that serde reads and writes. See [`keys`](mod@crate::keys).
#[macro_export]
macro_rules! choices {
    (
        $(#[$attribute:meta])*
        $visibility:vis enum $name:ident {
            $($(#[doc = $doc:literal])+ $(#[$default:ident])? $variant:ident = $word:literal,)*
        }
    ) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ::serde::Serialize, ::serde::Deserialize)]
        $visibility enum $name {
            $($(#[doc = $doc])+ $(#[$default])? #[serde(rename = $word)] $variant,)*
        }

        impl $crate::keys::Value for $name {
            const KIND: &'static str = "string";

            fn to_toml(&self) -> ::std::option::Option<::std::string::String> {
                let word = match self { $(Self::$variant => $word,)* };
                Some(format!("{word:?}"))
            }

            fn range() -> ::std::option::Option<::std::string::String> {
                Some($crate::keys::choice_range(&[$(($word, $crate::keys::meaning(&[$($doc),+])),)*]))
            }
        }
    };
}

#[cfg(test)]
mod tests {
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
