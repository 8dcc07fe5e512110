//! `--set train.epochs=5`: a line of TOML, in which a value may also be a bare word.

use super::tree::{Document, Node, Tree};
use super::{ConfigError, parse_document};
use crate::config::load::Origin;

/// Longest override, in bytes.
const MAX_BYTES: usize = 1 << 16;

/// Applies one override. What it says in braces replaces a whole table.
///
/// # Errors
/// [`ConfigError::BadOverride`], [`ConfigError::TooDeep`].
pub(super) fn apply(tree: &mut Tree, text: &str) -> Result<(), ConfigError> {
    let bad = |problem: &str| ConfigError::BadOverride { text: text.to_owned(), problem: problem.to_owned() };
    if text.len() > MAX_BYTES {
        return Err(bad("it is longer than 64 KiB"));
    }
    if text.chars().any(char::is_control) {
        return Err(bad("it has control characters; write them as escapes in a TOML string"));
    }
    if !text.contains('=') || text.trim_start().starts_with(['[', '#']) {
        return Err(bad("it is not of the form KEY=VALUE"));
    }
    if text.trim_end().ends_with('=') {
        return Err(bad("there is no value; an empty string is written \"\""));
    }
    let (document, mut root) = parse(text).map_err(|error| match error {
        ConfigError::Syntax { problem, .. } => bad(&problem.replace('\n', ", ")),
        other => other,
    })?;
    if root.remove("extends").is_some() {
        return Err(bad("`extends` can only be written in a file"));
    }
    tree.replace(document, root);
    Ok(())
}

/// As TOML, or else with the value as a string: `cpu`, `cuda:1`.
fn parse(text: &str) -> Result<(Document, Node), ConfigError> {
    let document = |text: String| Document { origin: Origin::Override, text: text.into() };
    let typed = document(text.to_owned());
    match (parse_document(&typed), text.split_once('=')) {
        (Ok(root), _) => Ok((typed, root)),
        (Err(ConfigError::Syntax { .. }), Some((key, value))) if is_word(value.trim()) => {
            let quoted = document(format!("{key}={}", toml::Value::from(value.trim())));
            parse_document(&quoted).map(|root| (quoted, root))
        }
        (Err(error), _) => Err(error),
    }
}

/// Numbers that TOML refuses are none.
fn is_word(value: &str) -> bool {
    !value.is_empty() && !value.starts_with(['[', '{', '"', '\'']) && value.parse::<f64>().is_err()
}
