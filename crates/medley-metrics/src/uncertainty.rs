//! The intervals of a run: how far its test results would move on other test images.
//!
//! There is one definition, and everything that prints an interval uses it: a thousand resamples of the test images, drawn
//! within each true class, the same for every predictor of a task; the central 95 % of the metric over them (see
//! [`mod@crate::bootstrap`]). Of several seeds the mean has an interval too: each resample gives the mean of the metric over the
//! seeds. Spread over seeds is another matter, and stands beside it as a standard deviation.
//!
//! A run records its intervals when it is scored. Those of an older run, whose record has none, follow from its confusion
//! matrices: [`intervals_of_confusion`].

use medley_core::TaskSpec;
use medley_core::record::{Interval, Resampling, ScoreIntervals, ScoreSet, TaskIntervals};

use crate::bootstrap::{Resampled, bootstrap, harmonic_mean_of};
use crate::metrics::HEADLINE;
use crate::sample::Sample;

/// Test images beyond which intervals of an older run are not computed: they would be narrower than a printed digit.
const MOST_ROWS: usize = 4_000_000;

/// The headline metrics (AUC, accuracy, macro-F1) of one predictor on the tasks of a run, with their resamples.
#[derive(Debug, Clone, PartialEq)]
pub struct SetResamples {
    resampling: Resampling,
    /// By task, in the order of [`HEADLINE`].
    tasks: Vec<Vec<Resampled>>,
    harmonic_mean: Option<Resampled>,
}

impl SetResamples {
    /// Resamples every task.
    pub fn of(samples: &[Sample], resampling: &Resampling) -> Self {
        Self::new(samples.iter().map(|sample| bootstrap(sample, HEADLINE, resampling)).collect(), resampling)
    }

    fn new(tasks: Vec<Vec<Resampled>>, resampling: &Resampling) -> Self {
        let macro_f1: Vec<&Resampled> = tasks.iter().filter_map(|task| task.get(2)).collect();
        let harmonic_mean = harmonic_mean_of(&macro_f1).filter(|_| macro_f1.len() == tasks.len());
        Self { resampling: *resampling, tasks, harmonic_mean }
    }

    /// The means over seeds that were resampled alike. `None` of no seed, and where they differ in tasks or resampling.
    pub fn mean(seeds: &[Self]) -> Option<Self> {
        let first = seeds.first()?;
        if seeds.iter().any(|seed| seed.tasks.len() != first.tasks.len() || seed.resampling != first.resampling) {
            return None;
        }
        let of = |task: usize, metric: usize| {
            Resampled::mean(&seeds.iter().map(|seed| seed.tasks[task].get(metric)).collect::<Option<Vec<_>>>()?)
        };
        let tasks = (0..first.tasks.len()).map(|task| (0..HEADLINE.len()).map(|metric| of(task, metric)).collect());
        let means: Option<Vec<&Resampled>> = seeds.iter().map(|seed| seed.harmonic_mean.as_ref()).collect();
        Some(Self {
            resampling: first.resampling,
            tasks: tasks.collect::<Option<_>>()?,
            harmonic_mean: means.and_then(|means| Resampled::mean(&means)),
        })
    }

    /// Their intervals, as they are recorded.
    pub fn intervals(&self) -> ScoreIntervals {
        let of = |resampled: Option<&Resampled>| resampled.and_then(|one| one.interval(self.resampling.confidence));
        let tasks = self.tasks.iter().map(|task| TaskIntervals {
            auc: of(task.first()),
            accuracy: of(task.get(1)),
            macro_f1: of(task.get(2)),
        });
        ScoreIntervals {
            resampling: self.resampling,
            tasks: tasks.collect(),
            harmonic_mean: of(self.harmonic_mean.as_ref()),
        }
    }
}

/// Intervals of accuracy, macro-F1 and the harmonic mean from confusion matrices alone: drawing images within a true class and
/// counting again is drawing cells within a row of the matrix. AUC is no function of the matrix and has none here, and neither
/// has a multi-label task, nor one of more than four million images.
pub fn intervals_of_confusion(specs: &[&TaskSpec], set: &ScoreSet, resampling: &Resampling) -> ScoreIntervals {
    let resampled = specs.iter().zip(&set.tasks).map(|(spec, result)| {
        let usable = !result.confusion.is_empty() && result.rows <= MOST_ROWS;
        let sample = usable.then(|| Sample::from_confusion(spec, &result.confusion).ok()).flatten();
        sample.map_or_else(Vec::new, |sample| bootstrap(&sample, HEADLINE, resampling))
    });
    SetResamples::new(resampled.collect(), resampling).intervals()
}

/// The interval of the mean over seeds where only that of each seed is known: the means of their ends. It is exact if all seeds
/// move together from resample to resample, and else too wide rather than too narrow. `None` if that of a seed is missing.
pub fn mean_of_ends(seeds: &[ScoreIntervals]) -> Option<ScoreIntervals> {
    let first = seeds.first()?;
    let mean = |ends: Vec<Option<Interval>>| -> Option<Interval> {
        let ends: Vec<Interval> = ends.into_iter().collect::<Option<_>>()?;
        let mean = |end: fn(&Interval) -> f64| ends.iter().map(end).sum::<f64>() / ends.len() as f64;
        Some(Interval { low: mean(|ends| ends.low), high: mean(|ends| ends.high) })
    };
    let task = |index: usize| {
        let of = |metric: fn(&TaskIntervals) -> Option<Interval>| {
            mean(seeds.iter().map(|seed| seed.tasks.get(index).and_then(metric)).collect())
        };
        TaskIntervals {
            auc: of(|task| task.auc),
            accuracy: of(|task| task.accuracy),
            macro_f1: of(|task| task.macro_f1),
        }
    };
    Some(ScoreIntervals {
        resampling: first.resampling,
        tasks: (0..first.tasks.len()).map(task).collect(),
        harmonic_mean: mean(seeds.iter().map(|seed| seed.harmonic_mean).collect()),
    })
}
