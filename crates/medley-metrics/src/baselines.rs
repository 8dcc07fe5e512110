//! Published results, to be shown beside ours with what differs.
//!
//! They lie in `data/baselines.toml` and are embedded. Cells that were not seen printed carry `verified = false`, and whoever
//! shows them says so.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

const TEXT: &str = include_str!("../../../data/baselines.toml");

/// All published results.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Baselines {
    /// Results by method.
    #[serde(rename = "row")]
    pub rows: Vec<Baseline>,
    /// Harmonic means over the eleven competition tasks.
    pub harmonic_mean: Vec<PublishedHarmonicMean>,
}

/// One method with its results on some tasks.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// As its authors call it.
    pub method: String,
    /// Where it is published.
    pub source: String,
    /// Address of that.
    pub url: String,
    /// Edge length of the images the network sees.
    pub resolution: usize,
    /// Whether it began from weights learnt on other images.
    pub pretrained: bool,
    /// What the epoch or model was chosen on.
    pub selected_on: SelectedOn,
    /// What else differs.
    #[serde(default)]
    pub note: Option<String>,
    /// By task name.
    pub results: BTreeMap<String, PublishedMetrics>,
}

/// What a published model was selected on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SelectedOn {
    /// The validation split, as it should be.
    Validation,
    /// The test split: its results are optimistic.
    Test,
    /// Not said.
    Unknown,
}

/// Metrics of one method on one task, test split, 0-1.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedMetrics {
    /// Official AUC.
    #[serde(default)]
    pub auc: Option<f64>,
    /// Official accuracy.
    #[serde(default)]
    pub accuracy: Option<f64>,
    /// Macro-F1.
    #[serde(default)]
    pub macro_f1: Option<f64>,
    /// Whether it was seen printed.
    pub verified: bool,
}

/// A published harmonic mean of the eleven macro-F1.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedHarmonicMean {
    /// As its authors call it.
    pub method: String,
    /// Where it is published.
    pub source: String,
    /// `leaderboard` (a hidden share of the test rows) or `test` (all of them, scored by its authors).
    pub measured_on: String,
    /// The metric.
    pub value: f64,
}

impl Baselines {
    /// The embedded results.
    ///
    /// # Panics
    /// Never: a test reads the embedded text.
    pub fn builtin() -> &'static Self {
        static BASELINES: OnceLock<Baselines> = OnceLock::new();
        BASELINES.get_or_init(|| toml::from_str(TEXT).expect("the embedded results are tested"))
    }

    /// Methods with a result on a task, in the order of the file.
    pub fn of_task<'a>(&'a self, task: &'a str) -> impl Iterator<Item = (&'a Baseline, PublishedMetrics)> {
        self.rows.iter().filter_map(move |row| row.results.get(task).map(|metrics| (row, *metrics)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_text_is_sound() {
        let baselines = Baselines::builtin();
        for row in &baselines.rows {
            assert!(!row.results.is_empty(), "{}", row.method);
            for (task, metrics) in &row.results {
                let values = [metrics.auc, metrics.accuracy, metrics.macro_f1];
                assert!(values.iter().any(Option::is_some), "{} {task}", row.method);
                assert!(values.iter().flatten().all(|value| (0.0..=1.0).contains(value)), "{} {task}", row.method);
            }
        }
    }

    #[test]
    fn the_official_resnet_18_is_there() {
        let (_, metrics) =
            Baselines::builtin().of_task("retinamnist").find(|(row, _)| row.method == "ResNet-18 (28)").unwrap();
        assert_eq!((metrics.auc, metrics.accuracy, metrics.verified), (Some(0.717), Some(0.524), true));
        assert_eq!(Baselines::builtin().of_task("imagenet").count(), 0);
    }

    #[test]
    fn printed_harmonic_means_follow_from_the_printed_metrics() {
        for (method, printed) in [("Shared ConvNeXt-Tiny, 11 heads", 0.7202), ("Tiny CNN per set", 0.6228)] {
            let row = Baselines::builtin().rows.iter().find(|row| row.method == method).unwrap();
            let values: Vec<f64> = row.results.values().filter_map(|metrics| metrics.macro_f1).collect();
            assert_eq!(values.len(), 11);
            assert!((crate::harmonic_mean(&values) - printed).abs() < 5e-5, "{method}");
        }
    }
}
