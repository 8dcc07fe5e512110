use std::fmt::Write as _;
use std::process::ExitCode;

use medley_core::Origin;
use medley_core::record::{Environment, Inheritance, Parent, ScoreSet, TaskResult};
use medley_core::text::{count, plural};
use medley_runs::{Described, Mean, SeedState, State, TestScore, describe};
use medley_storage::Shown;

use super::{NONE, mean, metric, minute, short};
use crate::args::runs::ShowArguments;
use crate::output;

pub(super) fn run(arguments: &ShowArguments) -> anyhow::Result<ExitCode> {
    let described = describe(&arguments.run)?;
    if arguments.json {
        output::json(&described)?;
    } else {
        output::line(&text(&described))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn text(run: &Described) -> String {
    let mut text = String::new();
    section(&mut text, "", &overview(run));
    section(&mut text, "config", &output::pairs(&run.config));
    section(&mut text, "data", &data(run));
    section(&mut text, "environment", &environment(&run.environment, run));
    section(&mut text, "seeds", &seeds(run));
    section(
        &mut text,
        "validation, at the selected epoch of each seed",
        &scores(run, |seed| seed.validation.as_ref(), None),
    );
    section(&mut text, "test", &scores(run, |seed| seed.test.as_ref(), run.ensemble.as_ref()));
    section(&mut text, "test labels opened", &openings(run));
    section(&mut text, "checkpoints", &checkpoints(run));
    section(&mut text, "problems", &run.problems.join("\n"));
    text.trim_end().to_owned()
}

/// A title and lines below it; nothing where there are none.
fn section(text: &mut String, title: &str, body: &str) {
    if body.is_empty() {
        return;
    }
    if !title.is_empty() {
        let _ = writeln!(text, "{title}");
    }
    for line in body.lines() {
        let _ = writeln!(text, "{}{line}", if title.is_empty() { "" } else { "  " });
    }
    text.push('\n');
}

fn overview(run: &Described) -> String {
    let overview = &run.overview;
    let mut state = overview.state.as_str().to_owned();
    if overview.state == State::Interrupted {
        let _ = write!(state, "; `medley resume {}` continues it", Shown(&overview.path));
    }
    let mut pairs = vec![("run".to_owned(), Shown(&overview.path).to_string()), ("state".to_owned(), state)];
    let mut add = |key: &str, value: Option<String>| pairs.extend(value.map(|value| (key.to_owned(), value)));
    add("made as", (run.run != overview.name).then(|| run.run.clone()));
    add("made", overview.created.as_deref().map(|created| format!("{} UTC", minute(created))));
    add("tasks", (!overview.tasks.is_empty()).then(|| overview.tasks.join(", ")));
    add("data", overview.synthetic.then(|| "SYNTHETIC: the scores say nothing about medicine".to_owned()));
    add("parent", run.parent.as_ref().map(parent));
    add("model", overview.model.as_ref().map(ToString::to_string));
    add(
        "validation",
        overview.validation.as_ref().map(|score| {
            let epoch = score.epoch.map_or_else(String::new, |epoch| format!(", at epoch {epoch}"));
            format!("{} ({}{epoch})", mean(&score.mean), score.selection.as_str())
        }),
    );
    add(
        "test",
        Some(match &overview.test {
            TestScore::Scored(score) => format!("{} (harmonic mean of the macro-F1)", mean(score)),
            TestScore::Opened => "opened, and not complete".to_owned(),
            TestScore::NotOpened => "not opened".to_owned(),
            TestScore::Unknown => NONE.to_owned(),
        }),
    );
    add("size", overview.bytes.map(output::bytes));
    add("tags", (!overview.tags.is_empty()).then(|| overview.tags.join(", ")));
    add("note", overview.note.as_deref().map(|note| note.replace('\n', " ")));
    output::pairs(&pairs)
}

/// `first-1, its best network: seed 0 from seed 0 after 12 epochs`.
fn parent(parent: &Parent) -> String {
    let how = match parent.how {
        Inheritance::Weights => "its best network",
        Inheritance::WeightsAndOptimizer => "its last network, and what its optimizer and average keep",
        Inheritance::Everything => "resumed for more epochs",
    };
    let seeds = parent.seeds.iter().map(|(seed, from)| {
        let epochs = plural(from.epoch, "epoch");
        format!("seed {seed} from seed {} after {epochs}", from.seed)
    });
    format!("{}, {how}: {}", parent.run, seeds.collect::<Vec<_>>().join("; "))
}

fn data(run: &Described) -> String {
    let origin = |origin: Origin| match origin {
        Origin::Official => "official",
        Origin::Synthetic => "SYNTHETIC",
        Origin::User => "own",
    };
    let rows: Vec<Vec<String>> = (run.data.iter())
        .map(|data| {
            let images = data.rows.values().sum::<usize>();
            let release = data.release.clone().unwrap_or_else(|| "not a published file".to_owned());
            let what = if data.task.origin == Origin::Official { release } else { NONE.to_owned() };
            vec![
                data.task.name.clone(),
                data.file.clone(),
                short(&data.sha256),
                origin(data.task.origin).to_owned(),
                what,
                count(images as u64),
            ]
        })
        .collect();
    let mut text = output::table(&["task", "file", "SHA-256", "origin", "release", "images"], &rows);
    if let Some(folder) = &run.data_folder {
        let _ = write!(text, "\nin {}", output::on_one_line(folder));
    }
    text
}

fn environment(environment: &Environment, run: &Described) -> String {
    let Environment { medley, libtorch, device, cpu_capability, threads, precision, replicas, platform, .. } =
        environment;
    let cores = if *replicas > 1 { plural(*replicas, "replica") } else { plural(*threads, "thread") };
    let kernels = environment.kernel_instructions.as_ref().map(|name| format!(", Medley's kernels {name}"));
    let kernels = kernels.unwrap_or_default();
    let mut pairs = vec![
        ("medley".to_owned(), format!("{medley}, libtorch {libtorch}, {platform}")),
        ("computed on".to_owned(), format!("{device}, {cpu_capability}{kernels}, {cores}")),
        (
            "computed in".to_owned(),
            format!("{precision}, {}, convolutions by {}", environment.memory_layout, environment.convolutions),
        ),
    ];
    pairs.extend(environment.mkl_cbwr.iter().map(|mode| ("MKL_CBWR".to_owned(), mode.clone())));
    pairs.extend(run.git_revision.iter().map(|revision| ("git".to_owned(), revision.clone())));
    let weights = |weights: &medley_core::record::WeightsRecord| {
        ("started from".to_owned(), format!("{}, SHA-256 {}", weights.file, short(&weights.sha256)))
    };
    pairs.extend(run.pretrained.as_ref().map(weights));
    output::pairs(&pairs)
}

fn seeds(run: &Described) -> String {
    let planned = run.overview.epochs.map_or_else(|| "all epochs".to_owned(), |epochs| plural(epochs, "epoch"));
    let rows: Vec<Vec<String>> = (run.seeds.iter())
        .map(|seed| {
            let state = match (seed.epochs, &seed.stopped) {
                (Some(epochs), _) => format!("{epochs} of {planned}"),
                (None, Some(reason)) => format!("stopped early: {reason}"),
                (None, None) => planned.clone(),
            };
            let best = seed.best_epoch.map_or_else(|| NONE.to_owned(), |epoch| epoch.to_string());
            vec![seed.seed.to_string(), best, state]
        })
        .collect();
    output::table(&["seed", "selected epoch", "trained"], &rows)
}

type Value = fn(&TaskResult) -> Option<f64>;

/// Seeds that have a column each; of more, the mean and the spread are shown.
const SEED_COLUMNS: usize = 5;

/// A row for each task and metric, a column for each seed; empty where there is no score.
fn scores<'a>(
    run: &'a Described,
    of_seed: impl Fn(&'a SeedState) -> Option<&'a ScoreSet>,
    ensemble: Option<&ScoreSet>,
) -> String {
    let sets: Vec<(u64, &ScoreSet)> = run.seeds.iter().filter_map(|seed| Some((seed.seed, of_seed(seed)?))).collect();
    if sets.is_empty() {
        return String::new();
    }
    let mut header = vec!["task".to_owned(), "metric".to_owned()];
    if sets.len() > SEED_COLUMNS {
        header.push(plural(sets.len(), "seed"));
    } else {
        header.extend(sets.iter().map(|(seed, _)| format!("seed {seed}")));
    }
    header.extend(ensemble.map(|_| "ensemble".to_owned()));
    let row = |task: &str, name: &str, value: &dyn Fn(&ScoreSet) -> Option<f64>| {
        let number = |value: Option<f64>| value.map_or_else(|| NONE.to_owned(), |value| format!("{value:.4}"));
        let values: Vec<Option<f64>> = sets.iter().map(|(_, set)| value(set)).collect();
        let mut cells = vec![task.to_owned(), metric(name).to_owned()];
        if sets.len() > SEED_COLUMNS {
            let defined: Option<Vec<f64>> = values.into_iter().collect();
            cells.push(defined.and_then(|values| Mean::of(&values)).map_or_else(|| NONE.to_owned(), |of| mean(&of)));
        } else {
            cells.extend(values.into_iter().map(number));
        }
        cells.extend(ensemble.map(|set| number(value(set))));
        cells
    };
    let metrics: [(&str, Value); 3] =
        [("auc", |task| task.auc), ("accuracy", |task| Some(task.accuracy)), ("macro_f1", |task| Some(task.macro_f1))];
    let mut rows = Vec::new();
    for task in &run.overview.tasks {
        for (name, value) in metrics {
            rows.push(row(task, name, &|set| value(set.tasks.iter().find(|result| result.task == *task)?)));
        }
    }
    rows.push(row("all", "harmonic_mean", &|set| Some(set.harmonic_mean)));
    output::table(&header.iter().map(String::as_str).collect::<Vec<_>>(), &rows)
}

fn openings(run: &Described) -> String {
    let line = |opening: &medley_core::record::TestOpening| {
        let (when, by) = (minute(&opening.when), &opening.by);
        output::on_one_line(&format!("{when} UTC by `medley {by}`, for predictions of {}", opening.predictor))
    };
    run.test_openings.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn checkpoints(run: &Described) -> String {
    let row = |checkpoint: &medley_runs::Checkpoint| {
        vec![checkpoint.seed.to_string(), checkpoint.name.clone(), output::bytes(checkpoint.bytes)]
    };
    let rows: Vec<Vec<String>> = run.checkpoints.iter().map(row).collect();
    if rows.is_empty() { String::new() } else { output::table(&["seed", "checkpoint", "size"], &rows) }
}
