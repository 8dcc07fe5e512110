//! The trials of a study, as far as they can be compared.

use std::path::Path;

use medley_core::RunLayout;
use medley_core::record::Manifest;
use medley_predictions::record::read_manifest;
use medley_search::{Direction, Point, Status, Study, StudyDefinition, TrialState};

use crate::auto::AutoRecord;
use crate::{Confirmation, StudiesError};

/// Trials that shall have reached a rung where they are compared, unless all have reached none higher.
const ENOUGH: usize = 8;

/// A trial.
#[derive(Debug, Clone, PartialEq)]
pub struct TrialOverview {
    /// Its number.
    pub number: u64,
    /// Where it is.
    pub state: TrialState,
    /// Its value, if it is finished.
    pub value: Option<f64>,
    /// What it has reported: rung and value.
    pub rungs: Vec<(u64, f64)>,
    /// What it tries.
    pub point: Point,
    /// Its point in the unit cube, if it is of the space.
    pub cube: Option<Vec<Option<f64>>>,
    /// Seconds that workers have spent on it; 0 where none is known.
    pub seconds: f64,
    /// Why it failed.
    pub message: Option<String>,
}

impl TrialOverview {
    /// Its value, or that of its last rung.
    pub fn latest(&self) -> Option<f64> {
        self.value.or(self.rungs.last().map(|(_, value)| *value))
    }

    /// The last rung that it has reported.
    pub fn rung(&self) -> Option<u64> {
        self.rungs.last().map(|(rung, _)| *rung)
    }

    /// Its value at a rung; beyond the last, that of a finished trial.
    pub fn at(&self, rung: u64) -> Option<f64> {
        let reported = self.rungs.iter().find(|(reported, _)| *reported == rung).map(|(_, value)| *value);
        reported.or(self.value)
    }
}

/// A study as its folder says.
#[derive(Debug, Clone)]
pub struct Overview {
    /// The name of its folder.
    pub name: String,
    /// `study.toml`, and the base experiment, as they were written.
    pub texts: Vec<(&'static str, String)>,
    /// What is studied.
    pub definition: StudyDefinition,
    /// Counts, time and the best trial.
    pub status: Status,
    /// By number.
    pub trials: Vec<TrialOverview>,
    /// The winner on fresh seeds, if that was looked at.
    pub confirmation: Option<Confirmation>,
    /// What `medley auto` did, if it made the study.
    pub auto: Option<AutoRecord>,
    /// The manifest of a run of the study: what it was trained on.
    pub manifest: Option<Manifest>,
}

impl Overview {
    /// Reads a study.
    ///
    /// # Errors
    /// [`StudiesError`]; a trial that is damaged counts as failed, and hides no other.
    pub fn read(study: &Study) -> Result<Self, StudiesError> {
        let (clock, space) = (study.clock()?, &study.definition().space);
        let (status, trials) = study.status_and_trials()?;
        let trials = trials.into_iter().map(|trial| TrialOverview {
            number: trial.number,
            state: trial.state,
            value: trial.value,
            cube: space.encode(&trial.point).ok(),
            rungs: trial.rungs,
            point: trial.point,
            seconds: clock.trials.get(&trial.number).copied().unwrap_or(0.0),
            message: trial.message,
        });
        let trials: Vec<TrialOverview> = trials.collect();
        let folder = study.folder().canonicalize().unwrap_or_else(|_| study.folder().to_owned());
        let definition = medley_storage::read_text(&study.folder().join("study.toml"), 1 << 20)?;
        let mut texts = vec![("study.toml", definition)];
        texts.extend(study.text("base.toml")?.map(|text| ("base.toml", text)));
        let auto = AutoRecord::read(study.folder())?;
        // An automatic run with little time has networks, and no trials.
        let of_network =
            || auto.iter().flat_map(|auto| &auto.members).find_map(|one| manifest_in(&folder, &one.folder));
        let manifest = trials.iter().find_map(|trial| manifest_of(study, trial.number)).or_else(of_network);
        Ok(Self {
            name: folder.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            texts,
            definition: study.definition().clone(),
            status,
            manifest,
            confirmation: Confirmation::read(study.folder())?,
            auto,
            trials,
        })
    }

    /// A value as something that is to become small.
    pub fn loss(&self, value: f64) -> f64 {
        match self.definition.direction {
            Direction::Minimize => value,
            Direction::Maximize => -value,
        }
    }

    /// Trials with a value, the best first, then those that came furthest.
    pub fn ranking(&self) -> Vec<&TrialOverview> {
        let mut ranked: Vec<&TrialOverview> = self.trials.iter().collect();
        ranked.sort_by(|a, b| {
            let unfinished = |trial: &TrialOverview| trial.value.is_none();
            let short = |trial: &TrialOverview| {
                if trial.value.is_some() { 0 } else { u64::MAX - trial.rung().unwrap_or(0) }
            };
            let loss = |trial: &TrialOverview| trial.latest().map_or(f64::INFINITY, |value| self.loss(value));
            (unfinished(a), short(a))
                .cmp(&(unfinished(b), short(b)))
                .then(loss(a).total_cmp(&loss(b)))
                .then(a.number.cmp(&b.number))
        });
        ranked
    }

    /// The highest rung where enough trials can be compared, and their values there; `None` for the end.
    pub fn comparable(&self) -> (Option<u64>, Vec<(&TrialOverview, f64)>) {
        let finished: Vec<_> = self.trials.iter().filter_map(|trial| Some((trial, trial.value?))).collect();
        if finished.len() >= ENOUGH {
            return (None, finished);
        }
        let mut rungs: Vec<u64> =
            self.trials.iter().flat_map(|trial| trial.rungs.iter().map(|(rung, _)| *rung)).collect();
        rungs.sort_unstable();
        rungs.dedup();
        let at =
            |rung: u64| -> Vec<_> { self.trials.iter().filter_map(|trial| Some((trial, trial.at(rung)?))).collect() };
        match rungs.into_iter().rev().map(|rung| (rung, at(rung))).find(|(_, found)| found.len() >= ENOUGH) {
            Some((rung, found)) => (Some(rung), found),
            None => (None, finished),
        }
    }
}

/// The manifest of a network of an automatic run, whose folder is that around the study.
fn manifest_in(study: &Path, network: &str) -> Option<Manifest> {
    read_manifest(&RunLayout::new(study.parent()?.join(network))).ok()
}

/// The manifest of a run in the folder of a trial.
fn manifest_of(study: &Study, trial: u64) -> Option<Manifest> {
    let folder = study.trial_folder(trial);
    ["", "-fold0", "-part0"]
        .into_iter()
        .find_map(|suffix| read_manifest(&RunLayout::new(folder.join(format!("trial-{trial}{suffix}")))).ok())
}
