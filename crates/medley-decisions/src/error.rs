use medley_core::{CoreError, TaskKind};
use medley_metrics::MetricError;

/// Why a rule cannot be fitted or applied, or predictions cannot be averaged.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum DecisionError {
    /// A rule was applied to another kind of task.
    #[error("the rule {rule} does not apply to {kind} tasks; fit one for this task")]
    Kind {
        /// The rule's name.
        rule: &'static str,
        /// Kind of the task.
        kind: TaskKind,
    },
    /// A rule was fitted for another number of classes, or has a parameter that is not a finite number.
    #[error("the rule {rule} has {found} usable parameters, but {expected} are needed; fit it for this task")]
    Parameters {
        /// The rule's name.
        rule: &'static str,
        /// Finite parameters found.
        found: usize,
        /// Parameters needed.
        expected: usize,
    },
    /// Counts of training examples of another number of classes.
    #[error("{found} counts of training examples, but the task has {expected} classes; give one per class")]
    Counts {
        /// Counts found.
        found: usize,
        /// Classes of the task.
        expected: usize,
    },
    /// A number among the options that cannot be used.
    #[error("`{key}` is {value}, but must be {allowed}")]
    Option {
        /// Its name.
        key: &'static str,
        /// As given.
        value: f64,
        /// What is allowed.
        allowed: &'static str,
    },
    /// Probabilities are needed, and these are other scores.
    #[error("task `{task}`: the scores are not probabilities; only probabilities can be fitted and averaged")]
    NotProbabilities {
        /// Task name.
        task: String,
    },
    /// There is nothing to average.
    #[error("task `{task}`: there are no predictions to average")]
    NoMembers {
        /// Task name.
        task: String,
    },
    /// Members that do not predict the same rows and classes.
    #[error(
        "task `{task}`: member {member} has scores of {rows} rows and {columns} columns, the first member of {first_rows} rows and {first_columns} columns"
    )]
    Shape {
        /// Task name.
        task: String,
        /// 0-based.
        member: usize,
        /// Rows of this member.
        rows: usize,
        /// Columns of this member.
        columns: usize,
        /// Rows of the first.
        first_rows: usize,
        /// Columns of the first.
        first_columns: usize,
    },
    /// Predictions and labels do not fit each other.
    #[error(transparent)]
    Metric(#[from] MetricError),
    /// Values that no label or score has.
    #[error(transparent)]
    Core(#[from] CoreError),
}
