//! The metrics of an epoch, and the lines of `metrics.csv` that they make.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::event::number_or_null;

/// One task's metrics on the validation split after an epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskMetrics {
    /// Task name.
    pub task: String,
    /// Mean loss, as trained (with smoothing and weights).
    #[serde(deserialize_with = "number_or_null")]
    pub loss: f64,
    /// As the official evaluator defines it; `None` where undefined.
    pub auc: Option<f64>,
    /// As the official evaluator defines it.
    #[serde(deserialize_with = "number_or_null")]
    pub accuracy: f64,
    /// As scikit-learn defines it.
    #[serde(deserialize_with = "number_or_null")]
    pub macro_f1: f64,
}

/// What an epoch has brought: what `events.jsonl` and `metrics.csv` hold, each in its form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochMetrics {
    /// Seed.
    pub seed: u64,
    /// 0-based.
    pub epoch: usize,
    /// Mean loss over the images of the epoch.
    #[serde(deserialize_with = "number_or_null")]
    pub train_loss: f64,
    /// Learning rate of the last step.
    #[serde(deserialize_with = "number_or_null")]
    pub learning_rate: f64,
    /// Metrics on the validation split, in task order.
    pub validation: Vec<TaskMetrics>,
    /// Harmonic mean of the macro-F1 over the tasks.
    #[serde(deserialize_with = "number_or_null")]
    pub harmonic_mean: f64,
}

/// One line of `metrics.csv`: [`EpochMetrics`] make one for each task, and one with the task `all`. It has no times, so two equal
/// runs have equal files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricRow {
    /// Seed.
    pub seed: u64,
    /// 1-based: epochs finished.
    pub epoch: usize,
    task: String,
    /// Only in the row `all`.
    train_loss: Option<f64>,
    val_loss: Option<f64>,
    val_auc: Option<f64>,
    val_accuracy: Option<f64>,
    /// In the row `all`, the harmonic mean.
    val_macro_f1: f64,
    /// Only in the row `all`.
    learning_rate: Option<f64>,
}

/// The task of a row that is of all tasks.
const ALL: &str = "all";

impl MetricRow {
    /// The columns, in order.
    pub const HEADER: [&str; 9] =
        ["seed", "epoch", "task", "train_loss", "val_loss", "val_auc", "val_accuracy", "val_macro_f1", "learning_rate"];
}

impl EpochMetrics {
    /// Its lines of `metrics.csv`: the tasks in their order, then `all`.
    pub fn rows(&self) -> impl Iterator<Item = MetricRow> {
        let row = |task: &str, val_macro_f1| MetricRow {
            seed: self.seed,
            epoch: self.epoch + 1,
            task: task.to_owned(),
            train_loss: None,
            val_loss: None,
            val_auc: None,
            val_accuracy: None,
            val_macro_f1,
            learning_rate: None,
        };
        let all = MetricRow {
            train_loss: Some(self.train_loss),
            learning_rate: Some(self.learning_rate),
            ..row(ALL, self.harmonic_mean)
        };
        let of_task = move |metrics: &TaskMetrics| MetricRow {
            val_loss: Some(metrics.loss),
            val_auc: metrics.auc,
            val_accuracy: Some(metrics.accuracy),
            ..row(&metrics.task, metrics.macro_f1)
        };
        self.validation.iter().map(of_task).chain([all])
    }

    /// The epochs that lines make, by seed and epoch. Of what is not there, the number is NaN.
    pub fn from_rows(rows: impl IntoIterator<Item = MetricRow>) -> Vec<Self> {
        let mut epochs: BTreeMap<(u64, usize), Self> = BTreeMap::new();
        for row in rows {
            let number = |value: Option<f64>| value.unwrap_or(f64::NAN);
            let (seed, epoch) = (row.seed, row.epoch.saturating_sub(1));
            let metrics = epochs.entry((seed, epoch)).or_insert_with(|| Self {
                seed,
                epoch,
                train_loss: f64::NAN,
                learning_rate: f64::NAN,
                validation: Vec::new(),
                harmonic_mean: f64::NAN,
            });
            if row.task == ALL {
                metrics.train_loss = number(row.train_loss);
                metrics.learning_rate = number(row.learning_rate);
                metrics.harmonic_mean = row.val_macro_f1;
            } else {
                metrics.validation.push(TaskMetrics {
                    task: row.task,
                    loss: number(row.val_loss),
                    auc: row.val_auc,
                    accuracy: number(row.val_accuracy),
                    macro_f1: row.val_macro_f1,
                });
            }
        }
        epochs.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch(seed: u64, epoch: usize) -> EpochMetrics {
        let metrics =
            |task: &str, auc| TaskMetrics { task: task.into(), loss: 0.5, auc, accuracy: 0.75, macro_f1: 0.25 };
        EpochMetrics {
            seed,
            epoch,
            train_loss: 1.5,
            learning_rate: 0.1,
            validation: vec![metrics("b", Some(0.9)), metrics("a", None)],
            harmonic_mean: 0.2,
        }
    }

    #[test]
    fn epochs_are_read_back_from_their_rows() {
        let epochs = [epoch(0, 0), epoch(0, 1), epoch(7, 0)];
        let rows: Vec<MetricRow> = epochs.iter().flat_map(EpochMetrics::rows).collect();
        assert_eq!(
            rows.iter().map(|row| (row.seed, row.epoch)).take(4).collect::<Vec<_>>(),
            [(0, 1), (0, 1), (0, 1), (0, 2)]
        );
        assert_eq!(EpochMetrics::from_rows(rows), epochs);
    }

    #[test]
    fn what_a_file_that_was_cut_off_lacks_is_not_a_number() {
        let first = epoch(0, 0).rows().next();
        let read = EpochMetrics::from_rows(first);
        assert!(read[0].train_loss.is_nan() && read[0].harmonic_mean.is_nan());
        assert_eq!(read[0].validation, epoch(0, 0).validation[..1]);
    }

    #[test]
    fn the_header_names_the_fields_of_a_row() {
        let row = serde_json::to_string(&epoch(0, 0).rows().next()).unwrap();
        let places: Vec<_> = MetricRow::HEADER.iter().map(|name| row.find(&format!("\"{name}\":"))).collect();
        assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{row}");
        assert_eq!(row.matches("\":").count(), MetricRow::HEADER.len());
    }
}
