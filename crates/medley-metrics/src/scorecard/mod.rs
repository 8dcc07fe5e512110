//! What is said of predictions: every metric with its interval, the harmonic mean, the published rows beside them.
//!
//! A [`Scorecard`] is data, made from [`Prediction`]s alone; how it is shown is a matter of `medley-report`. Nothing here opens a file.

mod comparison;
mod related;

pub use comparison::{ComparisonCard, Difference, PairComparison, TaskComparison, compare};
pub use related::beside;

use std::collections::BTreeMap;

use medley_core::record::{ClassResult, Interval};
use medley_core::{COMPETITION_TASKS, Origin, Split, TaskKind};
use serde::Serialize;

use crate::baselines::{Baselines, PublishedHarmonicMean, PublishedMetrics, SelectedOn};
use crate::bootstrap::{NoInterval, Resampled, Resampling, bootstrap, harmonic_mean_of};
use crate::confusion::class_result;
use crate::harmonic_mean_without_zeros;
use crate::inference::{SeedMean, minimum_detectable_difference, seed_mean};
use crate::metric::Metric;
use crate::metrics::{RarityCalibration, calibration_by_rarity};
use crate::sample::{Draw, Sample};

/// Predictions of one task by one predictor, with the truth.
#[derive(Debug)]
pub struct Prediction {
    /// Who predicted: what stands after the `@` of a result file, or the name of a file.
    pub predictor: String,
    /// Which split.
    pub split: Split,
    /// Edge length of the images.
    pub size: usize,
    /// Where the predictions come from.
    pub file: String,
    /// What the reader should know of this file.
    pub remarks: Vec<String>,
    /// Predictions and truth.
    pub sample: Sample,
}

/// Everything that is said of some predictions.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scorecard {
    /// How intervals were made.
    pub resampling: Resampling,
    /// In the order given.
    pub predictors: Vec<PredictorScore>,
    /// Over predictors whose names differ in a seed alone.
    pub seeds: Vec<SeedSummary>,
}

/// One predictor on one split.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PredictorScore {
    /// Its name.
    pub predictor: String,
    /// Which split.
    pub split: Split,
    /// Its tasks, in the order given.
    pub tasks: Vec<TaskScore>,
    /// Harmonic mean of the macro-F1 of several tasks; 0 if any is 0 (the strict rule).
    pub harmonic_mean: Option<MetricScore>,
    /// The harmonic mean of the tasks that are not 0, where some are: two public entries print this. See
    /// [`harmonic_mean_without_zeros`].
    pub harmonic_mean_without_zeros: Option<f64>,
    /// Published harmonic means, if the tasks are the eleven of the competition, all official.
    pub published: Vec<PublishedHarmonicMean>,
}

/// One task by one predictor.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TaskScore {
    /// Task name.
    pub task: String,
    /// As people write it.
    pub title: String,
    /// How labels are read.
    pub kind: TaskKind,
    /// Where the images come from: results on synthetic ones say nothing of medicine.
    pub origin: Origin,
    /// Edge length of the images.
    pub size: usize,
    /// Images scored.
    pub rows: usize,
    /// Where the predictions come from.
    pub file: String,
    /// In the order asked for.
    #[serde(rename = "figures")]
    pub metrics: Vec<MetricScore>,
    /// Two models, each scored on other images like these, must differ by as much in macro-F1 for a test at 5 % to find it with
    /// a probability of 80 %. Compared image by image on the same ones they may be much closer: see [`compare`].
    pub detectable_difference: Option<f64>,
    /// Classes that are true for some image, and predicted for none.
    pub never_predicted: Vec<String>,
    /// Counts and metrics of each class.
    pub per_class: Vec<ClassResult>,
    /// `confusion[truth][decision]`; empty for multi-label tasks.
    pub confusion: Vec<Vec<u64>>,
    /// By how rare the true class is; empty without probabilities.
    pub calibration: Vec<RarityCalibration>,
    /// What was published on this task.
    pub published: Vec<PublishedRow>,
    /// What the reader should know.
    pub remarks: Vec<String>,
}

/// A metric with its uncertainty.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MetricScore {
    /// Key of the metric.
    pub id: &'static str,
    /// As people write it.
    pub title: &'static str,
    /// `None` where it is not defined.
    pub value: Option<f64>,
    /// Lower end of the bootstrap interval.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// Of the bootstrap.
    pub standard_error: Option<f64>,
    /// Why a metric that is defined has no interval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_interval: Option<NoInterval>,
}

impl MetricScore {
    pub(crate) fn of(id: &'static str, title: &'static str, resampled: &Resampled, confidence: f64) -> Self {
        let interval = resampled.interval(confidence);
        Self {
            id,
            title,
            value: resampled.value,
            low: interval.map(|interval| interval.low),
            high: interval.map(|interval| interval.high),
            standard_error: resampled.standard_error(),
            no_interval: resampled.value.and_then(|_| resampled.no_interval(confidence)),
        }
    }
}

/// A published result with what makes it comparable or not.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PublishedRow {
    /// As its authors call it.
    pub method: String,
    /// Where it is published.
    pub source: String,
    /// Edge length of the images the network saw.
    pub resolution: usize,
    /// Whether it began from weights learnt on other images.
    pub pretrained: bool,
    /// What the epoch or model was chosen on.
    pub selected_on: SelectedOn,
    /// Its metrics, and whether they were seen printed.
    #[serde(rename = "figures")]
    pub metrics: PublishedMetrics,
}

/// Means over predictors that differ in their seed alone.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SeedSummary {
    /// Their common name.
    pub predictor: String,
    /// Which split.
    pub split: Split,
    /// Task name (`all` for the harmonic mean), key of the metric, and its mean.
    pub rows: Vec<(String, &'static str, SeedMean)>,
}

/// Scores predictions with the given metrics; intervals are those of [`mod@crate::bootstrap`]. The harmonic mean is made where
/// `macro_f1` is among the metrics and a predictor has several tasks.
pub fn score(predictions: &[Prediction], metrics: &[&dyn Metric], options: &Resampling) -> Scorecard {
    let mut sums = SeedSums::default();
    let mut predictors: Vec<PredictorScore> = Vec::new();
    let mut macro_f1: Vec<Vec<Resampled>> = Vec::new();
    for prediction in predictions {
        let resampled = bootstrap(&prediction.sample, metrics, options);
        let same =
            |known: &PredictorScore| (&known.predictor, known.split) == (&prediction.predictor, prediction.split);
        let at = predictors.iter().position(same).unwrap_or_else(|| {
            predictors.push(PredictorScore::empty(&prediction.predictor, prediction.split));
            macro_f1.push(Vec::new());
            predictors.len() - 1
        });
        predictors[at].tasks.push(task_score(prediction, metrics, &resampled, options));
        for (metric, resampled) in metrics.iter().zip(&resampled) {
            let task = &prediction.sample.spec().name;
            sums.add(&prediction.predictor, prediction.split, task, metric.info().id, resampled);
        }
        let f1 = metrics.iter().position(|metric| metric.info().id == "macro_f1");
        macro_f1[at].extend(f1.map(|index| resampled[index].clone()));
    }
    for (predictor, f1) in predictors.iter_mut().zip(&macro_f1) {
        if let Some(mean) = predictor.add_harmonic_mean(f1, options.confidence) {
            sums.add(&predictor.predictor, predictor.split, ALL_TASKS, "harmonic_mean", &mean);
        }
    }
    let seeds = seed_summaries(&predictors, &sums, options.confidence);
    Scorecard { resampling: *options, predictors, seeds }
}

impl PredictorScore {
    fn empty(predictor: &str, split: Split) -> Self {
        Self {
            predictor: predictor.to_owned(),
            split,
            tasks: Vec::new(),
            harmonic_mean: None,
            harmonic_mean_without_zeros: None,
            published: Vec::new(),
        }
    }

    /// The resamples of the harmonic mean, if there are several tasks.
    fn add_harmonic_mean(&mut self, macro_f1: &[Resampled], confidence: f64) -> Option<Resampled> {
        if macro_f1.len() < 2 || macro_f1.len() != self.tasks.len() {
            return None;
        }
        let tasks: Vec<&Resampled> = macro_f1.iter().collect();
        let mean = harmonic_mean_of(&tasks)?;
        self.harmonic_mean = Some(MetricScore::of("harmonic_mean", "harmonic mean", &mean, confidence));
        let values: Vec<f64> = macro_f1.iter().filter_map(|metric| metric.value).collect();
        if values.contains(&0.0) {
            self.harmonic_mean_without_zeros = Some(harmonic_mean_without_zeros(&values));
        }
        let official = self.tasks.iter().all(|task| task.origin == Origin::Official);
        let competition = COMPETITION_TASKS.iter().all(|name| self.tasks.iter().any(|task| task.task == *name));
        if official && competition && self.tasks.len() == COMPETITION_TASKS.len() && self.split == Split::Test {
            self.published.clone_from(&Baselines::builtin().harmonic_mean);
        }
        Some(mean)
    }
}

fn task_score(
    prediction: &Prediction,
    metrics: &[&dyn Metric],
    resampled: &[Resampled],
    options: &Resampling,
) -> TaskScore {
    let sample = &prediction.sample;
    let spec = sample.spec();
    let draw = Draw::once(sample);
    let per_class: Vec<ClassResult> = spec
        .classes
        .iter()
        .zip(draw.classes())
        .map(|(name, counts)| class_result(name, counts.hits, counts.support, counts.predicted))
        .collect();
    let scores: Vec<MetricScore> = metrics
        .iter()
        .zip(resampled)
        .filter(|(metric, _)| metric.info().kinds.contains(&sample.kind()))
        .map(|(metric, resampled)| {
            MetricScore::of(metric.info().id, metric.info().title, resampled, options.confidence)
        })
        .collect();
    let error = scores.iter().find(|score| score.id == "macro_f1").and_then(|score| score.standard_error);
    TaskScore {
        task: spec.name.clone(),
        title: spec.title.clone(),
        kind: spec.kind,
        origin: spec.origin,
        size: prediction.size,
        rows: sample.rows(),
        file: prediction.file.clone(),
        // Two independent estimates of one standard error each. Resampling tells nothing where every resample gives the same.
        detectable_difference: error
            .filter(|&error| error > 0.0)
            .map(|error| minimum_detectable_difference(error * std::f64::consts::SQRT_2)),
        never_predicted: (per_class.iter().filter(|class| class.support > 0 && class.predicted == 0))
            .map(|class| class.name.clone())
            .collect(),
        confusion: draw.confusion().chunks_exact(sample.classes()).map(<[u64]>::to_vec).collect(),
        calibration: calibration_by_rarity(sample, &sample.class_counts()),
        published: published(sample, prediction.split),
        remarks: prediction.remarks.clone(),
        per_class,
        metrics: scores,
    }
}

/// Published results are of the official test splits.
fn published(sample: &Sample, split: Split) -> Vec<PublishedRow> {
    if sample.spec().origin != Origin::Official || split != Split::Test {
        return Vec::new();
    }
    let rows = Baselines::builtin().of_task(&sample.spec().name);
    rows.map(|(row, metrics)| PublishedRow {
        method: row.method.clone(),
        source: row.source.clone(),
        resolution: row.resolution,
        pretrained: row.pretrained,
        selected_on: row.selected_on,
        metrics,
    })
    .collect()
}

/// `run` of `run-seed3`.
fn without_seed(predictor: &str) -> Option<&str> {
    let stem = predictor.trim_end_matches(|c: char| c.is_ascii_digit());
    if stem.len() == predictor.len() { None } else { stem.strip_suffix("-seed") }
}

/// Task name of the harmonic mean.
const ALL_TASKS: &str = "all";

/// Resamples summed over predictors that differ in their seed alone: by their common name, split, task and metric.
#[derive(Default)]
struct SeedSums(BTreeMap<(String, Split, String, &'static str), (usize, Resampled)>);

impl SeedSums {
    fn add(&mut self, predictor: &str, split: Split, task: &str, id: &'static str, resampled: &Resampled) {
        let Some(stem) = without_seed(predictor) else { return };
        let sum = self.0.entry((stem.to_owned(), split, task.to_owned(), id));
        sum.and_modify(|(count, sum)| {
            *count += 1;
            sum.add(resampled);
        })
        .or_insert_with(|| (1, resampled.clone()));
    }

    /// The interval of the mean over `count` seeds, if those were summed.
    fn interval(&self, key: (&str, Split, &str, &'static str), count: usize, confidence: f64) -> Option<Interval> {
        let (stem, split, task, id) = key;
        let (summed, sum) = self.0.get(&(stem.to_owned(), split, task.to_owned(), id))?;
        (*summed == count).then(|| sum.divided_by(count).interval(confidence)).flatten()
    }
}

fn seed_summaries(predictors: &[PredictorScore], sums: &SeedSums, confidence: f64) -> Vec<SeedSummary> {
    let mut summaries: Vec<SeedSummary> = Vec::new();
    for first in predictors {
        let Some(stem) = without_seed(&first.predictor) else { continue };
        if summaries.iter().any(|known| known.predictor == stem && known.split == first.split) {
            continue;
        }
        let tasks = |of: &PredictorScore| of.tasks.iter().map(|task| task.task.clone()).collect::<Vec<_>>();
        let same: Vec<&PredictorScore> = predictors
            .iter()
            .filter(|other| without_seed(&other.predictor) == Some(stem) && other.split == first.split)
            .filter(|other| tasks(other) == tasks(first))
            .collect();
        if same.len() < 2 {
            continue;
        }
        let mut rows = Vec::new();
        for (index, task) in first.tasks.iter().enumerate() {
            for (column, metric) in task.metrics.iter().enumerate() {
                let values: Option<Vec<f64>> =
                    same.iter().map(|other| other.tasks[index].metrics[column].value).collect();
                let mean = values.and_then(|values| seed_mean(&values, confidence));
                let key = (stem, first.split, task.task.as_str(), metric.id);
                let bootstrap = sums.interval(key, same.len(), confidence);
                rows.extend(mean.map(|mean| (task.task.clone(), metric.id, SeedMean { bootstrap, ..mean })));
            }
        }
        let means: Option<Vec<f64>> = same.iter().map(|other| other.harmonic_mean.as_ref()?.value).collect();
        let mean = means.and_then(|values| seed_mean(&values, confidence));
        let bootstrap = sums.interval((stem, first.split, ALL_TASKS, "harmonic_mean"), same.len(), confidence);
        rows.extend(mean.map(|mean| (ALL_TASKS.to_owned(), "harmonic_mean", SeedMean { bootstrap, ..mean })));
        summaries.push(SeedSummary { predictor: stem.to_owned(), split: first.split, rows });
    }
    summaries
}
