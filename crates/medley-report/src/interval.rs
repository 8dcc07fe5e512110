//! How far the test figures can be trusted: bootstrap intervals over the test images.
//!
//! A run folder holds no test labels, but accuracy and macro-F1 are functions of the confusion matrix alone. Drawing `n`
//! images with replacement from the `n` test images and counting again is the same as drawing `n` cells of the matrix in
//! proportion to their counts (Efron and Tibshirani, *An Introduction to the Bootstrap*, 1993, chapters 6 and 13), so the
//! intervals need nothing but `results.json`. AUC is no function of the matrix and has none here.
//!
//! Two kinds of interval are made, and they answer two questions:
//!
//! - **one seed**: the resamples of all seeds, pooled. Where a run of one seed would fall if test images and training
//!   randomness were drawn again.
//! - **the ensemble**: its own resamples. Where this one predictor would fall on other test images.
//!
//! Resample `r` of a task is drawn from its own stream, so intervals depend neither on the number of threads nor on which
//! other tasks are in the run.

use medley_core::record::{RunResults, ScoreSet, TaskResult};
use medley_core::seed::{Purpose, stream};
use medley_metrics::harmonic_mean;
use rand::Rng as _;
use rayon::prelude::*;

/// Resamples of one predictor.
const RESAMPLES: usize = 1000;
/// At least so many per seed, where resamples of many seeds are pooled.
const FEWEST: usize = 200;
/// Beyond this many images an interval is narrower than a printed digit, and none is computed.
const MOST_IMAGES: usize = 4_000_000;

/// A 95 % percentile interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// 2.5 % quantile.
    pub low: f64,
    /// 97.5 % quantile.
    pub high: f64,
}

impl Interval {
    /// Half of its width.
    pub fn half_width(&self) -> f64 {
        (self.high - self.low) / 2.0
    }

    /// Whether a figure lies inside.
    pub fn contains(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }

    /// The central 95 % of a sample (linear interpolation between order statistics, as `numpy.quantile`). `None` if the
    /// sample is empty.
    pub fn of_sample(mut sample: Vec<f64>) -> Option<Self> {
        sample.sort_by(f64::total_cmp);
        let quantile = |share: f64| {
            let position = share * (sample.len() - 1) as f64;
            let (below, rest) = (position.floor() as usize, position.fract());
            let above = (below + 1).min(sample.len() - 1);
            sample[below] + rest * (sample[above] - sample[below])
        };
        (!sample.is_empty()).then(|| Self { low: quantile(0.025), high: quantile(0.975) })
    }
}

/// Intervals of one predictor's test figures.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Intervals {
    /// Accuracy by task, in task order; `None` for multi-label tasks.
    pub accuracy: Vec<Option<Interval>>,
    /// Macro-F1 by task, in task order; `None` for multi-label tasks.
    pub macro_f1: Vec<Option<Interval>>,
    /// The harmonic mean; `None` if any task has none.
    pub harmonic_mean: Option<Interval>,
}

/// Intervals of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Uncertainty {
    /// Of one seed: test images and seeds vary.
    pub one_seed: Intervals,
    /// Of the ensemble: test images vary. `None` without an ensemble.
    pub ensemble: Option<Intervals>,
    /// Resamples that an interval is made of, at least.
    pub resamples: usize,
}

impl Uncertainty {
    /// Resamples every confusion matrix of the results.
    pub fn of(results: &RunResults) -> Self {
        let each = RESAMPLES.div_ceil(results.seeds.len().max(1)).max(FEWEST);
        let seeds: Vec<_> = (results.seeds.iter().zip(results.test_sets()))
            .map(|(seed, test)| Resampled::draw(test, seed.seed, each))
            .collect();
        let ensemble = results.ensemble.as_ref().map(|set| Resampled::draw(set, u64::MAX, RESAMPLES));
        Self {
            one_seed: Resampled::pool(seeds).intervals(),
            ensemble: ensemble.map(|sample| sample.intervals()),
            resamples: RESAMPLES,
        }
    }
}

/// The figures of one resample of one task.
#[derive(Debug, Clone, Copy)]
struct Figures {
    accuracy: f64,
    macro_f1: f64,
}

/// By task, by resample; an empty list for a task without a matrix.
struct Resampled(Vec<Vec<Figures>>);

impl Resampled {
    fn draw(set: &ScoreSet, predictor: u64, resamples: usize) -> Self {
        Self(set.tasks.par_iter().map(|task| resample(task, predictor, resamples)).collect())
    }

    fn pool(parts: Vec<Self>) -> Self {
        let mut parts = parts.into_iter();
        let mut pool = parts.next().map_or_else(Vec::new, |first| first.0);
        for part in parts {
            for (into, from) in pool.iter_mut().zip(part.0) {
                into.extend(from);
            }
        }
        Self(pool)
    }

    fn intervals(&self) -> Intervals {
        let of = |figure: fn(&Figures) -> f64| {
            self.0.iter().map(|sample| Interval::of_sample(sample.iter().map(figure).collect())).collect()
        };
        Intervals {
            accuracy: of(|figures| figures.accuracy),
            macro_f1: of(|figures| figures.macro_f1),
            harmonic_mean: self.harmonic_means().and_then(Interval::of_sample),
        }
    }

    /// Resample by resample over the tasks: test sets of different tasks are independent.
    fn harmonic_means(&self) -> Option<Vec<f64>> {
        let resamples = self.0.first()?.len();
        if resamples == 0 || self.0.iter().any(|sample| sample.len() != resamples) {
            return None;
        }
        let at = |at: usize| self.0.iter().map(|sample| sample[at].macro_f1).collect::<Vec<_>>();
        Some((0..resamples).map(|resample| harmonic_mean(&at(resample))).collect())
    }
}

fn resample(task: &TaskResult, predictor: u64, resamples: usize) -> Vec<Figures> {
    let classes = task.confusion.len();
    if classes == 0 || task.rows == 0 || task.rows > MOST_IMAGES {
        return Vec::new();
    }
    // One entry per test image: its cell of the matrix.
    let mut images: Vec<u32> = Vec::with_capacity(task.rows);
    for (cell, &count) in task.confusion.iter().flatten().enumerate() {
        images.extend(std::iter::repeat_n(cell as u32, count as usize));
    }
    let place = name_hash(&task.task);
    (0..resamples)
        .into_par_iter()
        .map_init(
            || vec![0_u64; classes * classes],
            |counts, number| {
                counts.fill(0);
                let mut rng = stream(0, Purpose::Bootstrap, &[place, predictor, number as u64]);
                let many = images.len() as u64;
                for _ in 0..many {
                    // The high half of a 32 x 32 bit product is uniform in 0..many up to many / 2^32 (Lemire 2019).
                    let drawn = (u64::from(rng.next_u32()) * many) >> 32;
                    counts[images[drawn as usize] as usize] += 1;
                }
                figures(counts, classes)
            },
        )
        .collect()
}

/// Accuracy, and macro-F1 as [`medley_metrics::macro_f1`] defines it, without its allocations. `counts` is a matrix `[classes, classes]`, row by row, truth in rows.
fn figures(counts: &[u64], classes: usize) -> Figures {
    let (mut total, mut hits, mut sum, mut present) = (0, 0, 0.0, 0_usize);
    for class in 0..classes {
        let truth: u64 = counts[class * classes..][..classes].iter().sum();
        let predicted: u64 = counts.iter().skip(class).step_by(classes).sum();
        let hit = counts[class * classes + class];
        total += truth;
        hits += hit;
        if truth + predicted > 0 {
            present += 1;
            sum += 2.0 * hit as f64 / (truth + predicted) as f64;
        }
    }
    Figures { accuracy: hits as f64 / total.max(1) as f64, macro_f1: sum / present.max(1) as f64 }
}

/// FNV-1a: the place of a task's streams, wherever it stands in a run.
fn name_hash(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use medley_core::Split;
    use medley_metrics::{Confusion, macro_f1};
    use proptest::prelude::*;

    fn task(confusion: &[&[u64]]) -> TaskResult {
        let rows = confusion.iter().flat_map(|row| row.iter()).sum::<u64>() as usize;
        TaskResult {
            task: "t".into(),
            split: Split::Test,
            rows,
            auc: None,
            accuracy: 0.0,
            macro_f1: 0.0,
            per_class: Vec::new(),
            confusion: confusion.iter().map(|row| row.to_vec()).collect(),
        }
    }

    #[test]
    fn figures_agree_with_the_definitions() {
        // Truth 0 0 0 1 1, predicted 0 0 1 1 1: F1 of both classes is 0.8.
        let found = figures(&[2, 1, 0, 2], 2);
        assert_eq!((found.accuracy, found.macro_f1), (0.8, 0.8));
        // A class that is neither true nor predicted does not count, one that is only predicted counts as 0.
        assert_eq!(figures(&[3, 0, 0, 0, 0, 0, 0, 0, 0], 3).macro_f1, 1.0);
        assert_eq!(figures(&[3, 1, 0, 0], 2).macro_f1, (6.0 / 7.0) / 2.0);
    }

    #[test]
    fn accuracy_interval_is_binomial() {
        let sample = resample(&task(&[&[150, 50], &[50, 150]]), 0, 4000);
        let interval = Interval::of_sample(sample.iter().map(|figures| figures.accuracy).collect()).unwrap();
        // sqrt(0.75 * 0.25 / 400) * 1.96 = 0.0424
        assert!((interval.half_width() - 0.0424).abs() < 0.004, "{interval:?}");
        assert!((interval.low + interval.high - 1.5).abs() < 0.008, "{interval:?}");
    }

    #[test]
    fn a_perfect_predictor_has_no_width_and_no_matrix_no_interval() {
        let sample = resample(&task(&[&[5, 0], &[0, 7]]), 0, 50);
        assert!(sample.iter().all(|figures| figures.accuracy == 1.0));
        assert!(resample(&task(&[]), 0, 50).is_empty());
    }

    #[test]
    fn threads_do_not_matter() {
        let task = task(&[&[30, 5, 2], &[4, 20, 1], &[0, 3, 9]]);
        let draw = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| resample(&task, 3, 64)).iter().map(|figures| figures.macro_f1.to_bits()).collect::<Vec<_>>()
        };
        assert_eq!(draw(1), draw(4));
    }

    #[test]
    fn quantiles_are_those_of_numpy() {
        // numpy.quantile(range(101), [.025, .975]) = [2.5, 97.5]
        let interval = Interval::of_sample((0..=100).rev().map(f64::from).collect()).unwrap();
        assert_eq!((interval.low, interval.high), (2.5, 97.5));
        assert_eq!(Interval::of_sample(vec![0.3]).unwrap(), Interval { low: 0.3, high: 0.3 });
        assert!(Interval::of_sample(Vec::new()).is_none());
    }

    proptest! {
        #[test]
        fn figures_are_those_of_the_metrics(rows in prop::collection::vec((0_u16..5, 0_u16..5), 1..80)) {
            let (truth, predicted): (Vec<u16>, Vec<u16>) = rows.into_iter().unzip();
            let confusion = Confusion::new(&truth, &predicted, 5);
            let names: Vec<String> = (0..5).map(|class| class.to_string()).collect();
            let counts: Vec<u64> = confusion.to_rows().concat();
            let expected = macro_f1(&confusion.per_class(&names));
            prop_assert!((figures(&counts, 5).macro_f1 - expected).abs() < 1e-12);
        }
    }
}
