//! What can be the value of a key: numbers, strings, tables, and lists of these.

use std::collections::BTreeMap;
use std::fmt::{Debug, Display};
use std::path::PathBuf;

use serde::{Serialize, Serializer};

use super::{Key, KeyError, dotted, plain};
use crate::text::widened;

/// What can be the value of a key.
pub trait Value {
    /// In words, such as `integer`.
    const KIND: &'static str;

    /// As TOML; `None` for a value that is left out.
    fn to_toml(&self) -> Option<String>;

    /// Writes it where the table is written.
    ///
    /// # Errors
    /// What the serializer says.
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>
    where
        Self: Serialize,
    {
        self.serialize(serializer)
    }

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
    ($($number:ty: $kind:literal, $is_normal:expr, $written:expr;)*) => {
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

                fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    ($written)(*self).serialize(serializer)
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
    u8: "integer", |_| true, |number| number;
    u16: "integer", |_| true, |number| number;
    u32: "integer", |_| true, |number| number;
    u64: "integer", |_| true, |number| number;
    usize: "integer", |_| true, |number| number;
    i64: "integer", |_| true, |number| number;
    f32: "number", |number: f32| number == 0.0 || number.abs() >= f32::MIN_POSITIVE, widened;
    f64: "number", |number: f64| number == 0.0 || number.abs() >= f64::from(f32::MIN_POSITIVE), |number| number;
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

    /// A table that may be left out is described itself, before its keys: left out, it is not one with all defaults.
    fn describe(key: Key) -> Vec<Key> {
        let within = T::keys_within(&key.path);
        [vec![key], within].concat()
    }

    fn is_left_out(&self) -> bool {
        self.as_ref().is_none_or(T::is_left_out)
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

/// The least and the most of something: `[0.9, 1.1]`.
impl<N: Number + Value + Serialize> Value for [N; 2] {
    const KIND: &'static str = "array";

    fn to_toml(&self) -> Option<String> {
        let [least, most] = self.each_ref().map(N::to_toml);
        Some(format!("[{}, {}]", least?, most?))
    }

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // As a number alone is written, and not as an array writes it.
        struct End<'n, N>(&'n N);

        impl<N: Number + Value + Serialize> Serialize for End<'_, N> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.0.write(serializer)
            }
        }

        self.each_ref().map(End).serialize(serializer)
    }

    fn check_within(&self, at: &str) -> Result<(), KeyError> {
        let [least, most] = self;
        if least <= most {
            return Ok(());
        }
        let (value, allowed) = (format!("[{}, {}]", plain(least), plain(most)), "[least, most]".to_owned());
        Err(KeyError { key: at.to_owned(), value, allowed })
    }
}

impl<T: Ranged> Ranged for BTreeMap<String, T> {
    type Number = T::Number;

    fn numbers(&self) -> Vec<T::Number> {
        self.values().flat_map(T::numbers).collect()
    }
}

impl<N: Number> Ranged for [N; 2] {
    type Number = N;

    fn numbers(&self) -> Vec<N> {
        self.to_vec()
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
