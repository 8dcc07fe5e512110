//! Several workers of a study on this machine, each a process.

use std::path::Path;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use medley_cli::args::study::RunStudyArguments;
use medley_cli::output::note;
use medley_search::Study;
use rustix::process::{Pid, Signal, kill_process};

use crate::interruption::Interruption;

/// How often processes are looked at.
const INTERVAL: Duration = Duration::from_millis(20);

/// Starts the workers, and waits until all have ended. A signal is passed on once: they put their trials back.
pub(super) fn run(
    study: &Study,
    arguments: &RunStudyArguments,
    data: &Path,
    interruption: &Interruption,
) -> anyhow::Result<ExitCode> {
    let mut workers =
        (0..arguments.workers).map(|_| start(study, arguments, data)).collect::<anyhow::Result<Vec<_>>>()?;
    let (mut passed_on, mut failed) = (false, None);
    while !workers.is_empty() {
        if interruption.stop.requested() && !passed_on {
            passed_on = true;
            for worker in &workers {
                // One that has just ended needs none.
                let _ = kill_process(Pid::from_child(worker), Signal::TERM);
            }
        }
        let mut at_work = Vec::new();
        for mut worker in workers {
            match worker.try_wait().context("waiting for a worker")? {
                None => at_work.push(worker),
                Some(status) if status.success() || passed_on => {}
                Some(status) => {
                    note(&format!("a worker ended early ({status})"));
                    failed = Some(status);
                }
            }
        }
        workers = at_work;
        std::thread::sleep(INTERVAL);
    }
    if passed_on {
        return Ok(interruption.note(&format!("`medley study work {}`", study.folder().display())));
    }
    end(study, failed)
}

/// A worker that failed is of no consequence where the others came to the end.
fn end(study: &Study, failed: Option<ExitStatus>) -> anyhow::Result<ExitCode> {
    let Some(failed) = failed else { return Ok(ExitCode::SUCCESS) };
    if study.is_complete()? {
        return Ok(ExitCode::SUCCESS);
    }
    match failed.code().and_then(|code| u8::try_from(code).ok()) {
        Some(code) => Ok(ExitCode::from(code)),
        None => bail!("all workers have ended, and trials are left: `medley study work {}`", study.folder().display()),
    }
}

fn start(study: &Study, arguments: &RunStudyArguments, data: &Path) -> anyhow::Result<Child> {
    let program = std::env::current_exe().context("finding this program")?;
    let mut command = Command::new(program);
    command.args(["study", "work", "--quiet"]).arg(study.folder()).arg("--data").arg(data);
    if let Some(memory) = arguments.reading.memory {
        command.arg("--memory").arg(memory.to_string());
    }
    if let Some(cache) = &arguments.reading.cache {
        command.arg("--cache").arg(cache);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null());
    // Ctrl-C of a terminal is for this process, which passes it on.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command.spawn().context("starting a worker")
}
