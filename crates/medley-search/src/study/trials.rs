use std::collections::BTreeMap;
use std::io;

use super::lease::{LeaseName, Owner};
use super::records::{self, Ending, Proposal, Rung};
use super::{Study, TrialFiles};
use crate::{History, Point, SearchError, TrialState};

/// A trial as its folder says.
#[derive(Debug, Clone, PartialEq)]
pub struct TrialRecord {
    /// Its number.
    pub number: u64,
    /// What it tries.
    pub point: Point,
    /// Rungs and values that it has reported, rungs going up.
    pub rungs: Vec<(u64, f64)>,
    /// Where it is.
    pub state: TrialState,
    /// Its value, if it is finished.
    pub value: Option<f64>,
    /// Why it failed, or what is wrong with its folder.
    pub message: Option<String>,
    /// Who has it, unless it has ended.
    pub(super) lease: Option<LeaseName>,
    pub(super) damaged: bool,
}

impl TrialRecord {
    /// Whether its folder cannot be read; it then counts as failed, and samplers do not see it.
    pub fn is_damaged(&self) -> bool {
        self.damaged
    }

    /// The number of the worker that has it.
    pub fn worker(&self) -> Option<u64> {
        match self.lease.as_ref().map(|lease| &lease.owner) {
            Some(Owner::Worker(holder)) => Some(holder.worker),
            _ => None,
        }
    }

    pub(super) fn history(&self) -> History {
        History { number: self.number, rungs: self.rungs.clone(), state: self.state }
    }
}

/// Reads a trial. `known` is what was read of it before: records never change, so only what is new is read.
pub(super) fn read_trial(study: &Study, number: u64, known: Option<TrialRecord>) -> Result<TrialRecord, SearchError> {
    let files = TrialFiles::new(study.trial_folder(number));
    if let Some(ending) = records::read::<Ending>(&files.outcome())? {
        let Ending { state, value, message, rungs, point } = ending;
        if !state.has_ended() {
            return Err(SearchError::Damaged {
                path: files.outcome(),
                problem: "it says that the trial has not ended".into(),
            });
        }
        return Ok(TrialRecord { number, point, rungs, state, value, message, lease: None, damaged: false });
    }
    let lease = current_lease(&files)?;
    let state = match lease.as_ref().map(|lease| &lease.owner) {
        Some(Owner::Paused) => TrialState::Paused,
        Some(Owner::Waiting) => TrialState::Waiting,
        // A name may be missed while it is changed: then somebody has just taken it.
        Some(Owner::Worker(_)) | None => TrialState::Running,
    };
    let (point, mut rungs, before) = if let Some(known) = known {
        (known.point, known.rungs, known.lease)
    } else {
        let path = files.proposal();
        let Some(Proposal { point, .. }) = records::read::<Proposal>(&path)? else {
            return Err(SearchError::Damaged { path, problem: "there is no such file".to_owned() });
        };
        (point, Vec::new(), None)
    };
    // A paused trial reports nothing until it changes hands.
    if state != TrialState::Paused || lease.is_none() || before != lease {
        read_rungs(&files, &mut rungs)?;
    }
    Ok(TrialRecord { number, point, rungs, state, value: None, message: None, lease, damaged: false })
}

/// The lease of the highest generation.
fn current_lease(files: &TrialFiles) -> Result<Option<LeaseName>, SearchError> {
    let path = &files.folder;
    let unlistable = |source| SearchError::Unlistable { path: path.clone(), source };
    let mut leases = Vec::new();
    for entry in fs_err::read_dir(path).map_err(unlistable)? {
        let name = entry.map_err(unlistable)?.file_name();
        leases.extend(name.to_str().and_then(LeaseName::parse));
    }
    Ok(leases.into_iter().max_by_key(|lease| lease.generation))
}

/// Adds rungs that are not known yet.
fn read_rungs(files: &TrialFiles, rungs: &mut Vec<(u64, f64)>) -> Result<(), SearchError> {
    let path = files.rungs();
    let unlistable = |source| SearchError::Unlistable { path: path.clone(), source };
    let entries = match fs_err::read_dir(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(unlistable)?,
    };
    for entry in entries {
        let name = entry.map_err(unlistable)?.file_name();
        let number =
            name.to_str().and_then(|name| name.strip_suffix(".json")).and_then(|name| name.parse::<u64>().ok());
        let Some(number) = number.filter(|number| rungs.iter().all(|(rung, _)| rung != number)) else { continue };
        if let Some(Rung { rung, value }) = records::read::<Rung>(&files.rung(number))? {
            rungs.push((rung, value));
        }
    }
    rungs.sort_by_key(|(rung, _)| *rung);
    Ok(())
}

/// All trials, with what was read of them before.
#[derive(Debug, Default)]
pub(super) struct Trials {
    known: BTreeMap<u64, TrialRecord>,
}

impl Trials {
    /// Reads what is new. A trial that cannot be read is said to have failed, and hides no other.
    pub(super) fn refresh(&mut self, study: &Study) -> Result<(), SearchError> {
        let mut known = std::mem::take(&mut self.known);
        for number in study.numbers()? {
            let before = known.remove(&number).filter(|record| !record.damaged);
            let record = match before {
                Some(record) if record.state.has_ended() => record,
                before => read_trial(study, number, before).unwrap_or_else(|error| damaged(number, &error)),
            };
            self.known.insert(number, record);
        }
        Ok(())
    }

    /// In order.
    pub(super) fn records(&self) -> Vec<TrialRecord> {
        self.known.values().cloned().collect()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &TrialRecord> {
        self.known.values()
    }

    pub(super) fn get(&self, number: u64) -> Option<&TrialRecord> {
        self.known.get(&number)
    }

    /// The lowest number that no trial has.
    pub(super) fn next_number(&self) -> u64 {
        (0..)
            .zip(self.known.keys())
            .find(|(number, known)| number != *known)
            .map_or(self.known.len() as u64, |(number, _)| number)
    }
}

fn damaged(number: u64, error: &SearchError) -> TrialRecord {
    TrialRecord {
        number,
        point: Point::default(),
        rungs: Vec::new(),
        state: TrialState::Failed,
        value: None,
        message: Some(error.to_string()),
        lease: None,
        damaged: true,
    }
}
