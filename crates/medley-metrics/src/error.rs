use medley_core::CoreError;

/// Why a metric cannot be computed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum MetricError {
    /// Truth and scores have different numbers of rows.
    #[error("task `{task}`: {labels} labels but {scores} rows of scores")]
    Rows {
        /// Task name.
        task: String,
        /// Rows of truth.
        labels: usize,
        /// Rows of scores.
        scores: usize,
    },
    /// The score matrix has another number of columns than the task has classes.
    #[error("task `{task}`: scores have {actual} columns, but it has {expected} classes")]
    Columns {
        /// Task name.
        task: String,
        /// Columns found.
        actual: usize,
        /// Columns needed.
        expected: usize,
    },
    /// Nothing to score.
    #[error("task `{task}`: there are no rows to score")]
    NoRows {
        /// Task name.
        task: String,
    },
    /// More rows than metrics are computed for.
    #[error("task `{task}`: {rows} rows are more than can be scored at once (2^30)")]
    TooManyRows {
        /// Task name.
        task: String,
        /// Rows found.
        rows: usize,
    },
    /// Two predictions that are to be compared row by row do not have the same rows.
    #[error("task `{task}`: the predictions cannot be compared: {reason}")]
    NotPaired {
        /// Task name.
        task: String,
        /// What differs.
        reason: String,
    },
    /// Groups of other rows.
    #[error("task `{task}`: {groups} numbers of groups for {rows} rows")]
    Groups {
        /// Task name.
        task: String,
        /// Numbers found.
        groups: usize,
        /// Rows that there are.
        rows: usize,
    },
    /// A label that the task does not have.
    #[error(transparent)]
    Label(#[from] CoreError),
}
