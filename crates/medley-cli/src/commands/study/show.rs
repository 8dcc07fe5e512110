use std::fmt::Write as _;

use medley_core::text::duration;
use medley_search::Study;

use super::status::{TrialDocument, name};
use super::{runs_of, trial_of};
use crate::args::study::ShowTrialArguments;
use crate::output;

pub(super) fn run(arguments: &ShowTrialArguments) -> anyhow::Result<()> {
    let study = Study::open(&arguments.study)?;
    let trial = trial_of(&study, arguments.trial)?;
    let seconds = study.clock()?.trials.get(&trial.number).copied();
    if arguments.json {
        return output::json(&TrialDocument::of(&trial, seconds));
    }
    let mut text = format!("trial {}  {}", trial.number, name(trial.state));
    if let Some(value) = trial.value {
        let _ = write!(text, ", {value:.4}");
    }
    if let Some(worker) = trial.worker() {
        let _ = write!(text, " by worker {worker}");
    }
    let _ = write!(text, "\n\n{}", trial.point);
    if let Some(message) = &trial.message {
        let _ = write!(text, "\nproblem   {message}\n");
    }
    if !trial.rungs.is_empty() {
        let rungs: Vec<String> = trial.rungs.iter().map(|(rung, value)| format!("{rung}: {value:.4}")).collect();
        let _ = write!(text, "\nreported  {}\n", rungs.join(", "));
    }
    if let Some(seconds) = seconds {
        let _ = writeln!(text, "time      {}", duration(seconds));
    }
    for run in runs_of(&study, trial.number)? {
        let _ = writeln!(text, "run       {}", run.display());
    }
    output::line(text.trim_end())
}
