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
//! assert_eq!(json, r#"{"name":"log_offsets","offsets":[-0.5,0.5]}"#);
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

use std::ops::RangeInclusive;

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
#[serde(tag = "name", rename_all = "snake_case")]
pub enum Rule {
    /// As the official evaluator.
    Plain(Plain),
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
    PriorAdjustment,
    LogOffsets,
    CutPoints,
    Thresholds,
}

impl Family {
    /// Those that are tried for a kind of task, by their number of parameters.
    pub(crate) fn for_kind(kind: TaskKind) -> &'static [Self] {
        match kind {
            TaskKind::Binary | TaskKind::MultiClass => &[Self::PriorAdjustment, Self::LogOffsets],
            TaskKind::Ordinal => &[Self::PriorAdjustment, Self::LogOffsets, Self::CutPoints],
            TaskKind::MultiLabel => &[Self::Thresholds],
        }
    }

    pub(crate) fn fit(self, problem: &Problem) -> Rule {
        match self {
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
            Self::PriorAdjustment(_) => 1,
            Self::LogOffsets(rule) => rule.offsets.len().saturating_sub(1),
            Self::CutPoints(rule) => rule.cuts.len(),
            Self::Thresholds(rule) => rule.thresholds.len(),
        }
    }

    /// Decides: class indices `[N]`, or 0 and 1 `[N * L]` row by row for multi-label tasks. `scores` are probabilities `[N, C]`; a binary
    /// task may have one column, that of class 1.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub fn decide(&self, kind: TaskKind, scores: &Scores) -> Result<Vec<u16>, DecisionError> {
        self.check(kind, if kind == TaskKind::Binary { 2 } else { scores.columns() })?;
        Ok(match self {
            Self::Plain(_) => decide(kind, scores),
            Self::PriorAdjustment(rule) => rule.decide(kind, scores),
            Self::LogOffsets(rule) => rule.decide(kind, scores),
            Self::CutPoints(rule) => rule.decide(scores),
            Self::Thresholds(rule) => rule.decide(scores),
        })
    }

    /// Whether it can decide for a task of this kind with so many classes or labels, and every number is in its range.
    ///
    /// # Errors
    /// [`DecisionError::Kind`], [`DecisionError::Parameters`] and [`DecisionError::Number`].
    pub fn check(&self, kind: TaskKind, outputs: usize) -> Result<(), DecisionError> {
        let fits = match self {
            Self::Plain(_) => true,
            Self::PriorAdjustment(_) | Self::LogOffsets(_) => kind != TaskKind::MultiLabel,
            Self::CutPoints(_) => kind == TaskKind::Ordinal,
            Self::Thresholds(_) => kind == TaskKind::MultiLabel,
        };
        if !fits {
            return Err(DecisionError::Kind { rule: self.name(), kind });
        }
        let check = |key, numbers: &[f64], expected: usize, allowed: RangeInclusive<f64>| {
            if numbers.len() != expected {
                return Err(DecisionError::Parameters { rule: self.name(), found: numbers.len(), expected });
            }
            numbers.iter().try_for_each(|&number| check_number(key, number, &allowed))
        };
        match self {
            Self::Plain(_) => Ok(()),
            Self::PriorAdjustment(rule) => {
                check_number("tau", rule.tau, &(-0.5..=2.0))?;
                check("priors", &rule.priors, outputs, 0.0..=1.0)?;
                check_number("the sum of `priors`", rule.priors.iter().sum(), &(0.999_999..=1.000_001))
            }
            Self::LogOffsets(rule) => check("offsets", &rule.offsets, outputs, -50.0..=50.0),
            Self::CutPoints(rule) => {
                let last = outputs.saturating_sub(1);
                check("cuts", &rule.cuts, last, 0.0..=last as f64)?;
                rule.cuts.windows(2).try_for_each(|pair| check_number("cuts", pair[1], &(pair[0]..=last as f64)))
            }
            Self::Thresholds(rule) => check("thresholds", &rule.thresholds, outputs, 0.0..=1.0),
        }
    }
}

/// NaN and the infinities lie in no range.
fn check_number(key: &'static str, value: f64, allowed: &RangeInclusive<f64>) -> Result<(), DecisionError> {
    let (low, high) = (*allowed.start(), *allowed.end());
    allowed.contains(&value).then_some(()).ok_or(DecisionError::Number { key, value, low, high })
}

/// The place between two neighbours at which a search puts a parameter: where it changes nothing, if that lies between them, else the
/// middle. `None` where there is no room: rounding would then decide.
fn between(low: f64, high: f64, neutral: f64) -> Option<f64> {
    if high - low < 1e-9 {
        return None;
    }
    Some(if low < neutral && neutral < high { neutral } else { f64::midpoint(low, high) })
}
