//! The table `[loss]`: a loss, and those of tasks that have another.

use std::collections::BTreeMap;

use medley_core::TaskKind;
use medley_core::keys::{Key, KeyError, Table, Value, dotted};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::{LossChoice, LossConfig, LossKeys};
use crate::components::{Choice as _, component};

medley_core::choices! {
    /// How the losses of the tasks in a batch become one number.
    pub enum TaskReduction {
        /// The mean over all images of a batch.
        Samples = "samples",
        /// The mean over its tasks of their means.
        Tasks = "tasks",
    }
}

medley_core::keys! {
    /// What `[loss]` has beside the keys of a loss.
    struct OwnKeys {
        /// How the tasks of a batch add up.
        task_reduction: TaskReduction = TaskReduction::Samples;
        /// Another loss for a task: the keys of `[loss]` but this one and `task_reduction`. What is left out is as in `[loss]`.
        tasks: BTreeMap<String, LossConfig> = BTreeMap::new();
    }
}

/// Losses for classes that have an order.
const ORDINAL: [&str; 5] = ["soft_ordinal", "squared_emd", "coral", "corn", "quadratic_kappa"];

/// `[loss]`
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct LossTable {
    /// Of every task without one of its own.
    #[serde(flatten)]
    pub default: LossConfig,
    #[serde(flatten)]
    own: OwnKeys,
}

impl LossTable {
    /// The loss of a task.
    pub fn of(&self, task: &str) -> &LossConfig {
        self.own.tasks.get(task).unwrap_or(&self.default)
    }

    /// The tasks that have one of their own.
    pub fn tasks(&self) -> impl Iterator<Item = &str> {
        self.own.tasks.keys().map(String::as_str)
    }

    /// What is hardly meant: distances between classes that have no order, and an imbalance that is corrected twice. Each is said
    /// once, of all tasks that it is true of.
    pub(crate) fn warnings(&self, tasks: &[String], kind_of: impl Fn(&str) -> Option<TaskKind>) -> Vec<String> {
        let among = |wanted: &dyn Fn(&LossConfig, TaskKind) -> bool| -> Vec<&str> {
            let tasks = tasks.iter().map(String::as_str);
            tasks.filter(|task| kind_of(task).is_some_and(|kind| wanted(self.of(task), kind))).collect()
        };
        let mut warnings = Vec::new();
        for name in ORDINAL {
            let unordered = among(&|loss, kind| loss.name() == name && kind == TaskKind::MultiClass);
            if !unordered.is_empty() {
                warnings.push(format!(
                    "the loss `{name}` is for classes that have an order, and those of {} have none: their numbers would be taken \
                     for grades; `[loss.tasks.NAME]` gives a task a loss of its own",
                    unordered.join(", ")
                ));
            }
        }
        let twice = among(&|loss, kind| {
            let adjusts = matches!(&loss.choice, LossChoice::LogitAdjusted(own) if own.temperature > 0.0);
            adjusts && loss.class_weight_power > 0.0 && kind != TaskKind::MultiLabel
        });
        if !twice.is_empty() {
            warnings.push(format!(
                "the loss `logit_adjusted` and class weights both correct the imbalance of classes, so that it is overcorrected \
                 (of {}); set `class_weight_power = 0` beside it",
                twice.join(", ")
            ));
        }
        warnings
    }

    /// How the tasks of a batch add up.
    pub fn task_reduction(&self) -> TaskReduction {
        self.own.task_reduction
    }

    fn from_table(mut keys: toml::Table) -> Result<Self, String> {
        let mut own = toml::Table::new();
        own.extend(keys.remove("task_reduction").map(|value| ("task_reduction".to_owned(), value)));
        let tasks = keys.remove("tasks");
        let default = LossConfig::from_table(keys)?;
        let mut own: OwnKeys = component::read(own)?;
        match tasks {
            None => {}
            Some(toml::Value::Table(tasks)) => {
                for (task, value) in tasks {
                    let loss = laid_over(&default, value)
                        .map_err(|problem| format!("at `{}`: {problem}", dotted("tasks", &task)))?;
                    own.tasks.insert(task, loss);
                }
            }
            Some(other) => return Err(format!("at `tasks`: {}", component::wrong_type::<toml::Table>(&other))),
        }
        Ok(Self { default, own })
    }
}

/// The loss of a task: what is written, and else what all tasks have.
fn laid_over(default: &LossConfig, written: toml::Value) -> Result<LossConfig, String> {
    let written = toml::Table::deserialize(written).map_err(|error| error.message().to_owned())?;
    let is_other = written.get("name").is_some_and(|name| name.as_str() != Some(default.name()));
    let mut keys = toml::Table::try_from(default).map_err(|error| error.to_string())?;
    if is_other {
        for key in LossChoice::keys_of(default.name(), "") {
            keys.remove(&key.path);
        }
    }
    keys.extend(written);
    LossConfig::from_table(keys)
}

impl<'de> Deserialize<'de> for LossTable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_table(toml::Table::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl Table for LossTable {
    fn about() -> String {
        LossKeys::about()
    }

    fn keys(at: &str) -> Vec<Key> {
        let mut keys = LossConfig::keys(at);
        let own = OwnKeys::keys(at);
        // The keys of a task's table are those above.
        let below = format!("{}.", dotted(at, "tasks"));
        keys.extend(own.into_iter().filter(|key| !key.path.starts_with(&below)));
        keys
    }

    fn check(&self, at: &str) -> Result<(), KeyError> {
        self.default.check(at)?;
        self.own.check(at)
    }
}

impl Value for LossTable {
    const KIND: &'static str = "table";

    fn to_toml(&self) -> Option<String> {
        None
    }

    fn keys_within(at: &str) -> Vec<Key> {
        Self::keys(at)
    }

    fn check_within(&self, at: &str) -> Result<(), KeyError> {
        self.check(at)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Focal;
    use super::*;

    fn read(text: &str) -> LossTable {
        toml::from_str(text).unwrap()
    }

    fn refused(text: &str) -> String {
        toml::from_str::<LossTable>(text).unwrap_err().message().to_owned()
    }

    #[test]
    fn a_task_has_what_it_says_and_else_what_all_have() {
        let loss = read("label_smoothing = 0.1\ntask_reduction = 'tasks'\n[tasks.retinamnist]\nname = 'focal'\n");
        assert_eq!(loss.task_reduction(), TaskReduction::Tasks);
        assert_eq!(loss.of("breastmnist").name(), "cross_entropy");
        let own = loss.of("retinamnist");
        assert_eq!((&own.choice, own.label_smoothing), (&LossChoice::Focal(Focal { gamma: 2.0 }), 0.1));
        let loss =
            read("name = 'focal'\ngamma = 1.0\n[tasks.a]\nlabel_smoothing = 0.0\n[tasks.b]\nname = 'cross_entropy'\n");
        assert_eq!(loss.of("a").choice, LossChoice::Focal(Focal { gamma: 1.0 }));
        assert_eq!((loss.of("a").label_smoothing, loss.of("b").name()), (0.0, "cross_entropy"));
    }

    #[test]
    fn what_is_hardly_meant_is_warned_of() {
        let tasks = ["blood", "retina", "breast", "chest"].map(str::to_owned);
        let kinds = [TaskKind::MultiClass, TaskKind::Ordinal, TaskKind::Binary, TaskKind::MultiLabel];
        let kind_of = |task: &str| tasks.iter().position(|known| known == task).map(|at| kinds[at]);
        let warned = |text: &str| read(text).warnings(&tasks, kind_of);
        for name in ORDINAL {
            let warnings = warned(&format!("name = '{name}'"));
            assert!(matches!(&warnings[..], [one] if one.contains(name) && one.contains("those of blood have none")));
            assert!(warned(&format!("[tasks.retina]\nname = '{name}'")).is_empty());
        }
        let warnings = warned("name = 'logit_adjusted'");
        assert!(matches!(&warnings[..], [one] if one.contains("(of blood, retina, breast)")), "{warnings:?}");
        for fine in ["class_weight_power = 0.0", "temperature = 0.0"] {
            assert!(warned(&format!("name = 'logit_adjusted'\n{fine}")).is_empty());
        }
    }

    #[test]
    fn what_is_written_out_reads_the_same() {
        let loss = read("[tasks.retinamnist]\nname = 'focal'\n");
        let text = toml::to_string(&toml::Table::try_from(&loss).unwrap()).unwrap();
        assert!(text.contains("[tasks.retinamnist]\nclass_weight_power = 0.5\ngamma = 2.0\n"), "{text}");
        assert_eq!(read(&text), loss);
    }

    #[test]
    fn keys_of_another_loss_or_of_all_tasks_are_refused() {
        assert!(refused("gamma = 1.0").contains("hint: `gamma` is a key of `focal`; `cross_entropy` has"));
        assert!(refused("[tasks.a]\ngamma = 1.0").starts_with("at `tasks.a`: at `gamma`: unknown field `gamma`"));
        assert!(refused("[tasks.a]\ntask_reduction = 'tasks'").contains("unknown field `task_reduction`"));
        assert!(refused("[tasks.a]\nname = 'focl'").contains("unknown variant `focl`, expected one of"));
        assert_eq!(refused("tasks = 3"), "at `tasks`: invalid type: integer `3`, expected a map");
    }
}
