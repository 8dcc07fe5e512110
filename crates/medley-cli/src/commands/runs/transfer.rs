//! `medley runs transfer`.

use std::path::Path;
use std::process::ExitCode;

use medley_core::record::{DataRecord, Resampling};
use medley_core::{RunLayout, Split};
use medley_metrics::Sample;
use medley_predictions::matching::load;
use medley_predictions::{MatchRequest, PredictionError, RunFiles, of_seeds};
use medley_report::transfer::{TransferPair, transfer};
use medley_report::{RunRecord, load_run};
use medley_storage::{RealFs, Shown, write_whole};

use crate::args::runs::TransferArguments;
use crate::commands::score::DataTruth;
use crate::failure::Usage;
use crate::output;

/// A run with where its labels come from.
struct Opened {
    files: RunFiles,
    record: RunRecord,
    truth: DataTruth,
}

impl Opened {
    fn read(path: &Path, arguments: &TransferArguments) -> anyhow::Result<Self> {
        let layout = RunLayout::new(path);
        let files = RunFiles::read(&layout)?;
        if files.results.is_none() {
            let run = path.to_owned();
            return Err(PredictionError::NotPredicted { run, split: Split::Val, unfinished: true }.into());
        }
        Ok(Self { files, record: load_run(&layout)?, truth: DataTruth::of(path, &arguments.data) })
    }

    fn data(&self, task: &str) -> Option<&DataRecord> {
        self.files.data().iter().find(|data| data.task.name == task)
    }

    /// The validation predictions of each seed, with their labels.
    fn samples(&self, data: &DataRecord) -> anyhow::Result<Vec<(u64, Sample)>> {
        let mut samples = Vec::new();
        for seed in of_seeds(&self.files, data, Split::Val)? {
            for prediction in load(&seed.path, &MatchRequest::of_run(Split::Val), &self.truth)? {
                samples.push((seed.seed, prediction.sample));
            }
        }
        Ok(samples)
    }
}

pub(super) fn run(arguments: &TransferArguments) -> anyhow::Result<ExitCode> {
    let joint = Opened::read(&arguments.joint, arguments)?;
    let mut others = Vec::new();
    for path in &arguments.alone {
        others.push((path, Opened::read(path, arguments)?));
    }
    let mut pairs: Vec<TransferPair<'_>> = Vec::new();
    for (path, alone) in &others {
        let before = pairs.len();
        for data in alone.files.data() {
            let Some(known) = joint.data(&data.task.name) else { continue };
            check_same(&joint, known, path, alone, data)?;
            if pairs.iter().any(|pair| pair.task == data.task.name) {
                let problem =
                    format!("`{}` is the second run of `{}`; name one for each task", Shown(path), data.task.name);
                return Err(Usage(problem).into());
            }
            let (mut own, single) = (joint.samples(known)?, alone.samples(data)?);
            let mut seeds = Vec::new();
            for (seed, sample) in single {
                if let Some(at) = own.iter().position(|other| other.0 == seed) {
                    seeds.push((seed, own.swap_remove(at).1, sample));
                }
            }
            if seeds.is_empty() {
                let (one, two) = (Shown(&arguments.joint), Shown(path));
                return Err(Usage(format!("`{one}` and `{two}` have no seed in common to be compared by")).into());
            }
            pairs.push(TransferPair {
                task: data.task.name.clone(),
                joint: &joint.record,
                alone: &alone.record,
                seeds,
            });
        }
        if pairs.len() == before {
            let (one, two) = (Shown(&arguments.joint), Shown(path));
            return Err(Usage(format!("`{one}` and `{two}` have no task in common")).into());
        }
    }
    let resampling = Resampling { resamples: arguments.resamples as usize, ..Resampling::default() };
    let report = transfer(&joint.record, &pairs, &resampling)?;
    if let Some(path) = &arguments.html {
        write_whole(&RealFs, path, report.html()?.as_bytes())?;
        output::note(&format!("written: `{}`", Shown(path)));
    }
    if arguments.json {
        output::json(&report)?;
    } else if arguments.markdown {
        output::line(report.markdown().trim_end())?;
    } else {
        output::line(&report.text())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs of other files or other folds have no images in common.
fn check_same(
    joint: &Opened,
    known: &DataRecord,
    path: &Path,
    alone: &Opened,
    data: &DataRecord,
) -> anyhow::Result<()> {
    let problem = known.difference(&data.sha256).or_else(|| {
        (joint.files.manifest.folds != alone.files.manifest.folds)
            .then(|| "they are not validated on the same fold".to_owned())
    });
    match problem {
        Some(problem) => {
            let (one, two) = (Shown(joint.files.layout.root()), Shown(path));
            let task = &data.task.name;
            Err(Usage(format!("`{one}` and `{two}` were validated on other images of `{task}`: {problem}")).into())
        }
        None => Ok(()),
    }
}
