use medley_core::CoreError;

/// Why a figure cannot be computed, or a result file not be read.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
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
    /// A label that the task does not have.
    #[error(transparent)]
    Label(#[from] CoreError),
    /// A line of a result file.
    #[error("line {line}: {problem}")]
    Line {
        /// 1-based.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// A result file as a whole.
    #[error("{problem}")]
    ResultFile {
        /// What is wrong.
        problem: String,
    },
}
