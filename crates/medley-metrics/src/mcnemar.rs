//! `McNemar`'s test: whether two predictors are right equally often on the same rows.

use medley_core::TaskKind;
use serde::Serialize;

use crate::MetricError;
use crate::distributions::fair_coin_p;
use crate::sample::Sample;

/// Where two predictors disagree about being right.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct McNemar {
    /// Rows that only the first gets right.
    pub only_first: u64,
    /// Rows that only the second gets right.
    pub only_second: u64,
    /// Two-sided exact (binomial) p-value: rows on which both are right or both wrong say nothing. 1 without disagreement.
    pub p: f64,
}

/// `McNemar`'s exact test of the decisions of two predictors (`McNemar`, 1947). Of a multi-label task a row is right if all its
/// labels are.
///
/// # Errors
/// [`MetricError::NotPaired`].
pub fn mcnemar(a: &Sample, b: &Sample) -> Result<McNemar, MetricError> {
    a.check_pair(b)?;
    let width = if a.kind() == TaskKind::MultiLabel { a.classes() } else { 1 };
    let truth = a.labels().values().chunks_exact(width);
    let guesses = a.decisions().chunks_exact(width).zip(b.decisions().chunks_exact(width));
    let (mut only_first, mut only_second) = (0, 0);
    for (truth, (one, two)) in truth.zip(guesses) {
        match (one == truth, two == truth) {
            (true, false) => only_first += 1,
            (false, true) => only_second += 1,
            _ => {}
        }
    }
    Ok(McNemar { only_first, only_second, p: fair_coin_p(only_first, only_first + only_second) })
}
