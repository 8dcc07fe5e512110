use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use medley_core::{COMPETITION_TASKS, Split};
use medley_data::fetch::{FetchOptions, Fetched, fetch};
use medley_data::inspect::{Verification, verify};
use medley_data::synth::{Rows, SynthOptions, write_set};
use medley_data::{DataError, Entry, OpenOptions, Registry};
use medley_storage::RealFs;
use serde::Serialize;

use crate::args::data::{DataArguments, DataVerb, FetchArguments, SynthArguments};
use crate::failure::Usage;
use crate::output;

/// At most this many downloads at the same time.
const PARALLEL_DOWNLOADS: usize = 3;

pub(crate) fn run(arguments: &DataArguments) -> anyhow::Result<ExitCode> {
    match &arguments.verb {
        DataVerb::List { data, json } => list(&data.data, *json),
        DataVerb::Info { file, json } => info(file, *json),
        DataVerb::Verify { files, data, json } => verify_files(files, &data.data, *json),
        DataVerb::Fetch(arguments) => fetch_sets(arguments),
        DataVerb::Synth(arguments) => synth(arguments),
    }
}

/// A line of the list.
#[derive(Debug, Serialize)]
struct Listed<'a> {
    #[serde(flatten)]
    entry: &'a Entry,
    /// Sizes of the files in the data folder.
    present: Vec<usize>,
}

fn list(folder: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let listed: Vec<Listed<'_>> = Registry::builtin()
        .entries()
        .iter()
        .map(|entry| Listed {
            present: entry.sizes().into_iter().filter(|&size| folder.join(entry.file_name(size)).exists()).collect(),
            entry,
        })
        .collect();
    if json {
        output::json(&listed)?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<Vec<String>> = listed
        .iter()
        .map(|line| {
            let entry = line.entry;
            let present: Vec<String> = line.present.iter().map(ToString::to_string).collect();
            let rows = entry.releases.first().map_or([0; 3], |release| release.rows);
            vec![
                entry.name.clone(),
                entry.kind.to_string(),
                entry.classes.len().to_string(),
                rows.iter().sum::<usize>().to_string(),
                entry.licence.clone(),
                if present.is_empty() { "no".to_owned() } else { format!("at {}", present.join(", ")) },
            ]
        })
        .collect();
    let header = ["name", "kind", "classes", "images", "licence", "in the data folder"];
    output::line(&output::table(&header, &rows))?;
    output::line(&format!("\ndata folder: {}", folder.display()))?;
    Ok(ExitCode::SUCCESS)
}

fn info(file: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let verification = verify(file, &OpenOptions::default())?;
    if json {
        output::json(&verification)?;
        return Ok(ExitCode::SUCCESS);
    }
    let record = &verification.record;
    let row = |name: &str, value: &str| output::line(&format!("{name:<9} {value}"));
    row("set", &format!("{} ({})", record.task.title, record.task.name))?;
    row("kind", &record.task.kind.to_string())?;
    row("images", &record.task.shape.to_string())?;
    for split in Split::ALL {
        let rows = record.rows.get(&split).copied().unwrap_or_default();
        // Test labels are sealed: how its classes are distributed is told by scoring alone.
        let counts = record
            .class_counts
            .get(&split)
            .map_or_else(|| "labels sealed until scoring".to_owned(), |counts| format!("by class {counts:?}"));
        row(split.as_str(), &format!("{rows} images, {counts}"))?;
    }
    row("classes", &record.task.classes.join("; "))?;
    row("licence", &verification.licence)?;
    row("MD5", &record.md5)?;
    row("SHA-256", &record.sha256)?;
    row("verdict", &verification.verdict.sentence())?;
    Ok(ExitCode::SUCCESS)
}

/// The outcome for one file, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Checked {
    file: PathBuf,
    #[serde(flatten)]
    verification: Option<Verification>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

fn verify_files(files: &[PathBuf], folder: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let files = if files.is_empty() { known_files(folder) } else { files.to_vec() };
    if files.is_empty() {
        return Err(Usage(format!("there is no known file in `{}`; name files, or --data", folder.display())).into());
    }
    let mut checked = Vec::new();
    for file in files {
        let (verification, error) = match verify(&file, &OpenOptions::default()) {
            Ok(verification) => (Some(verification), None),
            Err(error) => (None, Some(describe(&error))),
        };
        checked.push(Checked { file, verification, error });
    }
    if json {
        output::json(&checked)?;
    } else {
        for line in &checked {
            let (mark, text) = match (&line.verification, &line.error) {
                (Some(found), _) if found.verdict.is_published() => ("ok     ", found.verdict.sentence()),
                (Some(found), _) => ("differs", found.verdict.sentence()),
                (None, error) => ("BROKEN ", error.clone().unwrap_or_default()),
            };
            output::line(&format!("{mark}  {}  {text}", line.file.display()))?;
        }
    }
    let sound = checked.iter().all(|line| line.verification.as_ref().is_some_and(|found| found.verdict.is_published()));
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::from(3) })
}

fn known_files(folder: &Path) -> Vec<PathBuf> {
    let entries = Registry::builtin().entries().iter();
    entries
        .flat_map(|entry| entry.sizes().into_iter().map(|size| folder.join(entry.file_name(size))))
        .filter(|path| path.exists())
        .collect()
}

fn describe(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

/// The outcome for one set, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Arrived {
    set: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<Fetched>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

fn fetch_sets(arguments: &FetchArguments) -> anyhow::Result<ExitCode> {
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

fn wanted(names: &[String]) -> anyhow::Result<Vec<&'static Entry>> {
    let registry = Registry::builtin();
    let mut entries: Vec<&'static Entry> = Vec::new();
    for name in names {
        if name == "competition" {
            entries.extend(COMPETITION_TASKS.iter().filter_map(|task| registry.get(task)));
            continue;
        }
        entries.push(registry.get(name).ok_or_else(|| DataError::UnknownSet {
            name: name.clone(),
            suggestion: registry.suggest(name).map(str::to_owned),
        })?);
    }
    let mut seen = std::collections::BTreeSet::new();
    entries.retain(|entry| seen.insert(entry.name.as_str()));
    Ok(entries)
}

fn synth(arguments: &SynthArguments) -> anyhow::Result<ExitCode> {
    let rows = match arguments.rows.as_str() {
        "official" => Rows::Official,
        number => Rows::AtMost(number.parse().map_err(|_| {
            Usage(format!("--rows {number:?}: give `official`, or the most rows per split, such as 600"))
        })?),
    };
    if !matches!(arguments.size, 28 | 64 | 128 | 224) {
        return Err(Usage(format!("--size {}: MedMNIST has 28, 64, 128 and 224", arguments.size)).into());
    }
    let options = SynthOptions { seed: arguments.seed, rows, size: arguments.size, overwrite: arguments.overwrite };
    let all = COMPETITION_TASKS.map(str::to_owned);
    let sets = if arguments.sets.is_empty() { &all[..] } else { &arguments.sets[..] };
    for set in sets {
        let path = write_set(&arguments.out, set, &options, &RealFs)?;
        output::line(&format!("{} (SYNTHETIC)", path.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}
