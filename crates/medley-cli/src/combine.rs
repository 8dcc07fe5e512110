//! Several finished runs as one predictor with decision rules, for `medley auto`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use medley_core::record::ScoreSet;
use medley_core::{RunLayout, Scores, Split};
use medley_decisions::ensemble::Method;
use medley_decisions::record::TaskDecisions;
use medley_decisions::{Decisions, FitOptions};
pub use medley_ensembles::Built;
use medley_ensembles::{Complete, Request, Source, build, open_test_of};
use medley_predictions::RunFiles;
use medley_storage::RealFs;
use medley_studies::auto::RuleRecord;

use crate::args::RunDataFolder;
use crate::commands::score::DataTruth;

/// Runs, and where their labels come from.
struct Members(Vec<(RunFiles, DataTruth)>);

impl Members {
    fn read(folders: &[PathBuf], data: &Path) -> anyhow::Result<Self> {
        let named = RunDataFolder { named: Some(data.to_owned()) };
        let read = |path: &PathBuf| Ok((RunFiles::read(&RunLayout::new(path))?, DataTruth::of(path, &named)));
        folders.iter().map(read).collect::<anyhow::Result<_>>().map(Self)
    }

    fn sources(&self) -> Vec<Source<'_>> {
        self.0.iter().map(|(run, truth)| Source { run: run.clone(), truth }).collect()
    }
}

/// Averages runs by ensemble selection, or by the mean where that is not better by more than chance, fits decision rules in the same
/// spirit, and writes both into a folder `NAME-1` in `out`. Of folds, all of the first way of splitting have to be there. Test labels stay
/// shut.
///
/// # Errors
/// Whatever is wrong with a run, its predictions or the data; the disk.
pub fn combine(members: &[PathBuf], data: &Path, out: &Path, name: &str) -> anyhow::Result<Built> {
    let members = Members::read(members, data)?;
    let request = Request {
        method: Method::Greedy,
        options: FitOptions::default(),
        decide: true,
        test: false,
        collect: false,
        complete: Complete::FirstRepeat,
        name: name.to_owned(),
        runs: out.to_owned(),
        now: crate::commands::ensemble::now(),
        medley: env!("CARGO_PKG_VERSION").to_owned(),
    };
    Ok(build(&members.sources(), &request, &RealFs)?)
}

/// Scores the test predictions of the members of an ensemble, `[run][task]`: their mean is written and the opening recorded before labels are
/// opened. One that was scored before keeps its scores.
///
/// # Errors
/// Members that are not those of the ensemble; data that are missing or others; the disk.
pub fn score_test(
    members: &[PathBuf],
    predicted: &[Vec<Scores>],
    data: &Path,
    ensemble: &Path,
) -> anyhow::Result<Option<ScoreSet>> {
    let members = Members::read(members, data)?;
    let sources = members.sources();
    let mut built = Built::read(&RunLayout::new(ensemble), &sources)?;
    if built.record.test.is_none() {
        open_test_of(&mut built, &sources, predicted, ("test", &crate::commands::ensemble::now()), &RealFs)?;
    }
    Ok(built.record.test)
}

/// The decision rule of each task.
pub fn rules(built: &Built) -> Vec<RuleRecord> {
    let rule = |task: &TaskDecisions| RuleRecord {
        task: task.task.clone(),
        rule: task.predictor.rule.name().to_owned(),
        plain_macro_f1: task.predictor.plain_macro_f1,
        macro_f1: task.predictor.macro_f1,
    };
    built.decisions.iter().flat_map(|decisions| &decisions.tasks).map(rule).collect()
}

/// What the mean becomes labels by.
pub fn decide_by(built: &Built) -> Decisions {
    built.decisions.as_ref().map(|decisions| decisions.decide_by.clone()).unwrap_or_default()
}

/// How much a run counts in the mean, by task: its share of each member that it belongs to.
pub fn weights(built: &Built, run: &str) -> BTreeMap<String, f64> {
    let mut weights = BTreeMap::new();
    for task in &built.record.tasks {
        for (member, weight) in task.members.iter().zip(&task.weighed.weights) {
            let Some(files) = member.files.get(&Split::Val) else { continue };
            let own = files.iter().filter(|file| file.run == run).count();
            *weights.entry(task.task.clone()).or_insert(0.0) += weight * own as f64 / files.len().max(1) as f64;
        }
    }
    weights
}
