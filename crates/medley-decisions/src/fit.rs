//! Which rule is good for a task, found without fooling oneself.

use std::fmt;

use medley_core::record::Interval;
use medley_core::{Labels, Scores, TaskKind, TaskSpec};
use medley_metrics::bootstrap::Resampled;
use medley_metrics::{Sample, percentile_interval};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::curves::{ReliabilityBin, reliability};
use crate::folds::scatter;
use crate::gain::{Gain, log_loss, macro_f1};
use crate::problem::Problem;
use crate::rules::Family;
use crate::{Decision, DecisionError, FitOptions, Rows, Rule, Temperature};

/// What came of fitting the rules of a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fitted {
    /// The rule to decide by, fitted on all rows: the one that was accepted, else the plain one.
    pub rule: Rule,
    /// Macro-F1 of the plain rule on all rows, 0 to 1.
    pub plain_macro_f1: f64,
    /// Macro-F1 of the rule on rows that it was not fitted on; that of the plain rule where none was accepted.
    pub macro_f1: f64,
    /// Its central 95 % interval over resamples of the rows; `None` where there are none. It knows the spread over images, and neither that
    /// over seeds nor that the best of a few rules was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Interval>,
    /// Quadratic weighted kappa of the plain rule, -1 to 1; `None` where grades are not ordered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plain_quadratic_kappa: Option<f64>,
    /// Rows.
    pub rows: usize,
    /// Every rule that was tried, by its number of parameters.
    pub candidates: Vec<Candidate>,
    /// The temperature that was tried; `None` where rows are too few.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<FittedTemperature>,
}

impl Fitted {
    /// What came of it, to be carried to where images are classified: the rule, and the temperature if it was accepted.
    ///
    /// # Errors
    /// [`DecisionError`] when this is of another task.
    pub fn decision(&self, spec: &TaskSpec) -> Result<Decision, DecisionError> {
        let accepted = self.temperature.as_ref().filter(|one| one.accepted);
        let temperature = accepted.map_or(Temperature::NONE, |one| one.temperature);
        Decision::new(spec.kind, spec.outputs(), temperature, self.rule.clone())
    }
}

/// A temperature that was fitted, and what it is worth. It changes no decision, so it is judged by log loss and beside the rules.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FittedTemperature {
    /// Fitted on all rows.
    #[serde(flatten)]
    pub temperature: Temperature,
    /// Log loss in nats on rows that it was not fitted on, before and after.
    pub log_loss: [f64; 2],
    /// The former less the latter.
    pub gain: Gain,
    /// Whether the lower end of the interval of the gain is above 0.
    pub accepted: bool,
    /// How often predictions of about the same confidence are right, on rows that it was not fitted on, before and after.
    #[serde(default)]
    pub reliability: [Vec<ReliabilityBin>; 2],
}

/// A rule that was tried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Fitted on all rows.
    pub rule: Rule,
    /// Macro-F1 on rows that it was not fitted on, 0 to 1.
    pub macro_f1: f64,
    /// That less macro-F1 of the plain rule.
    pub gain: Gain,
    /// Quadratic weighted kappa of the same decisions, -1 to 1; `None` where grades are not ordered. Nothing is accepted by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quadratic_kappa: Option<f64>,
    /// Whether it was accepted, and why not.
    pub verdict: Verdict,
}

/// Whether a rule was accepted, and why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Its gain is certain, and none is better.
    Accepted,
    /// It decides every row as the plain rule does.
    SameDecisions,
    /// Its gain is not above 0.
    NotBetter,
    /// Its gain may be chance: the lower end of the interval is not above 0.
    Uncertain,
    /// Its gain is certain, but another rule gains more, or as much with fewer parameters.
    Outdone,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Accepted => "accepted",
            Self::SameDecisions => "not accepted: it decides as the plain rule",
            Self::NotBetter => "not accepted: no gain",
            Self::Uncertain => "not accepted: the gain may be chance",
            Self::Outdone => "not accepted: another rule gains more, or as much with fewer parameters",
        })
    }
}

/// Fits every rule that a kind of task has, and accepts one or none.
///
/// `scores` `[N, C]` are probabilities of these rows by networks that were not trained on them.
/// `training_counts` says how often each class is true in training; without it, the frequencies of these rows are taken.
///
/// Each rule is cross-fitted: the rows are split into folds, stratified by class or as networks were trained, and each fold is decided by the
/// rule fitted on the others (Stone, *Cross-Validatory Choice and Assessment of Statistical Predictions*, 1974). The gain is macro-F1 of all these decisions
/// less that of the plain rule; its interval is that of a paired bootstrap over the rows, stratified by class. A rule is accepted if the
/// lower end is above 0; of several, the one that gains most, and of equals the one with fewer parameters. With fewer
/// than 30 rows, or two per fold, nothing is tried.
///
/// The more rules are tried, the sooner one is good by chance. So the error that the level allows is shared out (Bonferroni) among the
/// rules that decide otherwise than the plain one: with two of them and a level of 0.9, each lower end is that of a one-sided 95 %
/// interval. A temperature is cross-fitted on the same folds, and accepted if the lower end of its gain in log loss is above 0. What the interval does not know is that validation rows also chose the epoch of the network. The result is
/// deterministic.
///
/// # Errors
/// When scores, labels or counts do not fit the task, scores are not probabilities, or an option is out of range.
pub fn fit(
    rows: &Rows<'_>,
    scores: &Scores,
    training_counts: Option<&[u64]>,
    options: &FitOptions,
) -> Result<Fitted, DecisionError> {
    options.check()?;
    let Rows { spec, labels, .. } = *rows;
    let sample = Sample::new(spec, labels.clone(), scores.clone())?;
    if sample.probabilities().is_none() {
        return Err(DecisionError::NotProbabilities { task: spec.name.clone() });
    }
    let own_counts: Vec<u64> = sample.class_counts().into_iter().map(|count| count as u64).collect();
    let counts = training_counts.unwrap_or(&own_counts);
    if counts.len() != spec.outputs() {
        return Err(DecisionError::Counts { found: counts.len(), expected: spec.outputs() });
    }
    let problem = Problem::new(spec.kind, spec.outputs(), scores, labels, counts, options.ridge);
    let plain = macro_f1(spec, labels, sample.decisions().to_vec(), options)?;
    let plain_macro_f1 = plain.value.unwrap_or(0.0);
    let (mut judged, mut temperature) = (Vec::new(), None);
    if problem.rows() >= options.fewest_rows() {
        let splits = rows.splits(options)?;
        let families = Family::for_kind(spec.kind);
        let cross = CrossFit { spec, labels, problem: &problem, splits: &splits, options };
        let tried: Vec<Result<Tried, DecisionError>> = families.par_iter().map(|&family| cross.fit(family)).collect();
        let tried: Vec<Tried> = tried.into_iter().collect::<Result<_, _>>()?;
        let decide_otherwise = tried.iter().filter(|one| one.decisions != sample.decisions()).count();
        let level = options.level_of_each(decide_otherwise);
        judged = tried.into_iter().map(|one| one.judge(sample.decisions(), &plain, level)).collect();
        judged.sort_by_key(|(candidate, _)| candidate.rule.parameters());
        temperature = Some(cross.temperature(&sample)?);
    }
    let (mut candidates, resampled): (Vec<Candidate>, Vec<Resampled>) = judged.into_iter().unzip();
    let accepted = choose(&mut candidates);
    let by = accepted.map_or(&plain, |index| &resampled[index]);
    Ok(Fitted {
        rule: accepted.map_or(Rule::PLAIN, |index| candidates[index].rule.clone()),
        macro_f1: by.value.unwrap_or(0.0),
        interval: percentile_interval(by.draws.clone(), 0.95),
        plain_macro_f1,
        plain_quadratic_kappa: quadratic_kappa(spec, labels, sample.decisions())?,
        rows: problem.rows(),
        candidates,
        temperature,
    })
}

/// The best of those with a certain gain; the others are outdone.
fn choose(candidates: &mut [Candidate]) -> Option<usize> {
    let mut best: Option<usize> = None;
    for index in 0..candidates.len() {
        let candidate = &candidates[index];
        // By their number of parameters: of equals, the first stays.
        let better = |best: usize| candidate.gain.value > candidates[best].gain.value + 1e-12;
        if candidate.verdict == Verdict::Outdone && best.is_none_or(better) {
            best = Some(index);
        }
    }
    if let Some(index) = best {
        candidates[index].verdict = Verdict::Accepted;
    }
    best
}

/// A rule with what it decides for rows that it was not fitted on.
struct Tried {
    rule: Rule,
    decisions: Vec<u16>,
    resampled: Resampled,
    quadratic_kappa: Option<f64>,
}

impl Tried {
    /// All that have a certain gain count as outdone until one is chosen.
    fn judge(self, plain_decisions: &[u16], plain: &Resampled, level: f64) -> (Candidate, Resampled) {
        let gain = Gain::of(&self.resampled, plain, level);
        let verdict = match gain {
            _ if self.decisions == plain_decisions => Verdict::SameDecisions,
            gain if gain.is_certain() && gain.value > 0.0 => Verdict::Outdone,
            gain if gain.value > 1e-12 => Verdict::Uncertain,
            _ => Verdict::NotBetter,
        };
        let macro_f1 = self.resampled.value.unwrap_or(0.0);
        let quadratic_kappa = self.quadratic_kappa;
        (Candidate { rule: self.rule, macro_f1, gain, quadratic_kappa, verdict }, self.resampled)
    }
}

/// What all rules of a task are fitted and scored on.
struct CrossFit<'a> {
    spec: &'a TaskSpec,
    labels: &'a Labels,
    problem: &'a Problem,
    splits: &'a [(Vec<usize>, Vec<usize>)],
    options: &'a FitOptions,
}

impl CrossFit<'_> {
    fn fit(&self, family: Family) -> Result<Tried, DecisionError> {
        let (problem, width) = (self.problem, self.problem.width());
        let mut decisions = vec![0; problem.rows() * width];
        for (others, own) in self.splits {
            let held_out = problem.select(own)?;
            let rule = family.fit(&problem.select(others)?);
            scatter(&mut decisions, own, width, &rule.decide(problem.kind, &held_out.scores)?);
        }
        let resampled = macro_f1(self.spec, self.labels, decisions.clone(), self.options)?;
        let quadratic_kappa = quadratic_kappa(self.spec, self.labels, &decisions)?;
        Ok(Tried { rule: family.fit(problem), decisions, resampled, quadratic_kappa })
    }

    fn temperature(&self, sample: &Sample) -> Result<FittedTemperature, DecisionError> {
        let (problem, columns) = (self.problem, self.problem.scores.columns());
        let mut probabilities = vec![0.0; problem.rows() * columns];
        for (others, own) in self.splits {
            let fitted = Temperature::fit(&problem.select(others)?);
            let tempered = fitted.apply(problem.kind, &problem.select(own)?.scores)?;
            let values: Vec<f64> = tempered.view().iter().copied().collect();
            scatter(&mut probabilities, own, columns, &values);
        }
        let scores = Scores::new(probabilities, problem.rows(), columns)?;
        let tempered = Sample::new(self.spec, self.labels.clone(), scores.clone())?;
        let (before, after) = (log_loss(sample, self.options), log_loss(&tempered, self.options));
        // Less is better.
        let gain = Gain::of(&before, &after, self.options.level);
        Ok(FittedTemperature {
            temperature: Temperature::fit(problem),
            log_loss: [before, after].map(|loss| loss.value.unwrap_or(f64::MAX)),
            gain,
            accepted: gain.is_certain(),
            reliability: [&problem.scores, &scores].map(|scores| reliability(problem.kind, scores, self.labels)),
        })
    }
}

/// Of ordered grades, as scikit-learn's `cohen_kappa_score(weights="quadratic")`.
fn quadratic_kappa(spec: &TaskSpec, labels: &Labels, decisions: &[u16]) -> Result<Option<f64>, DecisionError> {
    if spec.kind != TaskKind::Ordinal {
        return Ok(None);
    }
    let sample = Sample::from_decisions(spec, labels.clone(), decisions.to_vec())?;
    Ok(medley_metrics::metric::value(&medley_metrics::metrics::QuadraticKappa, &sample))
}

/// Macro-F1 of a rule on rows whose labels are open, 0 to 1, as `medley_metrics` defines it.
///
/// # Errors
/// When the rule is of another task, or scores and labels do not fit it.
pub fn macro_f1_of(rule: &Rule, spec: &TaskSpec, scores: &Scores, labels: &Labels) -> Result<f64, DecisionError> {
    let decisions = rule.decide(spec.kind, scores)?;
    let sample = Sample::from_decisions(spec, labels.clone(), decisions)?;
    let metric = medley_metrics::metrics::F1(medley_metrics::metrics::Average::Macro);
    Ok(medley_metrics::metric::value(&metric, &sample).unwrap_or(0.0))
}
