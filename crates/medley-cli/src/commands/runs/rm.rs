use std::collections::BTreeSet;
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use medley_core::message::listed;
use medley_core::text::plural;
use medley_runs::{Checkpoints, Removal, sweep_removed};
use medley_storage::{RealFs, Shown};

use crate::args::runs::RemoveArguments;
use crate::failure::Usage;
use crate::output;

/// Everything is checked before anything is removed.
pub(super) fn run(arguments: &RemoveArguments) -> anyhow::Result<ExitCode> {
    let named = each_once(&arguments.runs);
    if arguments.checkpoints { free_checkpoints(&named, arguments.yes) } else { remove_runs(&named, arguments.yes) }
}

/// A run that is named twice, in whatever way, is one run.
fn each_once(paths: &[PathBuf]) -> Vec<PathBuf> {
    let mut seen = BTreeSet::new();
    let is_new = |path: &&PathBuf| seen.insert(path.canonicalize().unwrap_or_else(|_| (*path).clone()));
    paths.iter().filter(is_new).cloned().collect()
}

fn remove_runs(named: &[PathBuf], yes: bool) -> anyhow::Result<ExitCode> {
    let mut bytes = 0;
    for path in named {
        let run = Removal::check(path)?;
        bytes += run.bytes();
        if !run.foreign().is_empty() {
            let foreign = listed(run.foreign().iter().map(String::as_str));
            output::note(&format!("`{}` also holds {foreign}, which training did not make", Shown(run.path())));
        }
    }
    let what = match named {
        [run] => format!("`{}`", Shown(run)),
        runs => plural(runs.len(), "run"),
    };
    if !is_wanted(&format!("remove {what}, {}?", output::bytes(bytes)), yes)? {
        return Ok(nothing_removed());
    }
    // Once for each folder: looking through thousands of names takes its time.
    named.iter().filter_map(|path| path.parent()).collect::<BTreeSet<_>>().into_iter().for_each(sweep_removed);
    let mut freed = 0;
    for path in named {
        // Checked again: of thousands of runs not all can be held at once, and one may have been resumed meanwhile.
        let bytes = Removal::check(path)?.carry_out(&RealFs)?;
        freed += bytes;
        output::line(&format!("removed `{}`: {} freed", Shown(path), output::bytes(bytes)))?;
    }
    total(named.len(), freed)
}

fn free_checkpoints(named: &[PathBuf], yes: bool) -> anyhow::Result<ExitCode> {
    let (mut count, mut bytes) = (0, 0);
    for path in named {
        let run = Checkpoints::find(path)?;
        (count, bytes) = (count + run.count(), bytes + run.bytes());
        for reason in run.kept() {
            output::note(&format!("`{}`, {reason}", Shown(run.path())));
        }
    }
    if count == 0 {
        output::note("there are no checkpoints that can be removed");
        return Ok(ExitCode::SUCCESS);
    }
    let checkpoints = plural(count, "checkpoint");
    if !is_wanted(&format!("remove {checkpoints} to continue from, {}?", output::bytes(bytes)), yes)? {
        return Ok(nothing_removed());
    }
    let mut freed = 0;
    for path in named {
        let done = Checkpoints::find(path)?.free(&RealFs)?;
        freed += done.bytes;
        let checkpoints = plural(done.checkpoints, "checkpoint");
        output::line(&format!("removed {checkpoints} of `{}`: {} freed", Shown(path), output::bytes(done.bytes)))?;
    }
    total(named.len(), freed)
}

fn total(runs: usize, freed: u64) -> anyhow::Result<ExitCode> {
    if runs > 1 {
        output::line(&format!("{} freed", output::bytes(freed)))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn nothing_removed() -> ExitCode {
    output::note("nothing was removed");
    ExitCode::SUCCESS
}

/// Asks, unless that was answered on the command line.
fn is_wanted(question: &str, yes: bool) -> anyhow::Result<bool> {
    if yes {
        return Ok(true);
    }
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        let problem = format!("nothing was removed, as there is no terminal to ask: {question} Then add --yes");
        return Err(Usage(problem).into());
    }
    let _ = write!(io::stderr().lock(), "{question} [y/N] ");
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
