//! Tasks and predictions made up by formulas that `scripts/fixtures/metrics_sklearn.py` follows too.

#![allow(dead_code, reason = "each test uses its part")]

use medley_core::{ImageShape, Labels, Modality, Origin, Scores, TaskKind, TaskSpec};
use medley_metrics::Sample;
use medley_metrics::bootstrap::Resampled;

/// A task of a kind with so many classes.
pub(crate) fn task(kind: TaskKind, classes: usize) -> TaskSpec {
    TaskSpec {
        name: "t".into(),
        title: "T".into(),
        kind,
        modality: Modality::Other,
        classes: (0..classes).map(|class| class.to_string()).collect(),
        shape: ImageShape::flat(28, 28, 1),
        origin: Origin::User,
    }
}

/// SplitMix64 (Steele, Lea and Flood, 2014): the same numbers in any language.
#[derive(Debug, Clone)]
pub(crate) struct SplitMix(pub(crate) u64);

impl SplitMix {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// On [0, 1), exact.
    pub(crate) fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Case `number` of the fixtures: its kind, how its truth and its scores are made, all from the number alone.
pub(crate) struct Case {
    pub(crate) spec: TaskSpec,
    pub(crate) labels: Labels,
    pub(crate) scores: Scores,
}

impl Case {
    pub(crate) fn new(number: u64) -> Self {
        let mut random = SplitMix(number);
        let kind =
            [TaskKind::Binary, TaskKind::MultiClass, TaskKind::Ordinal, TaskKind::MultiLabel][number as usize % 4];
        let classes = if kind == TaskKind::Binary { 2 } else { 3 + random.below(4) as usize };
        let rows = [1, 2, 5, 20, 60][random.below(5) as usize] + random.below(4) as usize;
        // How many classes occur in the truth, how coarse scores are, and whether they lean to the truth.
        let present = 1 + random.below(classes as u64);
        let steps = [2, 5, 1 << 30][random.below(3) as usize];
        let lean = random.below(3);
        let (mut truth, mut values) = (Vec::new(), Vec::new());
        for _ in 0..rows {
            let row: Vec<u16> = if kind == TaskKind::MultiLabel {
                (0..classes).map(|label| u16::from((label as u64) < present && random.below(3) == 0)).collect()
            } else {
                vec![random.below(present) as u16]
            };
            let raw: Vec<f64> = (0..classes)
                .map(|class| {
                    let positive =
                        if kind == TaskKind::MultiLabel { row[class] == 1 } else { usize::from(row[0]) == class };
                    let lean = if positive { lean * steps / 2 } else { 0 };
                    (random.below(steps) + lean) as f64 + 0.25
                })
                .collect();
            // Summed from the left, and divided once: the same bits everywhere.
            let sum = if kind == TaskKind::MultiLabel {
                (2 * steps) as f64
            } else {
                raw.iter().fold(0.0, |sum, value| sum + value)
            };
            values.extend(raw.iter().map(|value| value / sum));
            truth.extend(row);
        }
        let width = if kind == TaskKind::MultiLabel { classes } else { 1 };
        Self {
            spec: task(kind, classes),
            labels: Labels::multi(truth, rows, width).unwrap(),
            scores: Scores::new(values, rows, classes).unwrap(),
        }
    }

    pub(crate) fn sample(&self) -> Sample {
        Sample::new(&self.spec, self.labels.clone(), self.scores.clone()).unwrap()
    }
}

/// A predictor of three classes whose scores lean to the truth by `skill`.
pub(crate) fn predictor(seed: u64, rows: usize, skill: f64) -> Sample {
    let mut truth = SplitMix(7);
    let mut random = SplitMix(seed);
    let labels: Vec<u16> = (0..rows).map(|_| truth.below(3) as u16).collect();
    let mut values = Vec::new();
    for &label in &labels {
        let raw: Vec<f64> =
            (0..3).map(|class| random.uniform() + if class == usize::from(label) { skill } else { 0.0 }).collect();
        let sum: f64 = raw.iter().sum();
        values.extend(raw.iter().map(|value| value / sum));
    }
    let scores = Scores::new(values, rows, 3).unwrap();
    Sample::new(&task(TaskKind::MultiClass, 3), Labels::single(labels).unwrap(), scores).unwrap()
}

/// Of all resamples.
pub(crate) fn bits(resampled: &[Resampled]) -> Vec<u64> {
    resampled.iter().flat_map(|one| one.draws.iter().map(|draw| draw.to_bits())).collect()
}
