//! The metrics that the field reports, by their exact definitions, and how far they can be trusted.
//!
//! Small differences between implementations of "the same" metric have cost this field comparisons: whether 0.5 is positive,
//! whether a class that never occurs counts, what a task with F1 of 0 does to a harmonic mean. Here each is defined,
//! documented and tested: AUC and ACC as the official MedMNIST evaluator, everything else as scikit-learn, the mean over tasks
//! as the competition. No tensors and no files: [`medley_core::Labels`] and [`medley_core::Scores`] in, records out.
//!
//! A test set of 156 images does not tell models apart that differ by two points, so no metric comes without an interval. A [`Metric`] is a
//! function of a [`Sample`] and of a weight for each of its rows; intervals, paired differences and permutation tests are then
//! ways to draw weights, and cost a pass over sorted rows instead of a sort.
//!
//! - [`metrics`] has the metrics, one file each; [`mod@bootstrap`] resamples them; [`delong`], [`mcnemar()`] and [`inference`] test
//!   without resampling.
//! - [`uncertainty`] has the intervals of a run: of each seed, of the ensemble, and of the mean over seeds.
//! - [`evaluate`] makes the record that every run keeps; [`scorecard`] has the numbers that `medley score` and `medley compare` print.
//! - [`baselines`] is what was published.
//!
//! ```
//! use medley_core::{ImageShape, Labels, Modality, Origin, Scores, Split, TaskKind, TaskSpec};
//!
//! let task = TaskSpec {
//!     name: "breastmnist".into(),
//!     title: "BreastMNIST".into(),
//!     kind: TaskKind::Binary,
//!     modality: Modality::Ultrasound,
//!     classes: vec!["malignant".into(), "normal, benign".into()],
//!     shape: ImageShape::flat(28, 28, 1),
//!     origin: Origin::Official,
//! };
//! let truth = Labels::single(vec![0, 1, 1])?;
//! let scores = Scores::new(vec![0.8, 0.2, 0.4, 0.6, 0.7, 0.3], 3, 2)?;
//! let result = medley_metrics::evaluate(&task, Split::Test, &truth, &scores)?;
//! assert_eq!(result.auc, Some(1.0)); // both positives above the negative
//! assert_eq!(result.accuracy, 2.0 / 3.0); // but one of them not above 0.5
//!
//! // Three images say next to nothing, and the interval says so.
//! let sample = medley_metrics::Sample::new(&task, truth, scores)?;
//! let accuracy = medley_metrics::metrics::by_id("accuracy").expect("it is there");
//! let resampled = medley_metrics::bootstrap::bootstrap(&sample, &[accuracy], &Default::default());
//! let interval = resampled[0].interval(0.95).expect("accuracy is always defined");
//! assert!(interval.low < 0.34 && interval.high == 1.0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod aggregate;
mod auc;
pub mod baselines;
pub mod bootstrap;
pub mod conformance;
mod confusion;
pub mod delong;
mod distributions;
mod error;
mod evaluate;
pub mod inference;
mod interval;
mod mcnemar;
pub mod metric;
pub mod metrics;
pub mod robustness;
pub mod sample;
pub mod scorecard;
pub mod uncertainty;

pub use aggregate::{harmonic_mean, harmonic_mean_without_zeros, score_set, summarise, summarise_sets};
pub use auc::{auc, undefined_auc};
pub use baselines::Baselines;
pub use confusion::{Confusion, macro_f1};
pub use error::MetricError;
pub use evaluate::{decide, evaluate};
pub use interval::percentile_interval;
pub use mcnemar::{McNemar, mcnemar};
pub use medley_core::record::Interval;
pub use metric::{Better, Metric, MetricInfo, Needs};
pub use sample::{Draw, Sample};

/// The example of the README runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
