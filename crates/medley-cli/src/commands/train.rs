use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context as _;
use medley_core::RunLayout;
use medley_core::record::{Environment, RunResults};
use medley_predictions::submission::{SubmissionOrder, write_submission};
use medley_report::write_report;
use medley_storage::RealFs;
use medley_train::observer::Observers;
use medley_train::run::{self, DataFolder, Run, RunEnd, RunRequest};
use medley_train::run_folder::read_manifest;
use medley_train::stop::StopFlag;
use signal_hook::consts::{SIGINT, SIGTERM};

use super::config;
use crate::args::{ResumeArguments, TrainArguments};
use crate::failure::{INTERRUPTED, TERMINATED};
use crate::output;
use crate::progress::Progress;

pub(crate) fn train(arguments: &TrainArguments) -> anyhow::Result<ExitCode> {
    let (experiment, config_text) = config::read(&arguments.config, &arguments.set, &arguments.data.data)?;
    let request = RunRequest {
        experiment: &experiment,
        config_text: &config_text,
        data_folder: DataFolder { path: &arguments.data.data, options: arguments.reading.options() },
        runs_folder: &arguments.runs,
        run_name: arguments.name.as_deref(),
    };
    let run = run::start(&request, &RealFs)?;
    if !arguments.quiet && !run.calibration().is_empty() {
        output::note(&compute_plan(&run));
    }
    carry_out(run, arguments.json, arguments.quiet)
}

pub(crate) fn resume(arguments: &ResumeArguments) -> anyhow::Result<ExitCode> {
    let layout = RunLayout::new(&arguments.run);
    read_manifest(&layout.manifest())?;
    let (experiment, _) = config::read(&layout.config(), &[], &arguments.data.data)
        .with_context(|| format!("`{}` is no run folder that can be resumed", arguments.run.display()))?;
    let data = DataFolder { path: &arguments.data.data, options: arguments.reading.options() };
    let run = run::resume(&experiment, &arguments.run, &data, &RealFs)?;
    carry_out(run, arguments.json, arguments.quiet)
}

/// What the calibration chose.
fn compute_plan(run: &Run<'_>) -> String {
    let Environment { precision, memory_layout, threads, replicas, .. } = run.environment();
    let cores = match (replicas, threads) {
        (1, 1) => "1 thread".to_owned(),
        (1, threads) => format!("{threads} threads"),
        (replicas, _) => format!("{replicas} replicas"),
    };
    let tried = run.calibration().len();
    format!("computing in {precision}, {memory_layout}, {cores}: the fastest of {tried} candidates")
}

fn carry_out(run: Run<'_>, json: bool, quiet: bool) -> anyhow::Result<ExitCode> {
    let layout = run.layout().clone();
    let stop = StopFlag::default();
    let signal = catch_signals(&stop)?;
    let mut observers = Observers::default();
    if !quiet {
        observers.push("progress", Box::new(Progress::new()));
    }
    match run.train(observers, &stop)? {
        RunEnd::Interrupted => {
            output::note(&format!("stopped; `medley resume {}` goes on from the last step", layout.root().display()));
            let terminated = signal.load(Ordering::SeqCst) == SIGTERM as usize;
            Ok(ExitCode::from(if terminated { TERMINATED } else { INTERRUPTED }))
        }
        RunEnd::Finished(results) => {
            let report = write_report(&layout, &RealFs)?;
            let submission = write_submission(&layout, &SubmissionOrder::Competition, &RealFs)?;
            if json {
                output::json(&results)?;
            } else {
                output::line(&summary(&results))?;
                output::line(&format!("\nrun        {}", layout.root().display()))?;
                output::line(&format!("report     {}", report.display()))?;
                output::line(&format!("submission {} ({} rows)", submission.path.display(), submission.rows))?;
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// The first signal asks for a stop after the batch in progress, the second ends the program at once.
fn catch_signals(stop: &StopFlag) -> anyhow::Result<Arc<AtomicUsize>> {
    let signal = Arc::new(AtomicUsize::new(0));
    for (number, code) in [(SIGINT, INTERRUPTED), (SIGTERM, TERMINATED)] {
        signal_hook::flag::register_conditional_shutdown(number, i32::from(code), stop.shared())
            .and_then(|_| signal_hook::flag::register(number, stop.shared()))
            .and_then(|_| signal_hook::flag::register_usize(number, Arc::clone(&signal), number as usize))
            .context("installing the signal handlers")?;
    }
    Ok(signal)
}

/// The table at the end: test figures by task, mean and spread over seeds.
fn summary(results: &RunResults) -> String {
    let cell = |task: &str, metric: &str| {
        results.summary.iter().find(|spread| spread.task == task && spread.metric == metric).map_or_else(
            || "-".to_owned(),
            |spread| match spread.standard_deviation {
                Some(deviation) => format!("{:.4} ± {deviation:.4}", spread.mean),
                None => format!("{:.4}", spread.mean),
            },
        )
    };
    let tasks = results.test_sets().next().map(|set| set.tasks.as_slice()).unwrap_or_default();
    let rows: Vec<Vec<String>> = tasks
        .iter()
        .map(|task| {
            let name = task.task.as_str();
            vec![
                name.to_owned(),
                task.rows.to_string(),
                cell(name, "auc"),
                cell(name, "accuracy"),
                cell(name, "macro_f1"),
            ]
        })
        .collect();
    let seeds = results.seeds.len();
    let spread = if seeds > 1 { ", mean ± standard deviation" } else { "" };
    let mut text = format!("test split, {seeds} seed(s){spread}\n\n");
    text.push_str(&output::table(&["task", "images", "AUC", "ACC", "macro-F1"], &rows));
    text.push_str("\n\nharmonic mean of macro-F1  ");
    text.push_str(&cell("all", "harmonic_mean"));
    if let Some(ensemble) = &results.ensemble {
        let mean = format!("\nmean of the seeds' probabilities  {:.4}", ensemble.harmonic_mean);
        text.push_str(&mean);
    }
    if results.synthetic {
        text.push_str("\n\nSYNTHETIC DATA: these figures say nothing of medicine or of the benchmark.");
    }
    text.push_str("\nNot for clinical use.");
    text
}
