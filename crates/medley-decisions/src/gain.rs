//! How much better one set of decisions is than another, and whether that is more than chance.

use medley_core::record::{Interval, Resampling};
use medley_core::{Labels, TaskSpec};
use medley_metrics::bootstrap::{Resampled, bootstrap};
use medley_metrics::metrics::{Average, F1, LogLoss};
use medley_metrics::{Metric, MetricError, Sample, percentile_interval};
use serde::{Deserialize, Serialize};

use crate::FitOptions;

/// A difference of a metric on the same rows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Gain {
    /// How much better; negative where it is worse.
    pub value: f64,
    /// The lower end of its one-sided interval and, as far above, the upper end of the opposite one. Both are 0 where all resamples are.
    pub interval: Interval,
}

/// Macro-F1 of decisions, with the resamples that belong to this task and seed.
pub(crate) fn macro_f1(
    spec: &TaskSpec,
    labels: &Labels,
    decisions: Vec<u16>,
    options: &FitOptions,
) -> Result<Resampled, MetricError> {
    let sample = Sample::from_decisions(spec, labels.clone(), decisions)?;
    Ok(resampled(&sample, &F1(Average::Macro), options))
}

/// Log loss of probabilities, with the same resamples.
pub(crate) fn log_loss(sample: &Sample, options: &FitOptions) -> Resampled {
    resampled(sample, &LogLoss, options)
}

fn resampled(sample: &Sample, metric: &dyn Metric, options: &FitOptions) -> Resampled {
    let resampling =
        Resampling { resamples: options.resamples, confidence: 2.0 * options.level - 1.0, seed: options.seed };
    let mut all = bootstrap(sample, &[metric], &resampling);
    all.pop().unwrap_or(Resampled { value: None, draws: Vec::new() })
}

impl Gain {
    /// Of a metric that is better when higher: a paired bootstrap, as both were resampled alike. `level` is that of each end.
    pub(crate) fn of(better: &Resampled, than: &Resampled, level: f64) -> Self {
        let difference = better.minus(than);
        let interval = percentile_interval(difference.draws, 2.0 * level - 1.0);
        let value = difference.value.unwrap_or(0.0);
        Self { value, interval: interval.unwrap_or(Interval { low: 0.0, high: 0.0 }) }
    }

    /// Whether it is more than chance.
    pub(crate) fn is_certain(&self) -> bool {
        self.interval.low > 0.0
    }
}
