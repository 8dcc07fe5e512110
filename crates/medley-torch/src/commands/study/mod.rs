//! `medley study run` and `medley study work`.

mod confirmed;
mod monitor;
mod workers;

use std::process::ExitCode;

use medley_cli::args::study::{RunStudyArguments, TorchStudy, WorkArguments};
use medley_cli::failure::Usage;
use medley_cli::{data_folder, output, study::print_status};
use medley_data::Registry;
use medley_search::{Reason, Study, WorkOptions, work};
use medley_train::session::Session;
use medley_tune::{Trainer, TuneError, study};

use self::monitor::Monitor;
use super::train::session;
use crate::interruption::Interruption;

pub(crate) fn run(command: &TorchStudy) -> anyhow::Result<ExitCode> {
    match command {
        TorchStudy::Run(arguments) => begin(arguments),
        TorchStudy::Work(arguments) => join(arguments),
        TorchStudy::Confirm(arguments) => confirmed::run(arguments),
    }
}

fn begin(arguments: &RunStudyArguments) -> anyhow::Result<ExitCode> {
    let interruption = Interruption::while_preparing("stopped before the study went on; nothing was lost")?;
    let begun = begun(arguments)?;
    let data = match &begun {
        Some(study) => data_folder::of_study(study, &arguments.data)?,
        None => data_folder::of_run(&arguments.file, None, &arguments.data),
    };
    let session = session(&data, &arguments.reading);
    let registry = Registry::of_folder(&data)?;
    let study = match begun {
        Some(study) if arguments.file.is_dir() => study,
        _ => study::begin(&arguments.studies, &name(arguments), &arguments.file, &session, &registry)?,
    };
    // Whoever runs it wants it to go on.
    study.resume()?;
    if arguments.workers == 0 {
        return finish(&study, ExitCode::SUCCESS, arguments.json);
    }
    let again = format!("`medley study work {}`", study.folder().display());
    interruption.running(&again);
    let monitor = Monitor::start(&study, arguments.quiet);
    if arguments.workers > 1 {
        drop(session);
        let code = workers::run(&study, arguments, &data, &interruption)?;
        drop(monitor);
        return finish(&study, code, arguments.json);
    }
    let code = work_here(&study, &session, &registry, WorkOptions::default(), &interruption)?;
    drop(monitor);
    finish(&study, code, arguments.json)
}

/// The study that is continued, whose folder or whose file was named; `None` where it is begun.
fn begun(arguments: &RunStudyArguments) -> anyhow::Result<Option<Study>> {
    let folder = if arguments.file.is_dir() {
        if arguments.name.is_some() {
            let folder = arguments.file.display();
            let text = format!("`{folder}` is a study that was begun, and --name is for a new one: leave it out");
            return Err(Usage(text).into());
        }
        arguments.file.clone()
    } else {
        let folder = arguments.studies.join(name(arguments));
        if !folder.join("study.json").exists() {
            return Ok(None);
        }
        folder
    };
    Ok(Some(Study::open(&folder)?))
}

fn name(arguments: &RunStudyArguments) -> String {
    let stem = || arguments.file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    arguments.name.clone().unwrap_or_else(stem)
}

fn join(arguments: &WorkArguments) -> anyhow::Result<ExitCode> {
    let interruption = Interruption::while_preparing("stopped before a trial was taken; nothing was lost")?;
    let study = Study::open(&arguments.study)?;
    if study.is_stopped() {
        let folder = arguments.study.display();
        let text = format!("`{folder}` is stopped; `medley study stop {folder} --undo` lets it be continued");
        return Err(Usage(text).into());
    }
    let data = data_folder::of_study(&study, &arguments.data)?;
    let session = session(&data, &arguments.reading);
    let registry = Registry::of_folder(&data)?;
    interruption.running(&format!("`medley study work {}`", arguments.study.display()));
    let monitor = Monitor::start(&study, arguments.quiet);
    let options = WorkOptions { wait: !arguments.no_wait, ..WorkOptions::default() };
    let code = work_here(&study, &session, &registry, options, &interruption)?;
    drop(monitor);
    if arguments.quiet && !arguments.json { Ok(code) } else { finish(&study, code, arguments.json) }
}

/// Is a worker of a study until there is nothing left to do.
fn work_here(
    study: &Study,
    session: &Session<'_>,
    registry: &Registry,
    options: WorkOptions,
    interruption: &Interruption,
) -> anyhow::Result<ExitCode> {
    let mut trainer = Trainer::new(study, session, registry, interruption.stop.clone())?;
    let done = work(study, &mut trainer, options).map_err(TuneError::from)?;
    trainer.into_failure()?;
    Ok(match done.reason {
        Reason::Interrupted => interruption.note(&format!("`medley study work {}`", study.folder().display())),
        Reason::Stopped => {
            output::note("the study was stopped");
            ExitCode::SUCCESS
        }
        Reason::Done | Reason::TimeOver => ExitCode::SUCCESS,
    })
}

fn finish(study: &Study, code: ExitCode, json: bool) -> anyhow::Result<ExitCode> {
    print_status(study, json)?;
    Ok(code)
}
