//! The files of a study, as JSON.

use std::collections::BTreeMap;
use std::path::Path;

use medley_storage::{if_present, read_file};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::trials::TrialRecord;
use crate::{Observation, Outcome, Point, SearchError, Space, TrialState};

/// Most bytes of a record.
const MAX_BYTES: u64 = 16 << 20;

/// `study.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub(super) schema: u32,
    /// Of the program that began it.
    pub(super) version: String,
    /// Of `study.toml`.
    pub(super) sha256: String,
    /// Of the other texts, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) texts: BTreeMap<String, String>,
}

/// `extensions/K.json`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Extension {
    pub(super) trials: u64,
    #[serde(default)]
    pub(super) seconds: f64,
}

/// `trials/N/proposal.json`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Proposal {
    pub(super) number: u64,
    pub(super) seed: u64,
    pub(super) point: Point,
    pub(super) seen: Seen,
}

/// `trials/N/rungs/K.json`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Rung {
    pub(super) rung: u64,
    pub(super) value: f64,
}

/// `trials/N/outcome.json`. What is needed of an ended trial is all here, so that one file of it is read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Ending {
    pub(super) state: TrialState,
    /// Of a finished trial.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) value: Option<f64>,
    /// Of a failed one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) message: Option<String>,
    pub(super) rungs: Vec<(u64, f64)>,
    pub(super) point: Point,
}

/// Which trials a sampler saw, and how far they were. Records never change, so this says all that it knew.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Seen {
    /// Ended ones, as `0-57,59`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    ended: String,
    /// Paused ones, with the rung where they were.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    paused: BTreeMap<u64, u64>,
    /// Others, as `58,60-61`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    running: String,
}

impl Seen {
    /// What can be seen of trials, which are in order.
    pub(super) fn of(records: &[TrialRecord]) -> Self {
        let numbers = |fits: fn(&TrialRecord) -> bool| {
            ranges(records.iter().filter(|record| fits(record)).map(|record| record.number))
        };
        let paused = records.iter().filter(|record| record.state == TrialState::Paused);
        Self {
            ended: numbers(|record| record.state.has_ended() && !record.is_damaged()),
            paused: paused.filter_map(|record| Some((record.number, record.rungs.last()?.0))).collect(),
            running: numbers(|record| matches!(record.state, TrialState::Running | TrialState::Waiting)),
        }
    }

    /// All numbers, in order.
    pub(super) fn numbers(&self) -> Vec<u64> {
        let mut numbers: Vec<u64> = parse_ranges(&self.ended).chain(parse_ranges(&self.running)).collect();
        numbers.extend(self.paused.keys());
        numbers.sort_unstable();
        numbers
    }

    /// What the sampler is told, from records that may say more by now. Points that are not of the space are left out.
    pub(super) fn observations(&self, space: &Space, records: &[TrialRecord]) -> Vec<Observation> {
        let by_number: BTreeMap<u64, &TrialRecord> = records.iter().map(|record| (record.number, record)).collect();
        let mut outcomes: BTreeMap<u64, Outcome> = BTreeMap::new();
        for number in parse_ranges(&self.running) {
            outcomes.insert(number, Outcome::Running);
        }
        for (number, record) in parse_ranges(&self.ended).filter_map(|number| Some((number, *by_number.get(&number)?)))
        {
            let last = record.rungs.last().map(|&(rung, value)| Outcome::Stopped { rung, value });
            let outcome = match (record.state, record.value) {
                (TrialState::Finished, Some(value)) => Outcome::Finished(value),
                (TrialState::Pruned, _) => last.unwrap_or(Outcome::Failed),
                _ => Outcome::Failed,
            };
            outcomes.insert(number, outcome);
        }
        for (&number, &rung) in &self.paused {
            let rungs = by_number.get(&number).map_or(&[][..], |record| record.rungs.as_slice());
            let value = rungs.iter().find(|(reported, _)| *reported == rung).map(|(_, value)| *value);
            outcomes.extend(value.map(|value| (number, Outcome::Stopped { rung, value })));
        }
        let observation = |(number, outcome): (u64, Outcome)| {
            let cube = space.encode(&by_number.get(&number)?.point).ok()?;
            Some(Observation { number, cube, outcome })
        };
        outcomes.into_iter().filter_map(observation).collect()
    }
}

/// `0-57,59`, of numbers in order.
fn ranges(numbers: impl Iterator<Item = u64>) -> String {
    let mut spans: Vec<(u64, u64)> = Vec::new();
    for number in numbers {
        match spans.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => spans.push((number, number)),
        }
    }
    let text = |(first, last): &(u64, u64)| if first == last { first.to_string() } else { format!("{first}-{last}") };
    spans.iter().map(text).collect::<Vec<_>>().join(",")
}

/// The numbers of a text of [`ranges`]; what is not of that form is skipped.
fn parse_ranges(text: &str) -> impl Iterator<Item = u64> + '_ {
    /// More trials than a study has: a damaged record must not take all memory.
    const MOST: u64 = 100_000_000;
    text.split(',')
        .filter_map(|part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (first.parse::<u64>().ok()?, last.parse::<u64>().ok()?);
            (last.saturating_sub(first) < MOST).then_some(first..=last)
        })
        .flatten()
}

/// A record as it is written.
pub(super) fn to_bytes(record: &impl Serialize) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(record).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// A record, if it is there.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, SearchError> {
    let Some(bytes) = if_present(read_file(path, MAX_BYTES))? else { return Ok(None) };
    let damaged = |problem: String| SearchError::Damaged { path: path.to_owned(), problem };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| damaged(error.to_string()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ranges_can_be_read_again(numbers in prop::collection::btree_set(0_u64..300, 0..100)) {
            let text = ranges(numbers.iter().copied());
            prop_assert_eq!(parse_ranges(&text).collect::<Vec<_>>(), numbers.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn ranges_are_short_and_damage_is_skipped() {
        assert_eq!(ranges([0, 1, 2, 5, 7, 8].into_iter()), "0-2,5,7-8");
        assert_eq!(parse_ranges("1-x,3,,0-99999999999,9-5").collect::<Vec<_>>(), [3]);
    }
}
