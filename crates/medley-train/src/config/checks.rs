//! What of an experiment fits together with what.

use std::collections::{BTreeMap, BTreeSet};

use medley_augment::PolicyConfig;
use medley_core::TaskKind;
use medley_data::Registry;
use medley_models::{ModelError, ValidatedNet};
use tch::Device;

use super::rules::Rules;
use super::schema::{PolicyChoice, RawExperiment};
use crate::components::selections::SelectionChoice;
use crate::components::task_weights::TaskWeightsChoice;
use crate::data::INPUT_CHANNELS;
use crate::phases::{PhaseConfig, PhaseScope};

/// A value that can be read but not used.
pub(super) struct Refusal {
    pub(super) key: String,
    pub(super) problem: String,
}

pub(super) fn refusal(key: impl Into<String>, problem: impl Into<String>) -> Refusal {
    Refusal { key: key.into(), problem: problem.into() }
}

impl From<medley_core::keys::KeyError> for Refusal {
    fn from(error: medley_core::keys::KeyError) -> Self {
        refusal(error.key, format!("it is {}, it must be {}", error.value, error.allowed))
    }
}

pub(super) fn check_names(raw: &RawExperiment, registry: &Registry) -> Result<(), Refusal> {
    if raw.tasks.is_empty() {
        return Err(refusal("tasks", "at least one task is needed, such as \"breastmnist\""));
    }
    let mut seen = BTreeSet::new();
    for (index, task) in raw.tasks.iter().enumerate() {
        let key = format!("tasks[{index}]");
        let Some(entry) = registry.get(task) else {
            let hint = registry.suggest(task).map_or_else(
                || "`medley data list` shows all tasks".to_owned(),
                |known| format!("did you mean \"{known}\"?"),
            );
            return Err(refusal(key, format!("there is no task {task:?}; {hint}")));
        };
        let sizes = entry.sizes();
        if !sizes.contains(&raw.data.size) {
            let sizes: Vec<String> = sizes.iter().map(ToString::to_string).collect();
            let problem = format!("it is {}, but the sizes of {task} are {}", raw.data.size, sizes.join(", "));
            return Err(refusal("data.size", problem));
        }
        if !seen.insert(task) {
            return Err(refusal(key, format!("the task {task:?} is listed twice")));
        }
    }
    let distinct: BTreeSet<_> = raw.seeds.iter().collect();
    if raw.seeds.is_empty() || distinct.len() != raw.seeds.len() {
        return Err(refusal("seeds", "one or more different seeds are needed"));
    }
    Ok(())
}

pub(super) fn check_is_task(raw: &RawExperiment, table: &str, task: &str) -> Result<(), Refusal> {
    if raw.tasks.iter().any(|known| known == task) {
        return Ok(());
    }
    let known = raw.tasks.iter().map(|task| format!("{task:?}")).collect::<Vec<_>>().join(", ");
    Err(refusal(format!("{table}.{task}"), format!("there is no task {task:?} in `tasks`, which has {known}")))
}

/// Names in `class_weights` are classes: in `[loss]` of one of the tasks, in `[loss.tasks.NAME]` of that one.
pub(super) fn check_class_weights(raw: &RawExperiment, registry: &Registry) -> Result<(), Refusal> {
    let classes = |task: &str| registry.get(task).map(|entry| entry.spec(raw.data.size, entry.origin).classes);
    let all: Vec<String> = raw.tasks.iter().filter_map(|task| classes(task)).flatten().collect();
    let default = &raw.loss.default.class_weights;
    if let Some(name) = raw.loss.default.unknown_classes(&all).first() {
        return Err(no_class("loss.class_weights".to_owned(), name, &all));
    }
    for task in raw.loss.tasks() {
        let (loss, classes) = (raw.loss.of(task), classes(task).unwrap_or_default());
        let mut own = loss.common.clone();
        // What it has from `[loss]` may be of another task.
        own.class_weights.retain(|name, _| !default.contains_key(name));
        if let Some(name) = own.unknown_classes(&classes).first() {
            return Err(no_class(format!("loss.tasks.{task}.class_weights"), name, &classes));
        }
    }
    Ok(())
}

fn no_class(key: String, name: &str, known: &[String]) -> Refusal {
    let known = known.iter().map(|class| format!("{class:?}")).collect::<Vec<_>>().join(", ");
    refusal(key, format!("there is no class {name:?}; there are {known}, or their numbers from 0"))
}

/// Refuses what would do nothing, or leave a run that cannot end. Runs that began with it go on as far as they did.
pub(super) fn check_idle_keys(raw: &RawExperiment, registry: &Registry) -> Result<(), Refusal> {
    if raw.soup.ingredients.is_some() && matches!(raw.select.choice, SelectionChoice::Last(_)) {
        // A soup is of the epochs that validation ranks highest.
        let problem = "a soup chooses its networks on validation, and `select.name = \"last\"` chooses nothing there; take one of them out";
        return Err(refusal("soup.ingredients", problem));
    }
    for (head, tasks) in &raw.net.shared_heads {
        if let Some(task) = tasks.iter().find(|task| !raw.tasks.contains(task) && registry.get(task).is_none()) {
            let problem = format!("there is no task {task:?}, neither in `tasks` nor among the known sets");
            return Err(refusal(format!("net.shared_heads.{head}"), problem));
        }
    }
    let classes = |task: &String| registry.get(task).map(|entry| entry.spec(raw.data.size, entry.origin).classes);
    let of_tasks: Vec<Vec<String>> = raw.tasks.iter().filter_map(classes).collect();
    let of_some =
        |name: &String| of_tasks.iter().any(|classes| !raw.loss.default.unknown_classes(classes).contains(&name));
    match raw.loss.default.class_weights.keys().find(|name| !of_some(name)) {
        Some(name) => Err(no_class("loss.class_weights".to_owned(), name, &of_tasks.concat())),
        None => Ok(()),
    }
}

/// What was trained apart is not trained together again, and a budget plans the epochs of one phase.
pub(super) fn check_phases(raw: &RawExperiment) -> Result<(), Refusal> {
    for (index, pair) in raw.phases.windows(2).enumerate() {
        if let [PhaseConfig { tasks: PhaseScope::Apart, .. }, PhaseConfig { tasks: PhaseScope::Together, .. }] = pair {
            let problem =
                "it is \"together\", but the phase before it trains tasks apart, which leaves a network for each";
            return Err(refusal(format!("phases[{}].tasks", index + 1), problem));
        }
    }
    if !raw.phases.is_empty() && raw.train.budget.is_some() {
        return Err(refusal("train.budget", "it plans the epochs of one phase, and there are more (`phases`)"));
    }
    Ok(())
}

/// Weights are of tasks that there are, and those that come from losses are of losses above zero.
pub(super) fn check_task_weights(raw: &RawExperiment, registry: &Registry) -> Result<(), Refusal> {
    let weighting = &raw.task_weights.choice;
    if let TaskWeightsChoice::Fixed(fixed) = weighting {
        for task in fixed.weights.keys() {
            check_is_task(raw, "task_weights.weights", task)?;
        }
    }
    let has_classes = |task: &str| registry.get(task).is_some_and(|entry| entry.kind != TaskKind::MultiLabel);
    let negative = raw.tasks.iter().find(|task| raw.loss.of(task).choice.may_be_negative() && has_classes(task));
    match negative {
        Some(task) if weighting.needs_positive_losses() => {
            let (name, loss) = (raw.task_weights.name(), raw.loss.of(task).name());
            let problem =
                format!("{name:?} weighs tasks by losses above zero, and {loss:?}, that of {task}, may be below");
            Err(refusal("task_weights.name", problem))
        }
        _ => Ok(()),
    }
}

pub(super) fn check_replicas(raw: &RawExperiment, device: Device) -> Result<(), Refusal> {
    let Some(replicas) = raw.train.replicas else { return Ok(()) };
    if replicas > raw.train.batch_size {
        let problem = format!("it is {replicas}, but a batch has {} images (`train.batch_size`)", raw.train.batch_size);
        return Err(refusal("train.replicas", problem));
    }
    if replicas > 1 && device != Device::Cpu {
        let problem = format!("it is {replicas}, but replicas share the cores of a CPU; on a GPU use 1");
        return Err(refusal("train.replicas", problem));
    }
    Ok(())
}

/// The policy of every task.
pub(super) fn policies(
    raw: &RawExperiment,
    registry: &Registry,
    rules: Rules,
) -> Result<BTreeMap<String, PolicyConfig>, Refusal> {
    for task in raw.augment.policies.keys() {
        check_is_task(raw, "augment.policies", task)?;
    }
    let policy = |task: &String| match (raw.augment.policies.get(task), raw.augment.policy, registry.get(task)) {
        (Some(own), _, _) => own.clone(),
        (None, PolicyChoice::Builtin, Some(entry)) => {
            rules.builtin_policy(entry.spec(raw.data.size, entry.origin).modality)
        }
        _ => PolicyConfig::none(),
    };
    Ok(raw.tasks.iter().map(|task| (task.clone(), policy(task))).collect())
}

/// Flat images need a flat network, volumes one over volumes.
pub(super) fn check_axes(raw: &RawExperiment, registry: &Registry, volumes: bool) -> Result<(), Refusal> {
    let is_volume = |task: &String| {
        registry.get(task).is_some_and(|entry| entry.spec(raw.data.size, entry.origin).shape.depth.is_some())
    };
    let (fits, others): (Vec<_>, Vec<_>) = raw.tasks.iter().partition(|task| is_volume(task) == volumes);
    let (ours, theirs) = if volumes { ("volumes", "flat images") } else { ("flat images", "volumes") };
    match (fits.first(), others.first()) {
        (_, None) => Ok(()),
        (Some(task), Some(other)) => {
            Err(refusal("tasks", format!("{task} has {ours} and {other} has {theirs}: train them in separate runs")))
        }
        (None, Some(other)) => {
            let hint = if volumes { "" } else { "; \"resnet18_3d\" would fit" };
            let name = &raw.net.backbone.name;
            Err(refusal("net.backbone.name", format!("{name:?} works on {ours}, and {other} has {theirs}{hint}")))
        }
    }
}

/// The network takes images of this size.
pub(super) fn check_size(raw: &RawExperiment, net: &ValidatedNet) -> Result<(), Refusal> {
    net.check_image_size(INPUT_CHANNELS as i64, raw.data.size as i64).map_err(|error| match error {
        ModelError::Config { key, value, problem } => {
            let resized = raw.net.input_size.is_some() || key != "net.input_size";
            refusal(if resized { key } else { "data.size".to_owned() }, format!("it is {value}: {problem}"))
        }
        other => refusal("net", other.to_string()),
    })
}
