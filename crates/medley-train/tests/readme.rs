//! The list of keys in this crate's README is the list of keys of the program, with its defaults.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeMap;
use std::path::Path;

use medley_train::config::RawExperiment;
use medley_train::config::load::{ConfigError, load};

/// Rows of the tables: key and default.
fn documented() -> BTreeMap<String, String> {
    let readme = include_str!("../README.md");
    let mut rows = BTreeMap::new();
    for line in readme.lines() {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let key = cells[0].strip_prefix('`').and_then(|cell| cell.strip_suffix('`'));
        if let ([_, _, default, _], Some(key)) = (cells.as_slice(), key) {
            assert!(
                rows.insert(key.to_owned(), default.trim_matches('`').to_owned()).is_none(),
                "`{key}` is there twice"
            );
        }
    }
    rows
}

/// All keys of a table: an unknown one makes serde list them.
fn known(file: &Path, table: &str) -> Vec<String> {
    let probe = format!("{table}no_such_key=1");
    match load::<RawExperiment>(file, &[probe]) {
        Err(ConfigError::UnknownKey { known, .. }) => known,
        other => panic!("`{table}`: {other:?}"),
    }
}

/// Every key with its default, down to those that are no tables of fixed keys.
fn collect(file: &Path, prefix: &str, defaults: &toml::Table, keys: &mut BTreeMap<String, String>) {
    for name in known(file, prefix) {
        let key = format!("{prefix}{name}");
        match defaults.get(&name) {
            Some(toml::Value::Table(table)) => collect(file, &format!("{key}."), table, keys),
            Some(value) => drop(keys.insert(key, value.to_string())),
            None => drop(keys.insert(key, "none".to_owned())),
        }
    }
}

#[test]
fn readme_lists_every_key_with_its_default() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.toml");
    std::fs::write(&file, "name = 'a'\ntasks = ['breastmnist']\n").unwrap();
    let defaults = toml::Table::try_from(load::<RawExperiment>(&file, &[]).unwrap().value).unwrap();
    let mut keys = BTreeMap::new();
    collect(&file, "", &defaults, &mut keys);
    for required in ["name", "tasks"] {
        keys.insert(required.to_owned(), "required".to_owned());
    }
    let documented = documented();
    for (key, default) in &keys {
        let row = documented.get(key).unwrap_or_else(|| panic!("README.md has no row for `{key}` (default {default})"));
        assert_eq!(row, default, "default of `{key}` in README.md");
    }
    for key in documented.keys() {
        assert!(keys.contains_key(key), "README.md has a row for `{key}`, which is no key");
    }
}
