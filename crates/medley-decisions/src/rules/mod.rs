//! The rules, one file each, and what they have in common.
//!
//! A rule makes decisions of probabilities: class indices `[N]`, or 0 and 1 `[N * L]` for multi-label tasks. It is a handful of
//! numbers, so it can be written into a run or beside exported weights, and read back:
//!
//! ```
//! use medley_core::{Scores, TaskKind};
//! use medley_decisions::{LogOffsets, Rule};
//!
//! let rule = Rule::LogOffsets(LogOffsets { offsets: vec![-0.5, 0.5] });
//! let json = serde_json::to_string(&rule)?;
//! assert_eq!(json, r#"{"rule":"log_offsets","offsets":[-0.5,0.5]}"#);
//! assert_eq!(serde_json::from_str::<Rule>(&json)?, rule);
//! // Class 1 is decided for from a probability of 1 / (1 + e) on.
//! let scores = Scores::new(vec![0.7, 0.3, 0.8, 0.2], 2, 2)?;
//! assert_eq!(rule.decide(TaskKind::Binary, &scores)?, [1, 0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod cut_points;
mod log_offsets;
mod prior_adjustment;
mod temperature;
mod thresholds;

use medley_core::{Scores, TaskKind};
use medley_metrics::decide;
use serde::{Deserialize, Serialize};

pub use cut_points::CutPoints;
pub use log_offsets::LogOffsets;
pub use prior_adjustment::PriorAdjustment;
pub use temperature::Temperature;
pub use thresholds::Thresholds;

use crate::DecisionError;
use crate::problem::Problem;

/// The rule of the official evaluator: the largest probability, the first of equals; of binary and multi-label tasks, what is strictly
/// above 0.5. See `medley_metrics::decide`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plain {}

/// How decisions are made of probabilities.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "rule", rename_all = "snake_case")]
pub enum Rule {
    /// As the official evaluator.
    Plain(Plain),
    /// Probabilities that are milder or sharper; decisions as the official evaluator.
    Temperature(Temperature),
    /// Frequent classes of training count for less.
    PriorAdjustment(PriorAdjustment),
    /// A handicap for each class.
    LogOffsets(LogOffsets),
    /// Grades by the expected grade.
    CutPoints(CutPoints),
    /// A threshold for each label.
    Thresholds(Thresholds),
}

/// A kind of rule that can be fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Family {
    Temperature,
    PriorAdjustment,
    LogOffsets,
    CutPoints,
    Thresholds,
}

impl Family {
    /// Those that are tried for a kind of task, by their number of parameters.
    pub(crate) fn for_kind(kind: TaskKind) -> &'static [Self] {
        match kind {
            TaskKind::Binary | TaskKind::MultiClass => &[Self::Temperature, Self::PriorAdjustment, Self::LogOffsets],
            TaskKind::Ordinal => &[Self::Temperature, Self::PriorAdjustment, Self::LogOffsets, Self::CutPoints],
            TaskKind::MultiLabel => &[Self::Temperature, Self::Thresholds],
        }
    }

    pub(crate) fn fit(self, problem: &Problem) -> Rule {
        match self {
            Self::Temperature => Rule::Temperature(Temperature::fit(problem)),
            Self::PriorAdjustment => Rule::PriorAdjustment(PriorAdjustment::fit(problem)),
            Self::LogOffsets => Rule::LogOffsets(LogOffsets::fit(problem)),
            Self::CutPoints => Rule::CutPoints(CutPoints::fit(problem)),
            Self::Thresholds => Rule::Thresholds(Thresholds::fit(problem)),
        }
    }
}

impl Rule {
    /// The rule that needs no fitting.
    pub const PLAIN: Self = Self::Plain(Plain {});

    /// As tables write it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Plain(_) => "plain",
            Self::Temperature(_) => "temperature",
            Self::PriorAdjustment(_) => "prior adjustment",
            Self::LogOffsets(_) => "log-offsets",
            Self::CutPoints(_) => "cut points",
            Self::Thresholds(_) => "thresholds",
        }
    }

    /// Numbers that were fitted: what a constant added to all offsets does not change is not counted.
    pub fn parameters(&self) -> usize {
        match self {
            Self::Plain(_) => 0,
            Self::Temperature(_) | Self::PriorAdjustment(_) => 1,
            Self::LogOffsets(rule) => rule.offsets.len().saturating_sub(1),
            Self::CutPoints(rule) => rule.cuts.len(),
            Self::Thresholds(rule) => rule.thresholds.len(),
        }
    }

    /// Decides: class indices `[N]`, or 0 and 1 `[N * L]` row by row for multi-label tasks. `scores` are probabilities `[N, C]`; a binary
    /// task may have one column, that of class 1.
    ///
    /// # Errors
    /// [`DecisionError::Kind`] and [`DecisionError::Parameters`] when the rule was fitted for another task.
    pub fn decide(&self, kind: TaskKind, scores: &Scores) -> Result<Vec<u16>, DecisionError> {
        let fits = match self {
            Self::Plain(_) | Self::Temperature(_) => true,
            Self::PriorAdjustment(_) | Self::LogOffsets(_) => kind != TaskKind::MultiLabel,
            Self::CutPoints(_) => kind == TaskKind::Ordinal,
            Self::Thresholds(_) => kind == TaskKind::MultiLabel,
        };
        if !fits {
            return Err(DecisionError::Kind { rule: self.name(), kind });
        }
        let classes = if kind == TaskKind::Binary { 2 } else { scores.columns() };
        let check = |numbers: &[f64], expected: usize| {
            let found = numbers.iter().filter(|number| number.is_finite()).count();
            let fits = found == expected && numbers.len() == expected;
            fits.then_some(()).ok_or(DecisionError::Parameters { rule: self.name(), found, expected })
        };
        match self {
            Self::Plain(_) | Self::Temperature(_) => Ok(decide(kind, scores)),
            Self::PriorAdjustment(rule) => {
                check(&rule.priors, classes)?;
                Ok(rule.decide(kind, scores))
            }
            Self::LogOffsets(rule) => {
                check(&rule.offsets, classes)?;
                Ok(rule.decide(kind, scores))
            }
            Self::CutPoints(rule) => {
                check(&rule.cuts, classes - 1)?;
                Ok(rule.decide(scores))
            }
            Self::Thresholds(rule) => {
                check(&rule.thresholds, classes)?;
                Ok(rule.decide(scores))
            }
        }
    }
}

/// The place between two neighbours at which a search puts a parameter: where it changes nothing, if that lies between them, else the
/// middle. `None` where there is no room: rounding would then decide.
fn between(low: f64, high: f64, neutral: f64) -> Option<f64> {
    if high - low < 1e-9 {
        return None;
    }
    Some(if low < neutral && neutral < high { neutral } else { f64::midpoint(low, high) })
}
