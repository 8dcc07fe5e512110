//! `--set train.epochs=5`

use std::ops::Range;

use toml::de::DeValue;

use super::place::Origin;
use super::tree::{self, Document, Node, Tree, is_bare};
use super::{ConfigError, MAX_DEPTH, with_room};

/// A key and where it stands.
type Key = (String, Range<usize>);

/// Longest override, in bytes.
const MAX_BYTES: usize = 1 << 16;

/// Applies one override.
///
/// # Errors
/// [`ConfigError::BadOverride`] and [`ConfigError::NotATable`].
pub(super) fn apply(tree: &mut Tree, text: &str) -> Result<(), ConfigError> {
    let bad = |problem: &str| ConfigError::BadOverride { text: text.to_owned(), problem: problem.to_owned() };
    if text.len() > MAX_BYTES {
        return Err(bad("it is longer than 64 KiB"));
    }
    let (keys, rest) = parse_keys(text).map_err(|problem| bad(&problem))?;
    if keys.len() > MAX_DEPTH {
        return Err(bad(&format!("more than {MAX_DEPTH} keys within each other")));
    }
    if keys.iter().map(|(key, _)| key.as_str()).eq(["extends"]) {
        return Err(bad("`extends` can only be written in a file"));
    }
    let written = text[rest..].trim();
    if written.is_empty() {
        return Err(bad("there is no value; an empty string is written \"\""));
    }
    let offset = rest + (text[rest..].len() - text[rest..].trim_start().len());
    let value = parse_value(written).map_err(|problem| bad(&problem))?;
    let document = Document { origin: Origin::Override, text: text.to_owned() };
    tree.set(document, &keys, value, offset).map_err(|(depth, found)| {
        let path: Vec<&str> = keys[..depth].iter().map(|(key, _)| key.as_str()).collect();
        ConfigError::NotATable { text: text.to_owned(), key: path.join("."), found }
    })
}

/// The keys before `=` with their spans, and where the value begins. Keys are as in TOML: bare or quoted, with dots between.
fn parse_keys(text: &str) -> Result<(Vec<Key>, usize), String> {
    let mut keys = Vec::new();
    let mut at = 0;
    loop {
        at += text[at..].len() - text[at..].trim_start_matches([' ', '\t']).len();
        let (key, span) = parse_key(text, at)?;
        at = span.end;
        keys.push((key, span));
        at += text[at..].len() - text[at..].trim_start_matches([' ', '\t']).len();
        match text[at..].chars().next() {
            Some('.') => at += 1,
            Some('=') => return Ok((keys, at + 1)),
            Some(other) => return Err(format!("{other:?} cannot stand in a key; it is written KEY=VALUE")),
            None => return Err("it has no `=`; it is written KEY=VALUE".to_owned()),
        }
    }
}

fn parse_key(text: &str, at: usize) -> Result<Key, String> {
    let rest = &text[at..];
    if let Some(quote) = rest.chars().next().filter(|c| matches!(c, '"' | '\'')) {
        let inner = &rest[1..];
        let length = inner.find(quote).ok_or("a quoted key is not closed")?;
        let key = &inner[..length];
        if key.chars().any(|c| c == '\\' || c.is_control()) {
            return Err("a quoted key may not have backslashes or control characters here".to_owned());
        }
        return Ok((key.to_owned(), at..at + length + 2));
    }
    let length = rest.find(|c| !is_bare(c)).unwrap_or(rest.len());
    match rest.chars().next() {
        _ if length > 0 => Ok((rest[..length].to_owned(), at..at + length)),
        Some('=' | '.') | None => Err("a key is empty; it is written KEY=VALUE, such as train.epochs=5".to_owned()),
        Some(other) => Err(format!("{other:?} cannot stand in a key; it is written KEY=VALUE")),
    }
}

/// A TOML value, or else a bare word: `cpu`, `cuda:1`.
fn parse_value(text: &str) -> Result<Node, String> {
    let document = Document { origin: Origin::Override, text: text.to_owned() };
    let parsed = with_room(|| match DeValue::parse(&document.text) {
        Ok(value) => tree::from_value(value, &document, 0).map(Ok),
        Err(error) => Ok(Err(error.message().to_owned())),
    });
    match parsed {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(problem)) if text.starts_with(['[', '{', '"', '\'']) => {
            Err(format!("its value is not TOML ({}); strings in it need quotes", problem.replace('\n', ", ")))
        }
        Ok(Err(_)) if text.chars().any(char::is_control) => {
            Err("its value has control characters; quote it as a TOML string".to_owned())
        }
        Ok(Err(_)) => Ok(Node::leaf(toml::Value::String(text.to_owned()), 0..text.len())),
        Err(ConfigError::Syntax { problem, .. }) => Err(problem),
        Err(ConfigError::TooDeep { limit, .. }) => Err(format!("more than {limit} levels within each other")),
        Err(other) => Err(other.to_string()),
    }
}
