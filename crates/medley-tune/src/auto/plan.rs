//! What is searched by default, and how long trials are: pure functions of the size of the data and of the time.

use std::fmt::Write as _;
use std::path::Path;

use medley_data::Registry;
use medley_search::StudyDefinition;
use medley_train::config::Experiment;
use medley_train::dry_run::EpochTime;

use super::AutoRequest;
use crate::{Plan, TuneError};

/// Where the search ends, as a share of the budget.
pub const SEARCH_SHARE: f64 = 0.5;
/// Where the last network has to be finished: the rest is for the ensemble, decision rules and the report.
pub const TRAIN_SHARE: f64 = 0.94;
/// Trials that a worker could train to their end while the search lasts. Most are stopped early.
const WHOLE_TRIALS: f64 = 5.0;
/// A network takes longer while others train beside it.
const BESIDE: f64 = 1.3;
/// Optimizer steps after which small sets have learned what there is.
const MOST_STEPS: usize = 2_500;
/// Fewer epochs say nothing of a schedule.
const LEAST_EPOCHS: usize = 3;
/// Rows that count as a small set.
const SMALL: usize = 4_000;

/// The default recipe, as `configs/base.toml` has it.
const RECIPE: &str = include_str!("../../../../configs/base.toml");

/// The config that trials vary.
///
/// # Errors
/// [`TuneError::Config`] where the base cannot be read or a task is not known; [`TuneError::NoTasks`].
pub fn base_text(request: &AutoRequest, registry: &Registry) -> Result<String, TuneError> {
    let tasks = |tasks: &[String]| tasks.iter().map(|task| format!("{task:?}")).collect::<Vec<_>>().join(", ");
    let Some(base) = &request.base else {
        if request.tasks.is_empty() {
            return Err(TuneError::NoTasks);
        }
        let volumes =
            |task: &String| registry.get(task).is_some_and(|entry| entry.spec(28, entry.origin).shape.depth.is_some());
        let recipe = if request.tasks.iter().any(volumes) {
            RECIPE.replace("{ name = \"resnet9\", width = 32 }", "{ name = \"resnet18_3d\" }")
        } else {
            RECIPE.to_owned()
        };
        return Ok(format!("name = \"auto\"\ntasks = [{}]\n{recipe}", tasks(&request.tasks)));
    };
    let loaded = medley_train::config::load::load::<medley_train::config::RawExperiment>(base, &[])?;
    let mut table = loaded.table;
    if !request.tasks.is_empty() {
        let tasks: Vec<toml::Value> = request.tasks.iter().map(|task| task.as_str().into()).collect();
        table.insert("tasks".to_owned(), tasks.into());
    }
    table.insert("name".to_owned(), "auto".into());
    if let Some(train) = table.get_mut("train").and_then(toml::Value::as_table_mut) {
        // The budget is that of the whole.
        train.remove("budget");
        train.remove("threads");
        train.remove("replicas");
    }
    Ok(medley_train::config::load::render(&table))
}

/// How long trials are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TimePlan {
    /// Epochs of a trial.
    pub epochs: usize,
    /// Seconds of an epoch, beside other workers.
    pub epoch_seconds: f64,
    /// Training images of an epoch, where those are fewer than the rows.
    pub samples: Option<usize>,
}

impl TimePlan {
    /// For a budget of so many seconds, of which the search has a share.
    pub fn new(time: &EpochTime, budget: f64, search_share: f64) -> Self {
        let trial = (budget * search_share / WHOLE_TRIALS / BESIDE - time.end).max(0.0);
        let most = (MOST_STEPS / time.steps.max(1)).clamp(20, 100);
        let epochs = trial / time.seconds().max(1e-6);
        if epochs >= LEAST_EPOCHS as f64 {
            let epochs = (epochs as usize).min(most);
            return Self { epochs, epoch_seconds: time.seconds() * BESIDE, samples: None };
        }
        // Shorter epochs, so that there is a schedule, and rungs.
        let of_epoch = trial / LEAST_EPOCHS as f64;
        let steps = ((of_epoch - time.validation) / time.step.max(1e-9)).max(4.0) as usize;
        let steps = steps.min(time.steps.max(1));
        let epoch_seconds = (time.step * steps as f64 + time.validation) * BESIDE;
        Self { epochs: LEAST_EPOCHS, epoch_seconds, samples: Some(steps) }
    }

    /// The text of a config with these epochs.
    #[must_use]
    pub fn apply(&self, text: &str) -> String {
        let Ok(mut table) = text.parse::<toml::Table>() else { return text.to_owned() };
        let mut set = |name: &str, key: &str, value: i64| {
            let entry = table.entry(name).or_insert_with(|| toml::Table::new().into());
            entry.as_table_mut().map(|inner| inner.insert(key.to_owned(), value.into()))
        };
        set("train", "epochs", self.epochs as i64);
        if let Some(steps) = self.samples {
            let batch = batch_size(text);
            set("sampler", "samples_per_epoch", (steps * batch) as i64);
        }
        medley_train::config::load::render(&table)
    }
}

fn batch_size(text: &str) -> usize {
    let table = text.parse::<toml::Table>().unwrap_or_default();
    let written = table.get("train").and_then(|train| train.get("batch_size")).and_then(toml::Value::as_integer);
    written.and_then(|size| usize::try_from(size).ok()).unwrap_or(128)
}

/// The default space: lines of `[space]`, those that the base takes. Small sets are helped by regularisation, large ones less.
///
/// # Errors
/// Where the base cannot be used by itself.
pub fn space(base: &Path, rows: usize, registry: &Registry) -> Result<Vec<String>, TuneError> {
    let experiment = Experiment::load(base, &[], registry)?;
    let rate = experiment.optimizer.learning_rate;
    let around = |factor: f64| format!("{{ log = [{:e}, {:e}] }}", rate / factor, rate * factor);
    let small = rows <= SMALL;
    let mut lines = vec![
        format!("\"optimizer.learning_rate\" = {}", around(if small { 8.0 } else { 4.0 })),
        "\"optimizer.weight_decay\" = { log = [1e-3, 0.3] }".to_owned(),
        format!("\"net.dropout\" = {{ uniform = [0.0, {}] }}", if small { "0.5" } else { "0.3" }),
        format!("\"loss.label_smoothing\" = {{ uniform = [0.0, {}] }}", if small { "0.2" } else { "0.1" }),
        "\"loss.class_weight_power\" = { uniform = [0.0, 1.0] }".to_owned(),
    ];
    if small {
        lines.push("\"train.batch_size\" = { choice = [32, 64, 128] }".to_owned());
    }
    // A base of one's own may lack some of them.
    let fits = |line: &String| -> Result<bool, TuneError> {
        let text = study_text(std::slice::from_ref(line), experiment.train.epochs, 0);
        let definition = StudyDefinition::parse("auto".as_ref(), &text)?;
        match Plan::of(&definition)?.check_base(&definition, base, registry) {
            Ok(()) => Ok(true),
            Err(TuneError::Search(_)) => Ok(false),
            Err(other) => Err(other),
        }
    };
    let mut kept = Vec::new();
    for line in lines {
        if fits(&line)? {
            kept.push(line);
        }
    }
    if kept.is_empty() {
        return Err(experiment.refuse("optimizer.learning_rate", "nothing can be searched around this base").into());
    }
    Ok(kept)
}

/// The study of a space.
pub fn study_text(space: &[String], epochs: usize, seed: u64) -> String {
    // Three levels: a ninth, a third, all.
    let first = (epochs / 9).max(1);
    let mut text = format!(
        "seed = {seed}\n[budget]\ntrials = 1000\n[objective]\nbase = \"config.toml\"\n[sampler]\nname = \"tpe\"\n"
    );
    if epochs > first {
        let _ = write!(text, "[pruner]\nname = \"asha\"\nfirst = {first}\nlast = {epochs}\n");
    }
    let _ = write!(text, "[space]\n{}\n", space.join("\n"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(step: f64, steps: usize, validation: f64) -> EpochTime {
        EpochTime { step, steps, validation, end: validation }
    }

    #[test]
    fn trials_are_as_long_as_the_time_allows() {
        // 600 s, half of it for the search: 46 s a trial.
        assert_eq!(TimePlan::new(&time(0.1, 5, 0.1), 600.0, 0.5).epochs, 76);
        assert_eq!(TimePlan::new(&time(0.001, 5, 0.0), 600.0, 0.5).epochs, 100, "small sets have learned by then");
        let large = TimePlan::new(&time(0.1, 1_000, 5.0), 600.0, 0.5);
        assert_eq!((large.epochs, large.samples), (LEAST_EPOCHS, Some(87)));
        assert!(TimePlan::new(&time(1.0, 10, 100.0), 1.0, 0.5).samples.unwrap() >= 4);
    }

    #[test]
    fn the_plan_is_written_into_the_config() {
        let plan = TimePlan { epochs: 7, epoch_seconds: 1.0, samples: Some(10) };
        let text = plan.apply("name = 'x'\n[train]\nbatch_size = 16\n");
        assert!(text.contains("epochs = 7") && text.contains("samples_per_epoch = 160"), "{text}");
    }

    #[test]
    fn what_the_base_does_not_take_is_not_searched() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().join("config.toml");
        let write = |text: &str| medley_storage::write_whole(&medley_storage::RealFs, &base, text.as_bytes()).unwrap();
        write("name = 'x'\ntasks = ['breastmnist']\n");
        let all = space(&base, 500, Registry::builtin()).unwrap();
        assert_eq!(all.len(), 6, "{all:?}");
        assert_eq!(space(&base, 50_000, Registry::builtin()).unwrap().len(), 5);
        write("name = 'x'\ntasks = ['breastmnist']\n[loss]\nclass_weight_beta = 0.99\n");
        let fewer = space(&base, 50_000, Registry::builtin()).unwrap();
        assert!(fewer.len() <= 5 && fewer[0].contains("learning_rate"), "{fewer:?}");
        StudyDefinition::parse("x".as_ref(), &study_text(&all, 30, 1)).unwrap();
    }
}
