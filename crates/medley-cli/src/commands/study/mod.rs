//! `medley study`: what needs no libtorch.

mod best;
mod show;
mod slurm;
pub(crate) mod status;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use medley_search::{SearchError, Study, TrialRecord};
use medley_storage::{RealFs, write_new};
use medley_studies::{Overview, optuna};

use crate::args::study::{ExtendArguments, StopArguments, StudySubcommand, TorchStudy};
use crate::failure::Usage;
use crate::output;

pub(crate) fn run(
    subcommand: &StudySubcommand,
    train: impl Fn(&TorchStudy) -> anyhow::Result<ExitCode>,
) -> anyhow::Result<ExitCode> {
    match subcommand {
        StudySubcommand::Torch(torch) => return train(torch),
        StudySubcommand::Status(arguments) => status::run(arguments)?,
        StudySubcommand::Best(arguments) => best::run(arguments)?,
        StudySubcommand::Show(arguments) => show::run(arguments)?,
        StudySubcommand::Report(arguments) => {
            let path = medley_studies::page::write(&Study::open(&arguments.study)?)?;
            output::line(&format!("report  {}", path.display()))?;
        }
        StudySubcommand::Export(arguments) => {
            let overview = Overview::read(&Study::open(&arguments.study)?)?;
            write_new(&RealFs, &arguments.optuna, optuna::journal(&overview).as_bytes())?;
            output::line(&format!("{} trials: {}", overview.trials.len(), arguments.optuna.display()))?;
        }
        StudySubcommand::Slurm(arguments) => slurm::run(arguments)?,
        StudySubcommand::Stop(arguments) => stop(arguments)?,
        StudySubcommand::Extend(arguments) => extend(arguments)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn stop(StopArguments { study, undo }: &StopArguments) -> anyhow::Result<()> {
    let open = Study::open(study)?;
    if *undo {
        open.resume()?;
        return output::line(&format!("`{}` may be continued: medley study work {0}", study.display()));
    }
    open.stop()?;
    output::line(&format!(
        "`{}` is stopped; workers put their trials back after the epoch in progress",
        study.display()
    ))
}

fn extend(ExtendArguments { study, trials, time }: &ExtendArguments) -> anyhow::Result<()> {
    let open = Study::open(study)?;
    let definition = open.definition();
    for (named, limited, what) in
        [(trials.is_some(), definition.trials.is_some(), "trials"), (time.is_some(), definition.time.is_some(), "time")]
    {
        if named && !limited {
            let text = format!("`{}` has no limit of {what} that could be extended", study.display());
            return Err(Usage(text).into());
        }
    }
    open.extend(trials.unwrap_or(0), time.unwrap_or(Duration::ZERO))?;
    let status = open.status()?;
    let trials = status.budget.map(|trials| format!("{trials} trials"));
    let time = status.seconds_allowed.map(|seconds| format!("{} of workers", medley_core::text::duration(seconds)));
    let limits: Vec<String> = trials.into_iter().chain(time).collect();
    output::line(&format!("`{}` may have {}", study.display(), limits.join(" and ")))
}

/// A trial by its number.
fn trial_of(study: &Study, number: u64) -> anyhow::Result<TrialRecord> {
    let found = study.trials()?.into_iter().find(|trial| trial.number == number);
    Ok(found.ok_or_else(|| Usage(format!("`{}` has no trial {number}", study.folder().display())))?)
}

/// Folders of the runs of a trial, by name.
fn runs_of(study: &Study, number: u64) -> Result<Vec<std::path::PathBuf>, SearchError> {
    let folder = study.trial_folder(number);
    let unlistable = |source| SearchError::Unlistable { path: folder.clone(), source };
    let mut runs = Vec::new();
    for entry in fs_err::read_dir(&folder).map_err(unlistable)? {
        let path = entry.map_err(unlistable)?.path();
        if path.join(medley_core::RunLayout::MANIFEST).exists() {
            runs.push(path);
        }
    }
    runs.sort();
    Ok(runs)
}

/// The name of a study: that of its folder.
fn name_of(folder: &Path) -> String {
    let canonical = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    canonical.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
