use std::collections::BTreeMap;

use medley_core::Split;
use medley_core::record::Interval;
use serde::Serialize;

use super::Prediction;
use crate::bootstrap::{Resampled, Resampling, bootstrap, harmonic_mean_of, permute};
use crate::delong::{AucDifference, auc_difference};
use crate::inference::{holm, minimum_detectable_difference};
use crate::metric::Metric;
use crate::{McNemar, MetricError, mcnemar};

/// Probability of a false alarm, over all tasks and pairs of a metric together, below which a difference survives.
const ALPHA: f64 = 0.05;

/// Paired differences between predictors.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComparisonCard {
    /// How intervals and permutations were made.
    pub resampling: Resampling,
    /// The first predictor against each of the others.
    pub pairs: Vec<PairComparison>,
    /// What the reader should know.
    pub remarks: Vec<String>,
}

/// One predictor against another, on the tasks that both have.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PairComparison {
    /// The first.
    pub a: String,
    /// The second.
    pub b: String,
    /// Which split.
    pub split: Split,
    /// By task.
    pub tasks: Vec<TaskComparison>,
    /// Of the harmonic mean of the macro-F1, where there are several tasks.
    pub harmonic_mean: Option<Difference>,
}

/// One task.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TaskComparison {
    /// Its name.
    pub task: String,
    /// As people write it.
    pub title: String,
    /// Images compared.
    pub rows: usize,
    /// In the order asked for.
    pub differences: Vec<Difference>,
    /// Images that only one of the two gets right; its p-value takes each for itself, whatever belongs together.
    pub mcnemar: McNemar,
}

/// The difference of a metric, the first predictor less the second.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// Key of the metric.
    pub id: &'static str,
    /// As people write it.
    pub title: &'static str,
    /// Of the first; `None` where it is not defined.
    pub a: Option<f64>,
    /// Of the second.
    pub b: Option<f64>,
    /// `a - b`.
    pub difference: Option<f64>,
    /// Lower end of the interval: of the AUC by `DeLong`'s standard error, where its test can be made; else of the paired bootstrap.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// Two-sided.
    pub p: Option<f64>,
    /// `DeLong` (AUC, where rows vary), `McNemar` (accuracy, where each row stands for itself), or `permutation`.
    pub test: &'static str,
    /// Holm's correction over all tasks and pairs of this metric.
    pub p_holm: Option<f64>,
    /// Whether the corrected p-value is below 0.05.
    pub survives: bool,
    /// The smallest true difference that these images would show, with a probability of 80 %, to a test at 5 %.
    pub detectable: Option<f64>,
}

impl Difference {
    fn new(id: &'static str, title: &'static str, a: &Resampled, b: &Resampled, confidence: f64) -> Self {
        let difference = a.minus(b);
        // Two that decide alike differ by nothing on any images like these.
        let nothing = difference.is_always_zero().then_some(Interval { low: 0.0, high: 0.0 });
        let interval = difference.interval(confidence).or(nothing);
        Self {
            id,
            title,
            a: a.value,
            b: b.value,
            difference: difference.value,
            low: interval.map(|interval| interval.low),
            high: interval.map(|interval| interval.high),
            p: None,
            test: "permutation",
            p_holm: None,
            survives: false,
            detectable: difference.standard_error().filter(|&error| error > 0.0).map(minimum_detectable_difference),
        }
    }

    /// The p-value of `DeLong`'s test, with the interval that belongs to it: the two agree on whether 0 is inside.
    fn take_auc(&mut self, found: &AucDifference, confidence: f64) -> f64 {
        let interval = found.interval(confidence);
        (self.low, self.high) = (Some(interval.low), Some(interval.high));
        found.p
    }

    /// Whether the interval excludes 0 though the test, at the same level and before any correction, finds no difference, or the other
    /// way round: a bootstrap interval and a permutation test or an exact one answer the same question by different means, and on few
    /// images they may part.
    pub fn interval_disagrees(&self, confidence: f64) -> bool {
        let (Some(low), Some(high), Some(p)) = (self.low, self.high, self.p) else { return false };
        (low > 0.0 || high < 0.0) != (p < 1.0 - confidence)
    }
}

/// Compares the first predictor with each of the others, image by image, on the tasks that both have.
///
/// # Errors
/// [`MetricError::NotPaired`] when two predictions of a task are not of the same images.
pub fn compare(
    predictors: &[(String, Vec<Prediction>)],
    metrics: &[&dyn Metric],
    options: &Resampling,
) -> Result<ComparisonCard, MetricError> {
    let remarks_of = |(name, predictions): &(String, Vec<Prediction>)| {
        let remark = |one: &Prediction, remark: &String| format!("`{name}`, {}: {remark}", one.sample.spec().name);
        predictions.iter().flat_map(|one| one.remarks.iter().map(move |said| remark(one, said))).collect::<Vec<_>>()
    };
    let remarks = predictors.iter().flat_map(remarks_of).collect();
    let mut card = ComparisonCard { resampling: *options, pairs: Vec::new(), remarks };
    let Some(((first, of_first), others)) = predictors.split_first() else { return Ok(card) };
    for (other, of_other) in others {
        let common: Vec<(&Prediction, &Prediction)> =
            of_first.iter().filter_map(|a| of_other.iter().find(|b| same_rows(a, b)).map(|b| (a, b))).collect();
        let alone = of_first.iter().filter(|a| !of_other.iter().any(|b| same_rows(a, b)));
        let alone = alone.chain(of_other.iter().filter(|b| !of_first.iter().any(|a| same_rows(a, b))));
        card.remarks.extend(alone.map(|prediction| {
            let (task, split) = (&prediction.sample.spec().name, prediction.split);
            format!("`{task}` ({split}) is not in both `{first}` and `{other}` and is left out")
        }));
        for split in Split::ALL {
            let of_split: Vec<_> = common.iter().copied().filter(|(a, _)| a.split == split).collect();
            if !of_split.is_empty() {
                card.pairs.push(pair(first, other, split, &of_split, metrics, options)?);
            }
        }
    }
    correct(&mut card.pairs);
    Ok(card)
}

fn same_rows(a: &Prediction, b: &Prediction) -> bool {
    (&a.sample.spec().name, a.split) == (&b.sample.spec().name, b.split)
}

fn pair(
    first: &str,
    other: &str,
    split: Split,
    common: &[(&Prediction, &Prediction)],
    metrics: &[&dyn Metric],
    options: &Resampling,
) -> Result<PairComparison, MetricError> {
    let mut tasks = Vec::new();
    // Of macro-F1 by task: what the harmonic mean is made of.
    let (mut drawn, mut permuted) = ((Vec::new(), Vec::new()), (Vec::new(), Vec::new()));
    for (a, b) in common {
        let (a, b) = (&a.sample, &b.sample);
        a.check_pair(b)?;
        let (of_a, of_b) = (bootstrap(a, metrics, options), bootstrap(b, metrics, options));
        let exchanged = permute(a, b, metrics, options)?;
        let mcnemar = mcnemar(a, b)?;
        let mut differences = Vec::new();
        for (index, metric) in metrics.iter().enumerate().filter(|(_, metric)| metric.info().kinds.contains(&a.kind()))
        {
            let info = metric.info();
            let mut difference = Difference::new(info.id, info.title, &of_a[index], &of_b[index], options.confidence);
            let (one, two) = &exchanged[index];
            let is_single_label = crate::metric::SINGLE_LABEL.contains(&a.kind());
            (difference.test, difference.p) = match info.id {
                "auc" => match auc_difference(a, b)? {
                    Some(found) => ("DeLong", Some(difference.take_auc(&found, options.confidence))),
                    None => ("permutation", one.minus(two).permutation_p()),
                },
                // Rows of one group are not so many independent tosses.
                "accuracy" if is_single_label && a.groups().is_none() => ("McNemar", Some(mcnemar.p)),
                _ => ("permutation", one.minus(two).permutation_p()),
            };
            if info.id == "macro_f1" {
                drawn.0.push(of_a[index].clone());
                drawn.1.push(of_b[index].clone());
                permuted.0.push(one.clone());
                permuted.1.push(two.clone());
            }
            differences.push(difference);
        }
        let (task, title) = (a.spec().name.clone(), a.spec().title.clone());
        tasks.push(TaskComparison { task, title, rows: a.rows(), differences, mcnemar });
    }
    let mean = |side: &[Resampled]| harmonic_mean_of(&side.iter().collect::<Vec<_>>()).filter(|_| side.len() > 1);
    let harmonic_mean = mean(&drawn.0).zip(mean(&drawn.1)).map(|(a, b)| {
        let mut difference = Difference::new("harmonic_mean", "harmonic mean", &a, &b, options.confidence);
        difference.p = mean(&permuted.0).zip(mean(&permuted.1)).and_then(|(a, b)| a.minus(&b).permutation_p());
        difference
    });
    Ok(PairComparison { a: first.to_owned(), b: other.to_owned(), split, tasks, harmonic_mean })
}

/// Holm's correction, metric by metric, over all tasks and pairs.
fn correct(pairs: &mut [PairComparison]) {
    let mut families: BTreeMap<&'static str, Vec<&mut Difference>> = BTreeMap::new();
    for pair in pairs {
        let of_tasks = pair.tasks.iter_mut().flat_map(|task| task.differences.iter_mut());
        for difference in of_tasks.chain(pair.harmonic_mean.as_mut()).filter(|difference| difference.p.is_some()) {
            families.entry(difference.id).or_default().push(difference);
        }
    }
    for family in families.into_values() {
        let p_values: Vec<f64> = family.iter().filter_map(|difference| difference.p).collect();
        for (difference, adjusted) in family.into_iter().zip(holm(&p_values)) {
            difference.p_holm = Some(adjusted);
            difference.survives = adjusted < ALPHA;
        }
    }
}
