//! The mean of members, but for those that are far below the others.

use medley_core::{Labels, Scores, TaskSpec};
use medley_metrics::decide;

use super::{average, scored};
use crate::gain::macro_f1;
use crate::{DecisionError, FitOptions};

/// A member is far below where the mean of the others is better than it by more than so many standard errors.
const STANDARD_ERRORS: f64 = 2.0;

/// Equal weights of all members but those that are left out, which have none: one after another, the worst first, as long as macro-F1 of the
/// mean of the others is above that of the member by more than two standard errors of a paired bootstrap, and not below that of the mean
/// with the member. A weak member that helps the others stays.
pub(super) fn weights(
    spec: &TaskSpec,
    members: &[Scores],
    labels: &Labels,
    options: &FitOptions,
) -> Result<Vec<f64>, DecisionError> {
    let value = |weights: &[f64]| -> Result<f64, DecisionError> {
        Ok(scored(spec, &average(members, weights)?, labels)?.macro_f1)
    };
    let alone: Vec<f64> =
        (0..members.len()).map(|one| value(&equal(members.len(), &[one]))).collect::<Result<_, _>>()?;
    let mut kept: Vec<usize> = (0..members.len()).collect();
    while let Some(&worst) = kept.iter().min_by(|a, b| alone[**a].total_cmp(&alone[**b]))
        && kept.len() > 1
    {
        let others: Vec<usize> = kept.iter().copied().filter(|&other| other != worst).collect();
        let (with, without) = (equal(members.len(), &kept), equal(members.len(), &others));
        let is_better = value(&without)?;
        if is_better <= alone[worst] || is_better < value(&with)? {
            break;
        }
        let resampled = |scores: &Scores| macro_f1(spec, labels, decide(spec.kind, scores), options);
        let difference = resampled(&average(members, &without)?)?.minus(&resampled(&members[worst])?);
        if difference.value.unwrap_or(0.0) <= STANDARD_ERRORS * difference.standard_error().unwrap_or(0.0) {
            break;
        }
        kept = others;
    }
    Ok(equal(members.len(), &kept))
}

fn equal(members: usize, kept: &[usize]) -> Vec<f64> {
    let of = |member: usize| if kept.contains(&member) { 1.0 / kept.len() as f64 } else { 0.0 };
    (0..members).map(of).collect()
}
