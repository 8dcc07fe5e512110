//! What is carried to where images are classified: a temperature and a rule for each task.
//!
//! [`Decision`] is checked when it is made and when it is read, so whoever holds one can apply it. Of a network's probabilities,
//! [`Decision::apply`] makes labels and [`Decision::calibrate`] the probabilities that are shown beside them. Both begin with the
//! probabilities as the network gives them: the rule was fitted on those, and a temperature keeps their order.
//!
//! [`Decisions`] is the form in files, such as the part `decide_by` of `decisions.json`:
//!
//! ```
//! use medley_core::{Scores, TaskKind};
//! use medley_decisions::Decisions;
//!
//! let json = r#"{
//!   "format": 1,
//!   "tasks": {
//!     "pneumoniamnist": { "kind": "binary", "outputs": 2, "temperature": 2.0, "rule": { "name": "log_offsets", "offsets": [-0.5, 0.5] } }
//!   }
//! }"#;
//! let decisions: Decisions = serde_json::from_str(json)?;
//! let decision = decisions.of("pneumoniamnist").ok_or("no decision for the task")?;
//! let scores = Scores::new(vec![0.7, 0.3, 0.8, 0.2], 2, 2)?;
//! assert_eq!(decision.apply(&scores)?, [1, 0]);
//! // The odds of 4 are those of 2 at a temperature of 2.
//! assert!((decision.calibrate(&scores)?.row(1)[0] - 2.0 / 3.0).abs() < 1e-12);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | Key | |
//! |---|---|
//! | `format` | 1; a reader refuses any other |
//! | `tasks.NAME.kind` | `binary`, `multi-class`, `ordinal` or `multi-label` |
//! | `tasks.NAME.outputs` | classes, or labels of a multi-label task |
//! | `tasks.NAME.temperature` | what logits are divided by, 0.05 to 20; 1, also where it is absent, changes nothing |
//! | `tasks.NAME.rule` | `name`, and the numbers of that rule |
//!
//! | `rule.name` | Numbers | Decides for |
//! |---|---|---|
//! | `plain` | | the largest probability, the first of equals; of two classes and of labels, what is above 0.5 |
//! | `prior_adjustment` | `tau`, -0.5 to 2; `priors`, one per class, summing to 1 | the largest `p_c / prior_c^tau` |
//! | `log_offsets` | `offsets`, one per class, -50 to 50 | the largest `ln p_c + offset_c` |
//! | `cut_points` | `cuts`, one fewer than classes, ascending within 0 to the last grade | the number of cuts below `sum(c * p_c)` |
//! | `thresholds` | `thresholds`, one per label, 0 to 1 | the labels whose probability is above |
//!
//! An unknown key, another `format` and a number out of its range are refused with the place and what is allowed.

use std::collections::BTreeMap;

use medley_core::{Scores, TaskKind, TaskSpec};
use serde::{Deserialize, Serialize};

use crate::{DecisionError, Rule, Temperature};

/// The version of the form that [`Decisions`] is written in.
pub const FORMAT: u32 = 1;
/// Outputs that a task can have: labels are 16-bit numbers.
const MOST_OUTPUTS: usize = 1 << 16;
/// How far a probability may lie outside 0 to 1, as sums in 32 bits do.
const TOLERANCE: f64 = 1e-4;

/// How the probabilities of a task become labels: checked, and ready to be applied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Decision {
    kind: TaskKind,
    outputs: usize,
    temperature: Temperature,
    rule: Rule,
}

/// A decision as it stands in a file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    kind: TaskKind,
    outputs: usize,
    #[serde(default = "unchanged")]
    temperature: f64,
    rule: Rule,
}

fn unchanged() -> f64 {
    Temperature::NONE.temperature
}

impl TryFrom<Written> for Decision {
    type Error = DecisionError;

    fn try_from(written: Written) -> Result<Self, DecisionError> {
        let temperature = Temperature { temperature: written.temperature };
        Self::new(written.kind, written.outputs, temperature, written.rule)
    }
}

impl From<Decision> for Written {
    fn from(decision: Decision) -> Self {
        let Decision { kind, outputs, temperature, rule } = decision;
        Self { kind, outputs, temperature: temperature.temperature, rule }
    }
}

impl Decision {
    /// For a task of this kind with so many classes, or labels of a multi-label task.
    ///
    /// # Errors
    /// [`DecisionError::Outputs`], [`DecisionError::Kind`], [`DecisionError::Parameters`] and [`DecisionError::Number`] when a rule is
    /// not of such a task, or a number is out of its range.
    pub fn new(kind: TaskKind, outputs: usize, temperature: Temperature, rule: Rule) -> Result<Self, DecisionError> {
        let allowed = match kind {
            TaskKind::Binary => 2..=2,
            TaskKind::MultiClass | TaskKind::Ordinal => 2..=MOST_OUTPUTS,
            TaskKind::MultiLabel => 1..=MOST_OUTPUTS,
        };
        if !allowed.contains(&outputs) {
            return Err(DecisionError::Outputs { kind, found: outputs });
        }
        temperature.check()?;
        rule.check(kind, outputs)?;
        Ok(Self { kind, outputs, temperature, rule })
    }

    /// As the official evaluator decides.
    ///
    /// # Errors
    /// [`DecisionError::Outputs`].
    pub fn plain(kind: TaskKind, outputs: usize) -> Result<Self, DecisionError> {
        Self::new(kind, outputs, Temperature::NONE, Rule::PLAIN)
    }

    /// Kind of the task.
    pub fn kind(&self) -> TaskKind {
        self.kind
    }

    /// Classes, or labels of a multi-label task.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// What the probabilities that are shown are made with.
    pub fn temperature(&self) -> Temperature {
        self.temperature
    }

    /// What is decided by.
    pub fn rule(&self) -> &Rule {
        &self.rule
    }

    /// Whether it was made for such a task.
    ///
    /// # Errors
    /// [`DecisionError::OtherTask`].
    pub fn check_task(&self, task: &TaskSpec) -> Result<(), DecisionError> {
        if (self.kind, self.outputs) == (task.kind, task.outputs()) {
            return Ok(());
        }
        Err(DecisionError::OtherTask {
            task: task.name.clone(),
            kind: self.kind,
            outputs: self.outputs,
            task_kind: task.kind,
            task_outputs: task.outputs(),
        })
    }

    /// Labels of probabilities `[N, outputs]` as the network gives them, before any temperature: class indices `[N]`, or 0 and 1
    /// `[N * outputs]` row by row for multi-label tasks. A binary task may have one column, that of class 1.
    ///
    /// # Errors
    /// [`DecisionError::Columns`] and [`DecisionError::Range`] of scores that are not probabilities of such a task.
    pub fn apply(&self, probabilities: &Scores) -> Result<Vec<u16>, DecisionError> {
        self.check_probabilities(probabilities)?;
        self.rule.decide(self.kind, probabilities)
    }

    /// The probabilities at the temperature, of the shape given; what is to be shown, not what is to be decided by.
    ///
    /// # Errors
    /// As [`Self::apply`].
    pub fn calibrate(&self, probabilities: &Scores) -> Result<Scores, DecisionError> {
        self.check_probabilities(probabilities)?;
        if self.temperature == Temperature::NONE {
            return Ok(probabilities.clone());
        }
        Ok(self.temperature.apply(self.kind, probabilities)?)
    }

    fn check_probabilities(&self, scores: &Scores) -> Result<(), DecisionError> {
        let columns = scores.columns();
        if columns != self.outputs && !(self.kind == TaskKind::Binary && columns == 1) {
            return Err(DecisionError::Columns { found: columns, expected: self.outputs });
        }
        let outside = |(_, value): &(_, &f64)| !(-TOLERANCE..=1.0 + TOLERANCE).contains(*value);
        match scores.view().indexed_iter().find(outside) {
            Some(((row, column), &value)) => Err(DecisionError::Range { row, column, value }),
            None => Ok(()),
        }
    }
}

/// The decisions of several tasks by name, as they are written beside a run or into a package.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "WrittenSet", into = "WrittenSet")]
pub struct Decisions {
    tasks: BTreeMap<String, Decision>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenSet {
    format: u32,
    tasks: BTreeMap<String, Decision>,
}

impl TryFrom<WrittenSet> for Decisions {
    type Error = DecisionError;

    fn try_from(written: WrittenSet) -> Result<Self, DecisionError> {
        if written.format != FORMAT {
            return Err(DecisionError::Format { found: written.format });
        }
        Ok(Self { tasks: written.tasks })
    }
}

impl From<Decisions> for WrittenSet {
    fn from(decisions: Decisions) -> Self {
        Self { format: FORMAT, tasks: decisions.tasks }
    }
}

impl Decisions {
    /// Adds or replaces that of a task.
    pub fn insert(&mut self, task: impl Into<String>, decision: Decision) {
        self.tasks.insert(task.into(), decision);
    }

    /// That of a task.
    pub fn of(&self, task: &str) -> Option<&Decision> {
        self.tasks.get(task)
    }

    /// All, by the names of their tasks.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Decision)> {
        self.tasks.iter().map(|(task, decision)| (task.as_str(), decision))
    }
}
