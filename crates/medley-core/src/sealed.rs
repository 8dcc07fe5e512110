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
//! let token = medley_core::ScoringToken { task: "breastmnist".into(), rows: 156, sha256: None };
//! ```
//!
//! ```
//! use medley_core::{Labels, ScoringToken, SealedLabels};
//!
//! let sealed = SealedLabels::seal("breastmnist", Labels::single(vec![0, 1])?);
//! // The SHA-256 of the file that the predictions were written to, whole, or read from.
//! let sha256 = [0x5a; 32];
//! let token = ScoringToken::for_written("breastmnist", 2, sha256);
//! assert_eq!(sealed.open(&token)?.values(), &[0, 1]);
//! # Ok::<(), medley_core::CoreError>(())
//! ```
//!
//! The hash ties an opening to predictions that are final: a file that is written can be scored, not changed after its score is
//! known. A test of the repository holds the other half: [`ScoringToken::for_written`] is called by the scoring module of
//! `medley-train` and by `medley score`, [`ScoringToken::on_request`] by the subcommands of `medley data` that were told
//! `--open-test-labels`, and neither anywhere else.

use std::fmt;

use crate::{CoreError, Labels};

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

    /// Some of the rows of several sealed parts, counted through all of them: as sealed as they were.
    ///
    /// # Errors
    /// [`CoreError`] if a row is not there.
    pub fn gather(parts: &[Self], rows: &[usize]) -> Result<Self, CoreError> {
        let task = parts.first().map(|part| part.task.clone()).unwrap_or_default();
        let width = parts.first().map_or(1, |part| part.labels.width());
        let all: Vec<&[u16]> = parts.iter().flat_map(|part| (0..part.rows()).map(|row| part.labels.row(row))).collect();
        let mut values = Vec::with_capacity(rows.len() * width);
        for &row in rows {
            // What is not there is left out, and then the number of values is not that of the rows.
            values.extend(all.get(row).into_iter().flat_map(|labels| labels.iter().copied()));
        }
        Ok(Self { task, labels: Labels::multi(values, rows.len(), width)? })
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

/// The right to open the test labels of one task, made from predictions that are written.
#[derive(Debug)]
pub struct ScoringToken {
    task: String,
    rows: usize,
    sha256: Option<[u8; 32]>,
}

impl ScoringToken {
    /// For predictions of `rows` images in a file with this SHA-256. Call this only from scoring, when that file is whole and
    /// will not change.
    pub fn for_written(task: impl Into<String>, rows: usize, sha256: [u8; 32]) -> Self {
        Self { task: task.into(), rows, sha256: Some(sha256) }
    }

    /// Call this only when a person asked for the test labels in so many words (`--open-test-labels`), to look at data
    /// and not to train on it.
    pub fn on_request(task: impl Into<String>, rows: usize) -> Self {
        Self { task: task.into(), rows, sha256: None }
    }

    /// The task whose labels it opens.
    pub fn task(&self) -> &str {
        &self.task
    }

    /// SHA-256 of the file of predictions; `None` where a person asked for the labels.
    pub fn sha256(&self) -> Option<&[u8; 32]> {
        self.sha256.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_gathered_through_all_parts() {
        let part = |labels: Vec<u16>| SealedLabels::seal("a", Labels::single(labels).unwrap());
        let parts = [part(vec![1, 2]), part(vec![3])];
        let gathered = SealedLabels::gather(&parts, &[2, 0]).unwrap();
        let token = ScoringToken::for_written("a", 2, [0; 32]);
        assert_eq!(gathered.open(&token).unwrap().values(), &[3, 1]);
        assert!(SealedLabels::gather(&parts, &[3]).is_err());
    }

    #[test]
    fn a_token_opens_its_own_task_only() {
        let sealed = SealedLabels::seal("a", Labels::single(vec![0, 1]).unwrap());
        let opens = |task: &str, rows| sealed.open(&ScoringToken::for_written(task, rows, [0; 32])).is_ok();
        assert!(opens("a", 2));
        assert!(!opens("b", 2));
        assert!(!opens("a", 1));
        assert!(sealed.open(&ScoringToken::on_request("a", 2)).is_ok());
    }

    #[test]
    fn debug_text_keeps_the_secret() {
        let sealed = SealedLabels::seal("a", Labels::single(vec![7, 7, 7]).unwrap());
        assert_eq!(format!("{sealed:?}"), "SealedLabels(a, 3 rows)");
    }
}
