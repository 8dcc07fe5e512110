//! From an experiment as written to one that was checked.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::path::Path;

use medley_augment::mix::Mixer;
use medley_augment::{AugmentError, Normalisation, PolicyConfig, TestTimeView};
use medley_core::TaskSpec;
use medley_data::Registry;
use medley_models::{ModelError, ValidatedNet, device};
use tch::Device;

use super::checks::{
    Refusal, check_axes, check_class_weights, check_idle_keys, check_is_task, check_names, check_phases,
    check_replicas, check_size, check_task_weights, policies, refusal,
};
use super::load::{self, ConfigError, Places};
use super::rules::Rules;
use super::schema::{NormalisationChoice, OnNan, RawExperiment, ViewsChoice};
use super::upgrade;
use crate::components::callbacks::FreezeConfig;
use crate::components::optimizers;
use crate::components::task_weights::TaskWeightsConfig;
use crate::distill::DistillConfig;
use crate::dry_run::Budget;
use crate::folds::FoldsConfig;
use crate::phases::{PhaseConfig, PhaseScope};
use crate::run_folder::{NAME_RULE, is_name};

/// A checked experiment, with what was parsed in checking it. There is no way to make one but [`Self::load`],
/// [`Self::load_recorded`] and [`RawExperiment::check`].
#[derive(Debug, Clone)]
pub struct Experiment {
    raw: RawExperiment,
    net: ValidatedNet,
    device: Device,
    /// By task.
    policies: BTreeMap<String, PolicyConfig>,
    rules: Rules,
    /// The phase that it is of; `None` for the training of all tasks together.
    phase: Option<PhaseConfig>,
    /// What can be done and is hardly meant.
    warnings: Vec<String>,
    /// `None` for one that was not read from a file.
    places: Option<Places>,
}

impl Experiment {
    /// Reads a config file with everything it extends, applies overrides, and checks the whole.
    ///
    /// # Errors
    /// [`ConfigError`], with the place of what is wrong.
    pub fn load(path: &Path, overrides: &[String], registry: &Registry) -> Result<Self, ConfigError> {
        let loaded = load::load(path, overrides)?;
        check(loaded.value, registry, Rules::CURRENT, Some(loaded.places))?.named()?.without_idle_keys(registry)
    }

    /// Reads the `config.toml` of a run folder, be it one that an older program wrote. The run goes on by the [`Rules`] of
    /// the version that began it, `begun_by`, as its manifest has it; if that is a later one, by those of this version.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_recorded(path: &Path, begun_by: &str, registry: &Registry) -> Result<Self, ConfigError> {
        let loaded = load::load_recorded(path, upgrade::upgrade)?;
        let rules = Rules::of(begun_by).unwrap_or(Rules::CURRENT);
        check(loaded.value, registry, rules, Some(loaded.places))
    }

    /// All keys, those that have their default too, as TOML. Reading it gives the same experiment.
    ///
    /// # Panics
    /// Never: everything in an experiment can be written as TOML.
    pub fn to_toml(&self) -> String {
        load::render(&toml::Table::try_from(&self.raw).expect("an experiment is written as TOML"))
    }

    /// The network, checked.
    pub fn validated_net(&self) -> &ValidatedNet {
        &self.net
    }

    /// What can be done and is hardly meant, a sentence each.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// What it does that its config does not say.
    pub fn rules(&self) -> Rules {
        self.rules
    }

    /// Where it trains.
    pub fn device(&self) -> Device {
        self.device
    }

    /// The policy that training images of a task are varied by: its own, or the one chosen for all.
    pub fn policy(&self, task: &str) -> PolicyConfig {
        self.policies.get(task).cloned().unwrap_or_else(PolicyConfig::none)
    }

    /// What the pixels of a task are normalised by, given what was measured.
    pub(crate) fn normalisation(&self, task: &str, measured: &Normalisation) -> Normalisation {
        let narrow = |values: &[f64]| values.iter().map(|&value| value as f32).collect();
        match (self.data.normalisations.get(task), self.data.normalisation) {
            (Some(own), _) => Normalisation { mean: narrow(&own.mean), std: narrow(&own.std) },
            (None, NormalisationChoice::Half) => Normalisation::half(measured.mean.len()),
            (None, NormalisationChoice::Measured) => measured.clone(),
        }
    }

    /// What the finished network sees of each image of a task.
    pub fn test_time_views(&self, task: &TaskSpec) -> Vec<TestTimeView> {
        match self.augment.test_time_views {
            ViewsChoice::None => vec![TestTimeView::Identity],
            ViewsChoice::Builtin => TestTimeView::builtin(task.modality),
        }
    }

    /// What the run may take.
    pub fn budget(&self) -> Option<Budget> {
        self.train.budget.as_deref().and_then(|text| Budget::parse(text).ok())
    }

    /// The share of it that a seed has.
    pub fn seed_budget(&self) -> Option<Budget> {
        self.budget().map(|budget| budget.share(self.seeds.len()))
    }

    /// What is done in a phase, by its number from 0; the same where there is none.
    pub(crate) fn in_phase(&self, index: usize) -> Self {
        let mut experiment = self.clone();
        let Some(phase) = self.phases.get(index).cloned() else { return experiment };
        let raw = &mut experiment.raw;
        raw.train.epochs = phase.epochs;
        raw.optimizer.common.learning_rate = phase.learning_rate.unwrap_or(raw.optimizer.learning_rate / 10.0);
        (raw.freeze, raw.soup, raw.phases) = Default::default();
        if phase.tasks == PhaseScope::Apart {
            raw.task_weights = TaskWeightsConfig::default();
        }
        experiment.phase = Some(phase);
        experiment
    }

    /// The same for some of its tasks, in images of another size: for their data alone.
    pub(crate) fn at_size(&self, size: usize, tasks: Vec<String>) -> Self {
        let mut experiment = self.clone();
        experiment.raw.data.size = size;
        experiment.raw.tasks = tasks;
        experiment
    }

    /// The same with all of the network trained from the first epoch on, but for what groups freeze.
    pub(crate) fn without_freeze(&self) -> Self {
        let mut experiment = self.clone();
        experiment.raw.freeze = FreezeConfig::default();
        experiment
    }

    /// The same with so many steps in succession allowed that are not finite.
    pub(crate) fn with_patience(&self, steps: usize) -> Self {
        let mut experiment = self.clone();
        experiment.raw.train.on_nan = OnNan::Skip;
        experiment.raw.train.max_bad_steps = steps;
        experiment
    }

    /// The phase that it is of.
    pub(crate) fn phase(&self) -> Option<&PhaseConfig> {
        self.phase.as_ref()
    }

    /// What mixes the images of batches in pairs, if anything.
    ///
    /// # Errors
    /// Never: its keys are checked.
    pub(crate) fn mixer(&self, seed: u64) -> Result<Mixer, AugmentError> {
        let mixer = Mixer::new(&self.augment.mix, seed)?;
        Ok(match &self.augment.mix_tasks {
            None => mixer,
            Some(tasks) => mixer.only_of(self.tasks.iter().map(|task| tasks.contains(task)).collect()),
        })
    }

    /// Checks the name, which the run folder will have.
    fn named(self) -> Result<Self, ConfigError> {
        if is_name(&self.name) {
            return Ok(self);
        }
        Err(self.refuse("name", NAME_RULE))
    }

    /// Checks what a new experiment may not have, and one that was begun may.
    fn without_idle_keys(self, registry: &Registry) -> Result<Self, ConfigError> {
        match check_idle_keys(&self.raw, registry) {
            Ok(()) => Ok(self),
            Err(refusal) => Err(self.refuse(&refusal.key, refusal.problem)),
        }
    }

    /// The error for a value that turns out not to fit the data or the network, shown at its place.
    pub fn refuse(&self, key: &str, problem: impl Into<String>) -> ConfigError {
        refuse(self.places.as_ref(), key, problem)
    }
}

/// The `config.toml` of a run folder as it was written, be it by an older program. Nothing but the form is checked.
///
/// # Errors
/// As [`Experiment::load`].
pub(crate) fn recorded(path: &Path) -> Result<RawExperiment, ConfigError> {
    Ok(load::load_recorded(path, upgrade::upgrade)?.value)
}

impl Deref for Experiment {
    type Target = RawExperiment;

    fn deref(&self) -> &RawExperiment {
        &self.raw
    }
}

impl RawExperiment {
    /// Checks ranges and names.
    ///
    /// # Errors
    /// [`ConfigError::BadValue`] for the first value that cannot be used.
    pub fn check(self, registry: &Registry) -> Result<Experiment, ConfigError> {
        check(self, registry, Rules::CURRENT, None)?.named()?.without_idle_keys(registry)
    }
}

fn check(
    raw: RawExperiment,
    registry: &Registry,
    rules: Rules,
    places: Option<Places>,
) -> Result<Experiment, ConfigError> {
    match parse(&raw, registry, rules) {
        Ok((net, device, policies)) => {
            let kind_of = |task: &str| registry.get(task).map(|entry| entry.kind);
            let warnings = raw.loss.warnings(&raw.tasks, kind_of);
            Ok(Experiment { raw, net, device, policies, rules, phase: None, warnings, places })
        }
        Err(refusal) => Err(refuse(places.as_ref(), &refusal.key, refusal.problem)),
    }
}

fn refuse(places: Option<&Places>, key: &str, problem: impl Into<String>) -> ConfigError {
    match places {
        Some(places) => places.refuse(key, problem),
        None => ConfigError::BadValue { key: key.to_owned(), problem: problem.into(), place: None },
    }
}

type Parsed = (ValidatedNet, Device, BTreeMap<String, PolicyConfig>);

fn parse(raw: &RawExperiment, registry: &Registry, rules: Rules) -> Result<Parsed, Refusal> {
    check_names(raw, registry)?;
    raw.check_ranges()?;
    optimizers::check_groups(&raw.optimizer.groups)?;
    let device = device::parse(&raw.train.device).map_err(|_| {
        let problem = format!("it is {:?}, it must be \"cpu\", \"cuda\" or \"cuda:N\"", raw.train.device);
        refusal("train.device", problem)
    })?;
    check_replicas(raw, device)?;
    if let Some(budget) = &raw.train.budget {
        Budget::parse(budget).map_err(|problem| refusal("train.budget", problem))?;
    }
    if raw.stop.patience.is_none() && raw.stop.min_delta > 0.0 {
        return Err(refusal("stop.min_delta", "it needs `stop.patience`, which is left out"));
    }
    raw.freeze.check_together(raw.train.epochs)?;
    check_phases(raw)?;
    let policies = policies(raw, registry, rules)?;
    for task in raw.loss.tasks() {
        check_is_task(raw, "loss.tasks", task)?;
    }
    check_class_weights(raw, registry)?;
    check_task_weights(raw, registry)?;
    match raw.folds.count {
        Some(count) if raw.folds.index >= count => {
            let problem = format!("it is {}, but the {count} folds are numbered from 0", raw.folds.index);
            return Err(refusal("folds.index", problem));
        }
        None if raw.folds != FoldsConfig::default() => {
            return Err(refusal(
                "folds.count",
                "it is left out, so that there are no folds for the other keys of `folds`",
            ));
        }
        _ => {}
    }
    for task in raw.folds.groups.keys() {
        check_is_task(raw, "folds.groups", task)?;
    }
    for task in raw.sampler.weights.keys() {
        check_is_task(raw, "sampler.weights", task)?;
    }
    for task in raw.data.normalisations.keys() {
        check_is_task(raw, "data.normalisations", task)?;
    }
    for task in raw.distill.tasks.iter().flatten() {
        check_is_task(raw, "distill.tasks", task)?;
    }
    if raw.distill.teachers.is_empty() && raw.distill != DistillConfig::default() {
        let problem = "it is left out, so that there is none for the other keys of `distill`";
        return Err(refusal("distill.teachers", problem));
    }
    for task in raw.augment.mix_tasks.iter().flatten() {
        check_is_task(raw, "augment.mix_tasks", task)?;
    }
    let net = raw.net.validated().map_err(|error| match error {
        ModelError::Config { key, value, problem } => refusal(key, format!("it is {value}: {problem}")),
        ModelError::UnknownBackbone { .. } => refusal("net.backbone.name", error.to_string()),
        other => refusal("net", other.to_string()),
    })?;
    check_axes(raw, registry, net.backbone().volumes)?;
    check_size(raw, &net)?;
    Ok((net, device, policies))
}

#[cfg(test)]
mod tests {
    use super::super::schema::TrainConfig;
    use super::*;

    fn read(text: &str) -> RawExperiment {
        toml::from_str(text).unwrap()
    }

    fn refused(text: &str) -> String {
        read(text).check(Registry::builtin()).unwrap_err().to_string()
    }

    #[test]
    fn two_keys_suffice() {
        let raw = read("name = 'x'\ntasks = ['breastmnist']");
        assert_eq!(raw.train, TrainConfig::default());
        let experiment = raw.check(Registry::builtin()).unwrap();
        assert_eq!(read(&experiment.to_toml()), *experiment);
    }

    #[test]
    fn names_are_checked_with_a_suggestion() {
        assert!(refused("name = 'x'\ntasks = ['brestmnist']").contains("did you mean \"breastmnist\""));
        for name in ["a/b", "-x", "CON"] {
            assert!(refused(&format!("name = '{name}'\ntasks = ['breastmnist']")).contains("`name`"), "{name}");
        }
        assert!(refused("name = 'x'\ntasks = []").contains("at least one task"));
        assert!(refused("name = 'x'\ntasks = ['breastmnist', 'breastmnist']").contains("listed twice"));
        assert!(refused("name = 'x'\ntasks = ['breastmnist']\nseeds = [1, 1]").contains("different seeds"));
        assert!(
            refused("name = 'x'\ntasks = ['breastmnist']\n[loss.tasks.retinamnist]")
                .contains("no task \"retinamnist\"")
        );
    }

    #[test]
    fn what_would_do_nothing_is_refused() {
        let refused = |keys: &str| refused(&format!("name = 'x'\ntasks = ['breastmnist', 'bloodmnist']\n{keys}"));
        let soup = refused("[soup]\ningredients = 3\n[select]\nname = 'last'");
        assert!(
            soup.starts_with("bad value for `soup.ingredients`") && soup.contains("chooses nothing there"),
            "{soup}"
        );
        let head = refused("[net.shared_heads]\nboth = ['breastmnist', 'blodmnist']");
        assert!(head.contains("`net.shared_heads.both`") && head.contains("there is no task \"blodmnist\""), "{head}");
        let left_out =
            "name = 'x'\ntasks = ['breastmnist']\n[net.shared_heads]\nboth = ['breastmnist', 'pneumoniamnist']";
        assert!(read(left_out).check(Registry::builtin()).is_ok(), "a set that there is may be left out");
        // There are two classes and eight.
        let weights = refused("[loss.class_weights]\n9 = 3.0");
        assert!(weights.contains("there is no class \"9\""), "{weights}");
        let text = "name = 'x'\ntasks = ['breastmnist', 'bloodmnist']\n[loss.class_weights]\n7 = 3.0\nmalignant = 2.0";
        assert!(read(text).check(Registry::builtin()).is_ok());
    }

    #[test]
    fn ranges_name_their_key() {
        for (table, key, value) in [
            ("train", "epochs", "0"),
            ("train", "batch_size", "1"),
            ("train", "device", "'tpu'"),
            ("train", "replicas", "0"),
            ("train", "replicas", "2\nbatch_size = 128\ndevice = 'cuda'"),
            ("train", "replicas", "8\nbatch_size = 4"),
            ("loss", "label_smoothing", "1.0"),
            ("loss", "gamma", "-1.0\nname = 'focal'"),
            ("loss.tasks.breastmnist", "label_smoothing", "1.0"),
            ("optimizer", "learning_rate", "nan"),
            ("optimizer", "learning_rate", "-1.0"),
            ("optimizer", "weight_decay", "1e-310"),
            ("optimizer", "beta1", "1.0"),
            ("optimizer", "groups[0].match", "\n[[optimizer.groups]]\nmatch = ''"),
            ("freeze", "match", "['heads.*']"),
            ("freeze", "epochs", "1"),
            ("freeze", "epochs", "10\nmatch = ['heads.*']"),
            ("sampler", "alpha", "2.0"),
            ("sampler", "weights", "{ breastmnist = 0.0 }"),
            ("schedule", "warmup", "1.5"),
            ("schedule", "milestones", "[2.0]\nname = 'multi_step'"),
            ("data", "size", "29"),
            ("net", "dropout", "1.0"),
            ("net", "input_size", "7"),
            ("net", "input_size", "31\nbackbone = { name = 'resnet18', stem = 'imagenet' }"),
            ("net", "input_size", "30\nbackbone = { name = 'vit_tiny' }"),
            ("data", "size", "28\n[net]\nbackbone = { name = 'resnet18', stem = 'imagenet' }"),
            ("net", "task_embedding", "2000"),
        ] {
            let line = if value.starts_with('\n') { value.to_owned() } else { format!("{key} = {value}") };
            let text = format!("name = 'x'\ntasks = ['breastmnist']\n[{table}]\n{line}");
            let message = refused(&text);
            assert!(message.starts_with(&format!("bad value for `{table}.{key}`")), "{message}");
        }
    }

    #[test]
    fn flat_images_and_volumes_need_networks_of_their_kind() {
        let text =
            |tasks: &str, backbone: &str| format!("name = 'x'\ntasks = [{tasks}]\n[net.backbone]\nname = '{backbone}'");
        for (tasks, backbone, words) in [
            ("'breastmnist'", "resnet18_3d", "breastmnist has flat images"),
            ("'adrenalmnist3d'", "resnet18", "adrenalmnist3d has volumes; \"resnet18_3d\" would fit"),
            ("'breastmnist', 'adrenalmnist3d'", "resnet9", "adrenalmnist3d has volumes: train them in separate runs"),
            (
                "'adrenalmnist3d', 'breastmnist'",
                "resnet18_3d",
                "breastmnist has flat images: train them in separate runs",
            ),
        ] {
            let message = refused(&text(tasks, backbone));
            let key = if tasks.contains(',') { "`tasks`" } else { "`net.backbone.name`" };
            assert!(message.contains(key) && message.contains(words), "{message}");
        }
        assert!(read(&text("'adrenalmnist3d'", "resnet18_3d")).check(Registry::builtin()).is_ok());
    }

    #[test]
    fn small_images_are_resized_for_large_stems() {
        let text = |net: &str| format!("name = 'x'\ntasks = ['breastmnist']\n[net]\n{net}");
        let imagenet = "backbone = { name = 'resnet18', stem = 'imagenet' }";
        let message = refused(&text(imagenet));
        assert!(
            message.contains("takes 32 to 4096 pixels a side; images are resized by `net.input_size`"),
            "{message}"
        );
        assert!(read(&text(&format!("input_size = 64\n{imagenet}"))).check(Registry::builtin()).is_ok());
    }

    #[test]
    fn policies_name_their_key() {
        let step = "name = 'x'\ntasks = ['breastmnist']\n[[augment.policies.breastmnist.steps]]\ntype = 'affine'\n";
        let message = refused(&format!("{step}degrees = 200.0"));
        assert!(
            message.starts_with("bad value for `augment.policies.breastmnist.steps[0].degrees`: it is 200"),
            "{message}"
        );
        let experiment = read(&format!("{step}degrees = 20.0")).check(Registry::builtin()).unwrap();
        assert_eq!(experiment.policy("breastmnist"), experiment.augment.policies["breastmnist"]);
    }

    #[test]
    fn values_that_are_refused_are_shown_at_their_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.toml");
        fs_err::write(&path, "name = 'x'\ntasks = ['breastmnist']\n[train]\nepochs = 0\n").unwrap();
        let error = Experiment::load(&path, &[], Registry::builtin()).unwrap_err();
        insta::assert_snapshot!(error.to_string().replace(&format!("{}/", folder.path().display()), ""), @"
        bad value for `train.epochs`: it is 0, it must be in [1, 100000]
         --> a.toml:4:10
          |
        4 | epochs = 0
          |          ^
        ");
    }
}
