use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use toml::Value;

use crate::digest::digest;

/// A value for each key of a space that is there. Its text is canonical: equal points have equal text, one line per key in order.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Point(BTreeMap<String, Value>);

impl Point {
    /// A point of these values.
    pub fn new(values: BTreeMap<String, Value>) -> Self {
        Self(values)
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    /// Keys and values, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// The number of keys.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no key is there.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// SHA-256 of the text, in hexadecimal digits.
    pub fn hash(&self) -> String {
        digest(&self.to_string())
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(key, value)| writeln!(f, "{key} = {value}"))
    }
}
