//! The work that `scripts/compare/metrics` sets beside scikit-learn, as a process that waits to be asked.
//!
//! It reads `ROWS CLASSES`, then for each line `auc N` or `bootstrap N` does the work N times and prints the seconds it
//! took and the last metrics. Scores follow from SplitMix64, in both languages.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "an example that measures")]

use std::io::BufRead as _;
use std::time::Instant;

use medley_core::{ImageShape, Labels, Modality, Origin, Scores, TaskKind, TaskSpec};
use medley_metrics::bootstrap::{Resampling, bootstrap};
use medley_metrics::metrics::HEADLINE;
use medley_metrics::{Sample, auc};

fn main() {
    let mut lines = std::io::stdin().lock().lines().map(Result::unwrap);
    let sizes: Vec<usize> = lines.next().unwrap().split(' ').map(|word| word.parse().unwrap()).collect();
    let (rows, classes) = (sizes[0], sizes[1]);
    let (labels, values) = made_up(rows, classes);
    let spec = TaskSpec {
        name: "tissuemnist".into(),
        title: "TissueMNIST".into(),
        kind: TaskKind::MultiClass,
        modality: Modality::KidneyMicroscope,
        classes: (0..classes).map(|class| class.to_string()).collect(),
        shape: ImageShape::flat(28, 28, 1),
        origin: Origin::Synthetic,
    };
    println!("ready");
    for line in lines {
        let (work, count) = line.split_once(' ').unwrap();
        let count: usize = count.parse().unwrap();
        let start = Instant::now();
        let values = match work {
            "auc" => vec![(0..count).fold(0.0, |_, _| one_auc_pass(&labels, &values, classes))],
            _ => full_score(&spec, &labels, &values, count),
        };
        println!("{} {values:?}", start.elapsed().as_secs_f64());
    }
}

/// From scores in memory to the mean of the one-vs-rest AUCs.
fn one_auc_pass(labels: &[u16], values: &[f64], classes: usize) -> f64 {
    let of_class = |class: usize| {
        let truth: Vec<bool> = labels.iter().map(|&label| usize::from(label) == class).collect();
        let scores: Vec<f64> = values.iter().skip(class).step_by(classes).copied().collect();
        auc(&truth, &scores).unwrap()
    };
    (0..classes).map(of_class).sum::<f64>() / classes as f64
}

/// AUC, ACC and macro-F1 with intervals of `resamples` resamples.
fn full_score(spec: &TaskSpec, labels: &[u16], values: &[f64], resamples: usize) -> Vec<f64> {
    let scores = Scores::new(values.to_vec(), labels.len(), spec.outputs()).unwrap();
    let sample = Sample::new(spec, Labels::single(labels.to_vec()).unwrap(), scores).unwrap();
    let options = Resampling { resamples, ..Resampling::default() };
    let bootstrapped = bootstrap(&sample, HEADLINE, &options);
    let of = |metric: &medley_metrics::bootstrap::Resampled| {
        let interval = metric.interval(0.95).unwrap();
        [metric.value.unwrap(), interval.low, interval.high]
    };
    bootstrapped.iter().flat_map(of).collect()
}

fn made_up(rows: usize, classes: usize) -> (Vec<u16>, Vec<f64>) {
    let mut state = 1_u64;
    let mut next = move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = state;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((value ^ (value >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    };
    let labels: Vec<u16> = (0..rows).map(|_| (next() * next() * classes as f64) as u16).collect();
    let mut values = Vec::with_capacity(rows * classes);
    for &label in &labels {
        let raw: Vec<f64> =
            (0..classes).map(|class| next() + if class == usize::from(label) { 0.4 } else { 0.0 }).collect();
        let sum = raw.iter().fold(0.0, |sum, value| sum + value);
        values.extend(raw.iter().map(|value| value / sum));
    }
    (labels, values)
}
