//! A table that selects one of several by name.

use std::collections::BTreeSet;
use std::ops::Deref;

use medley_core::keys::{Key, KeyError, Table, Value, dotted, keys_of_choice};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};

use crate::config::upgrade;

/// The components of a kind: the enum that the registry of the kind makes.
pub trait Choice: Serialize + Default + Sized {
    /// The table of configs that chooses one, such as `optimizer`.
    const TABLE: &'static str;
    /// All names; the first is the default.
    const NAMES: &'static [&'static str];

    /// The name of the one chosen.
    fn name(&self) -> &'static str;

    /// What the one of a name is, in a sentence.
    fn about(name: &str) -> String;

    /// The keys of the one of a name, without those that all have.
    fn keys_of(name: &str, at: &str) -> Vec<Key>;

    /// Reads its keys, without those that all have.
    ///
    /// # Errors
    /// serde's message, with the key.
    fn read(name: &str, keys: toml::Table) -> Result<Self, String>;

    /// Checks its keys, without those that all have.
    ///
    /// # Errors
    /// The first value outside its range.
    fn check(&self, at: &str) -> Result<(), KeyError>;
}

/// One of several as written: its name, its keys, and the keys `K` that all of the kind have.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Component<C, K> {
    /// The one chosen, with its keys.
    #[serde(flatten)]
    pub choice: C,
    /// The keys that all have.
    #[serde(flatten)]
    pub common: K,
}

impl<C, K> Deref for Component<C, K> {
    type Target = K;

    fn deref(&self) -> &K {
        &self.common
    }
}

impl<C: Choice, K> Component<C, K> {
    /// The name of the one chosen.
    pub fn name(&self) -> &'static str {
        self.choice.name()
    }
}

impl<C: Choice, K: Table + DeserializeOwned> Component<C, K> {
    /// Reads a table.
    ///
    /// # Errors
    /// A message in serde's form, after the key in a form that the loader of configs understands.
    pub fn from_table(mut keys: toml::Table) -> Result<Self, String> {
        let name = match keys.remove("name") {
            None => C::NAMES[0].to_owned(),
            Some(toml::Value::String(name)) => name,
            Some(other) => return Err(format!("at `name`: {}", wrong_type::<String>(&other))),
        };
        if !C::NAMES.contains(&name.as_str()) {
            return Err(format!("at `name`: unknown variant `{name}`, expected one of {}", list(C::NAMES)));
        }
        let (common_keys, own_keys) = (first_parts(&K::keys("")), first_parts(&C::keys_of(&name, "")));
        let (mut common, mut own) = (toml::Table::new(), toml::Table::new());
        for (key, value) in keys {
            if common_keys.contains(&key) {
                common.insert(key, value);
            } else if own_keys.contains(&key) {
                own.insert(key, value);
            } else {
                return Err(unknown_key::<C>(
                    &name,
                    &key,
                    &[&["name".to_owned()], &common_keys[..], &own_keys].concat(),
                ));
            }
        }
        Ok(Self { choice: C::read(&name, own)?, common: read(common)? })
    }
}

/// Reads a table of keys.
///
/// # Errors
/// serde's message, after the key.
pub(super) fn read<T: DeserializeOwned>(keys: toml::Table) -> Result<T, String> {
    serde_path_to_error::deserialize(toml::Value::Table(keys)).map_err(|error| {
        let message = error.inner().message();
        if error.path().iter().len() == 0 { message.to_owned() } else { format!("at `{}`: {message}", error.path()) }
    })
}

/// The message for a key that there is not, and what it may have been meant for.
fn unknown_key<C: Choice>(name: &str, key: &str, known: &[String]) -> String {
    let message = format!("at `{key}`: unknown field `{key}`, expected one of {}", list(known));
    let owners: Vec<&str> = C::NAMES
        .iter()
        .copied()
        .filter(|owner| first_parts(&C::keys_of(owner, "")).iter().any(|own| own == key))
        .collect();
    if let Some(new) = upgrade::renamed(C::TABLE, name, key) {
        format!("{message}; hint: `{key}` of `{name}` is now `{new}`")
    } else if owners.is_empty() {
        message
    } else {
        format!("{message}; hint: `{key}` is a key of {}; `{name}` has {}", list(&owners), list(&known[1..]))
    }
}

fn list(names: &[impl AsRef<str>]) -> String {
    names.iter().map(|name| format!("`{}`", name.as_ref())).collect::<Vec<_>>().join(", ")
}

/// The names of the keys directly in a table, each once.
fn first_parts(keys: &[Key]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let first = |key: &Key| key.path.split(['.', '[']).next().unwrap_or_default().to_owned();
    keys.iter().map(first).filter(|name| seen.insert(name.clone())).collect()
}

/// serde's message for a value that is no `T`.
pub(super) fn wrong_type<T: DeserializeOwned>(value: &toml::Value) -> String {
    let error = T::deserialize(value.clone()).err();
    error.map(|error| error.message().to_owned()).unwrap_or_default()
}

impl<'de, C: Choice, K: Table + DeserializeOwned> Deserialize<'de> for Component<C, K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_table(toml::Table::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl<C: Choice, K: Table> Table for Component<C, K> {
    fn about() -> String {
        K::about()
    }

    fn keys(at: &str) -> Vec<Key> {
        let name = Key {
            path: dotted(at, "name"),
            kind: "string",
            default: Some(format!("{:?}", C::NAMES[0])),
            required: false,
            range: None,
            meaning: "Which one.".to_owned(),
            only_with: Vec::new(),
        };
        let choices = C::NAMES.iter().map(|&name| (name, C::about(name), C::keys_of(name, at)));
        keys_of_choice(name, K::keys(at), choices)
    }

    fn check(&self, at: &str) -> Result<(), KeyError> {
        self.common.check(at)?;
        self.choice.check(at)
    }
}

impl<C: Choice, K: Table> Value for Component<C, K> {
    const KIND: &'static str = "table";

    fn to_toml(&self) -> Option<String> {
        None
    }

    fn keys_within(at: &str) -> Vec<Key> {
        Self::keys(at)
    }

    fn check_within(&self, at: &str) -> Result<(), KeyError> {
        self.check(at)
    }
}
