//! A run on a server: found or made, told, ended.

use serde::Serialize;
use serde_json::{Value, json};

use crate::server::may_pass;
use crate::{LoggedRun, MlflowError, Point, Series, Server};

/// What MLflow takes at once.
const METRICS: usize = 1_000;
const PAIRS: usize = 100;
/// The tag that puts a run below another.
const PARENT: &str = "mlflow.parentRunId";
const SEED: &str = "medley.seed";
/// What runs are found by, beside their seed.
const FOUND_BY: [&str; 3] = ["medley.run", "medley.config_sha256", "medley.created"];

/// What was logged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Exported {
    /// The run.
    pub run: String,
    /// The MLflow run; of several seeds, their parent.
    pub run_id: String,
    /// Its page.
    pub page: String,
    /// MLflow runs of single seeds below it.
    pub seeds: usize,
    /// Values of metrics.
    pub values: usize,
    /// Files that the server took.
    pub artifacts: usize,
    /// Whether it had been logged before.
    pub known: bool,
}

/// Logs a run to an experiment of a server. Logged again, it is found, and nothing is there twice.
///
/// # Errors
/// [`MlflowError`]. What was logged before stays, and logging the run again goes on.
pub fn export(run: &LoggedRun, server: &Server, experiment: &str) -> Result<Exported, MlflowError> {
    let experiment = server.experiment(experiment)?;
    let alone = match run.seeds.len() {
        1 => run.seeds.iter().next(),
        _ => None,
    };
    let seed_tag = alone.map_or_else(|| "all".to_owned(), |(seed, _)| seed.to_string());
    let (run_id, artifacts, known) = found_or_made(run, server, &experiment, &run.name, &[(SEED, &seed_tag)])?;
    let series = alone.map_or(&run.means, |(_, series)| series);
    let mut values = tell(server, &run_id, series, &run.params, &run.tags)?;
    let mut seeds = 0;
    if alone.is_none() {
        for (seed, series) in &run.seeds {
            let (name, number) = (format!("{}-seed{seed}", run.name), seed.to_string());
            let more = [(SEED, number.as_str()), (PARENT, run_id.as_str())];
            let (id, ..) = found_or_made(run, server, &experiment, &name, &more)?;
            values += tell(server, &id, series, &run.params, &[])?;
            end(server, &id, run)?;
            seeds += 1;
        }
    }
    let mut sent = 0;
    for (name, bytes) in &run.artifacts {
        sent += usize::from(server.upload(&artifacts, name, bytes)?);
    }
    end(server, &run_id, run)?;
    let page = server.page(&experiment, &run_id);
    Ok(Exported { run: run.name.clone(), run_id, page, seeds, values, artifacts: sent, known })
}

/// The run with these tags beside its own; its identifier, where its artifacts go, and whether it was there.
fn found_or_made(
    run: &LoggedRun,
    server: &Server,
    experiment: &str,
    name: &str,
    more: &[(&str, &str)],
) -> Result<(String, String, bool), MlflowError> {
    let own = [run.name.as_str(), &run.config_sha256, &run.created];
    let by: Vec<(&str, &str)> = FOUND_BY.into_iter().zip(own).chain(more.iter().copied()).collect();
    if let Some((id, artifacts)) = server.find(experiment, &by)? {
        return Ok((id, artifacts, true));
    }
    let tags: Vec<(String, String)> = by.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let made = match server.create(experiment, name, run.begun, &tags) {
        Err(error) if is_lost(&error) => {
            server.pause();
            // It may have been made, and the answer lost.
            match server.find(experiment, &by)? {
                Some(made) => made,
                None => server.create(experiment, name, run.begun, &tags)?,
            }
        }
        made => made?,
    };
    Ok((made.0, made.1, false))
}

/// Whether it is not known what became of a request, or the server will take it later.
fn is_lost(error: &MlflowError) -> bool {
    match error {
        MlflowError::Unreachable { .. } | MlflowError::Answer { .. } => true,
        MlflowError::Refused { status, .. } => may_pass(*status),
        _ => false,
    }
}

/// Logs parameters, tags and metrics, as many at once as MLflow takes.
fn tell(
    server: &Server,
    run: &str,
    series: &Series,
    params: &[(String, String)],
    tags: &[(String, String)],
) -> Result<usize, MlflowError> {
    for some in params.chunks(PAIRS) {
        server.log(run, &[], some, &[])?;
    }
    for some in tags.chunks(PAIRS) {
        server.log(run, &[], &[], some)?;
    }
    let metric = |(name, points): (&String, &Vec<Point>)| -> Vec<Value> {
        let of =
            |point: &Point| json!({ "key": name, "value": point.value, "timestamp": point.time, "step": point.step });
        points.iter().map(of).collect()
    };
    let metrics: Vec<Value> = series.iter().flat_map(metric).collect();
    for some in metrics.chunks(METRICS) {
        server.log(run, some, &[], &[])?;
    }
    Ok(metrics.len())
}

/// A run without results is running, or was interrupted: which of them, only its folder knows.
fn end(server: &Server, id: &str, run: &LoggedRun) -> Result<(), MlflowError> {
    match run.ended {
        Some(ended) => server.end(id, "FINISHED", Some(ended)),
        None => server.end(id, "RUNNING", None),
    }
}
