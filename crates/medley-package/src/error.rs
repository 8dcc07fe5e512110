//! Why a package cannot be used.

/// Why `model.toml` cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackageError {
    /// It is not TOML, or has a key of the wrong type, one too many or one too few.
    #[error("model.toml: {0}")]
    Syntax(String),
    /// It describes something else.
    #[error("model.toml: `format` is {found:?}; the description of a model has \"medley-model\"")]
    Format {
        /// What it says.
        found: String,
    },
    /// A newer form than this program knows.
    #[error("model.toml has version {found}; this program reads version {known}: use a newer one")]
    Version {
        /// What it says.
        found: u32,
        /// What is known.
        known: u32,
    },
    /// A value that cannot be.
    #[error("model.toml: `{key}` {problem}")]
    Value {
        /// Such as `tasks.breastmnist.mean`.
        key: String,
        /// What is wrong, and what is allowed.
        problem: String,
    },
}
