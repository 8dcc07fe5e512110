//! Test labels that open only to finished predictions.
//!
//! The seal is a matter of types, not of discipline: code that trains, tunes or chooses decision rules is handed
//! [`LabelledImages`](crate::LabelledImages) of train and validation and cannot name a test label.
//!
//! ```compile_fail,E0616
//! # fn peek(sealed: medley_core::SealedLabels) {
//! let labels = sealed.labels; // private: there is no way in but `open`
//! # }
//! ```
//!
//! ```compile_fail,E0451
//! // A token cannot be written down, only earned with predictions.
//! let token = medley_core::ScoringToken { task: "breastmnist".into(), rows: 156 };
//! ```
//!
//! ```
//! use medley_core::{Labels, Scores, ScoringToken, SealedLabels};
//!
//! let sealed = SealedLabels::seal("breastmnist", Labels::single(vec![0, 1])?);
//! let predictions = Scores::new(vec![0.9, 0.1, 0.2, 0.8], 2, 2)?;
//! let token = ScoringToken::for_predictions("breastmnist", &predictions);
//! assert_eq!(sealed.open(&token)?.values(), &[0, 1]);
//! # Ok::<(), medley_core::CoreError>(())
//! ```
//!
//! A test of the repository holds the other half: [`ScoringToken::for_predictions`] is called by the scoring module of
//! `medley-train` and by `medley score`, [`ScoringToken::on_request`] by the verbs of `medley data` that were told
//! `--open-test-labels`, and neither anywhere else.

use std::fmt;

use crate::{CoreError, Labels, Scores};

/// The labels of a test split, out of reach.
#[derive(Clone)]
pub struct SealedLabels {
    task: String,
    labels: Labels,
}

impl SealedLabels {
    /// Seals labels as they come out of a file.
    pub fn seal(task: impl Into<String>, labels: Labels) -> Self {
        Self { task: task.into(), labels }
    }

    /// Number of test rows. Public knowledge: it is the number of images.
    pub fn rows(&self) -> usize {
        self.labels.rows()
    }

    /// Gives the labels to whoever has predicted all of them.
    ///
    /// # Errors
    /// [`CoreError::WrongToken`] if the predictions are of another task or do not cover every row.
    pub fn open(&self, token: &ScoringToken) -> Result<&Labels, CoreError> {
        if token.task == self.task && token.rows == self.labels.rows() {
            Ok(&self.labels)
        } else {
            Err(CoreError::WrongToken {
                token_task: token.task.clone(),
                token_rows: token.rows,
                sealed_task: self.task.clone(),
                sealed_rows: self.labels.rows(),
            })
        }
    }
}

impl fmt::Debug for SealedLabels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedLabels({}, {} rows)", self.task, self.labels.rows())
    }
}

/// The right to open the test labels of one task, made from finished predictions.
#[derive(Debug)]
pub struct ScoringToken {
    task: String,
    rows: usize,
}

impl ScoringToken {
    /// Call this only from scoring, after the predictions are final and written.
    pub fn for_predictions(task: impl Into<String>, predictions: &Scores) -> Self {
        Self { task: task.into(), rows: predictions.rows() }
    }

    /// Call this only when a person asked for the test labels in so many words (`--open-test-labels`), to look at data
    /// and not to train on it.
    pub fn on_request(task: impl Into<String>, rows: usize) -> Self {
        Self { task: task.into(), rows }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_opens_its_own_task_only() {
        let sealed = SealedLabels::seal("a", Labels::single(vec![0, 1]).unwrap());
        let two = Scores::new(vec![0.5; 4], 2, 2).unwrap();
        let one = Scores::new(vec![0.5; 2], 1, 2).unwrap();
        assert!(sealed.open(&ScoringToken::for_predictions("a", &two)).is_ok());
        assert!(sealed.open(&ScoringToken::for_predictions("b", &two)).is_err());
        assert!(sealed.open(&ScoringToken::for_predictions("a", &one)).is_err());
    }

    #[test]
    fn debug_text_keeps_the_secret() {
        let sealed = SealedLabels::seal("a", Labels::single(vec![7, 7, 7]).unwrap());
        assert_eq!(format!("{sealed:?}"), "SealedLabels(a, 3 rows)");
    }
}
