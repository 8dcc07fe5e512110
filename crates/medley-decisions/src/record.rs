//! What `decisions.json` of a run folder holds.

use medley_core::TaskKind;
use serde::{Deserialize, Serialize};

use crate::curves::ClassCurves;
use crate::{Decisions, FitOptions, Fitted};

/// The rules of a run: for its final predictor, and for each seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DecisionRecord {
    /// `medley_core::record::SCHEMA_VERSION`.
    pub schema_version: u32,
    /// Name of the run folder.
    pub run: String,
    /// What the final predictor of each task is to be used with: this part is to be read and applied, all else says how it was found.
    pub decide_by: Decisions,
    /// How the rules were fitted.
    pub options: FitOptions,
    /// In task order.
    pub tasks: Vec<TaskDecisions>,
}

impl DecisionRecord {
    /// Largest file of a record that is read, in bytes.
    pub const LARGEST_FILE: u64 = 64 << 20;
}

/// The rules of one task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskDecisions {
    /// Task name.
    pub task: String,
    /// Its kind, which rules are read with.
    pub kind: TaskKind,
    /// The rule for the mean of all seeds' probabilities, or for the only seed.
    pub predictor: Fitted,
    /// How the classes are told from each other, of the final predictor on these rows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub curves: Vec<ClassCurves>,
    /// The rule for each seed alone; empty where there is one seed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seeds: Vec<SeedDecisions>,
    /// Macro-F1 on the test split; `None` while the run has not opened it. Nothing was chosen by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<TestMacroF1>,
}

/// The rule for one seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeedDecisions {
    /// The seed.
    pub seed: u64,
    /// SHA-256 of the files of predictions that it was fitted on: one, or one for each fold.
    pub sha256: Vec<String>,
    /// The rule.
    pub fitted: Fitted,
}

/// Macro-F1 of the final predictor on the test split, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TestMacroF1 {
    /// By the plain rule.
    pub plain: f64,
    /// By the rule that validation accepted; the same where that is the plain one.
    pub with_rule: f64,
}
