//! `medley train c.toml --epochs 3`: the option does not exist, but the config has such a key.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, CommandFactory as _, Error};
use medley_train::config::document;

use medley_cli::args::Arguments;

/// Adds what to type instead to the error about an option that is a key of the config; leaves other errors alone.
pub(crate) fn with_config_key(mut error: Error) -> Error {
    let option = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(option)) if error.kind() == ErrorKind::UnknownArgument => option.clone(),
        _ => return error,
    };
    let typed: Vec<String> = std::env::args().skip(1).collect();
    let keys = keys_called(&option);
    if !keys.is_empty() && takes_overrides(&Arguments::command(), &typed) {
        let value = typed_value(&option, typed.into_iter());
        let tips = keys.iter().map(|key| format!("to set this key of the config, write '--set {key}={value}'").into());
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(tips.collect()));
    }
    error
}

/// The keys of a config that an option could mean: `--batch-size` is `train.batch_size`.
fn keys_called(option: &str) -> Vec<String> {
    let wanted = option.trim_start_matches('-').replace('-', "_");
    let paths = document::keys("").into_iter().map(|key| key.path);
    // Those of the tables of a list are not set alone.
    let settable = paths.filter(|path| !path.contains("[]"));
    settable.filter(|path| *path == wanted || path.ends_with(&format!(".{wanted}"))).collect()
}

/// Whether the subcommand that was typed has the option `--set`.
fn takes_overrides(program: &Command, typed: &[String]) -> bool {
    let subcommand = typed.iter().fold(program, |at, word| at.find_subcommand(word).unwrap_or(at));
    subcommand.get_arguments().any(|argument| argument.get_long() == Some("set"))
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

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn options_are_found_among_the_keys() {
        assert_eq!(keys_called("--epochs"), ["train.epochs", "freeze.epochs"]);
        assert_eq!(keys_called("--batch-size"), ["train.batch_size"]);
        assert_eq!(keys_called("--train.epochs"), ["train.epochs"]);
        // A key that is not there unless it is chosen.
        assert_eq!(keys_called("--patience"), ["stop.patience"]);
        assert_eq!(keys_called("--frobnicate"), [""; 0]);
    }

    #[test]
    fn overrides_are_offered_where_they_are_taken() {
        let takes = |line: &str| takes_overrides(&Arguments::command(), &words(line));
        assert!(takes("train c.toml --epochs 3") && takes("config show c.toml --epochs 3"));
        assert!(!takes("resume runs/x-1 --epochs 3") && !takes("--epochs 3"));
    }

    #[test]
    fn the_value_is_what_was_typed() {
        let typed = |line: &str| typed_value("--epochs", words(line).into_iter());
        assert_eq!(typed("train c.toml --epochs 3"), "3");
        assert_eq!(typed("train c.toml --epochs=4 --json"), "4");
        assert_eq!(typed("train c.toml --epochs --json"), "VALUE");
    }
}
