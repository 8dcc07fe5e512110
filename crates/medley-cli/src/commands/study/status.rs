use std::fmt::Write as _;

use medley_core::text::{count, duration};
use medley_search::{Direction, Point, Status, Study, TrialRecord, TrialState};
use serde::Serialize;

use crate::args::study::StudyFolder;
use crate::output;

/// Trials that the table has.
const SHOWN: usize = 10;

/// What `--json` prints.
#[derive(Debug, Serialize)]
pub(super) struct Document {
    #[serde(flatten)]
    status: Status,
    trials: Vec<TrialDocument>,
}

/// A trial for other programs.
#[derive(Debug, Serialize)]
pub(super) struct TrialDocument {
    number: u64,
    state: TrialState,
    /// Of a finished trial.
    value: Option<f64>,
    /// What it has reported: epoch and value.
    rungs: Vec<(u64, f64)>,
    /// Seconds that workers have spent on it.
    seconds: Option<f64>,
    worker: Option<u64>,
    message: Option<String>,
    point: Point,
}

impl TrialDocument {
    pub(super) fn of(trial: &TrialRecord, seconds: Option<f64>) -> Self {
        Self {
            number: trial.number,
            state: trial.state,
            value: trial.value,
            rungs: trial.rungs.clone(),
            seconds,
            worker: trial.worker(),
            message: trial.message.clone(),
            point: trial.point.clone(),
        }
    }
}

pub(super) fn run(arguments: &StudyFolder) -> anyhow::Result<()> {
    print(&Study::open(&arguments.study)?, arguments.json)
}

/// Prints how far a study is.
pub(crate) fn print(study: &Study, json: bool) -> anyhow::Result<()> {
    let (status, trials) = study.status_and_trials()?;
    if json {
        let clock = study.clock()?;
        let document = |trial| TrialDocument::of(trial, clock.trials.get(&trial.number).copied());
        return output::json(&Document { status, trials: trials.iter().map(document).collect() });
    }
    output::line(&text(study, &status, &trials))
}

fn text(study: &Study, status: &Status, trials: &[TrialRecord]) -> String {
    let folder = study.folder().display();
    let stopped = if status.stopped { "; stopped" } else { "" };
    let mut text = format!("study   {folder}{stopped}\ntrials  {}\n", counts(status));
    let allowed = status.seconds_allowed.map_or_else(String::new, |seconds| format!(" of {}", duration(seconds)));
    let _ = writeln!(text, "time    {}{allowed} of workers", duration(status.seconds));
    match &status.best {
        None => text.push_str("best    none yet: no trial has finished\n"),
        Some(best) => {
            let _ = writeln!(text, "best    trial {}: {:.4}", best.number, best.value);
            for line in best.point.to_string().lines() {
                let _ = writeln!(text, "          {line}");
            }
        }
    }
    if !trials.is_empty() {
        let shown = ranked(study.definition().direction, trials);
        let rows: Vec<Vec<String>> = shown.iter().take(SHOWN).map(|trial| row(trial)).collect();
        let _ = write!(text, "\n{}", output::table(&["trial", "state", "epochs", "value", "settings"], &rows));
        if trials.len() > SHOWN {
            let more = count((trials.len() - SHOWN) as u64);
            let _ = write!(text, "\n… and {more} more, which --json has");
        }
    }
    text.trim_end().to_owned()
}

/// `12 of 50: 8 finished, 3 pruned, 1 running`.
fn counts(status: &Status) -> String {
    let all: usize = status.counts.values().sum();
    let of = status.budget.map_or_else(String::new, |budget| format!(" of {}", count(budget)));
    let counted: Vec<String> =
        status.counts.iter().map(|(state, number)| format!("{number} {}", name(*state))).collect();
    let counted = if counted.is_empty() { "none begun".to_owned() } else { counted.join(", ") };
    format!("{}{of}: {counted}", count(all as u64))
}

pub(crate) fn name(state: TrialState) -> &'static str {
    match state {
        TrialState::Running => "running",
        TrialState::Waiting => "waiting",
        TrialState::Paused => "paused",
        TrialState::Finished => "finished",
        TrialState::Pruned => "pruned",
        TrialState::Failed => "failed",
    }
}

/// Finished trials by their values, then the others by how far they came and how they stood there.
fn ranked(direction: Direction, trials: &[TrialRecord]) -> Vec<&TrialRecord> {
    let mut ranked: Vec<&TrialRecord> = trials.iter().collect();
    let key = |trial: &TrialRecord| {
        let (rung, last) = trial.rungs.last().copied().unwrap_or_default();
        let value = trial.value.unwrap_or(last);
        (trial.value.is_none(), std::cmp::Reverse(if trial.value.is_some() { 0 } else { rung }), direction.loss(value))
    };
    ranked.sort_by(|a, b| {
        let (a_key, b_key) = (key(a), key(b));
        (a_key.0, a_key.1).cmp(&(b_key.0, b_key.1)).then(a_key.2.total_cmp(&b_key.2)).then(a.number.cmp(&b.number))
    });
    ranked
}

fn row(trial: &TrialRecord) -> Vec<String> {
    let last = trial.rungs.last();
    let value = trial.value.or(last.map(|(_, value)| *value));
    vec![
        trial.number.to_string(),
        name(trial.state).to_owned(),
        last.map_or_else(|| "-".to_owned(), |(rung, _)| rung.to_string()),
        value.map_or_else(|| "-".to_owned(), |value| format!("{value:.4}")),
        settings(&trial.point),
    ]
}

/// A point on one line.
pub(super) fn settings(point: &Point) -> String {
    let value = |value: &medley_search::Value| match value {
        medley_search::Value::Float(number) => format!("{number:.4}"),
        medley_search::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    // The last part of a key says enough beside the others.
    let short = |key: &str| key.rsplit('.').next().unwrap_or(key).to_owned();
    point.iter().map(|(key, one)| format!("{}={}", short(key), value(one))).collect::<Vec<_>>().join(" ")
}
