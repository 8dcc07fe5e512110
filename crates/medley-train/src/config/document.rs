//! The keys of an experiment as documentation: made from their declaration.

use std::fmt::Write as _;

use medley_core::keys::{Key, Table, choices_of};
use medley_models::NetConfig;
use medley_models::backbones::mark_owners;
use serde::Serialize;

use super::schema::{AugmentConfig, DataConfig, SamplerConfig, TrainConfig};
use crate::components::averages::AverageConfig;
use crate::components::callbacks::{FreezeConfig, StopConfig};
use crate::components::losses::LossTable;
use crate::components::optimizers::OptimizerConfig;
use crate::components::schedules::ScheduleConfig;
use crate::components::selections::SelectConfig;
use crate::components::task_weights::TaskWeightsConfig;
use crate::distill::DistillConfig;
use crate::engine::soup::SoupConfig;
use crate::folds::FoldsConfig;
use crate::phases::PhaseConfig;

/// A table of experiments, as documentation shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TableDescription {
    /// Its name; empty for the keys above the first table.
    pub table: &'static str,
    /// What it is for.
    pub about: String,
    /// Its keys.
    pub keys: Vec<Key>,
}

/// All tables of an experiment, in the order of documentation.
pub fn tables() -> Vec<TableDescription> {
    fn table<T: Table>(table: &'static str) -> TableDescription {
        TableDescription { table, about: T::about(), keys: T::keys(table) }
    }
    let top = TableDescription { table: "", about: String::new(), keys: top_keys() };
    vec![
        top,
        table::<DataConfig>("data"),
        table::<FoldsConfig>("folds"),
        table::<AugmentConfig>("augment"),
        TableDescription { keys: mark_owners(NetConfig::keys("net")), ..table::<NetConfig>("net") },
        table::<SamplerConfig>("sampler"),
        table::<LossTable>("loss"),
        table::<TaskWeightsConfig>("task_weights"),
        table::<OptimizerConfig>("optimizer"),
        table::<ScheduleConfig>("schedule"),
        table::<AverageConfig>("average"),
        table::<SelectConfig>("select"),
        table::<SoupConfig>("soup"),
        table::<TrainConfig>("train"),
        table::<StopConfig>("stop"),
        table::<FreezeConfig>("freeze"),
        TableDescription { keys: PhaseConfig::keys("phases[]"), ..table::<PhaseConfig>("phases") },
        table::<DistillConfig>("distill"),
    ]
}

/// The keys above the first table.
fn top_keys() -> Vec<Key> {
    let key = |path: &str, kind, default: Option<&str>, meaning: &str| Key {
        path: path.to_owned(),
        kind,
        default: default.map(str::to_owned),
        required: default.is_none(),
        range: None,
        meaning: meaning.to_owned(),
        only_with: Vec::new(),
    };
    vec![
        key(
            "name",
            "string",
            None,
            "1 to 100 letters, digits, `-`, `_`, `.`, not beginning with `-` or `.`; the run folder is `runs/<name>-<k>`.",
        ),
        key(
            "tasks",
            "array",
            None,
            "One or more names of `medley data list`, each once; the order of heads and reports.",
        ),
        key(
            "seeds",
            "array",
            Some("[0]"),
            "One or more integers, all different, 0 or more; one network is trained per seed, then the mean of their \
             probabilities is scored too.",
        ),
    ]
}

/// All keys whose path begins with a prefix, such as `optimizer` or `optimizer.beta`.
pub fn keys(prefix: &str) -> Vec<Key> {
    tables().into_iter().flat_map(|table| table.keys).filter(|key| key.path.starts_with(prefix)).collect()
}

/// The allowed range of a key, as an interval; `None` of a key without one. Entries of lists and tables that users name have the
/// range of their like.
pub(super) fn interval_of(path: &str) -> Option<String> {
    let wanted: String =
        path.split(['[', ']']).enumerate().map(|(index, part)| if index % 2 == 0 { part } else { "[]" }).collect();
    let key = keys(&wanted).into_iter().find(|key| key.path == wanted)?;
    key.range.filter(|range| choices_of(range).is_none())
}

/// Columns of [`text()`].
const WIDTH: usize = 80;

/// Keys as text for a terminal of 80 columns: the words that a key can be stand under each other.
pub fn text(keys: &[Key]) -> String {
    let mut text = String::new();
    for key in keys {
        let default = if key.required { "required".to_owned() } else { format!("default {}", default(key)) };
        let choices = key.range.as_deref().and_then(choices_of);
        let range = key.range.as_deref().filter(|_| choices.is_none());
        let allowed = range.map(|range| format!(" in {range}")).unwrap_or_default();
        let _ = writeln!(text, "{} ({}{allowed}; {default})", key.path, key.kind);
        let meaning = [key.meaning.clone(), only_with(key)].concat();
        text.push_str(&wrapped(&meaning, "    "));
        for (word, meaning) in choices.unwrap_or_default() {
            let _ = writeln!(text, "    {word}");
            text.push_str(&wrapped(&format!("{meaning}."), "        "));
        }
    }
    text
}

/// Text in lines of at most [`WIDTH`] columns that begin with `indent`; a word that is longer has a line of its own.
fn wrapped(text: &str, indent: &str) -> String {
    let (mut lines, mut line) = (String::new(), indent.to_owned());
    for word in text.split_whitespace() {
        if line.len() > indent.len() {
            if line.chars().count() + 1 + word.chars().count() <= WIDTH {
                line.push(' ');
            } else {
                lines.push_str(&std::mem::replace(&mut line, indent.to_owned()));
                lines.push('\n');
            }
        }
        line.push_str(word);
    }
    lines + &line + "\n"
}

/// All tables as Markdown: what stands in README.md.
pub fn markdown() -> String {
    let mut text = String::new();
    for TableDescription { table, about, keys } in tables() {
        if !table.is_empty() {
            let _ = write!(text, "\n### `[{table}]`\n\n{about}\n\n");
        }
        text.push_str("| key | type | default | range and meaning |\n|---|---|---|---|\n");
        for key in &keys {
            let default = default(key);
            let default = if default == "required" || default == "none" { default } else { format!("`{default}`") };
            let range = key.range.as_deref().filter(|range| !range.starts_with('`'));
            let allowed = range.map(|range| format!("{range}: ")).unwrap_or_default();
            let _ = writeln!(text, "| `{}` | {} | {default} | {allowed}{} |", key.path, key.kind, sentence(key));
        }
    }
    text
}

fn default(key: &Key) -> String {
    let nothing = if key.required { "required" } else { "none" };
    key.default.clone().unwrap_or_else(|| nothing.to_owned())
}

/// The meaning, the words that it can be, and with which choice it is there.
fn sentence(key: &Key) -> String {
    let mut text = key.meaning.clone();
    if let Some(words) = key.range.as_deref().filter(|range| range.starts_with('`')) {
        let _ = write!(text, " {words}.");
    }
    text.push_str(&only_with(key));
    text
}

/// With which choice it is there, as a sentence after another; nothing for a key that is always there.
fn only_with(key: &Key) -> String {
    let names: Vec<String> = key.only_with.iter().map(|name| format!("`{name}`")).collect();
    match names.split_last() {
        None => String::new(),
        Some((last, [])) => format!(" Only with {last}."),
        Some((last, others)) => format!(" Only with {} and {last}.", others.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_says_type_range_default_and_what_it_goes_with() {
        let key = Key {
            path: "optimizer.beta1".into(),
            kind: "number",
            default: Some("0.9".into()),
            required: false,
            range: Some("[0, 1)".into()),
            meaning: "A decay.".into(),
            only_with: vec!["adamw", "lion"],
        };
        assert_eq!(
            text(&[key]),
            "optimizer.beta1 (number in [0, 1); default 0.9)\n    A decay. Only with `adamw` and `lion`.\n"
        );
    }

    #[test]
    fn text_fits_eighty_columns_and_lists_words() {
        let all = text(&keys(""));
        for line in all.lines().filter(|line| line.starts_with(' ')) {
            assert!(line.chars().count() <= WIDTH || line.trim().split(' ').count() == 1, "{line}");
        }
        let losses = text(&keys("loss.name"));
        assert!(losses.contains("\n    cross_entropy\n        Cross entropy over the classes of a task"), "{losses}");
        assert!(losses.contains("\n    squared_emd\n        Squared"), "{losses}");
    }

    #[test]
    fn keys_are_chosen_by_their_beginning() {
        assert!(keys("no.such").is_empty());
        assert!(keys("name")[0].required && keys("").len() > 40);
        let alike = keys("schedule.final_ratio");
        assert!(
            alike.iter().any(|key| key.only_with.contains(&"cosine") && key.only_with.contains(&"linear")),
            "one key"
        );
    }
}
