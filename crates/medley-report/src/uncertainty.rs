//! The intervals that a report shows: those that the run recorded, or, of an older run, those of its confusion matrices.

use medley_core::record::{Manifest, Resampling, RunResults, ScoreIntervals, ScoreSet};
use medley_metrics::uncertainty::{intervals_of_confusion, mean_of_ends};

/// Intervals of a run's test results. `medley_metrics::uncertainty` defines them.
#[derive(Debug, Clone, PartialEq)]
pub struct Uncertainty {
    /// Of the mean over seeds; of a single seed, its own.
    pub mean: ScoreIntervals,
    /// Of the ensemble; `None` without one.
    pub ensemble: Option<ScoreIntervals>,
    /// Whether the run recorded them. Else they follow from the confusion matrices, and AUC has none.
    pub recorded: bool,
}

impl Uncertainty {
    /// Of a finished run.
    pub fn of(manifest: &Manifest, results: &RunResults) -> Self {
        let of = |set: &ScoreSet| set.intervals.clone().unwrap_or_else(|| derived(manifest, set));
        let mean = results.mean_intervals.clone().unwrap_or_else(|| {
            let seeds: Vec<ScoreIntervals> = results.test_sets().map(of).collect();
            mean_of_ends(&seeds).unwrap_or_else(|| derived(manifest, &ScoreSet::default()))
        });
        Self {
            mean,
            ensemble: results.ensemble.as_ref().map(of),
            recorded: results.test_sets().all(|set| set.intervals.is_some()),
        }
    }

    /// How they were drawn.
    pub fn resampling(&self) -> Resampling {
        self.mean.resampling
    }
}

fn derived(manifest: &Manifest, set: &ScoreSet) -> ScoreIntervals {
    let specs: Vec<_> = manifest.data.iter().map(|data| &data.task).collect();
    intervals_of_confusion(&specs, set, &Resampling::default())
}
