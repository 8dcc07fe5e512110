use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use medley_core::record::{Environment, Inheritance, Parent, RunResults, ScoreSet};
use medley_core::text::plural;
use medley_core::{Convolutions, RunLayout};
use medley_metrics::{summarise_sets, undefined_auc};
use medley_monitor::can_be_shown;
use medley_predictions::SubmissionError;
use medley_predictions::record::read_results;
use medley_predictions::submission::{SubmissionOrder, write_submission};
use medley_report::write_report;
use medley_storage::{RealFs, Shown};
use medley_train::TrainError;
use medley_train::compute::{ChosenPlan, kept};
use medley_train::config::Experiment;
use medley_train::dry_run::{Budget, Clock};
use medley_train::observer::Observers;
use medley_train::parent::ParentRun;
use medley_train::run::{Run, RunEnd};
use medley_train::run_folder::RunFolder;
use medley_train::session::{RunRequest, Session};

use medley_cli::data_folder;
use medley_cli::failure::Usage;

use super::{auto, config};
use crate::interruption::Interruption;
use crate::progress::Progress;
use crate::watching::Watching;
use medley_cli::args::{Reading, ResumeArguments, RunDataFolder, TestArguments, TrainArguments};
use medley_cli::output;

/// How a run is shown.
#[derive(Clone, Copy)]
struct Showing {
    quiet: bool,
    tui: bool,
    json: bool,
}

impl Showing {
    /// `--tui` is refused before anything is read, where there is no terminal.
    fn check(self) -> anyhow::Result<Self> {
        if self.tui && !can_be_shown() {
            let problem = "--tui needs a terminal, on standard input and standard error; leave it out for plain lines";
            return Err(Usage(problem.to_owned()).into());
        }
        Ok(self)
    }

    fn observers(self, run: &RunLayout, doing: &'static str, interruption: &Interruption) -> anyhow::Result<Observers> {
        if !self.tui {
            return Ok(observers(self.quiet, doing));
        }
        let mut observers = Observers::default();
        observers.push("screen", Box::new(Watching::open(run, &interruption.stop)?));
        Ok(observers)
    }
}

pub(crate) fn train(arguments: &TrainArguments) -> anyhow::Result<ExitCode> {
    let showing = Showing { quiet: arguments.quiet, tui: arguments.tui, json: arguments.json }.check()?;
    let interruption = Interruption::while_preparing("stopped before the run began; nothing was written")?;
    let (mut experiment, mut config_text) = config::read(&arguments.config, &arguments.set, &arguments.data.data)?;
    let choices = if arguments.no_cache { None } else { kept::default_folder() };
    let session = session(&arguments.data.data, &arguments.reading).allow_memory(arguments.allow_memory);
    let session = session.keep_choices(choices);
    if let Some(epochs) = planned_before(&experiment, arguments)? {
        experiment = config::changed(&experiment, &arguments.data.data, |raw| raw.train.epochs = epochs)?;
    } else if let Some(planned) = within_budget(&session, &experiment, &arguments.data.data, arguments.quiet)? {
        config_text = planned.to_toml();
        experiment = planned;
    }
    if arguments.all_folds {
        return train_folds(&session, &experiment, arguments, &interruption);
    }
    let parent = parent(arguments)?;
    let request = RunRequest {
        experiment: &experiment,
        config_text: &config_text,
        runs_folder: &arguments.runs,
        run_name: arguments.name.as_deref(),
        parent: parent.as_ref(),
        no_test: arguments.no_test,
    };
    let run = session.start(&request)?;
    if let Some(choice) = run.choice().filter(|choice| !arguments.quiet && !choice.trials.is_empty()) {
        output::note(&compute_plan(&run, choice));
    }
    train_whole(run, &interruption, showing)
}

/// The run to begin from, if one was named.
fn parent(arguments: &TrainArguments) -> Result<Option<ParentRun>, TrainError> {
    let how = if arguments.with_optimizer { Inheritance::WeightsAndOptimizer } else { Inheritance::Weights };
    arguments.from.as_deref().map(|run| ParentRun::open(run, how)).transpose()
}

/// The epochs that were planned for a budget when the first fold began: the machine may be faster or slower by now.
fn planned_before(experiment: &Experiment, arguments: &TrainArguments) -> anyhow::Result<Option<usize>> {
    if !arguments.all_folds || experiment.train.budget.is_none() {
        return Ok(None);
    }
    let name = arguments.name.as_ref().unwrap_or(&experiment.name);
    let root = arguments.runs.join(fold_name(name, 0));
    if !root.exists() {
        return Ok(None);
    }
    let folder = RunFolder::open(&root)?;
    let recorded = config::read_recorded(folder.layout(), folder.manifest(), &arguments.data.data)?;
    Ok(Some(recorded.train.epochs))
}

/// The name of the run of a fold.
fn fold_name(name: &str, index: usize) -> String {
    format!("{name}-fold{index}")
}

/// The experiment with as many epochs as fit into its budget; `None` where it has none.
fn within_budget(
    session: &Session<'_>,
    experiment: &Experiment,
    data: &Path,
    quiet: bool,
) -> anyhow::Result<Option<Experiment>> {
    let Some(share) = experiment.seed_budget() else { return Ok(None) };
    let (epochs, takes) = match share {
        Budget::Time(share, clock) => {
            let time = session.time_epoch(experiment)?;
            let unit = if clock == Clock::Processor { "s of processor time" } else { "s" };
            (time.epochs_within(share.as_secs_f64()), format!("about {:.1} {unit}", time.seconds()))
        }
        Budget::Steps(share) => {
            let steps = session.steps_per_epoch(experiment)?;
            ((share / steps.max(1)).max(1), plural(steps, "step"))
        }
    };
    let epochs = epochs.min(experiment.train.epochs);
    if !quiet {
        let seeds = plural(experiment.seeds.len(), "seed");
        output::note(&format!(
            "training {} of {seeds}: an epoch takes {takes}, and the budget is {}",
            plural(epochs, "epoch"),
            experiment.train.budget.as_deref().unwrap_or_default()
        ));
    }
    config::changed(experiment, data, |raw| raw.train.epochs = epochs).map(Some)
}

/// A bar over steps; nothing where it is not wanted, or not seen.
pub(crate) fn steps_bar(steps: u64, quiet: bool) -> ProgressBar {
    if quiet {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} steps, {eta} left");
    ProgressBar::new(steps).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// Trains a run for each fold, as far as they are not finished.
fn train_folds(
    session: &Session<'_>,
    experiment: &Experiment,
    arguments: &TrainArguments,
    interruption: &Interruption,
) -> anyhow::Result<ExitCode> {
    let Some(count) = experiment.folds.count else {
        return Err(Usage("--all-folds needs folds: --set folds.count=5".to_owned()).into());
    };
    let parent = parent(arguments)?;
    let known = |parent: &ParentRun| {
        let of_parent = |task: &&String| parent.manifest().data.iter().any(|data| data.task.name == **task);
        experiment.tasks.iter().find(of_parent).cloned()
    };
    if let Some(task) = parent.as_ref().and_then(known) {
        let problem =
            format!("--from: that run has learnt from {task}, of which each row is validated on in one of all folds");
        return Err(Usage(problem).into());
    }
    let name = arguments.name.clone().unwrap_or_else(|| experiment.name.clone());
    let again = "the same command, given again,".to_owned();
    for index in 0..count {
        let fold = config::changed(experiment, &arguments.data.data, |raw| raw.folds.index = index)?;
        let run_name = fold_name(&name, index);
        let root = arguments.runs.join(&run_name);
        let config_text = fold.to_toml();
        let run = if root.exists() {
            let folder = RunFolder::open(&root)?;
            if folder.config_text() != config_text {
                let path = root.display();
                return Err(
                    Usage(format!("`{path}` is there with another config: give another --name, or remove it")).into()
                );
            }
            session.resume(&fold, folder)?
        } else {
            session.start(&RunRequest {
                experiment: &fold,
                config_text: &config_text,
                runs_folder: &arguments.runs,
                run_name: Some(&run_name),
                parent: parent.as_ref(),
                no_test: arguments.no_test,
            })?
        };
        let layout = run.layout().clone();
        interruption.running(&again);
        match run.train(observers(arguments.quiet, "run"), &interruption.stop)? {
            RunEnd::Interrupted => return Ok(interruption.note(&again)),
            RunEnd::Finished(results) if arguments.json => {
                write_out(&layout, &results)?;
                output::json(&results)?;
            }
            RunEnd::Finished(results) => print(&layout, &results)?,
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Trains a run that was just made.
fn train_whole(run: Run<'_>, interruption: &Interruption, showing: Showing) -> anyhow::Result<ExitCode> {
    if let Some(parent) = run.parent().filter(|_| !showing.quiet) {
        output::note(&origin(parent));
    }
    let layout = run.layout().clone();
    interruption.running(&resume_command(layout.root()));
    let observers = showing.observers(&layout, "run", interruption)?;
    let end = run.train(observers, &interruption.stop)?;
    finish(end, &layout, interruption, showing.json)
}

/// What a run begins from, in a sentence.
fn origin(parent: &Parent) -> String {
    let what = match parent.how {
        Inheritance::Weights => "the best network",
        Inheritance::WeightsAndOptimizer => "the last network and optimizer",
        Inheritance::Everything => "the end",
    };
    let seeds = parent.seeds.iter().map(|(seed, from)| {
        let of = if from.seed == *seed { String::new() } else { format!(" of its seed {}", from.seed) };
        format!("seed {seed} from epoch {}{of}", from.epoch)
    });
    let mut text = format!("starting from {what} of `{}`: {}", parent.run, seeds.collect::<Vec<_>>().join(", "));
    if !parent.initialised.is_empty() {
        let names: Vec<&str> = parent.initialised.iter().map(String::as_str).collect();
        let _ = write!(text, "; initialised: {}", names.join(", "));
    }
    text
}

pub(crate) fn resume(arguments: &ResumeArguments) -> anyhow::Result<ExitCode> {
    let showing = Showing { quiet: arguments.quiet, tui: arguments.tui, json: arguments.json }.check()?;
    if let Some(epochs) = arguments.epochs {
        return extend(arguments, epochs, showing);
    }
    let command = resume_command(&arguments.run);
    let interruption = Interruption::while_preparing(&format!("stopped; {command} continues from what was saved"))?;
    let (data, experiment, folder) = open_run(&arguments.run, &arguments.data)?;
    let session = session(&data, &arguments.reading).allow_memory(arguments.allow_memory);
    let run = session.resume(&experiment, folder)?;
    if let Some(results) = run.results()? {
        let rest = if results.is_tested() { "" } else { " but for its test split, which `medley test` scores" };
        output::note(&format!("`{}` is finished{rest}: there is nothing to resume", Shown(&arguments.run)));
    }
    let layout = run.layout().clone();
    interruption.running(&command);
    let observers = showing.observers(&layout, "resuming", &interruption)?;
    let end = run.train(observers, &interruption.stop)?;
    finish(end, &layout, &interruption, showing.json)
}

/// Goes on with a finished run in a new folder.
fn extend(arguments: &ResumeArguments, epochs: usize, showing: Showing) -> anyhow::Result<ExitCode> {
    let interruption = Interruption::while_preparing("stopped before the run began; nothing was written")?;
    let parent = ParentRun::open(&arguments.run, Inheritance::Everything)?;
    let layout = RunLayout::new(&arguments.run);
    let data = data_folder::of_run(&arguments.run, Some(parent.manifest()), &arguments.data);
    let finished = config::read_recorded(&layout, parent.manifest(), &data)?;
    if read_results(&layout, parent.manifest())?.is_none() {
        return Err(TrainError::Unfinished { run: arguments.run.clone() }.into());
    }
    let experiment = config::longer(&finished, epochs, &data, &arguments.run)?;
    let config_text = experiment.to_toml();
    let request = RunRequest {
        experiment: &experiment,
        config_text: &config_text,
        runs_folder: arguments.run.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")),
        run_name: arguments.name.as_deref(),
        parent: Some(&parent),
        no_test: parent.manifest().no_test,
    };
    let session = session(&data, &arguments.reading).allow_memory(arguments.allow_memory);
    train_whole(session.start(&request)?, &interruption, showing)
}

/// Runs on the same folder share what is read of the data. What was done before one fails is printed.
pub(crate) fn test(arguments: &TestArguments) -> anyhow::Result<ExitCode> {
    let mut sessions = BTreeMap::new();
    let interruption = Interruption::while_running("`medley test`")?;
    let (mut all, mut tested_auto) = (Vec::new(), false);
    let mut test_all = || -> anyhow::Result<ExitCode> {
        for path in &arguments.runs {
            let command = format!("`medley test {}`", path.display());
            interruption.running(&command);
            if auto::is_auto(path) {
                let code = auto::test(path, arguments, &interruption)?;
                if code != ExitCode::SUCCESS {
                    return Ok(code);
                }
                tested_auto = true;
                continue;
            }
            let (data, experiment, folder) = open_run(path, &arguments.data)?;
            let session = sessions.entry(data.clone()).or_insert_with(|| session(&data, &arguments.reading));
            let run = session.resume(&experiment, folder)?;
            if run.results()?.is_some_and(|results| results.is_tested()) {
                output::note(&format!("`{}` was tested before: there is nothing to do", Shown(path)));
            }
            let layout = run.layout().clone();
            match run.test(observers(arguments.quiet, "testing"), &interruption.stop)? {
                RunEnd::Interrupted => return Ok(interruption.note(&command)),
                RunEnd::Finished(results) if arguments.json => {
                    write_out(&layout, &results)?;
                    all.push(results);
                }
                RunEnd::Finished(results) => print(&layout, &results)?,
            }
        }
        Ok(ExitCode::SUCCESS)
    };
    let end = test_all();
    let printed = if arguments.json && !(tested_auto && all.is_empty()) { output::json(&all) } else { Ok(()) };
    end.and_then(|code| printed.map(|()| code))
}

pub(crate) fn session(data: &Path, reading: &Reading) -> Session<'static> {
    Session::open(data, reading.options(), &RealFs)
}

/// A run folder, held by this process from now on, with its data folder and its experiment.
pub(crate) fn open_run(run: &Path, data: &RunDataFolder) -> anyhow::Result<(PathBuf, Experiment, RunFolder)> {
    let folder = RunFolder::open(run)?;
    let data = data_folder::of_run(run, Some(folder.manifest()), data);
    let experiment = config::read_recorded(folder.layout(), folder.manifest(), &data)
        .with_context(|| format!("`{}` is not a run folder that can be resumed", run.display()))?;
    Ok((data, experiment, folder))
}

fn resume_command(run: &Path) -> String {
    format!("`medley resume {}`", run.display())
}

/// A progress bar that says what is being done.
fn observers(quiet: bool, doing: &'static str) -> Observers {
    let mut observers = Observers::default();
    if !quiet {
        observers.push("progress", Box::new(Progress::new(doing)));
    }
    observers
}

/// What was chosen, now or earlier.
fn compute_plan(run: &Run<'_>, choice: &ChosenPlan) -> String {
    let Environment { precision, memory_layout, convolutions, threads, replicas, .. } = run.environment();
    let cores = match (replicas, threads) {
        (1, threads) => plural(threads, "thread"),
        (replicas, _) => plural(replicas, "replica"),
    };
    let tried = plural(choice.trials.len(), "candidate");
    let when = if choice.kept { ", tried by an earlier run (medley doctor --recalibrate forgets it)" } else { "" };
    let kernels = match convolutions {
        Convolutions::Libtorch => "",
        Convolutions::Winograd => ", convolutions by kernels of Medley's own",
        Convolutions::Im2col => ", weight gradients of deep layers by im2col",
    };
    format!("computing in {precision}, {memory_layout}{kernels}, {cores}: the fastest of {tried}{when}")
}

fn finish(end: RunEnd, layout: &RunLayout, interruption: &Interruption, json: bool) -> anyhow::Result<ExitCode> {
    match end {
        RunEnd::Interrupted => Ok(interruption.note(&resume_command(layout.root()))),
        RunEnd::Finished(results) if json => {
            write_out(layout, &results)?;
            output::json(&results)?;
            Ok(ExitCode::SUCCESS)
        }
        RunEnd::Finished(results) => print(layout, &results).map(|()| ExitCode::SUCCESS),
    }
}

/// Writes the report, and a submission once the test split is scored, if it has a task that fits one.
fn write_out(layout: &RunLayout, results: &RunResults) -> anyhow::Result<Vec<String>> {
    let mut lines = vec![format!("run        {}", layout.root().display())];
    lines.push(format!("report     {}", write_report(layout, &RealFs)?.display()));
    if results.is_tested() {
        lines.push(format!("submission {}", submission(layout)?));
    } else {
        lines.push(format!("test       not scored yet; `medley test {}` does that", layout.root().display()));
    }
    Ok(lines)
}

/// What became of the submission. That no task fits one, as of multi-label tasks alone, is no failure of the run.
fn submission(layout: &RunLayout) -> anyhow::Result<String> {
    let written = match write_submission(layout, &SubmissionOrder::Competition, &RealFs) {
        Err(SubmissionError::NothingToSubmit { .. }) => {
            return Ok("none: it holds one class per image, and every task here has several labels".to_owned());
        }
        written => written?,
    };
    let mut text = format!("{} ({})", written.path.display(), plural(written.rows, "row"));
    for remark in &written.remarks {
        let _ = write!(text, "\n           {remark}");
    }
    Ok(text)
}

/// The results come first: they are told even if what is made of them cannot be written.
fn print(layout: &RunLayout, results: &RunResults) -> anyhow::Result<()> {
    output::line(&summary(results))?;
    let lines = write_out(layout, results)?;
    output::line(&format!("\n{}", lines.join("\n")))
}

/// The table at the end: results by task, mean and spread over seeds; of the validation split while the test split is shut.
fn summary(results: &RunResults) -> String {
    let (split, caution, sets): (_, _, Vec<&ScoreSet>) = if results.is_tested() {
        ("test", "", results.test_sets().collect())
    } else {
        ("validation", " (optimistic where epochs or settings are chosen on it)", validation_sets(results))
    };
    let spreads = summarise_sets(&sets);
    let cell = |task: &str, metric: &str| {
        spreads.iter().find(|spread| spread.task == task && spread.metric == metric).map_or_else(
            || "-".to_owned(),
            |spread| match spread.standard_deviation {
                Some(deviation) => format!("{:.4} ± {deviation:.4}", spread.mean),
                None => format!("{:.4}", spread.mean),
            },
        )
    };
    let tasks = sets.first().map(|set| set.tasks.as_slice()).unwrap_or_default();
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
    let mut text = format!("{split} split{caution}, {}{spread}\n\n", plural(seeds, "seed"));
    text.push_str(&output::table(&["task", "images", "AUC", "ACC", "macro-F1"], &rows));
    for task in tasks.iter().filter(|task| task.auc.is_none()) {
        let reason = undefined_auc(task.rows, &task.per_class);
        let _ = reason.map(|reason| write!(text, "\n\n{} has no AUC: in the {split} split {reason}.", task.task));
    }
    let headline = format!("{split} harmonic mean of macro-F1");
    let _ = write!(text, "\n\n{headline}  {}", cell("all", "harmonic_mean"));
    if let Some(ensemble) = &results.ensemble {
        let of_mean = ensemble.harmonic_mean;
        let _ = write!(text, "\n{headline}, of the mean of the seeds' probabilities  {of_mean:.4}");
    }
    if results.synthetic {
        text.push_str("\n\nSYNTHETIC DATA: these results say nothing about medicine or the benchmark.");
    }
    text.push_str("\nNot for clinical use.");
    text
}

fn validation_sets(results: &RunResults) -> Vec<&ScoreSet> {
    results.seeds.iter().map(|seed| &seed.validation).collect()
}
