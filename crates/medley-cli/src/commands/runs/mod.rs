//! `medley runs`: many run folders.

mod columns;
mod diff;
mod export;
mod list;
mod rm;
mod show;
mod tag;
mod transfer;
mod watch;

use std::process::ExitCode;

use medley_runs::{Mean, Selection, ValidationScore};

use crate::args::runs::{RunsArguments, RunsSubcommand};

pub(crate) fn run(arguments: &RunsArguments) -> anyhow::Result<ExitCode> {
    match &arguments.subcommand {
        RunsSubcommand::List(list) => list::run(list),
        RunsSubcommand::Show(show) => show::run(show),
        RunsSubcommand::Watch(watch) => watch::run(watch),
        RunsSubcommand::Diff(diff) => diff::run(diff),
        RunsSubcommand::Export(arguments) => export::run(arguments),
        RunsSubcommand::Transfer(transfer) => transfer::run(transfer),
        RunsSubcommand::Tag(tag) => tag::run(tag),
        RunsSubcommand::Rm(remove) => rm::run(remove),
    }
}

/// Where there is nothing to show.
const NONE: &str = "-";

/// `0.6212 ± 0.0040`, or the mean alone for a single seed.
fn mean(mean: &Mean) -> String {
    match mean.standard_deviation {
        Some(deviation) => format!("{:.4} ± {deviation:.4}", mean.mean),
        None => format!("{:.4}", mean.mean),
    }
}

/// What is not the score of the competition has its name beside it.
fn validation(score: &ValidationScore) -> String {
    let name = match score.selection {
        Selection::MacroF1 => "",
        other => &format!(" {}", other.as_str()),
    };
    format!("{}{name}", mean(&score.mean))
}

/// With the epoch that it is of, where no seed is finished.
fn validation_at(score: &ValidationScore) -> String {
    let epoch = score.epoch.map_or_else(String::new, |epoch| format!(" (epoch {epoch})"));
    validation(score) + &epoch
}

/// A metric as people write it.
fn metric(name: &str) -> &str {
    match name {
        "auc" => "AUC",
        "macro_f1" => "macro-F1",
        "harmonic_mean" => "harmonic mean",
        other => other,
    }
}

/// The date and the time to the minute of RFC 3339, in UTC as it is recorded; what is no such time stays as it is.
fn minute(created: &str) -> String {
    match (created.get(..10), created.get(10..11), created.get(11..16)) {
        (Some(date), Some("T"), Some(time)) => format!("{date} {time}"),
        _ => created.to_owned(),
    }
}

/// The first characters of a hash.
fn short(hash: &str) -> String {
    hash.chars().take(12).collect()
}

#[cfg(test)]
mod tests;
