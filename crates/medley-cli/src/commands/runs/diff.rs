use std::process::ExitCode;

use medley_core::Split;
use medley_runs::{Comparison, Differing, MetricRow, compare};
use medley_storage::Shown;

use super::columns::shortened;
use super::{NONE, mean, metric};
use crate::args::runs::DiffArguments;
use crate::output;

pub(super) fn run(arguments: &DiffArguments) -> anyhow::Result<ExitCode> {
    let comparison = compare(&arguments.runs)?;
    if arguments.json {
        output::json(&comparison)?;
    } else {
        output::line(&text(&comparison))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn text(comparison: &Comparison) -> String {
    let names: Vec<String> = comparison.runs.iter().map(|path| Shown(path).to_string()).collect();
    let mut blocks = vec![
        differing("config", &names, &comparison.config),
        differing("environment", &names, &comparison.environment),
        differing("data (SHA-256)", &names, &short_hashes(&comparison.data)),
    ];
    for split in [Split::Val, Split::Test] {
        let rows: Vec<&MetricRow> = comparison.metrics.iter().filter(|row| row.split == split).collect();
        blocks.extend(metrics(split, &names, &rows));
    }
    blocks.extend((!comparison.remarks.is_empty()).then(|| comparison.remarks.join("\n")));
    blocks.join("\n\n")
}

fn differing(title: &str, names: &[String], rows: &[Differing]) -> String {
    if rows.is_empty() {
        return format!("{title}: no difference");
    }
    let header: Vec<&str> = [title].into_iter().chain(names.iter().map(String::as_str)).collect();
    let longest = longest_value(rows, names.len());
    let cell =
        |value: &Option<String>| value.as_ref().map_or_else(|| NONE.to_owned(), |value| shortened(value, longest));
    let row = |row: &Differing| [row.key.clone()].into_iter().chain(row.values.iter().map(cell)).collect();
    output::table(&header, &rows.iter().map(row).collect::<Vec<Vec<String>>>())
}

/// What is left of a line of the terminal, for each of the runs.
fn longest_value(rows: &[Differing], runs: usize) -> usize {
    let keys = rows.iter().map(|row| row.key.chars().count()).max().unwrap_or(0);
    output::width().map_or(usize::MAX, |width| (width.saturating_sub(keys) / runs.max(1)).saturating_sub(2).max(16))
}

fn short_hashes(rows: &[Differing]) -> Vec<Differing> {
    let short = |value: &String| match value.split_once(' ') {
        Some((hash, origin)) => format!("{} {origin}", super::short(hash)),
        None => super::short(value),
    };
    let row = |row: &Differing| Differing {
        key: row.key.clone(),
        values: row.values.iter().map(|value| value.as_ref().map(short)).collect(),
    };
    rows.iter().map(row).collect()
}

/// Two runs have their difference in a last column; of more, each has its own beside its mean.
fn metrics(split: Split, names: &[String], rows: &[&MetricRow]) -> Option<String> {
    if rows.is_empty() {
        return None;
    }
    let title = if split == Split::Test { "test" } else { "validation" };
    let mut header = vec![title, "metric"];
    header.extend(names.iter().map(String::as_str));
    let alone = names.len() == 2;
    header.extend(alone.then_some("difference"));
    let signed = |difference: &Option<f64>| match difference {
        Some(value) if value.abs() < 0.000_05 => "0.0000".to_owned(),
        Some(value) => format!("{value:+.4}"),
        None => NONE.to_owned(),
    };
    let of_row = |row: &&MetricRow| {
        let mut cells = vec![row.task.clone(), metric(row.metric).to_owned()];
        for (index, value) in row.values.iter().enumerate() {
            let difference = index.checked_sub(1).and_then(|index| row.differences.get(index)).filter(|_| !alone);
            let difference = difference.map_or_else(String::new, |difference| format!(" ({})", signed(difference)));
            cells.push(value.as_ref().map_or_else(|| NONE.to_owned(), |value| mean(value) + &difference));
        }
        cells.extend(row.differences.first().filter(|_| alone).map(signed));
        cells
    };
    Some(output::table(&header, &rows.iter().map(of_row).collect::<Vec<_>>()))
}
