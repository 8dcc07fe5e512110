use medley_core::{Scores, TaskKind};
use serde::{Deserialize, Serialize};

use crate::problem::Problem;
use crate::table::Table;

/// Steps of 0.05 below 0 and up to 2.
const STEPS: std::ops::RangeInclusive<i32> = -10..=40;
/// Steps in 1.
const PER_UNIT: f64 = 20.0;
/// Steps on each side of one over which macro-F1 is averaged, as it jumps from step to step.
const NEIGHBOURS: usize = 2;

/// Adjustment to the class frequencies of training: the largest `p_c / prior_c^tau` is decided for. With `tau` = 1 that is Bayes' rule for
/// images of which all classes are equally frequent (Saerens, Latinne and Decaestecker, *Adjusting the Outputs of a Classifier to New a
/// Priori Probabilities*, Neural Computation 14, 2002), and the post-hoc logit adjustment of Menon et al. (ICLR 2021); with 0 nothing
/// changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriorAdjustment {
    /// The exponent, fitted for macro-F1 between -0.5 and 2 in steps of 0.05.
    pub tau: f64,
    /// Class frequencies of training, positive and summing to 1; they are not fitted.
    pub priors: Vec<f64>,
}

impl PriorAdjustment {
    /// The exponent around which macro-F1 is best: the mean of five neighbouring steps, the step nearest to 0 of equals. One that is worse
    /// than 0 on these rows by itself is not taken.
    pub(crate) fn fit(problem: &Problem) -> Self {
        let with = |tau: f64| Self { tau, priors: problem.priors.clone() };
        let score =
            |step: i32| problem.macro_f1(&problem.table.argmax_with(&with(f64::from(step) / PER_UNIT).offsets()));
        let scores: Vec<f64> = STEPS.map(score).collect();
        let smooth = |at: usize| {
            let around = &scores[at.saturating_sub(NEIGHBOURS)..scores.len().min(at + NEIGHBOURS + 1)];
            around.iter().sum::<f64>() / around.len() as f64
        };
        let zero = STEPS.start().unsigned_abs() as usize;
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by_key(|at| at.abs_diff(zero));
        let mut best = zero;
        for at in order {
            if smooth(at) > smooth(best) + 1e-12 && scores[at] >= scores[zero] {
                best = at;
            }
        }
        with((best as f64 - zero as f64) / PER_UNIT)
    }

    fn offsets(&self) -> Vec<f64> {
        self.priors.iter().map(|prior| -self.tau * libm::log(prior.max(f64::MIN_POSITIVE))).collect()
    }

    pub(super) fn decide(&self, kind: TaskKind, scores: &Scores) -> Vec<u16> {
        Table::new(kind, scores).argmax_with(&self.offsets())
    }
}
