//! The intervals that a report shows: those that the run recorded, or, of an older run, those of its confusion matrices.

use medley_core::record::{
    Interval, Manifest, Resampling, RunResults, ScoreIntervals, ScoreSet, TaskIntervals, TaskResult,
};
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
            mean: with_width(mean),
            ensemble: results.ensemble.as_ref().map(of).map(with_width),
            left_out,
            recorded: results.test_sets().all(|set| set.intervals.is_some()),
        }
    }

    /// Whether accuracy or macro-F1 of a task, or an AUC that should have been recorded, has none.
    pub(crate) fn is_incomplete(&self, results: &RunResults) -> bool {
        let sets =
            results.test_sets().take(1).map(|set| (set, &self.mean)).chain(results.ensemble.iter().zip(&self.ensemble));
        let tasks = sets.flat_map(|(set, intervals)| set.tasks.iter().zip(&intervals.tasks));
        let lacks = |(task, ends): (&TaskResult, &TaskIntervals)| {
            let auc = task.auc.is_some() && ends.auc.is_none() && self.recorded;
            // Of multi-label tasks there is no matrix to derive them from.
            let others = ends.accuracy.is_none() || ends.macro_f1.is_none();
            auc || others && (self.recorded || !task.confusion.is_empty())
        };
        tasks.into_iter().any(lacks)
    }

    /// How they were drawn.
    pub fn resampling(&self) -> Resampling {
        self.mean.resampling
    }
}

/// Older runs have recorded intervals without width, which claim a certainty that nothing supports; see
/// [`mod@medley_metrics::bootstrap`].
fn with_width(mut intervals: ScoreIntervals) -> ScoreIntervals {
    let drop_empty = |ends: &mut Option<Interval>| *ends = ends.take().filter(|ends| ends.low < ends.high);
    for task in &mut intervals.tasks {
        drop_empty(&mut task.auc);
        drop_empty(&mut task.accuracy);
        drop_empty(&mut task.macro_f1);
    }
    drop_empty(&mut intervals.harmonic_mean);
    intervals
}

fn none(tasks: usize) -> ScoreIntervals {
    let tasks = vec![TaskIntervals::default(); tasks];
    ScoreIntervals { resampling: Resampling::default(), tasks, harmonic_mean: None }
}

fn derived(manifest: &Manifest, set: &ScoreSet) -> ScoreIntervals {
    let specs: Vec<_> = manifest.data.iter().map(|data| &data.task).collect();
    intervals_of_confusion(&specs, set, &Resampling::default())
}
