//! From what serde says to what a person needs: the key, its place, the nearest key there is.
//!
//! serde's messages have a fixed form (`unknown field`, `invalid type`, …; `serde::de::Error` documents them), and
//! `serde_path_to_error` adds the path. Two things blur the path: an enum variant is a step of it although it may be the value
//! itself, and inside a tagged enum it ends, as serde buffers what is below. Both are mended by looking at the tree.

use std::path::Path;

use serde_path_to_error::Segment;

use super::ConfigError;
use super::tree::{Node, NodeValue, Step, Tree, dotted, parse_steps};
use crate::config::{document, upgrade};

type SerdeError = serde_path_to_error::Error<toml::de::Error>;

/// The error of deserializing `tree`, at its place. `path` is the file that was asked for.
pub(super) fn diagnose(tree: &Tree, path: &Path, error: &SerdeError) -> ConfigError {
    let mut message = error.inner().message();
    let mut at = steps_in(tree, error.path());
    // What reads itself says where below it the error is: "at `groups[0].match`: …".
    while let Some((path, rest)) = message.strip_prefix("at `").and_then(|rest| rest.split_once("`: ")) {
        at.extend(parse_steps(path).unwrap_or_default());
        message = rest;
    }
    if let Some(names) = message.strip_prefix("unknown field ") {
        return unknown_key(tree, at, names);
    }
    if let Some(names) = message.strip_prefix("unknown variant ") {
        return unknown_choice(tree, at, names);
    }
    if let Some(field) = message.strip_prefix("missing field ") {
        return missing_key(tree, at, path, field.trim_matches('`'));
    }
    if let Some((found, expected)) =
        message.strip_prefix("invalid type: ").and_then(|rest| rest.split_once(", expected "))
    {
        let at = find_leaf(tree, at, |node| unexpected(node).is_some_and(|own| own == found));
        let place = tree.get(&at).and_then(|node| tree.place_of_value(node));
        let key = dotted(&at);
        let (found, expected) = (found_in_words(found), in_range(&key, expected_in_words(expected)));
        return ConfigError::WrongType { key, found, expected, place };
    }
    bad_value(tree, at, message)
}

fn unknown_key(tree: &Tree, mut at: Vec<Step>, names: &str) -> ConfigError {
    let (names, hint) = names.split_once("; hint: ").map_or((names, None), |(names, hint)| (names, Some(hint)));
    let mut names = quoted(names);
    let unknown = if names.is_empty() { String::new() } else { names.remove(0) };
    if at.last() != Some(&Step::Key(unknown.clone())) {
        at = find(tree, at, &|key, _| key == Some(&unknown));
    }
    let place = tree.get(&at).and_then(|node| tree.place_of_key(node));
    let suggestion = nearest(&unknown, &names);
    let key = dotted(&at);
    let moved = || upgrade::moved(&key).map(|new| format!("`{key}` is now `{new}`"));
    let meant = hint.map(str::to_owned).or_else(moved).or_else(|| elsewhere(&key, &unknown));
    ConfigError::UnknownKey { key, place, suggestion, known: names, meant }
}

/// Where a key of this name belongs, which was right but for its table.
fn elsewhere(key: &str, name: &str) -> Option<String> {
    let paths = document::keys("").into_iter().map(|key| key.path);
    // Keys of list entries are of many kinds.
    let named = paths.filter(|path| path != key && path.rsplit('.').next() == Some(name) && !path.contains("[]"));
    let found: Vec<String> = named.map(|path| format!("`{path}`")).collect();
    // A name that many tables have tells nothing.
    (1..=3).contains(&found.len()).then(|| format!("did you mean {}?", found.join(" or ")))
}

fn unknown_choice(tree: &Tree, at: Vec<Step>, names: &str) -> ConfigError {
    let mut names = quoted(names);
    let value = if names.is_empty() { String::new() } else { names.remove(0) };
    let at = find_leaf(tree, at, |node| node.as_str() == Some(&value));
    let place = tree.get(&at).and_then(|node| tree.place_of_value(node));
    let suggestion = nearest(&value, &names);
    ConfigError::UnknownChoice { key: dotted(&at), value, place, suggestion, known: names }
}

fn missing_key(tree: &Tree, mut at: Vec<Step>, path: &Path, field: &str) -> ConfigError {
    // The root has no place of its own: the file is named instead.
    let place = if at.is_empty() { None } else { tree.get(&at).and_then(|node| tree.place_of_key(node)) };
    at.push(Step::Key(field.to_owned()));
    ConfigError::MissingKey { key: dotted(&at), path: path.to_owned(), place }
}

fn bad_value(tree: &Tree, mut at: Vec<Step>, message: &str) -> ConfigError {
    let mut problem = message.replace('`', "");
    if let Some((found, expected)) =
        message.strip_prefix("invalid value: ").and_then(|rest| rest.split_once(", expected "))
    {
        at = find_leaf(tree, at, |node| unexpected(node).is_some_and(|own| own == found));
        let expected = in_range(&dotted(&at), expected_in_words(expected));
        problem = format!("it is {}, it must be {expected}", found_in_words(found));
    }
    let place = if at.is_empty() { None } else { tree.get(&at).and_then(|node| tree.place_of_value(node)) };
    ConfigError::BadValue { key: dotted(&at), problem, place }
}

/// The steps of serde's path that exist in the tree. A step that does not is a variant's name, or is below a buffered value.
fn steps_in(tree: &Tree, path: &serde_path_to_error::Path) -> Vec<Step> {
    let mut steps = Vec::new();
    for segment in path {
        let step = match segment {
            Segment::Map { key } | Segment::Enum { variant: key } => Step::Key(key.clone()),
            Segment::Seq { index } => Step::Index(*index),
            Segment::Unknown => continue,
        };
        steps.push(step);
        if tree.get(&steps).is_none() {
            steps.pop();
        }
    }
    steps
}

/// The place below `at` that is the only one to satisfy `wanted`; `at` itself if it does, or if there is none or several.
fn find_leaf(tree: &Tree, at: Vec<Step>, wanted: impl Fn(&Node) -> bool) -> Vec<Step> {
    if tree.get(&at).is_some_and(&wanted) {
        return at;
    }
    find(tree, at, &|_, node| wanted(node))
}

fn find(tree: &Tree, at: Vec<Step>, wanted: &dyn Fn(Option<&String>, &Node) -> bool) -> Vec<Step> {
    let mut found = Vec::new();
    if let Some(node) = tree.get(&at) {
        collect(node, &mut at.clone(), wanted, &mut found);
    }
    if found.len() == 1 { found.remove(0) } else { at }
}

fn collect(
    node: &Node,
    at: &mut Vec<Step>,
    wanted: &dyn Fn(Option<&String>, &Node) -> bool,
    found: &mut Vec<Vec<Step>>,
) {
    let children: Vec<(Step, &Node)> = match &node.value {
        NodeValue::Leaf(_) => Vec::new(),
        NodeValue::Array(items) => items.iter().enumerate().map(|(index, node)| (Step::Index(index), node)).collect(),
        NodeValue::Table { entries, .. } => entries.iter().map(|(key, node)| (Step::Key(key.clone()), node)).collect(),
    };
    for (step, child) in children {
        let key = if let Step::Key(key) = &step { Some(key.clone()) } else { None };
        at.push(step);
        if wanted(key.as_ref(), child) {
            found.push(at.clone());
        }
        collect(child, at, wanted, found);
        at.pop();
    }
}

/// How serde names a value in `invalid type: …`.
fn unexpected(node: &Node) -> Option<String> {
    use serde::de::Unexpected;
    let unexpected = match &node.value {
        NodeValue::Table { .. } => Unexpected::Map,
        NodeValue::Array(_) => Unexpected::Seq,
        NodeValue::Leaf(toml::Value::String(text)) => Unexpected::Str(text),
        NodeValue::Leaf(toml::Value::Integer(value)) => Unexpected::Signed(*value),
        NodeValue::Leaf(toml::Value::Float(value)) => Unexpected::Float(*value),
        NodeValue::Leaf(toml::Value::Boolean(value)) => Unexpected::Bool(*value),
        NodeValue::Leaf(toml::Value::Datetime(value)) => return Some(Unexpected::Str(&value.to_string()).to_string()),
        NodeValue::Leaf(_) => return None,
    };
    Some(unexpected.to_string())
}

/// serde's words for what it found.
fn found_in_words(found: &str) -> String {
    match found {
        "map" => "a table".to_owned(),
        "sequence" => "an array".to_owned(),
        other => format!("the {}", other.replace('`', "").replacen("floating point", "number", 1)),
    }
}

/// serde's words for what it wants: those of Rust.
fn expected_in_words(expected: &str) -> String {
    let words = match expected {
        "u8" => "an integer from 0 to 255",
        "u16" => "an integer from 0 to 65535",
        "u32" => "an integer from 0 to 4294967295",
        "u64" | "usize" => "an integer, 0 or more",
        "i8" | "i16" | "i32" | "i64" | "isize" => "an integer",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a sequence" => "an array",
        "a map" => "a table",
        other if other.starts_with("struct ") || other.starts_with("internally tagged enum ") => "a table",
        other if other.starts_with("enum ") || other == "string or table" => "a string",
        other => other,
    };
    words.to_owned()
}

/// What a number must be, with the range of its key where it has one.
fn in_range(key: &str, expected: String) -> String {
    let kind = ["an integer", "a number"].into_iter().find(|kind| expected.starts_with(kind));
    match (kind, document::interval_of(key)) {
        (Some(kind), Some(interval)) => format!("{kind} in {interval}"),
        _ => expected,
    }
}

/// All names in backticks.
fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The known name that a typing error turns into this one, if it is near enough to say so.
fn nearest(name: &str, known: &[String]) -> Option<String> {
    let plain = |text: &str| text.to_lowercase().replace(['-', '.', ' '], "_");
    // Distances take quadratic time, and nobody means a key by a page of text.
    if name.len() > 100 {
        return None;
    }
    let allowed = name.chars().count().div_ceil(3).min(4);
    (known.iter())
        .map(|known| (strsim::damerau_levenshtein(&plain(name), &plain(known)), known))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known.clone())
}
