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
    /// A rule was fitted for another number of classes.
    #[error("the rule {rule} has {found} numbers, but {expected} are needed; fit it for this task")]
    Parameters {
        /// The rule's name.
        rule: &'static str,
        /// Numbers found.
        found: usize,
        /// Numbers needed.
        expected: usize,
    },
    /// A number of a rule that no fit gives.
    #[error("{key} of a decision is {value}, but must be from {low} to {high}")]
    Number {
        /// Its name.
        key: &'static str,
        /// As found.
        value: f64,
        /// The least that is allowed.
        low: f64,
        /// The most that is allowed.
        high: f64,
    },
    /// A number of outputs that no task of the kind has.
    #[error(
        "a decision for a {kind} task has {found} outputs; a binary task has 2, others at most 65,536, and at least two classes"
    )]
    Outputs {
        /// Kind of the task.
        kind: TaskKind,
        /// Outputs found.
        found: usize,
    },
    /// Decisions of a form that this version does not read.
    #[error("decisions of format {found} cannot be read: this version of Medley reads format 1")]
    Format {
        /// As found.
        found: u32,
    },
    /// A decision that was made for another task.
    #[error(
        "task `{task}` is {task_kind} with {task_outputs} outputs, but its decision is for a {kind} task with {outputs}; fit it for this \
         task"
    )]
    OtherTask {
        /// Task name.
        task: String,
        /// Kind that the decision is for.
        kind: TaskKind,
        /// Outputs that the decision is for.
        outputs: usize,
        /// Kind of the task.
        task_kind: TaskKind,
        /// Outputs of the task.
        task_outputs: usize,
    },
    /// Probabilities of another number of classes.
    #[error("the probabilities have {found} columns, but the decision is for {expected} outputs")]
    Columns {
        /// Columns found.
        found: usize,
        /// Outputs of the decision.
        expected: usize,
    },
    /// A value that is no probability.
    #[error("the probability in row {row}, column {column} is {value}, outside 0 to 1")]
    Range {
        /// 0-based.
        row: usize,
        /// 0-based.
        column: usize,
        /// As found.
        value: f64,
    },
    /// Counts of training examples of another number of classes.
    #[error("{found} counts of training examples, but the task has {expected} classes; give one per class")]
    Counts {
        /// Counts found.
        found: usize,
        /// Classes of the task.
        expected: usize,
    },
    /// Folds that rows cannot be cross-fitted in.
    #[error("task `{task}`: {found} numbers of {folds} folds for {rows} rows; each row needs one, of at least 2 folds")]
    Folds {
        /// Task name.
        task: String,
        /// Rows.
        rows: usize,
        /// Numbers found.
        found: usize,
        /// Folds among them.
        folds: usize,
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
