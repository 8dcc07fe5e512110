//! `medley train c.toml --epochs 3`: the option does not exist, but the config has such a key.

use clap::Error;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use medley_train::config::RawExperiment;
use toml::Value;

/// Adds what to type instead to the error about an option that is a key of the config; leaves other errors alone.
pub(crate) fn with_config_key(mut error: Error) -> Error {
    let option = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(option)) if error.kind() == ErrorKind::UnknownArgument => option.clone(),
        _ => return error,
    };
    let keys = keys_called(&option);
    if !keys.is_empty() {
        let value = typed_value(&option, std::env::args().skip(1));
        let tips =
            keys.iter().map(|key| format!("to override a key of the config, write '--set {key}={value}'").into());
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(tips.collect()));
    }
    error
}

/// The keys of an experiment that an option could mean: `--batch-size` is `train.batch_size`.
fn keys_called(option: &str) -> Vec<String> {
    let wanted = option.trim_start_matches('-').replace('-', "_");
    let smallest = "name = 'x'\ntasks = []";
    let Ok(defaults) = toml::from_str::<RawExperiment>(smallest) else { return Vec::new() };
    let Ok(Value::Table(table)) = Value::try_from(defaults) else { return Vec::new() };
    let mut keys = Vec::new();
    collect("", &table, &mut keys);
    keys.retain(|key| *key == wanted || key.ends_with(&format!(".{wanted}")));
    keys
}

fn collect(above: &str, table: &toml::Table, keys: &mut Vec<String>) {
    for (key, value) in table {
        let path = if above.is_empty() { key.clone() } else { format!("{above}.{key}") };
        match value {
            Value::Table(table) => collect(&path, table, keys),
            _ => keys.push(path),
        }
    }
}

/// What was typed after the option, by `=` or as the next word.
fn typed_value(option: &str, arguments: impl Iterator<Item = String>) -> String {
    let mut after = arguments.skip_while(|argument| argument.split('=').next() != Some(option));
    let inline = after.next().and_then(|argument| argument.split_once('=').map(|(_, value)| value.to_owned()));
    inline.or_else(|| after.next().filter(|next| !next.starts_with('-'))).unwrap_or_else(|| "VALUE".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_found_among_the_keys() {
        assert_eq!(keys_called("--epochs"), ["train.epochs"]);
        assert_eq!(keys_called("--batch-size"), ["train.batch_size"]);
        assert_eq!(keys_called("--frobnicate"), [""; 0]);
    }

    #[test]
    fn the_value_is_what_was_typed() {
        let typed = |words: &str| typed_value("--epochs", words.split(' ').map(str::to_owned));
        assert_eq!(typed("train c.toml --epochs 3"), "3");
        assert_eq!(typed("train c.toml --epochs=4 --json"), "4");
        assert_eq!(typed("train c.toml --epochs --json"), "VALUE");
    }
}
