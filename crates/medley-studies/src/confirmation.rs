//! The winner of a study on fresh seeds, against runners-up and the base experiment.
//!
//! The best of many trials is good by luck, too. So it is run again on seeds that no trial has seen, and so are the next best and the
//! base experiment, on the same seeds: their differences, seed by seed, say whether the search has found more than chance.

use std::path::Path;

use medley_core::record::Interval;
use medley_metrics::inference::seed_mean;
use medley_storage::{Storage, if_present, read_file, write_whole};
use serde::{Deserialize, Serialize};

use crate::StudiesError;

/// Name of the record in the folder of a study.
pub const FILE: &str = "confirmation.json";
/// Schema of the record.
const SCHEMA: u32 = 1;
/// Most bytes of the record.
const MAX_BYTES: u64 = 1 << 20;
/// Of intervals.
const CONFIDENCE: f64 = 0.95;

/// What was run again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// The trial; `None` for the base experiment.
    pub trial: Option<u64>,
    /// Its value in the search.
    pub value: Option<f64>,
    /// On fresh seeds, in their order.
    pub scores: Vec<f64>,
}

impl Candidate {
    /// What it is called.
    pub fn name(&self) -> String {
        self.trial.map_or_else(|| "base experiment".to_owned(), |trial| format!("trial {trial}"))
    }

    /// Mean over the fresh seeds.
    pub fn mean(&self) -> f64 {
        self.scores.iter().sum::<f64>() / self.scores.len().max(1) as f64
    }
}

/// `confirmation.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Confirmation {
    /// Of the record.
    pub schema: u32,
    /// Trials that had been compared when the winner was chosen.
    pub trials: usize,
    /// What each score is of: `seed` or `fold`.
    pub unit: String,
    /// The winner first, then runners-up, then the base experiment.
    pub candidates: Vec<Candidate>,
}

/// The winner less another, seed by seed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// The other.
    pub against: String,
    /// Mean difference; above 0, the winner is better.
    pub difference: f64,
    /// 95 %, of Student's t; `None` with one seed.
    pub interval: Option<Interval>,
}

/// Whether the search has found more than chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// The winner is better than the base experiment, by more than the spread over seeds explains.
    Better,
    /// The difference may be chance.
    Unclear,
    /// The base experiment is better, by more than the spread explains.
    Worse,
}

impl Confirmation {
    /// A record of these candidates, the winner first and the base experiment last.
    pub fn new(trials: usize, unit: &str, candidates: Vec<Candidate>) -> Self {
        Self { schema: SCHEMA, trials, unit: unit.to_owned(), candidates }
    }

    /// The record of a study, if there is one.
    ///
    /// # Errors
    /// [`StudiesError::Damaged`].
    pub fn read(study: &Path) -> Result<Option<Self>, StudiesError> {
        let path = study.join(FILE);
        let Some(bytes) = if_present(read_file(&path, MAX_BYTES))? else { return Ok(None) };
        let damaged = |problem: String| StudiesError::Damaged { path: path.clone(), problem };
        let record: Self = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        let count = record.candidates.first().map_or(0, |winner| winner.scores.len());
        let whole = record
            .candidates
            .iter()
            .all(|one| one.scores.len() == count && one.scores.iter().chain(&one.value).all(|score| score.is_finite()));
        if record.schema != SCHEMA || record.candidates.len() < 2 || count == 0 || !whole {
            return Err(damaged("it is not a record of this version".to_owned()));
        }
        Ok(Some(record))
    }

    /// Writes the record of a study, in place of an older one.
    ///
    /// # Errors
    /// [`StudiesError::Storage`].
    pub fn write(&self, study: &Path, storage: &dyn Storage) -> Result<(), StudiesError> {
        let bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        Ok(write_whole(storage, &study.join(FILE), &bytes)?)
    }

    /// The winner less each of the others.
    pub fn comparisons(&self) -> Vec<Comparison> {
        let Some((winner, others)) = self.candidates.split_first() else { return Vec::new() };
        let compare = |other: &Candidate| {
            let differences: Vec<f64> =
                winner.scores.iter().zip(&other.scores).map(|(one, other)| one - other).collect();
            let of_all = seed_mean(&differences, CONFIDENCE);
            let difference = of_all.map_or(f64::NAN, |mean| mean.mean);
            let interval = of_all.and_then(|mean| mean.interval);
            Comparison { against: other.name(), difference, interval }
        };
        others.iter().map(compare).collect()
    }

    /// Whether the winner is better than the base experiment; unclear with one seed.
    pub fn finding(&self) -> Finding {
        match self.comparisons().last().and_then(|against_base| against_base.interval) {
            Some(interval) if interval.low > 0.0 => Finding::Better,
            Some(interval) if interval.high < 0.0 => Finding::Worse,
            _ => Finding::Unclear,
        }
    }

    /// The finding in a sentence.
    pub fn sentence(&self) -> String {
        let comparisons = self.comparisons();
        let Some(against) = comparisons.last() else { return String::new() };
        let by = signed(against.difference);
        let ends = against.interval.map_or_else(String::new, |interval| {
            format!(" (95 % interval {} to {})", signed(interval.low), signed(interval.high))
        });
        let what = match self.finding() {
            Finding::Better => "The search has found more than chance",
            Finding::Unclear => "The search may have found no more than chance",
            Finding::Worse => "The search has found nothing: the base experiment is better",
        };
        let unit = &self.unit;
        let count = self.candidates.first().map_or(0, |winner| winner.scores.len());
        let over = if count == 1 { format!("one fresh {unit}") } else { format!("{count} fresh {unit}s") };
        format!(
            "{what}: on {over}, the winner of {} trials differs from the base experiment by {by}{ends}.",
            self.trials
        )
    }
}

/// A difference with its sign.
pub(crate) fn signed(value: f64) -> String {
    format!("{value:+.4}").replace('-', "−")
}

#[cfg(test)]
mod tests {
    use medley_storage::RealFs;

    use super::*;

    fn record(winner: &[f64], base: &[f64]) -> Confirmation {
        let one = |trial, scores: &[f64]| Candidate { trial, value: None, scores: scores.to_vec() };
        Confirmation::new(12, "seed", vec![one(Some(7), winner), one(Some(2), base), one(None, base)])
    }

    #[test]
    fn differences_seed_by_seed_say_whether_it_is_chance() {
        let better = record(&[0.84, 0.86, 0.85, 0.87], &[0.80, 0.81, 0.82, 0.82]);
        assert_eq!(better.finding(), Finding::Better);
        let against = &better.comparisons()[1];
        // Standard error 0.0047871, times 3.182446, the quantile of Student's t with 3 degrees of freedom.
        let interval = against.interval.unwrap();
        assert!((against.difference - 0.0425).abs() < 1e-12, "{against:?}");
        assert!(
            (interval.low - 0.027_265_1).abs() < 1e-6 && (interval.high - 0.057_734_9).abs() < 1e-6,
            "{interval:?}"
        );
        assert!(better.sentence().contains("more than chance: on 4 fresh seeds, the winner of 12 trials"));
        assert_eq!(record(&[0.8, 0.9], &[0.9, 0.8]).finding(), Finding::Unclear);
        assert_eq!(record(&[0.9], &[0.1]).finding(), Finding::Unclear, "one seed says nothing");
        assert_eq!(record(&[0.1, 0.11, 0.1], &[0.9, 0.9, 0.9]).finding(), Finding::Worse);
    }

    #[test]
    fn the_record_is_read_as_it_was_written_and_damage_is_said() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Confirmation::read(folder.path()).unwrap(), None);
        let written = record(&[0.5, 0.6], &[0.4, 0.5]);
        written.write(folder.path(), &RealFs).unwrap();
        assert_eq!(Confirmation::read(folder.path()).unwrap(), Some(written));
        for text in ["{", "{\"schema\": 1, \"trials\": 1, \"unit\": \"seed\", \"candidates\": []}"] {
            write_whole(&RealFs, &folder.path().join(FILE), text.as_bytes()).unwrap();
            assert!(Confirmation::read(folder.path()).unwrap_err().to_string().contains("is damaged"));
        }
    }
}
