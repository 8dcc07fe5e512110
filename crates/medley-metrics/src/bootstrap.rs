//! How far metrics can be trusted, and whether two of them differ: bootstrap and permutation over the test images.
//!
//! **Bootstrap** (Efron and Tibshirani, *An Introduction to the Bootstrap*, 1993): the rows are drawn again with replacement,
//! as many as there are, and the metrics computed again; the central 95 % of a thousand such values is the percentile
//! interval. Drawing is stratified by true class, so that every resample has the test set's number of examples of each class:
//! without that, a class of twenty images comes and goes, and its F1 with it. A multi-label task is drawn as a whole. Of a sample whose
//! rows belong together ([`Sample::set_groups`]), whole groups are drawn, those whose first rows are of one class among each other: images of
//! one patient are alike, and intervals that take them for so many patients are too narrow (the cluster bootstrap: Davison and Hinkley,
//! *Bootstrap Methods and their Application*, 1997, section 3.8).
//!
//! **The mean over seeds** has an interval of its own: every resample is scored for each seed, and the interval is that of the
//! means. All seeds are scored on the same draws, as what makes a test set easy makes it easy for each of them; see
//! [`Resampled::mean`] and [`crate::uncertainty`].
//!
//! **Two predictors** on the same rows are compared on the same draws: resample `r` of a task is the same for whoever is
//! scored on it, so the difference of two [`Resampled`]s is a paired bootstrap, in which what makes a test set easy or hard for
//! both cancels. The **permutation test** ([`permute`]) asks instead how large a difference would be if it did not matter which
//! of the two said what: the predictions of each row, or of each group, are exchanged by the toss of a coin.
//!
//! **Where every resample has the same value**, as of a predictor that always says one class or makes no mistake, there is no
//! interval. One without width would claim certainty, and resampling cannot tell there how the metric would move on other images:
//! the bootstrap fails for a parameter on the boundary of its space (Andrews, Econometrica 68, 2000), and nothing that went wrong
//! is no proof that nothing can (Hanley and Lippman-Hand, JAMA 249, 1983).
//!
//! A resample is never materialised. It is a weight per row, and metrics are functions of weights (see [`crate::metric`]): scores
//! are sorted once, counts are added up. Resample `r` of a task draws from a stream of its own, so metrics depend neither on the
//! number of threads nor on which other tasks or metrics are asked for.

pub use medley_core::record::Resampling;

use medley_core::record::Interval;
use medley_core::seed::{Purpose, stream};
use medley_core::statistics::standard_deviation;
use rand::Rng as _;
use rayon::prelude::*;
use serde::Serialize;

use crate::MetricError;
use crate::aggregate::harmonic_mean;
use crate::interval::percentile_interval;
use crate::metric::{Metric, Prepared, prepare};
use crate::sample::{Draw, Sample, Units};

/// A metric, or a difference of metrics, with its resamples.
#[derive(Debug, Clone, PartialEq)]
pub struct Resampled {
    /// The metric itself; `None` where it is not defined.
    pub value: Option<f64>,
    /// The metric of each resample, NaN where it is not defined.
    pub draws: Vec<f64>,
}

impl Resampled {
    /// The percentile interval; `None` where [`Self::no_interval`] says why.
    pub fn interval(&self, confidence: f64) -> Option<Interval> {
        let interval = self.is_defined().then(|| percentile_interval(self.draws.clone(), confidence)).flatten();
        interval.filter(|ends| ends.low < ends.high)
    }

    /// Why there is no interval, if there is none.
    pub fn no_interval(&self, confidence: f64) -> Option<NoInterval> {
        match self.interval(confidence) {
            Some(_) => None,
            None if self.is_defined() => Some(NoInterval::Constant),
            None => Some(NoInterval::Undefined),
        }
    }

    /// Whether it is 0 in every resample, as the difference of two that decide alike.
    pub fn is_always_zero(&self) -> bool {
        self.value == Some(0.0) && self.draws.iter().all(|draw| *draw == 0.0)
    }

    /// The standard error: the sample deviation of the resamples. `None` as for [`Self::interval`], and of fewer than two.
    pub fn standard_error(&self) -> Option<f64> {
        // Of equal numbers, which rounding makes differ from their mean.
        if self.is_defined() && self.draws.len() > 1 && self.draws.iter().all(|draw| *draw == self.draws[0]) {
            return Some(0.0);
        }
        standard_deviation(&self.draws).filter(|error| self.is_defined() && error.is_finite())
    }

    /// This less another on the same draws.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        Self {
            value: self.value.zip(other.value).map(|(a, b)| a - b),
            draws: self.draws.iter().zip(&other.draws).map(|(a, b)| a - b).collect(),
        }
    }

    /// The mean over predictors of resamples that were made with the same draws: of every resample the mean of the metric. `None`
    /// of no predictor, and when the numbers of resamples differ. Not defined where one of them is not.
    pub fn mean(predictors: &[&Self]) -> Option<Self> {
        let (first, others) = predictors.split_first()?;
        if others.iter().any(|one| one.draws.len() != first.draws.len()) {
            return None;
        }
        let mut sum = (*first).clone();
        for other in others {
            sum.add(other);
        }
        Some(sum.divided_by(predictors.len()))
    }

    /// Adds another on the same draws.
    pub(crate) fn add(&mut self, other: &Self) {
        self.value = self.value.zip(other.value).map(|(a, b)| a + b);
        self.draws.iter_mut().zip(&other.draws).for_each(|(sum, draw)| *sum += draw);
    }

    /// A sum as a mean.
    pub(crate) fn divided_by(&self, count: usize) -> Self {
        let count = count as f64;
        Self { value: self.value.map(|sum| sum / count), draws: self.draws.iter().map(|sum| sum / count).collect() }
    }

    /// The two-sided p-value of a difference whose draws are permutations: the share of permutations, the one that was seen
    /// among them, with a difference at least as large (Phipson and Smyth, 2010: never 0). `None` as for [`Self::interval`].
    pub fn permutation_p(&self) -> Option<f64> {
        let seen = self.value.filter(|_| self.is_defined())?.abs();
        // Sums in another order differ in the last bits.
        let as_large = self.draws.iter().filter(|draw| draw.abs() >= seen - 1e-12).count();
        Some((1 + as_large) as f64 / (1 + self.draws.len()) as f64)
    }

    fn is_defined(&self) -> bool {
        self.value.is_some() && !self.draws.iter().any(|draw| draw.is_nan())
    }
}

/// Why a metric has no bootstrap interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NoInterval {
    /// The resamples have one value, see [the module](self).
    Constant,
    /// The metric, or that of a resample, is not defined: what is left would be a selection.
    Undefined,
}

/// Metrics of one predictor with their bootstrap resamples, in the order of `metrics`.
pub fn bootstrap(sample: &Sample, metrics: &[&dyn Metric], options: &Resampling) -> Vec<Resampled> {
    let prepared = prepare_all(sample, metrics);
    let units = sample.units();
    let place = place(&sample.spec().name);
    let draws: Vec<Vec<f64>> = (0..options.resamples as u64)
        .into_par_iter()
        .map_init(
            || Draw::once(sample),
            |draw, number| {
                let mut rng = stream(options.seed, Purpose::Bootstrap, &[place, number]);
                draw.reweigh(sample, |weights| resample(weights, &units, || rng.next_u32()));
                values(&prepared, draw)
            },
        )
        .collect();
    collect(&values(&prepared, &Draw::once(sample)), &draws)
}

/// Metrics of two predictors on the same rows, and what they would be if the predictions of each row, or of each group of the first, were
/// exchanged by the toss of a coin, in the order of `metrics`. The p-value of their difference is `a.minus(&b).permutation_p()`.
///
/// For AUC this supposes that both predictors score on one scale; see [`crate::delong`] for a test that does not.
///
/// # Errors
/// [`MetricError::NotPaired`].
pub fn permute(
    a: &Sample,
    b: &Sample,
    metrics: &[&dyn Metric],
    options: &Resampling,
) -> Result<Vec<(Resampled, Resampled)>, MetricError> {
    // The rows of both in one sample: an exchange is a choice of weights there, and sorting is done once.
    let both = Sample::stack(a, b)?;
    let rows = a.rows();
    let prepared = prepare_all(&both, metrics);
    let groups = a.units().groups;
    let place = place(&a.spec().name);
    let side = |draw: &mut Draw, number: Option<u64>, second: bool| {
        let mut rng = number.map(|number| stream(options.seed, Purpose::Permutation, &[place, number]));
        draw.reweigh(&both, |weights| {
            let (first, other) = weights.split_at_mut(rows);
            exchange(other, groups.as_deref(), || rng.as_mut().map_or(0, rand::Rng::next_u32));
            for (one, two) in first.iter_mut().zip(other) {
                *two ^= u32::from(second);
                *one = 1 - *two;
            }
        });
        values(&prepared, draw)
    };
    let permuted: Vec<(Vec<f64>, Vec<f64>)> = (0..options.resamples as u64)
        .into_par_iter()
        .map_init(
            || Draw::once(&both),
            |draw, number| (side(draw, Some(number), false), side(draw, Some(number), true)),
        )
        .collect();
    let (of_a, of_b): (Vec<_>, Vec<_>) = permuted.into_iter().unzip();
    let mut draw = Draw::once(&both);
    let a = collect(&side(&mut draw, None, false), &of_a);
    let b = collect(&side(&mut draw, None, true), &of_b);
    Ok(a.into_iter().zip(b).collect())
}

/// The harmonic mean over tasks of one metric of each, resample by resample: test sets of different tasks are independent, so
/// resample `r` of each task together make a resample of all. `None` when the numbers of resamples differ or there is no task.
/// Zeros count strictly, see [`harmonic_mean`].
pub fn harmonic_mean_of(tasks: &[&Resampled]) -> Option<Resampled> {
    let resamples = tasks.first()?.draws.len();
    if tasks.iter().any(|task| task.draws.len() != resamples) {
        return None;
    }
    let of = |at: usize| {
        let values: Vec<f64> = tasks.iter().map(|task| task.draws[at]).collect();
        if values.iter().any(|value| value.is_nan()) { f64::NAN } else { harmonic_mean(&values) }
    };
    let values: Option<Vec<f64>> = tasks.iter().map(|task| task.value).collect();
    Some(Resampled { value: values.map(|values| harmonic_mean(&values)), draws: (0..resamples).map(of).collect() })
}

fn prepare_all<'a>(sample: &'a Sample, metrics: &[&dyn Metric]) -> Vec<Prepared<'a>> {
    metrics.iter().map(|metric| prepare(*metric, sample)).collect()
}

/// NaN where a metric is not defined.
fn values(prepared: &[Prepared<'_>], draw: &Draw) -> Vec<f64> {
    prepared.iter().map(|metric| metric(draw).unwrap_or(f64::NAN)).collect()
}

fn collect(values: &[f64], draws: &[Vec<f64>]) -> Vec<Resampled> {
    let of = |(index, &value): (usize, &f64)| Resampled {
        value: (!value.is_nan()).then_some(value),
        draws: draws.iter().map(|row| row[index]).collect(),
    };
    values.iter().enumerate().map(of).collect()
}

/// Draws as many rows, or groups of them, of each stratum as it has.
fn resample(weights: &mut [u32], units: &Units, mut random: impl FnMut() -> u32) {
    weights.fill(0);
    for stratum in &units.strata {
        let many = stratum.len() as u64;
        for _ in 0..many {
            // The high half of a 32 x 32 bit product is uniform in 0..many up to many / 2^32 (Lemire, 2019).
            let drawn = stratum[((u64::from(random()) * many) >> 32) as usize] as usize;
            match &units.groups {
                None => weights[drawn] += 1,
                Some(groups) => groups[drawn].iter().for_each(|&row| weights[row as usize] += 1),
            }
        }
    }
}

/// Tosses a coin, 0 or 1, for each row, or for each group of rows.
fn exchange(rows: &mut [u32], groups: Option<&[Vec<u32>]>, mut random: impl FnMut() -> u32) {
    let mut tosses = 0;
    let mut toss = |number: usize| {
        // A random number is 32 tosses.
        tosses = if number.is_multiple_of(32) { random() } else { tosses >> 1 };
        tosses & 1
    };
    match groups {
        None => rows.iter_mut().enumerate().for_each(|(number, row)| *row = toss(number)),
        Some(groups) => {
            for (number, group) in groups.iter().enumerate() {
                let toss = toss(number);
                for &row in group {
                    rows[row as usize] = toss;
                }
            }
        }
    }
}

/// FNV-1a: the place of a task's streams, wherever it stands in a run.
fn place(task: &str) -> u64 {
    task.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
