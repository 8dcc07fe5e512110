//! Runs are logged to a server of our own that answers as MLflow does.
#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(clippy::disallowed_methods, reason = "fixtures of tests need not survive a crash")]

mod server;

use std::collections::BTreeMap;
use std::time::Duration;

use medley_mlflow::{Credentials, LoggedRun, MlflowError, Point, Series, Server, ServerOptions, export};
use serde_json::Value;

use server::Mlflow;

fn options() -> ServerOptions {
    ServerOptions { timeout: Duration::from_secs(10), pause: Duration::from_millis(1), ..ServerOptions::default() }
}

/// A run with so many seeds and epochs.
fn run(seeds: u64, epochs: usize) -> LoggedRun {
    let series = |seed: u64| -> Series {
        let point = |step: usize| Point { step, time: 1_000 * step as i64, value: seed as f64 + step as f64 / 10.0 };
        BTreeMap::from([("train_loss".to_owned(), (1..=epochs).map(point).collect())])
    };
    LoggedRun {
        name: "first-1".into(),
        config_sha256: "abc".into(),
        created: "2026-01-01T00:00:00Z".into(),
        begun: 1_000,
        ended: Some(9_000),
        params: (0..150).map(|key| (format!("key.{key}"), key.to_string())).collect(),
        tags: vec![("medley.tasks".into(), "breastmnist".into())],
        seeds: (0..seeds).map(|seed| (seed, series(seed))).collect(),
        means: BTreeMap::from([("test_harmonic_mean".to_owned(), vec![Point { step: 0, time: 9_000, value: 0.5 }])]),
        artifacts: vec![("report.html".into(), b"<html>".to_vec()), ("a b.csv".into(), vec![0; 10])],
    }
}

#[test]
fn a_run_is_told_with_everything_and_in_portions() {
    let mlflow = Mlflow::start();
    let server = Server::new(&mlflow.url, options()).unwrap();
    let exported = export(&run(1, 1_200), &server, "my experiment").unwrap();
    assert_eq!((exported.values, exported.artifacts, exported.seeds, exported.known), (1_200, 2, 0, false));
    assert_eq!(exported.page, format!("{}/#/experiments/1/runs/run-1", mlflow.url));
    let state = mlflow.state();
    assert_eq!(state.experiments, ["my experiment"]);
    let logged = &state.runs["run-1"];
    assert_eq!((logged.name.as_str(), logged.status.as_str()), ("first-1", "FINISHED"));
    assert_eq!((logged.params.len(), logged.metrics.len()), (150, 1_200));
    assert_eq!(logged.tags["medley.seed"], "0");
    assert_eq!(logged.ended, Some(9_000));
    assert!(state.largest.0 <= 1_000 && state.largest.1 <= 100, "{:?}", state.largest);
    let files: Vec<&str> = state.files.keys().map(String::as_str).collect();
    assert_eq!(files, ["1/run-1/artifacts/a%20b.csv", "1/run-1/artifacts/report.html"]);
}

#[test]
fn seeds_stand_below_their_parent() {
    let mlflow = Mlflow::start();
    let server = Server::new(&mlflow.url, options()).unwrap();
    let exported = export(&run(3, 4), &server, "medley").unwrap();
    assert_eq!((exported.seeds, exported.values), (3, 13));
    let state = mlflow.state();
    let parent = &state.runs[&exported.run_id];
    assert_eq!(parent.metrics.len(), 1);
    let below: Vec<_> =
        state.runs.values().filter(|run| run.tags.get("mlflow.parentRunId") == Some(&exported.run_id)).collect();
    assert_eq!(below.len(), 3);
    assert!(below.iter().all(|run| run.metrics.len() == 4 && run.status == "FINISHED"));
}

#[test]
fn logged_again_it_is_found() {
    let mlflow = Mlflow::start();
    let server = Server::new(&mlflow.url, options()).unwrap();
    let first = export(&run(2, 3), &server, "medley").unwrap();
    let again = export(&run(2, 3), &server, "medley").unwrap();
    assert_eq!((first.known, again.known, &first.run_id), (false, true, &again.run_id));
    assert_eq!(mlflow.state().runs.len(), 3);
    // Cut off in the middle, it goes on.
    let cut = Mlflow::start();
    cut.refuse_after(6);
    let server = Server::new(&cut.url, options()).unwrap();
    let error = export(&run(2, 3), &server, "medley").unwrap_err();
    assert!(matches!(error, MlflowError::Refused { status: 500, .. }), "{error}");
    cut.refuse_after(usize::MAX);
    export(&run(2, 3), &server, "medley").unwrap();
    assert_eq!(cut.state().runs.len(), 3);
}

#[test]
fn a_run_that_is_unfinished_stays_open() {
    let mlflow = Mlflow::start();
    let server = Server::new(&mlflow.url, options()).unwrap();
    let unfinished = LoggedRun { ended: None, ..run(1, 1) };
    let exported = export(&unfinished, &server, "medley").unwrap();
    assert_eq!(mlflow.state().runs[&exported.run_id].status, "RUNNING");
}

#[test]
fn credentials_are_sent_and_never_said() {
    let mlflow = Mlflow::start();
    let basic = Credentials::Basic { user: "me".into(), password: "secret".into() };
    for (credentials, header) in [(Credentials::Token("secret".into()), "Bearer secret"), (basic, "Basic bWU6c2VjcmV0")]
    {
        let server = Server::new(&mlflow.url, ServerOptions { credentials: Some(credentials), ..options() }).unwrap();
        server.experiment("medley").unwrap();
        assert_eq!(mlflow.state().authorization.last().map(String::as_str), Some(header));
    }
    mlflow.refuse_after(0);
    let token = Some(Credentials::Token("secret".into()));
    let server = Server::new(&mlflow.url, ServerOptions { credentials: token, ..options() }).unwrap();
    let message = server.experiment("medley").unwrap_err().to_string();
    assert!(!message.contains("secret") && message.contains("answered 500"), "{message}");
}

#[test]
fn what_is_no_mlflow_server_is_said() {
    for (body, says) in [("<html>", "no JSON"), ("{}", "no `/experiment/experiment_id`"), ("[]", "no `/experiment")] {
        let other = Mlflow::answering(body);
        let server = Server::new(&other.url, options()).unwrap();
        let error = server.experiment("medley").unwrap_err();
        assert!(matches!(error, MlflowError::Answer { .. }) && error.to_string().contains(says), "{error}");
    }
}

#[test]
fn a_busy_server_is_asked_again() {
    let mlflow = Mlflow::start();
    mlflow.busy_for(2);
    let server = Server::new(&mlflow.url, options()).unwrap();
    assert_eq!(server.experiment("medley").unwrap(), "1");
    mlflow.busy_for(9);
    let error = server.experiment("medley").unwrap_err();
    assert!(matches!(error, MlflowError::Refused { status: 503, .. }), "{error}");
}

#[test]
fn other_stores_keep_their_artifacts() {
    let mlflow = Mlflow::start();
    let server = Server::new(&mlflow.url, options()).unwrap();
    for store in ["s3://bucket/1", "/tmp/mlruns/1", "file:///tmp/1"] {
        assert!(!server.upload(store, "report.html", b"x").unwrap(), "{store}");
    }
    assert!(server.upload("mlflow-artifacts://host:5000/1/x/artifacts", "report.html", b"x").unwrap());
    assert_eq!(mlflow.state().files.keys().next().map(String::as_str), Some("1/x/artifacts/report.html"));
    assert!(matches!(serde_json::from_str::<Value>("{}"), Ok(Value::Object(_))));
}
