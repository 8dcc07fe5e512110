//! A study as a journal of Optuna: one JSON object a line, as `optuna.storages.journal.JournalFileBackend` reads it (Optuna 4 and 5,
//! `optuna/storages/journal/_storage.py`).

use medley_search::{Dimension, Direction, Domain, TrialState, Value};
use serde_json::{Map, Value as Json, json};

use crate::{Overview, TrialOverview};

/// Operations of the journal.
const CREATE_STUDY: u8 = 0;
const STUDY_ATTRIBUTE: u8 = 2;
const CREATE_TRIAL: u8 = 4;

/// States as numbers.
const RUNNING: u8 = 0;
const COMPLETE: u8 = 1;
const PRUNED: u8 = 2;
const FAILED: u8 = 3;
const WAITING: u8 = 4;

/// When trials were begun and ended, which studies do not record: the epoch, so that the same study gives the same file.
const TIME: &str = "1970-01-01T00:00:00.000000";

/// The journal.
pub fn journal(overview: &Overview) -> String {
    let direction = match overview.definition.direction {
        Direction::Minimize => 1,
        Direction::Maximize => 2,
    };
    let worker = format!("medley-{}", env!("CARGO_PKG_VERSION"));
    let mut lines = vec![
        json!({"op_code": CREATE_STUDY, "worker_id": worker, "study_name": overview.name, "directions": [direction]}),
        json!({"op_code": STUDY_ATTRIBUTE, "worker_id": worker, "study_id": 0, "user_attr": {"program": worker}}),
    ];
    for trial in &overview.trials {
        lines.push(line(overview, trial, &worker));
    }
    lines.iter().flat_map(|line| [line.to_string(), "\n".to_owned()]).collect()
}

fn line(overview: &Overview, trial: &TrialOverview, worker: &str) -> Json {
    let (mut parameters, mut distributions) = (Map::new(), Map::new());
    for dimension in overview.definition.space.dimensions() {
        let Some(value) = trial.point.get(&dimension.key) else { continue };
        let Some((internal, distribution)) = parameter(dimension, value) else { continue };
        parameters.insert(dimension.key.clone(), internal);
        distributions.insert(dimension.key.clone(), Json::from(distribution.to_string()));
    }
    let (state, value) = match (trial.state, trial.value) {
        (TrialState::Finished, Some(value)) => (COMPLETE, Some(value)),
        (TrialState::Finished | TrialState::Failed, _) => (FAILED, None),
        // Paused trials may go on here, but for Optuna they ended with what they reported.
        (TrialState::Pruned | TrialState::Paused, _) => (PRUNED, None),
        (TrialState::Running, _) => (RUNNING, None),
        (TrialState::Waiting, _) => (WAITING, None),
    };
    let ended = state == COMPLETE || state == PRUNED || state == FAILED;
    let rungs: Map<String, Json> = trial.rungs.iter().map(|(rung, value)| (rung.to_string(), json!(value))).collect();
    let state_name = format!("{:?}", trial.state).to_lowercase();
    let mut attributes = json!({"medley_state": state_name, "seconds": trial.seconds});
    if let Some(message) = &trial.message {
        attributes["message"] = json!(message);
    }
    let mut line = json!({
        "op_code": CREATE_TRIAL,
        "worker_id": worker,
        "study_id": 0,
        "datetime_start": TIME,
        "state": state,
        "params": parameters,
        "distributions": distributions,
        "user_attrs": attributes,
        "system_attrs": {},
        "intermediate_values": rungs,
    });
    if let Some(value) = value {
        line["value"] = json!(value);
    }
    if ended {
        line["datetime_complete"] = json!(TIME);
    }
    line
}

/// The value as Optuna keeps it, and its distribution.
fn parameter(dimension: &Dimension, value: &Value) -> Option<(Json, Json)> {
    let float = |low: f64, high: f64, log: bool, step: Option<f64>| json!({"name": "FloatDistribution", "attributes": {"low": low, "high": high, "log": log, "step": step}});
    let integer = |low: i64, high: i64, log: bool, step: i64| json!({"name": "IntDistribution", "attributes": {"low": low, "high": high, "log": log, "step": step}});
    let found = match &dimension.domain {
        Domain::Real { low, high, log } => (json!(value.as_float()?), float(*low, *high, *log, None)),
        Domain::Steps { low, step, count } => {
            let high = low + (*count as f64 - 1.0) * step;
            (json!(value.as_float()?), float(*low, high, false, Some(*step)))
        }
        Domain::Integer { low, step, count } => {
            let high = low + (*count as i64 - 1) * step;
            (json!(value.as_integer()?), integer(*low, high, false, *step))
        }
        Domain::LogInteger { low, high } => (json!(value.as_integer()?), integer(*low, *high, true, 1)),
        Domain::Choice(choices) => {
            let index = choices.iter().position(|choice| choice == value)?;
            let choices: Vec<Json> = choices.iter().map(choice).collect();
            let distribution = json!({"name": "CategoricalDistribution", "attributes": {"choices": choices}});
            (json!(index), distribution)
        }
        _ => return None,
    };
    Some(found)
}

/// What Optuna takes as a choice; other values by their text.
fn choice(value: &Value) -> Json {
    match value {
        Value::String(text) => json!(text),
        Value::Integer(number) => json!(number),
        Value::Float(number) => json!(number),
        Value::Boolean(flag) => json!(flag),
        other => json!(other.to_string()),
    }
}
