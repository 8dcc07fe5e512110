use crate::task::Split;

/// What can be wrong with the carrier types themselves.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CoreError {
    /// A buffer does not hold a whole number of images, or another number than stated.
    #[error("image buffer holds {actual} bytes, but {images} images of {shape} need {expected}")]
    ImageBytes {
        /// Bytes in the buffer.
        actual: usize,
        /// Bytes needed.
        expected: usize,
        /// Images stated.
        images: usize,
        /// Shape of one image, as text.
        shape: String,
    },
    /// The product of the dimensions does not fit the address space.
    #[error("{images} images of {shape} exceed the address space")]
    ImageOverflow {
        /// Images stated.
        images: usize,
        /// Shape of one image, as text.
        shape: String,
    },
    /// A matrix was given a number of values that its rows and columns do not multiply to.
    #[error("{what}: {values} values do not fill {rows} rows of {columns}")]
    Matrix {
        /// `labels` or `scores`.
        what: &'static str,
        /// Values given.
        values: usize,
        /// Rows stated.
        rows: usize,
        /// Columns stated.
        columns: usize,
    },
    /// A label lies outside the classes of its task.
    #[error("task `{task}`: label {label} in row {row} is outside 0..{classes}")]
    LabelOutOfRange {
        /// Task name.
        task: String,
        /// 0-based row.
        row: usize,
        /// The label found.
        label: u16,
        /// Number of legal values.
        classes: usize,
    },
    /// Labels have another number of columns than the task asks for.
    #[error("task `{task}`: labels have {actual} columns, expected {expected}")]
    LabelWidth {
        /// Task name.
        task: String,
        /// Columns found.
        actual: usize,
        /// Columns needed.
        expected: usize,
    },
    /// Two parts that belong together have different lengths.
    #[error("task `{task}`, {split}: {images} images but {labels} labels")]
    LengthMismatch {
        /// Task name.
        task: String,
        /// Which split.
        split: Split,
        /// Number of images.
        images: usize,
        /// Number of label rows.
        labels: usize,
    },
    /// A token was shown to the labels of another task, or its predictions cover another number of rows.
    #[error(
        "the token covers {token_rows} predictions of `{token_task}`, but these are {sealed_rows} test labels of `{sealed_task}`"
    )]
    WrongToken {
        /// Task the predictions were made for.
        token_task: String,
        /// Rows predicted.
        token_rows: usize,
        /// Task of the labels.
        sealed_task: String,
        /// Rows of the labels.
        sealed_rows: usize,
    },
    /// A score is NaN or infinite.
    #[error("score in row {row}, column {column} is {value}, not a finite number")]
    NotFinite {
        /// 0-based row.
        row: usize,
        /// 0-based column.
        column: usize,
        /// The value found.
        value: f64,
    },
}
