use medley_core::TaskKind;

use super::Sample;

/// Counts of one class, weighted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClassCounts {
    /// True and predicted.
    pub hits: u64,
    /// True.
    pub support: u64,
    /// Predicted.
    pub predicted: u64,
}

impl ClassCounts {
    /// Whether the class is true or predicted anywhere: whether it belongs to scikit-learn's union of labels.
    pub fn occurs(self) -> bool {
        self.support + self.predicted > 0
    }
}

/// A multiplicity for each row of a sample, with the counts that follow from it.
#[derive(Debug, Clone)]
pub struct Draw {
    weights: Vec<u32>,
    total: u64,
    confusion: Vec<u64>,
    classes: Vec<ClassCounts>,
}

impl Draw {
    /// Every row once.
    pub fn once(sample: &Sample) -> Self {
        Self::new(sample, vec![1; sample.rows()])
    }

    /// Row `i` `weights[i]` times.
    ///
    /// # Panics
    /// If there is not one weight per row.
    pub fn new(sample: &Sample, weights: Vec<u32>) -> Self {
        assert_eq!(weights.len(), sample.rows(), "one weight per row");
        let multi_label = sample.kind() == TaskKind::MultiLabel;
        let classes = sample.classes();
        let confusion = vec![0; if multi_label { 0 } else { classes * classes }];
        let mut draw = Self { weights, total: 0, confusion, classes: vec![ClassCounts::default(); classes] };
        draw.recount(sample);
        draw
    }

    /// Takes other weights, without allocating.
    pub(crate) fn reweigh(&mut self, sample: &Sample, fill: impl FnOnce(&mut [u32])) {
        fill(&mut self.weights);
        self.recount(sample);
    }

    fn recount(&mut self, sample: &Sample) {
        self.total = self.weights.iter().map(|&weight| u64::from(weight)).sum();
        self.classes.fill(ClassCounts::default());
        if sample.kind() == TaskKind::MultiLabel {
            self.count_labels(sample);
        } else {
            self.count_classes(sample);
        }
    }

    fn count_classes(&mut self, sample: &Sample) {
        self.confusion.fill(0);
        for (&cell, &weight) in sample.cells.iter().zip(&self.weights) {
            self.confusion[cell as usize] += u64::from(weight);
        }
        let width = self.classes.len();
        for (truth, row) in self.confusion.chunks_exact(width).enumerate() {
            for (guess, &count) in row.iter().enumerate() {
                self.classes[truth].support += count;
                self.classes[guess].predicted += count;
            }
            self.classes[truth].hits = row[truth];
        }
    }

    fn count_labels(&mut self, sample: &Sample) {
        let width = self.classes.len();
        let rows = sample.labels.values().chunks_exact(width).zip(sample.decisions.chunks_exact(width));
        for ((truth, guess), &weight) in rows.zip(&self.weights) {
            for ((class, &truth), &guess) in self.classes.iter_mut().zip(truth).zip(guess) {
                class.hits += u64::from(weight * u32::from(truth & guess));
                class.support += u64::from(weight * u32::from(truth));
                class.predicted += u64::from(weight * u32::from(guess));
            }
        }
    }

    /// Multiplicity of each row.
    pub fn weights(&self) -> &[u32] {
        &self.weights
    }

    /// Sum of the weights: the number of rows drawn.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Counts `[truth, decision]` row by row; empty for multi-label tasks.
    pub fn confusion(&self) -> &[u64] {
        &self.confusion
    }

    /// Counts of each class, or of each label of a multi-label task.
    pub fn classes(&self) -> &[ClassCounts] {
        &self.classes
    }

    /// The weighted mean of a value per row; `None` when nothing was drawn.
    pub fn mean(&self, values: &[f64]) -> Option<f64> {
        let sum: f64 = self.weights.iter().zip(values).map(|(&weight, value)| f64::from(weight) * value).sum();
        (self.total > 0).then(|| sum / self.total as f64)
    }
}
