use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use medley_core::COMPETITION_TASKS;
use medley_data::{Entry, Registry};
use medley_fetch::{FetchError, FetchOptions, Fetched, Request, fetch_all};
use serde::Serialize;
use signal_hook::consts::{SIGINT, SIGTERM};

use super::{describe, fetch_progress::Progress, published};
use crate::args::data::fetch::FetchArguments;
use crate::failure::{INTERRUPTED, TERMINATED, Usage, code_of};
use crate::output;

/// The outcome for one file, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Arrived {
    set: String,
    size: usize,
    path: PathBuf,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<Fetched>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

pub(super) fn run(arguments: &FetchArguments) -> anyhow::Result<ExitCode> {
    let requests = requests(arguments)?;
    // What cannot be meant is said before the first byte is asked for.
    for request in &requests {
        request.published()?;
    }
    let timeout = Duration::from_secs(arguments.timeout);
    let options = FetchOptions {
        base_url: arguments.base_url.clone(),
        mirrors: arguments.mirrors.clone(),
        timeout,
        stall: timeout,
        attempts: arguments.attempts.max(1),
        parallel: arguments.jobs.max(1),
        ..FetchOptions::default()
    };
    let stop = Arc::new(AtomicBool::new(false));
    let signal = catch_signals(&stop)?;
    let names = requests.iter().map(|request| request.entry.file_name(request.size)).collect();
    let progress = Progress::new(names);
    let folder = &arguments.data.data;
    let outcomes = fetch_all(&requests, folder, &options, &stop, &|index, event| progress.on_event(index, event));
    progress.finish();
    if stop.load(Ordering::SeqCst) {
        output::note("stopped; what has arrived is kept, and the same command resumes the download");
        let terminated = signal.load(Ordering::SeqCst) == SIGTERM as usize;
        return Ok(ExitCode::from(if terminated { TERMINATED } else { INTERRUPTED }));
    }
    report(&requests, outcomes, arguments)
}

/// Which files are meant. A size that a named set does not have is an error; of `all` sets those that have it are meant.
fn requests(arguments: &FetchArguments) -> anyhow::Result<Vec<Request<'static>>> {
    let mut requests = Vec::new();
    for name in &arguments.sets {
        let group: Vec<&'static Entry> = match name.as_str() {
            "all" => Registry::builtin().entries().iter().collect(),
            "competition" => COMPETITION_TASKS.iter().filter_map(|task| Registry::builtin().get(task)).collect(),
            _ => Vec::new(),
        };
        let mut add = |entry, size| requests.push(Request { entry, size, release: arguments.release.clone() });
        if group.is_empty() {
            let (entry, size) = published(name)?;
            let sizes = size.map_or_else(|| sizes(entry, arguments), |size| Ok(vec![size]))?;
            for size in sizes {
                add(entry, size);
            }
        }
        for entry in group {
            let published = published_sizes(entry, arguments);
            sizes(entry, arguments)?
                .into_iter()
                .filter(|size| published.contains(size))
                .for_each(|size| add(entry, size));
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    requests.retain(|request| seen.insert((request.entry.name.clone(), request.size)));
    if requests.is_empty() {
        let wanted = arguments.size.join(", ");
        return Err(Usage(format!("none of these sets is published at size {wanted} in that release")).into());
    }
    Ok(requests)
}

fn sizes(entry: &Entry, arguments: &FetchArguments) -> anyhow::Result<Vec<usize>> {
    let mut sizes = Vec::new();
    for text in &arguments.size {
        if text == "all" {
            sizes.extend(published_sizes(entry, arguments));
        } else {
            let problem = || Usage(format!("--size {text:?}: give edge lengths such as 28 or 28,64, or `all`"));
            sizes.push(text.trim().parse().map_err(|_| problem())?);
        }
    }
    Ok(sizes)
}

fn published_sizes(entry: &Entry, arguments: &FetchArguments) -> Vec<usize> {
    let release = arguments.release.as_ref().map_or_else(|| entry.releases.first(), |name| entry.release(name));
    release.map(|release| release.files.iter().map(|file| file.size).collect()).unwrap_or_default()
}

/// The first signal asks for a stop between two chunks, the second ends the program at once; either way parts stay.
fn catch_signals(stop: &Arc<AtomicBool>) -> anyhow::Result<Arc<AtomicUsize>> {
    let signal = Arc::new(AtomicUsize::new(0));
    for (number, code) in [(SIGINT, INTERRUPTED), (SIGTERM, TERMINATED)] {
        signal_hook::flag::register_conditional_shutdown(number, i32::from(code), Arc::clone(stop))
            .and_then(|_| signal_hook::flag::register(number, Arc::clone(stop)))
            .and_then(|_| signal_hook::flag::register_usize(number, Arc::clone(&signal), number as usize))
            .context("installing the signal handlers")?;
    }
    Ok(signal)
}

fn report(
    requests: &[Request<'_>],
    outcomes: Vec<Result<Fetched, FetchError>>,
    arguments: &FetchArguments,
) -> anyhow::Result<ExitCode> {
    let errors = outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
    let code = errors.filter_map(|error| code_of(error)).map(|code| code as u8).max();
    let arrived: Vec<Arrived> = requests
        .iter()
        .zip(outcomes)
        .map(|(request, outcome)| {
            let (outcome, error) = match outcome {
                Ok(outcome) => (Some(outcome), None),
                Err(error) => (None, Some(describe(&error))),
            };
            let path = arguments.data.data.join(request.entry.file_name(request.size));
            Arrived { set: request.entry.name.clone(), size: request.size, path, outcome, error }
        })
        .collect();
    if arguments.json {
        output::json(&arrived)?;
    } else {
        for line in &arrived {
            let text = match (&line.outcome, &line.error) {
                (Some(Fetched::Present), _) => "already present, MD5 as published".to_owned(),
                (Some(Fetched::Downloaded), _) => "downloaded, MD5 as published".to_owned(),
                (None, error) => format!("FAILED: {}", error.clone().unwrap_or_default()),
            };
            output::line(&format!("{}: {text}", line.path.display()))?;
        }
    }
    // All errors are printed above; the code says what kind the worst is.
    Ok(code.map_or(ExitCode::SUCCESS, ExitCode::from))
}
