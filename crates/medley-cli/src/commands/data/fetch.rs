use std::process::ExitCode;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use medley_data::fetch::{FetchOptions, Fetched, fetch};
use medley_data::{DataError, Entry};
use serde::Serialize;

use super::{describe, wanted};
use crate::args::data::FetchArguments;
use crate::output;

/// At most this many downloads at the same time.
const PARALLEL_DOWNLOADS: usize = 3;

/// The outcome for one set, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Arrived {
    set: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<Fetched>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

pub(super) fn run(arguments: &FetchArguments) -> anyhow::Result<ExitCode> {
    let entries = wanted(&arguments.sets)?;
    let options = FetchOptions {
        base_url: arguments.base_url.clone(),
        timeout: Duration::from_secs(arguments.timeout),
        attempts: arguments.attempts.max(1),
        ..FetchOptions::default()
    };
    let bars = MultiProgress::new();
    let mut results: Vec<(usize, Result<Fetched, DataError>)> = Vec::new();
    for (chunk_index, chunk) in entries.chunks(PARALLEL_DOWNLOADS).enumerate() {
        std::thread::scope(|scope| {
            let handles: Vec<_> = chunk
                .iter()
                .map(|entry| {
                    let bar = bars.add(download_bar(&entry.name));
                    let options = &options;
                    scope.spawn(move || {
                        let progress = |done: u64, total: Option<u64>| {
                            if let Some(total) = total {
                                bar.set_length(total);
                            }
                            bar.set_position(done);
                        };
                        let result = fetch(entry, arguments.size, &arguments.data.data, options, &progress);
                        bar.finish_and_clear();
                        result
                    })
                })
                .collect();
            for (index, handle) in handles.into_iter().enumerate() {
                if let Ok(result) = handle.join() {
                    results.push((chunk_index * PARALLEL_DOWNLOADS + index, result));
                }
            }
        });
    }
    report_fetched(&entries, results, arguments.json)
}

fn report_fetched(
    entries: &[&Entry],
    results: Vec<(usize, Result<Fetched, DataError>)>,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let mut arrived = Vec::new();
    let mut first_error = None;
    for (index, result) in results {
        let set = entries[index].name.clone();
        match result {
            Ok(outcome) => arrived.push(Arrived { set, outcome: Some(outcome), error: None }),
            Err(error) => {
                arrived.push(Arrived { set, outcome: None, error: Some(describe(&error)) });
                first_error.get_or_insert(error);
            }
        }
    }
    if json {
        output::json(&arrived)?;
    } else {
        for line in &arrived {
            let text = match (&line.outcome, &line.error) {
                (Some(Fetched::Present), _) => "there already, MD5 as published".to_owned(),
                (Some(Fetched::Downloaded), _) => "downloaded, MD5 as published".to_owned(),
                (None, error) => format!("FAILED: {}", error.clone().unwrap_or_default()),
            };
            output::line(&format!("{}: {text}", line.set))?;
        }
    }
    match first_error {
        None => Ok(ExitCode::SUCCESS),
        // All errors are printed above; the code says what kind they are.
        Some(_) => Ok(ExitCode::from(3)),
    }
}

fn download_bar(name: &str) -> ProgressBar {
    let bar = ProgressBar::no_length().with_prefix(name.to_owned());
    if let Ok(style) =
        ProgressStyle::with_template("{prefix:16} {bar:32} {bytes}/{total_bytes} {bytes_per_sec}, {eta} left")
    {
        bar.set_style(style);
    }
    bar
}
