//! What is searched by default, and how long trials are: pure functions of the size of the data and of the time.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use medley_data::Registry;
use medley_search::StudyDefinition;
use medley_train::config::Experiment;
use medley_train::dry_run::EpochTime;
use serde::{Deserialize, Serialize};

use super::AutoRequest;
use super::length::{LEAST_EPOCHS, LEAST_STEPS, Length};
use super::schedule::{Finishing, MARGIN, PLANNED_EXCESS, SEARCH_SHARE, Scheme};
use crate::{Plan, TuneError};

/// Trials that a worker could train to their end while the search lasts. Most are stopped early.
const WHOLE_TRIALS: f64 = 5.5;
/// Optimizer steps after which small sets have learned what there is.
const MOST_STEPS: usize = 3_000;
/// Networks as long as is worth it that there has to be time for, or nothing is searched: what a search finds in so little time is chance, and
/// longer training is not.
const LEAST_OF_SEARCH: f64 = 6.0;
/// Below that, one network at a time is trained, by all cores.
const LEAST_OF_TWO: f64 = 2.0;
/// Numbers of networks that are planned for: the first where each has steps enough, else the last. With a search, half of them are by the
/// default recipe.
const NETWORKS: [usize; 4] = [20, 10, 6, 4];
/// Epochs, and the least and most steps they come to, after which a network more is worth more than longer training: out of fold, a recipe of
/// 750 steps gains .055 macro-F1 on DermaMNIST by four times as many, and loses .016 of that by eight times (`configs/RECIPE.md`).
const ENOUGH_EPOCHS: usize = 40;
const ENOUGH_STEPS: [usize; 2] = [400, 3_000];
/// Steps from which images are mixed: out of fold, networks of 3,000 steps have an AUC of .926 on DermaMNIST with MixUp of 0.2 and of .915 without, and
/// the same macro-F1; networks of 750 steps on RetinaMNIST do not care (`configs/RECIPE.md`).
const LONG: usize = 1_500;
const MIXUP: f64 = 0.2;
/// Rows that count as a small set.
const SMALL: usize = 4_000;
/// Rows up to which networks are trained on folds: more rows have a validation split that can tell networks apart.
const FOLDED: usize = 20_000;
/// Channels of the first block of the default network, and of the network for budgets with time for [`WIDER`] times as much.
pub(super) const NARROW: usize = 16;
pub(super) const WIDE: usize = 32;
pub(super) const WIDER: f64 = 4.0;
/// Seconds that ensemble, rules and report take beside what the size of the data makes them take.
const FINISH: f64 = 1.2;
/// Seconds that the package of a network takes.
const FINISH_NETWORK: f64 = 0.15;

/// The default recipe, as `configs/base.toml` has it.
const RECIPE: &str = include_str!("../../../../configs/base.toml");

/// The config that trials vary; `width` is that of the default network, and does not concern a base of one's own.
///
/// # Errors
/// [`TuneError::Config`] where the base cannot be read or a task is not known; [`TuneError::NoTasks`].
pub fn base_text(request: &AutoRequest, registry: &Registry, width: usize) -> Result<String, TuneError> {
    let tasks = |tasks: &[String]| tasks.iter().map(|task| format!("{task:?}")).collect::<Vec<_>>().join(", ");
    let Some(base) = &request.base else {
        if request.tasks.is_empty() {
            return Err(TuneError::NoTasks);
        }
        let volumes =
            |task: &String| registry.get(task).is_some_and(|entry| entry.spec(28, entry.origin).shape.depth.is_some());
        let recipe = if request.tasks.iter().any(volumes) {
            // As `configs/adrenal-3d.toml` has it.
            let network = format!("{{ name = \"resnet18_3d\", width = {width}, convolution = \"acs\" }}");
            let recipe = RECIPE.replace("{ name = \"resnet9\", width = 32 }", &network);
            recipe.replace("batch_size = 128", "batch_size = 32")
        } else {
            RECIPE.replace("width = 32", &format!("width = {width}"))
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
    // Folds are made here; `groups_of` keeps what belongs together.
    table.remove("folds");
    Ok(medley_train::config::load::render(&table))
}

/// What was measured before the plan.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Opened {
    /// Of the base experiment, while all workers train.
    pub(super) epoch: EpochTime,
    /// Training rows of an epoch.
    pub(super) rows: usize,
    /// What opening and timing took.
    pub(super) seconds: f64,
    /// Threads that train at the same time.
    pub(super) workers: usize,
    /// What an epoch takes where all of them train one network; `None` where they cannot.
    pub(super) split: Option<EpochTime>,
}

/// How long trials are, and when what ends.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TimePlan {
    /// Epochs of a trial.
    pub trial_epochs: usize,
    /// Epochs of a network, which is no shorter.
    pub epochs: usize,
    /// Seconds of an epoch, beside other workers.
    pub epoch_seconds: f64,
    /// Seconds of a validation, which are a part of those of an epoch.
    #[serde(default)]
    pub validation_seconds: f64,
    /// Seconds at the end of a network.
    pub end_seconds: f64,
    /// Steps of a network; not known of plans that earlier versions made.
    #[serde(default)]
    pub steps: usize,
    /// Training images of an epoch, where those are fewer than the rows.
    pub samples: Option<usize>,
    /// Training rows.
    pub rows: usize,
    /// The last network has to be finished when so many seconds are spent: the rest is for ensemble, rules, package and report.
    pub train_until: f64,
    /// How many networks are trained by each recipe.
    pub scheme: Scheme,
    /// Replicas of a network that split its batches; with several, one network is trained at a time.
    pub replicas: usize,
    /// Seconds that there would be for a trial.
    trial_seconds: f64,
    /// Seconds that the most epochs which are worth it would take.
    most_seconds: f64,
}

impl TimePlan {
    /// For a budget of so many seconds, some of which are spent.
    ///
    /// # Errors
    /// [`TuneError::TooLittleTime`] where no network could be trained in it.
    pub(super) fn new(opened: &Opened, spent: f64, budget: f64) -> Result<Self, TuneError> {
        let careful = Self::finishing(opened, spent, budget, (6 * opened.workers).clamp(6, 20))?;
        if careful.scheme.search {
            // What follows the last network is timed before the search ends.
            return Ok(careful);
        }
        // With one more than are planned, as there may be time for it.
        let networks = careful.scheme.repeats * careful.scheme.each() + 1;
        let known = Self::finishing(opened, spent, budget, networks)?;
        Ok(if known.scheme.search { careful } else { known })
    }

    /// With time for what follows so many networks.
    fn finishing(opened: &Opened, spent: f64, budget: f64, networks: usize) -> Result<Self, TuneError> {
        let Opened { epoch, rows, seconds, workers, split } = *opened;
        // The data are opened once more for labels.
        let reserve = FINISH + seconds.min(4.0) / 4.0 + FINISH_NETWORK * networks as f64;
        let train_until = budget - reserve.min(budget / 4.0);
        let all = (train_until - spent).max(0.0);
        let most = (MOST_STEPS / epoch.steps.max(1)).clamp(20, 100);
        let least_steps = LEAST_STEPS.min(epoch.steps as f64);
        let least = LEAST_EPOCHS as f64 * (epoch.step * least_steps + epoch.validation) + epoch.end;
        // A network by the default recipe: with so little time nothing is searched.
        let needed = spent + least + reserve;
        if budget < needed {
            return Err(TuneError::TooLittleTime { budget, needed: needed.ceil() });
        }
        let times_whole = all * workers as f64 / (epoch.seconds() * most as f64 + epoch.end).max(1e-3);
        let search = times_whole >= LEAST_OF_SEARCH;
        let split = split.filter(|_| times_whole < LEAST_OF_TWO);
        let replicas = split.map_or(1, |_| workers);
        let (epoch, workers) = (split.unwrap_or(epoch), workers / replicas);
        // More epochs are better than time that is left where nothing is searched in it.
        let most = if search { most } else { 2 * most };
        let share = if search { SEARCH_SHARE } else { 0.0 };
        let trial = (all * share / WHOLE_TRIALS - epoch.end).max(0.0);
        let of_trial = Length::within(trial, epoch, most);
        // By workers that train one network after the other, with a search first those of the default recipe, then others: how long each is,
        // and the seconds that it has.
        let of = |networks: usize| {
            let in_turn = if search { 2 * (networks / 2).div_ceil(workers) } else { networks.div_ceil(workers) };
            let has = all * (1.0 - share) / in_turn as f64;
            let length = if search {
                of_trial.longer(has / MARGIN - epoch.end, most * epoch.steps)
            } else {
                // The clock decides when it ends.
                Length::laid_out(has - epoch.end, epoch, most)
            };
            (length, has)
        };
        let enough = (ENOUGH_EPOCHS * epoch.steps).clamp(ENOUGH_STEPS[0], ENOUGH_STEPS[1]).min(most * epoch.steps);
        let fewest = if search { NETWORKS[3] } else { workers };
        let laid_out = if search { 1.0 } else { PLANNED_EXCESS };
        let is_enough = |one: &Length| one.steps() as f64 / laid_out >= enough as f64;
        let (network, has) = NETWORKS.into_iter().map(of).find(|(one, _)| is_enough(one)).unwrap_or_else(|| of(fewest));
        let whole = network.seconds * network.epochs as f64 + epoch.end;
        let takes = if search { whole } else { whole.min(has) };
        // Rounding shall not cost one.
        let networks = (all * (1.0 - share) * workers as f64 / takes.max(1e-3) + 1e-6) as usize;
        Ok(Self {
            trial_epochs: if search { of_trial.epochs } else { network.epochs },
            epochs: network.epochs,
            epoch_seconds: network.seconds,
            validation_seconds: epoch.validation,
            end_seconds: epoch.end,
            steps: network.steps(),
            samples: network.fewer_steps,
            rows,
            train_until,
            scheme: Scheme::of(networks, rows <= FOLDED, search),
            replicas,
            trial_seconds: trial,
            most_seconds: epoch.seconds() * most as f64,
        })
    }

    /// Whether it could have been made for this budget: one that was read may have been damaged.
    pub(super) fn is_sound(&self, budget: f64) -> bool {
        let times = [self.epoch_seconds, self.validation_seconds, self.end_seconds, self.train_until];
        let is_time = |seconds: &f64| (0.0..=budget).contains(seconds);
        budget.is_finite() && times.iter().all(is_time) && self.epochs >= 1 && self.replicas >= 1
    }

    /// Seconds of a network, as far as that is known before one was trained.
    pub fn network_seconds(&self) -> f64 {
        self.epoch_seconds * self.epochs as f64 + self.end_seconds
    }

    /// Whether there is time for so many times as much as is worth it.
    pub(super) fn has_time_for(&self, times: f64) -> bool {
        self.trial_seconds > self.most_seconds * times
    }

    /// With the time that is kept for what follows so many networks, once that was timed.
    #[must_use]
    pub(super) fn keeping(self, finishing: Finishing, networks: usize, budget: f64) -> Self {
        Self { train_until: budget - finishing.reserve(networks), ..self }
    }

    /// The text of a config with the epochs of a trial. The default recipe mixes images where networks are trained for long; a recipe of
    /// one's own stays as it is.
    #[must_use]
    pub fn apply(&self, text: &str, is_own: bool) -> String {
        let Ok(mut table) = text.parse::<toml::Table>() else { return text.to_owned() };
        let mut set = |name: &str, key: &str, value: toml::Value| {
            let entry = table.entry(name).or_insert_with(|| toml::Table::new().into());
            entry.as_table_mut().map(|inner| inner.insert(key.to_owned(), value))
        };
        set("train", "epochs", (self.trial_epochs as i64).into());
        if let Some(steps) = self.samples {
            set("sampler", "samples_per_epoch", ((steps * batch_size(text)) as i64).into());
        }
        if !is_own && self.steps >= LONG {
            set("augment", "mix", toml::Table::from_iter([("mixup_alpha".to_owned(), MIXUP.into())]).into());
        }
        medley_train::config::load::render(&table)
    }
}

/// The files of rows that belong together of a base of one's own, by task.
///
/// # Errors
/// [`TuneError::Config`] where the base cannot be read.
pub(super) fn groups_of(request: &AutoRequest) -> Result<BTreeMap<String, String>, TuneError> {
    let Some(base) = &request.base else { return Ok(BTreeMap::new()) };
    let table = medley_train::config::load::load::<medley_train::config::RawExperiment>(base, &[])?.table;
    let groups = table.get("folds").and_then(|folds| folds.get("groups")).and_then(toml::Value::as_table);
    let file = |(task, path): (&String, &toml::Value)| Some((task.clone(), path.as_str()?.to_owned()));
    Ok(groups.into_iter().flatten().filter_map(file).collect())
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
        "seed = {seed}\n[budget]\ntrials = 10000\n[objective]\nbase = \"config.toml\"\n[sampler]\nname = \"tpe\"\n"
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

    fn plan(epoch: EpochTime, budget: f64) -> Result<TimePlan, TuneError> {
        let split = Some(epoch.split(2));
        TimePlan::new(&Opened { epoch, rows: 500, seconds: 2.0, workers: 2, split }, 3.0, budget)
    }

    /// Seconds of a worker alone; beside another, all of it takes 1.3 times as long.
    fn time(step: f64, steps: usize, validation: f64) -> EpochTime {
        EpochTime { step: step * 1.3, steps, validation: validation * 1.3, end: validation * 1.3 }
    }

    #[test]
    fn trials_are_as_long_as_the_time_allows() {
        let middle = plan(time(0.1, 5, 0.1), 600.0).unwrap();
        // 596.5 s until the networks have to be finished, half of the rest for the search: 53.9 s a trial, of epochs of 0.78 s.
        assert_eq!((middle.trial_epochs, middle.samples), (69, None));
        assert!((middle.train_until - 596.5).abs() < 1e-9, "{middle:?}");
        assert_eq!((middle.epochs, middle.scheme), (90, Scheme { folds: Some(3), repeats: 1, search: true }));
        let quick = plan(time(0.001, 5, 0.0), 600.0).unwrap();
        assert_eq!((quick.trial_epochs, quick.epochs), (100, 100), "small sets have learned by then");
        assert!(quick.has_time_for(WIDER) && !middle.has_time_for(WIDER));
        let large = plan(time(0.1, 1_000, 5.0), 600.0).unwrap();
        // One network, by both cores: 593 s are time for 8.65 epochs of 68.25 s, it is laid out for 9.34.
        assert_eq!((large.epochs, large.samples), (10, Some(933)));
    }

    #[test]
    fn networks_are_trained_for_long_enough_before_there_are_many() {
        let of = |epoch: EpochTime, budget: f64| {
            let plan = plan(epoch, budget).unwrap();
            (plan.epochs, plan.scheme)
        };
        let scheme = |folds, repeats, search| Scheme { folds, repeats, search };
        // A small set, in two minutes, in ten, in an hour.
        let small = time(0.07, 5, 0.07);
        assert_eq!(of(small, 120.0), (114, scheme(None, 4, false)));
        assert_eq!(of(small, 600.0), (98, scheme(Some(5), 1, true)));
        assert_eq!(of(small, 3_600.0), (100, scheme(Some(5), 4, true)));
        // A set of seven thousand images, in three minutes, in ten, in half an hour.
        let larger = time(0.08, 55, 0.6);
        assert_eq!(of(larger, 180.0), (59, scheme(None, 1, false)), "by both cores");
        assert_eq!(of(larger, 600.0), (50, scheme(None, 4, false)));
        assert_eq!(of(larger, 1_800.0), (54, scheme(None, 2, true)));
        for seconds in [60.0, 300.0, 3_000.0] {
            let plan = plan(time(0.05, 20, 0.2), seconds).unwrap();
            assert!(plan.epochs >= plan.trial_epochs, "{plan:?}");
        }
    }

    #[test]
    fn too_little_time_is_said_with_what_is_needed() {
        let Err(TuneError::TooLittleTime { budget, needed }) = plan(time(0.1, 1_000, 5.0), 30.0) else {
            panic!("it is enough")
        };
        assert!(budget == 30.0 && needed > 30.0 && needed.fract() == 0.0, "{needed}");
        plan(time(0.1, 1_000, 5.0), needed).unwrap();
        assert!(plan(time(0.1, 1_000, 5.0), needed - 1.0).is_err());
    }

    #[test]
    fn a_plan_that_was_damaged_is_told() {
        let sound = plan(time(0.1, 5, 0.1), 600.0).unwrap();
        assert!(sound.is_sound(600.0) && !sound.is_sound(10.0) && !sound.is_sound(f64::INFINITY));
        assert!(!TimePlan { end_seconds: 1e300, ..sound }.is_sound(600.0));
        assert!(!TimePlan { validation_seconds: -1.0, ..sound }.is_sound(600.0));
        assert!(!TimePlan { replicas: 0, ..sound }.is_sound(600.0));
    }

    #[test]
    fn the_plan_is_written_into_the_config() {
        let plan = TimePlan { trial_epochs: 7, samples: Some(10), ..plan(time(0.1, 5, 0.1), 600.0).unwrap() };
        let text = "name = 'x'\n[train]\nbatch_size = 16\nepochs = 2\n";
        let applied = plan.apply(text, false);
        assert!(applied.contains("epochs = 7") && applied.contains("samples_per_epoch = 160"), "{applied}");
        let mixes =
            |steps: usize, is_own: bool| TimePlan { steps, ..plan }.apply(text, is_own).contains("mixup_alpha = 0.2");
        assert_eq!((mixes(1_499, false), mixes(1_500, false), mixes(1_500, true)), (false, true, false));
    }

    #[test]
    fn volumes_have_a_network_of_their_own() {
        let network = |task: &str| {
            let (tasks, out) = (vec![task.to_owned()], "out".into());
            let text =
                base_text(&AutoRequest { tasks, base: None, out, seed: 0 }, Registry::builtin(), NARROW).unwrap();
            let table: toml::Table = text.parse().unwrap();
            (table["net"]["backbone"].clone(), table["train"]["batch_size"].as_integer().unwrap())
        };
        let backbone = |text: &str| toml::from_str::<toml::Table>(text).unwrap().remove("backbone").unwrap();
        assert_eq!(network("breastmnist"), (backbone("backbone = { name = 'resnet9', width = 16 }"), 128));
        let acs = backbone("backbone = { name = 'resnet18_3d', width = 16, convolution = 'acs' }");
        assert_eq!(network("adrenalmnist3d"), (acs, 32));
    }

    #[test]
    fn folds_of_the_base_are_left_out_but_for_what_belongs_together() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().join("own.toml");
        let text = "name = 'x'\ntasks = ['breastmnist']\n[folds]\ncount = 4\ngroups = { breastmnist = 'own.csv' }\n";
        medley_storage::write_whole(&medley_storage::RealFs, &base, text.as_bytes()).unwrap();
        let request = AutoRequest { tasks: Vec::new(), base: Some(base), out: folder.path().join("out"), seed: 0 };
        assert!(!base_text(&request, Registry::builtin(), NARROW).unwrap().contains("folds"));
        assert_eq!(groups_of(&request).unwrap()["breastmnist"], "own.csv");
        assert!(groups_of(&AutoRequest { base: None, ..request }).unwrap().is_empty());
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
