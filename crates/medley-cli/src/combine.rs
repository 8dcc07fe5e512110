//! Several finished runs as one predictor with decision rules, for `medley auto`.

use std::path::{Path, PathBuf};

use medley_core::RunLayout;
use medley_decisions::FitOptions;
use medley_decisions::ensemble::Method;
use medley_decisions::record::TaskDecisions;
use medley_ensembles::{Record, Request, Source, build};
use medley_predictions::RunFiles;
use medley_storage::RealFs;
use medley_studies::auto::RuleRecord;

use crate::args::RunDataFolder;
use crate::commands::score::DataTruth;

/// A predictor.
#[derive(Debug)]
pub struct Combined {
    /// Its folder.
    pub folder: PathBuf,
    /// What its record says.
    pub record: Record,
    /// The decision rule of each task that has one label per image, and of others.
    pub rules: Vec<RuleRecord>,
}

/// Averages runs by ensemble selection, or by the mean where that is not better by more than chance, fits decision rules in the same
/// spirit, and writes both into a folder `NAME-1` in `out`. Test labels stay shut.
///
/// # Errors
/// Whatever is wrong with a run, its predictions or the data; the disk.
pub fn combine(members: &[PathBuf], data: &Path, out: &Path, name: &str) -> anyhow::Result<Combined> {
    let named = RunDataFolder { named: Some(data.to_owned()) };
    let mut runs = Vec::new();
    for path in members {
        runs.push((RunFiles::read(&RunLayout::new(path))?, DataTruth::of(path, &named)));
    }
    let sources: Vec<Source<'_>> = runs.iter().map(|(run, truth)| Source { run: run.clone(), truth }).collect();
    let request = Request {
        method: Method::Greedy,
        options: FitOptions::default(),
        decide: true,
        test: false,
        collect: false,
        name: name.to_owned(),
        runs: out.to_owned(),
        now: crate::commands::ensemble::now(),
        medley: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let built = build(&sources, &request, &RealFs)?;
    let rule = |task: &TaskDecisions| RuleRecord {
        task: task.task.clone(),
        rule: task.predictor.rule.name().to_owned(),
        plain_macro_f1: task.predictor.plain_macro_f1,
        macro_f1: task.predictor.macro_f1,
    };
    let rules = built.decisions.iter().flat_map(|decisions| &decisions.tasks).map(rule).collect();
    Ok(Combined { folder: built.layout.root().to_owned(), record: built.record, rules })
}
