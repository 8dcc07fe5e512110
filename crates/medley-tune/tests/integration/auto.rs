use std::time::Duration;

use medley_data::Registry;
use medley_predictions::RunFiles;
use medley_train::stop::StopFlag;
use medley_tune::TuneError;
use medley_tune::auto::{AutoRequest, Clock, run};

use crate::lab::{BASE, Lab};

/// A search and networks by what it found, in a few seconds.
#[test]
fn a_time_is_enough_for_a_search_and_networks() {
    let lab = Lab::new();
    std::fs::write(lab.path().join("own.toml"), BASE).unwrap();
    let request = AutoRequest {
        tasks: vec!["breastmnist".into()],
        base: Some(lab.path().join("own.toml")),
        out: lab.path().join("out"),
        seed: 0,
    };
    let (session, stop) = (lab.session(), StopFlag::default());
    // Much is allowed to a slow machine: nothing here is asserted of time.
    let clock = Clock::new(Duration::from_secs(8), Duration::ZERO);
    let runs = run(&request, &session, Registry::builtin(), &clock, &stop, &|_| {}).unwrap().unwrap();
    assert_eq!(runs.phases.len(), 3);
    assert!(runs.members.iter().any(|member| member.trial.is_none()), "the base is among them: {:?}", runs.members);
    for member in &runs.members {
        let layout = medley_core::RunLayout::new(request.out.join("members").join(&member.name));
        let run = RunFiles::read(&layout).unwrap();
        assert!(run.manifest.no_test && run.results.is_some_and(|results| !results.is_tested()));
    }
    let again = run(&request, &session, Registry::builtin(), &clock, &stop, &|_| {});
    assert!(matches!(again, Err(TuneError::OutExists { .. })));
}

#[test]
fn a_stop_ends_it_and_what_is_missing_is_said() {
    let lab = Lab::new();
    let stop = StopFlag::default();
    stop.request();
    let request = |tasks: &[&str], out: &str| AutoRequest {
        tasks: tasks.iter().map(ToString::to_string).collect(),
        base: None,
        out: lab.path().join(out),
        seed: 0,
    };
    let clock = Clock::new(Duration::from_secs(60), Duration::ZERO);
    let session = lab.session();
    let said = |tasks: &[&str], out| run(&request(tasks, out), &session, Registry::builtin(), &clock, &stop, &|_| {});
    assert!(said(&["breastmnist"], "stopped").unwrap().is_none());
    assert!(matches!(said(&[], "none"), Err(TuneError::NoTasks)));
    assert!(said(&["brestmnist"], "typo").unwrap_err().to_string().contains("did you mean \"breastmnist\""));
}
