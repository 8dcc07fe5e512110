//! The intervals that a report shows: those that the run recorded, or, of an older run, those of its confusion matrices.

use medley_core::record::{Manifest, Resampling, RunResults, ScoreIntervals, ScoreSet, TaskIntervals};
use medley_metrics::uncertainty::{intervals_of_confusion, mean_of_ends};

/// Test images of all predictors together beyond which the intervals of an older run are not derived: each is drawn a thousand
/// times.
const MOST_DERIVED: usize = 4_000_000;

/// Intervals of a run's test results. `medley_metrics::uncertainty` defines them.
#[derive(Debug, Clone, PartialEq)]
pub struct Uncertainty {
    /// Of the mean over seeds; of a single seed, its own.
    pub mean: ScoreIntervals,
    /// Of the ensemble; `None` without one.
    pub ensemble: Option<ScoreIntervals>,
    /// Whether the run recorded them. Else they follow from the confusion matrices, and AUC has none.
    pub recorded: bool,
    /// Whether there are none, as the run recorded none and has too many images to derive them.
    pub left_out: bool,
}

impl Uncertainty {
    /// Of a finished run.
    pub fn of(manifest: &Manifest, results: &RunResults) -> Self {
        let unrecorded = results.test_sets().chain(&results.ensemble).filter(|set| set.intervals.is_none());
        let images = unrecorded.flat_map(|set| &set.tasks).fold(0_usize, |sum, task| sum.saturating_add(task.rows));
        let left_out = images > MOST_DERIVED;
        let of = |set: &ScoreSet| {
            let derive = || if left_out { none(set.tasks.len()) } else { derived(manifest, set) };
            set.intervals.clone().unwrap_or_else(derive)
        };
        let mean = results.mean_intervals.clone().unwrap_or_else(|| {
            let seeds: Vec<ScoreIntervals> = results.test_sets().map(of).collect();
            mean_of_ends(&seeds).unwrap_or_else(|| derived(manifest, &ScoreSet::default()))
        });
        Self {
            mean,
            ensemble: results.ensemble.as_ref().map(of),
            left_out,
            recorded: results.test_sets().all(|set| set.intervals.is_some()),
        }
    }

    /// How they were drawn.
    pub fn resampling(&self) -> Resampling {
        self.mean.resampling
    }
}

fn none(tasks: usize) -> ScoreIntervals {
    let tasks = vec![TaskIntervals::default(); tasks];
    ScoreIntervals { resampling: Resampling::default(), tasks, harmonic_mean: None }
}

fn derived(manifest: &Manifest, set: &ScoreSet) -> ScoreIntervals {
    let specs: Vec<_> = manifest.data.iter().map(|data| &data.task).collect();
    intervals_of_confusion(&specs, set, &Resampling::default())
}
