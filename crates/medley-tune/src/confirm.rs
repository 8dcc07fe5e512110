//! The winner of a study, runners-up and the base experiment on fresh seeds.

use std::path::Path;

use medley_core::names::is_name;
use medley_data::Registry;
use medley_search::Study;
use medley_storage::RealFs;
use medley_studies::confirmation::Candidate;
use medley_studies::{Confirmation, Overview, TrialOverview};
use medley_train::session::Session;
use medley_train::stop::StopFlag;

use crate::objective::FRESH_SEEDS;
use crate::part::{Advanced, Next, Part};
use crate::plan::overrides;
use crate::{Plan, TuneError, study};

/// Folder of the runs in that of the study.
const FOLDER: &str = "confirm";

/// How much is run again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConfirmOptions {
    /// Fresh seeds of each candidate; of a study of folds, ways to split.
    pub seeds: usize,
    /// The winner and so many runners-up less one.
    pub top: usize,
}

/// What is said while it goes on.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Confirmed {
    /// Runs that are done, this one among them.
    pub done: usize,
    /// Of so many.
    pub of: usize,
    /// The candidate.
    pub name: String,
    /// Its score.
    pub score: f64,
}

/// Runs the best trials and the base experiment on seeds that no trial has seen, and writes what came of it into the folder of the study.
/// Runs that are finished are taken as they are, and interrupted ones go on. `None` where a stop was asked for.
///
/// # Errors
/// [`TuneError::NothingToConfirm`] before a trial has finished; else as a worker.
pub fn confirm(
    study: &Study,
    session: &Session<'_>,
    registry: &Registry,
    options: ConfirmOptions,
    stop: &StopFlag,
    mut said: impl FnMut(&Confirmed),
) -> Result<Option<Confirmation>, TuneError> {
    let (plan, base) = (Plan::of(study.definition())?, study::base(study)?);
    let overview = Overview::read(study)?;
    let ranking = overview.ranking();
    let best: Vec<&TrialOverview> =
        ranking.into_iter().filter(|trial| trial.value.is_some()).take(options.top.max(1)).collect();
    if best.is_empty() {
        return Err(TuneError::NothingToConfirm { path: study.folder().to_owned() });
    }
    let mut candidates: Vec<Candidate> = best
        .iter()
        .map(|trial| Candidate { trial: Some(trial.number), value: trial.value, scores: Vec::new() })
        .collect();
    candidates.push(Candidate { trial: None, value: None, scores: Vec::new() });
    let units = options.seeds * plan.folds.unwrap_or(1);
    let of = units * candidates.len();
    for unit in 0..units {
        for (index, candidate) in candidates.iter_mut().enumerate() {
            let settings = best.get(index).map(|trial| study.definition().space.settings(&trial.point));
            let settings = overrides(&settings.unwrap_or_default());
            let part = fresh(&plan, &base, registry, &settings, candidate.trial, unit, study.folder())?;
            if part.advance(session, stop, |_, _| Next::Epoch)? != Advanced::Finished {
                return Ok(None);
            }
            let score = part.progress().1.unwrap_or(f64::MIN);
            candidate.scores.push(score);
            let done = unit * (best.len() + 1) + index + 1;
            said(&Confirmed { done, of, name: candidate.name(), score });
        }
    }
    let unit = if plan.folds.is_some() { "fold" } else { "seed" };
    let trials = overview.trials.iter().filter(|trial| trial.latest().is_some()).count();
    let confirmation = Confirmation::new(trials, unit, candidates);
    confirmation.write(study.folder(), &RealFs)?;
    Ok(Some(confirmation))
}

/// A run on a fresh seed, or a fold of a fresh way to split.
fn fresh(
    plan: &Plan,
    base: &Path,
    registry: &Registry,
    settings: &[String],
    trial: Option<u64>,
    unit: usize,
    study: &Path,
) -> Result<Part, TuneError> {
    let folds = plan.folds.unwrap_or(1);
    let (round, index) = (unit / folds, unit % folds);
    let seed = FRESH_SEEDS + round as u64;
    let mut overrides = plan.with_part(settings, index, seed);
    if plan.folds.is_some() {
        overrides.push(format!("folds.repeat={seed}"));
    }
    let suffix = if plan.folds.is_some() { format!("-repeat{round}-fold{index}") } else { format!("-seed{round}") };
    let name = trial.map_or_else(|| format!("base{suffix}"), |trial| format!("trial-{trial}{suffix}"));
    debug_assert!(is_name(&name));
    Part::new(base, overrides, registry, study.join(FOLDER), name, seed)
}
