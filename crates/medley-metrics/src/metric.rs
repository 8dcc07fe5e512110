//! What a metric is: a function of a sample and of a weight for each of its rows.
//!
//! With weights in its definition, every metric has bootstrap intervals, paired tests and permutation tests without a line of
//! its own: they differ only in how weights are drawn.

use medley_core::TaskKind;
use serde::Serialize;

use crate::sample::{Draw, Sample};

/// The kinds of task where each image is of one class.
pub const SINGLE_LABEL: &[TaskKind] = &[TaskKind::Binary, TaskKind::MultiClass, TaskKind::Ordinal];
/// All kinds of task.
pub const ANY_KIND: &[TaskKind] = &[TaskKind::Binary, TaskKind::MultiClass, TaskKind::Ordinal, TaskKind::MultiLabel];

/// A metric of predictions. Whoever implements it runs [`crate::conformance::check_metric`] on it.
pub trait Metric: Send + Sync {
    /// What it is called and what it asks for.
    fn info(&self) -> MetricInfo;

    /// Does once what does not depend on the weights, and returns what does. It is called only with samples that
    /// [`MetricInfo::applies_to`].
    fn prepare<'a>(&self, sample: &'a Sample) -> Prepared<'a>;
}

/// A metric of one sample, as a function of the weights of its rows; `None` where it is not defined.
pub type Prepared<'a> = Box<dyn Fn(&Draw) -> Option<f64> + Send + Sync + 'a>;

/// What a metric is called and what it asks for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct MetricInfo {
    /// Its key, such as `macro_f1`.
    pub id: &'static str,
    /// As people write it, such as `macro-F1`.
    pub title: &'static str,
    /// Smallest and largest value.
    pub range: (f64, f64),
    /// Which direction is better.
    pub better: Better,
    /// The kinds of task it is defined for.
    pub kinds: &'static [TaskKind],
    /// What of the predictions it looks at.
    pub needs: Needs,
}

impl MetricInfo {
    /// Whether the sample is of a kind that the metric is defined for, and has what it needs.
    pub fn applies_to(&self, sample: &Sample) -> bool {
        self.kinds.contains(&sample.kind())
            && match self.needs {
                Needs::Decisions => true,
                Needs::Scores => sample.scores().is_some(),
                Needs::Probabilities => sample.probabilities().is_some(),
            }
    }
}

/// Which direction is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    /// A larger value.
    Higher,
    /// A smaller value.
    Lower,
}

/// What of the predictions a metric looks at; each includes those before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Needs {
    /// The class that was decided for, or the labels.
    Decisions,
    /// Scores of any scale.
    Scores,
    /// Scores that are probabilities.
    Probabilities,
}

/// The metric as a function of weights: never defined where it does not apply.
pub fn prepare<'a>(metric: &dyn Metric, sample: &'a Sample) -> Prepared<'a> {
    if metric.info().applies_to(sample) { metric.prepare(sample) } else { Box::new(|_| None) }
}

/// The metric of the sample as it is; `None` where it does not apply or is not defined.
pub fn value(metric: &dyn Metric, sample: &Sample) -> Option<f64> {
    prepare(metric, sample)(&Draw::once(sample))
}
