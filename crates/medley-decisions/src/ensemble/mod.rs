//! Weights for the mean of several predictors of one task, such as the seeds of several runs.
//!
//! The plain mean of probabilities is hard to beat, and weights are easily fitted to the accidents of a small validation split. So
//! weights of any method are cross-fitted and held against the mean by a paired bootstrap, as rules are by [`fit()`](crate::fit()), and
//! the mean stays unless they are better by more than chance in what they are fitted for, and not worse in macro-F1. In place of ensemble
//! selection, members that are far below the others are left out of the mean ([`Method::Guarded`]).
//!
//! ```
//! use medley_core::Scores;
//! use medley_decisions::ensemble::average;
//!
//! let one = Scores::new(vec![0.9, 0.1], 1, 2)?;
//! let two = Scores::new(vec![0.5, 0.5], 1, 2)?;
//! assert_eq!(average(&[one, two], &[0.75, 0.25])?.row(0).to_vec(), [0.8, 0.2]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod greedy;
mod guarded;
mod weighted;

use medley_core::{Labels, Scores, TaskSpec};
use medley_metrics::Sample;
use medley_metrics::metrics::LogLoss;
use medley_metrics::{decide, metric};
use serde::{Deserialize, Serialize};

use crate::folds::scatter;
use crate::gain::{Gain, log_loss, macro_f1};
use crate::problem::select;
use crate::{DecisionError, FitOptions, Rows};

/// How members are weighted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// All alike.
    Mean,
    /// The weights, not negative and summing to 1, with the least log loss (Cover, *An Algorithm for Maximizing Expected Log Investment
    /// Return*, IEEE Transactions on Information Theory 30, 1984: a multiplicative update that never gets worse).
    Weighted,
    /// Ensemble selection with replacement for macro-F1, bagged over resamples of the rows (Caruana, Niculescu-Mizil, Crew and Ksikes,
    /// *Ensemble Selection from Libraries of Models*, ICML 2004).
    Greedy,
    /// All alike but those left out: members whose macro-F1 is more than two standard errors below that of the mean of the others, which is
    /// not worse without them.
    Guarded,
}

impl Method {
    /// As it is typed and recorded.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Weighted => "weighted",
            Self::Greedy => "greedy",
            Self::Guarded => "guarded",
        }
    }
}

/// The weights of the members of a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Weighed {
    /// What the weights are: those of the method that was asked for, or the mean in their place.
    pub method: Method,
    /// One per member, not negative, summing to 1; fitted on all rows.
    pub weights: Vec<f64>,
    /// Of the plain mean.
    pub mean: Scored,
    /// Of the method that was asked for, on rows that its weights were not fitted on; `None` of the mean itself, and where it was not tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cross_fitted: Option<Scored>,
    /// How much better that is than the mean: in macro-F1, or in log loss where weights are fitted on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gain: Option<Gain>,
    /// Why the mean is in place of the method that was asked for; `None` where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<Fallback>,
    /// Probabilities `[N, C]` of each row by weights that were not fitted on it: what the ensemble is to be judged by, and what decision
    /// rules are to be fitted on. They are not recorded.
    #[serde(skip)]
    pub held_out: Option<Scores>,
}

/// Metrics of predictions on the rows that were given.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Scored {
    /// 0 to 1.
    pub macro_f1: f64,
    /// In nats, as `medley_metrics::metrics::LogLoss`.
    pub log_loss: f64,
}

/// Why the mean is in place of the method that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fallback {
    /// There is one member.
    OneMember,
    /// There are fewer than 30 rows, or two per fold.
    FewRows,
    /// On rows that it was not fitted on, it is not better than the mean by more than chance.
    NotBetter,
    /// On rows that it was not fitted on, log loss is better than that of the mean and macro-F1 is worse.
    WorseMacroF1,
}

impl std::fmt::Display for Fallback {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::OneMember => "there is one member",
            Self::FewRows => "there are too few rows",
            Self::NotBetter => "no certain gain over the mean",
            Self::WorseMacroF1 => "macro-F1 is worse than that of the mean",
        })
    }
}

/// The weighted mean of predictions. `weights` has one entry per member.
///
/// # Errors
/// [`DecisionError::NoMembers`], [`DecisionError::Shape`].
pub fn average(members: &[Scores], weights: &[f64]) -> Result<Scores, DecisionError> {
    let first = check_shapes("", members)?;
    let mut values = vec![0.0; first.rows() * first.columns()];
    for (member, weight) in members.iter().zip(weights).filter(|(_, weight)| **weight > 0.0) {
        values.iter_mut().zip(member.view()).for_each(|(sum, score)| *sum += weight * score);
    }
    Ok(Scores::new(values, first.rows(), first.columns())?)
}

/// Weighs the members of a task. `members` are probabilities `[N, C]` of these rows by each. The same input gives the same bits.
///
/// # Errors
/// When there is no member, members or labels do not fit each other, scores are not probabilities, or an option is out of range.
pub fn weigh(
    rows: &Rows<'_>,
    members: &[Scores],
    method: Method,
    options: &FitOptions,
) -> Result<Weighed, DecisionError> {
    options.check()?;
    let Rows { spec, labels, .. } = *rows;
    check_shapes(&spec.name, members)?;
    for member in members {
        sample_of(spec, member, labels)?;
    }
    let equal = vec![1.0 / members.len() as f64; members.len()];
    let mean = average(members, &equal)?;
    let fallback = match method {
        _ if members.len() == 1 => Some(Fallback::OneMember),
        _ if method != Method::Mean && labels.rows() < options.fewest_rows() => Some(Fallback::FewRows),
        _ => None,
    };
    let by_mean = |fallback| -> Result<Weighed, DecisionError> {
        Ok(Weighed {
            method: Method::Mean,
            weights: equal.clone(),
            mean: scored(spec, &mean, labels)?,
            cross_fitted: None,
            gain: None,
            fallback,
            held_out: Some(mean.clone()),
        })
    };
    if method == Method::Mean {
        return by_mean(None);
    }
    if fallback.is_some() {
        return by_mean(fallback);
    }
    let held_out = cross_fit(rows, members, method, options)?;
    let gain = gain_over(spec, &held_out, &mean, labels, method, options)?;
    let found = scored(spec, &held_out, labels)?;
    let fallback = if !gain.is_certain() || gain.value <= 0.0 {
        Some(Fallback::NotBetter)
    } else {
        (found.macro_f1 < scored(spec, &mean, labels)?.macro_f1).then_some(Fallback::WorseMacroF1)
    };
    let cross_fitted = Some(found);
    if fallback.is_some() {
        let instead = match method {
            Method::Greedy => without_the_bad(rows, members, options)?,
            _ => None,
        };
        let by_mean = by_mean(fallback)?;
        let by_mean = match instead {
            Some((weights, held_out)) => {
                Weighed { method: Method::Guarded, weights, held_out: Some(held_out), ..by_mean }
            }
            None => by_mean,
        };
        return Ok(Weighed { cross_fitted, gain: Some(gain), ..by_mean });
    }
    let weights = weights_of(spec, members, labels, method, options)?;
    Ok(Weighed { method, weights, cross_fitted, gain: Some(gain), held_out: Some(held_out), ..by_mean(None)? })
}

/// Weights and held-out predictions of the guarded mean, where a member is left out, also by rows that were not looked at for that.
fn without_the_bad(
    rows: &Rows<'_>,
    members: &[Scores],
    options: &FitOptions,
) -> Result<Option<(Vec<f64>, Scores)>, DecisionError> {
    let Rows { spec, labels, .. } = *rows;
    let weights = guarded::weights(spec, members, labels, options)?;
    if weights.iter().all(|weight| *weight > 0.0) {
        return Ok(None);
    }
    let held_out = cross_fit(rows, members, Method::Guarded, options)?;
    let equal = vec![1.0 / members.len() as f64; members.len()];
    let mean = scored(spec, &average(members, &equal)?, labels)?;
    let holds = scored(spec, &held_out, labels)?.macro_f1 >= mean.macro_f1;
    Ok(holds.then_some((weights, held_out)))
}

fn weights_of(
    spec: &TaskSpec,
    members: &[Scores],
    labels: &Labels,
    method: Method,
    options: &FitOptions,
) -> Result<Vec<f64>, DecisionError> {
    Ok(match method {
        Method::Mean => vec![1.0 / members.len() as f64; members.len()],
        Method::Weighted => weighted::weights(spec.kind, members, labels),
        Method::Greedy => greedy::weights(spec.kind, spec.outputs(), members, labels, options.seed),
        Method::Guarded => guarded::weights(spec, members, labels, options)?,
    })
}

/// Predictions of each row by weights that were fitted on other rows.
fn cross_fit(
    rows: &Rows<'_>,
    members: &[Scores],
    method: Method,
    options: &FitOptions,
) -> Result<Scores, DecisionError> {
    let Rows { spec, labels, .. } = *rows;
    let columns = members[0].columns();
    let mut values = vec![0.0; labels.rows() * columns];
    for (others, own) in rows.splits(options)? {
        let of = |rows: &[usize]| members.iter().map(|member| select(member, rows)).collect::<Result<Vec<_>, _>>();
        let width = labels.width();
        let kept = others.iter().flat_map(|&row| labels.row(row)).copied().collect();
        let kept = Labels::multi(kept, others.len(), width)?;
        let weights = weights_of(spec, &of(&others)?, &kept, method, options)?;
        let predicted = average(&of(&own)?, &weights)?;
        let predicted: Vec<f64> = predicted.view().iter().copied().collect();
        scatter(&mut values, &own, columns, &predicted);
    }
    Ok(Scores::new(values, labels.rows(), columns)?)
}

/// In what the method is fitted for.
fn gain_over(
    spec: &TaskSpec,
    found: &Scores,
    mean: &Scores,
    labels: &Labels,
    method: Method,
    options: &FitOptions,
) -> Result<Gain, DecisionError> {
    if method == Method::Weighted {
        // Less is better.
        let loss = |scores| Ok::<_, DecisionError>(log_loss(&sample_of(spec, scores, labels)?, options));
        return Ok(Gain::of(&loss(mean)?, &loss(found)?, options.level));
    }
    let score = |scores| macro_f1(spec, labels, decide(spec.kind, scores), options);
    Ok(Gain::of(&score(found)?, &score(mean)?, options.level))
}

/// Macro-F1 by the plain rule, and log loss.
fn scored(spec: &TaskSpec, scores: &Scores, labels: &Labels) -> Result<Scored, DecisionError> {
    let sample = sample_of(spec, scores, labels)?;
    let f1 = medley_metrics::metrics::F1(medley_metrics::metrics::Average::Macro);
    let value = |of: &dyn medley_metrics::Metric| metric::value(of, &sample).unwrap_or(0.0);
    Ok(Scored { macro_f1: value(&f1), log_loss: value(&LogLoss) })
}

fn sample_of(spec: &TaskSpec, scores: &Scores, labels: &Labels) -> Result<Sample, DecisionError> {
    let sample = Sample::new(spec, labels.clone(), scores.clone())?;
    if sample.probabilities().is_none() {
        return Err(DecisionError::NotProbabilities { task: spec.name.clone() });
    }
    Ok(sample)
}

fn check_shapes<'a>(task: &str, members: &'a [Scores]) -> Result<&'a Scores, DecisionError> {
    let first = members.first().ok_or_else(|| DecisionError::NoMembers { task: task.to_owned() })?;
    let shape = |scores: &Scores| (scores.rows(), scores.columns());
    match members.iter().position(|member| shape(member) != shape(first)) {
        None => Ok(first),
        Some(member) => Err(DecisionError::Shape {
            task: task.to_owned(),
            member,
            rows: members[member].rows(),
            columns: members[member].columns(),
            first_rows: first.rows(),
            first_columns: first.columns(),
        }),
    }
}
