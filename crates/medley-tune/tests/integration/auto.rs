use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use medley_core::RunLayout;
use medley_data::Registry;
use medley_predictions::RunFiles;
use medley_studies::auto::MemberRecord;
use medley_train::stop::StopFlag;
use medley_tune::TuneError;
use medley_tune::auto::{Auto, AutoRequest, AutoRuns, Clock, Finishing, Surroundings, predict_test};

use crate::lab::{BASE, Lab};

fn request(lab: &Lab, out: &str) -> AutoRequest {
    std::fs::write(lab.path().join("own.toml"), BASE).unwrap();
    AutoRequest {
        tasks: vec!["breastmnist".into()],
        base: Some(lab.path().join("own.toml")),
        out: lab.path().join(out),
        seed: 0,
    }
}

/// Nobody listens, and what follows takes a second.
struct Alone;

impl Surroundings for Alone {
    fn say(&self, _: &str) {}

    fn rehearse(&self, members: &[MemberRecord]) -> Option<Finishing> {
        assert!(!members.is_empty());
        Some(Finishing { combined: 0.2, packaged: 0.02 })
    }
}

fn clock(seconds: u64) -> Clock {
    Clock::new(Duration::from_secs(seconds), Duration::ZERO)
}

fn run(lab: &Lab, request: &AutoRequest, clock: Clock, stop: &StopFlag) -> Result<Option<AutoRuns>, TuneError> {
    let auto = Auto::begin(request.clone(), clock, Registry::builtin())?;
    auto.run(&lab.session(), Registry::builtin(), &BTreeMap::new(), stop, &Alone)
}

/// A search and networks by what it found, in a few seconds; then again, after it was stopped.
#[test]
fn a_time_is_enough_for_a_search_and_networks() {
    let lab = Lab::new();
    // A machine that is busy finishes nothing in a few seconds, and then has more: nothing here is asserted of time.
    let within = |seconds: u64| {
        let request = request(&lab, &format!("out-{seconds}"));
        match run(&lab, &request, clock(seconds), &StopFlag::default()) {
            Err(TuneError::NothingFinished { .. } | TuneError::TooLittleTime { .. }) => None,
            runs => Some((seconds, request, runs.unwrap().unwrap())),
        }
    };
    let (seconds, request, runs) = [24, 60, 300].into_iter().find_map(within).unwrap();
    assert_eq!(runs.phases.len(), 4, "{:?}", runs.phases);
    assert!(!runs.members.is_empty());
    for member in &runs.members {
        let root = request.out.join(&member.folder);
        let run = RunFiles::read(&RunLayout::new(&root)).unwrap();
        assert!(run.manifest.no_test && run.results.is_some_and(|results| !results.is_tested()));
    }
    // All networks of a recipe are laid out alike: predictions of its folds are put together.
    let config = |member: &MemberRecord| {
        let text = std::fs::read_to_string(RunLayout::new(request.out.join(&member.folder)).config()).unwrap();
        let table: toml::Table = text.parse().unwrap();
        (member.trial, table["train"].clone(), table["optimizer"].clone())
    };
    let configs: Vec<_> = runs.members.iter().map(config).collect();
    for (trial, train, optimizer) in &configs {
        let same = configs.iter().filter(|other| other.0 == *trial);
        assert!(same.into_iter().all(|other| other.1 == *train && other.2 == *optimizer));
    }
    let first = request.out.join(&runs.members[0].folder);
    let predicted = predict_test(&first, &lab.session(), Registry::builtin(), &StopFlag::default()).unwrap().unwrap();
    assert!(predicted.len() == 1 && predicted[0].rows() > 0);
    assert!(RunFiles::read(&RunLayout::new(&first)).unwrap().manifest.test_openings.is_empty());

    // What it has is used again; where it stopped a little early, it may go on.
    let again = run(&lab, &request, clock(seconds), &StopFlag::default()).unwrap().unwrap();
    assert!(runs.members.iter().all(|member| again.members.contains(member)), "{:?} {:?}", runs.members, again.members);
    let other = AutoRequest { seed: 1, ..request.clone() };
    let refused = run(&lab, &other, clock(seconds), &StopFlag::default());
    assert!(matches!(refused, Err(TuneError::OtherRequest { what: "--seed", .. })));
}

#[test]
fn a_stop_ends_it_and_what_is_missing_is_said() {
    let lab = Lab::new();
    let stop = StopFlag::default();
    stop.request();
    let own = request(&lab, "stopped");
    assert!(run(&lab, &own, clock(60), &stop).unwrap().is_none());
    assert!(own.out.join("progress.json").exists());

    let named = |tasks: &[&str], out: &str| AutoRequest {
        tasks: tasks.iter().map(ToString::to_string).collect(),
        base: None,
        out: lab.path().join(out),
        seed: 0,
    };
    assert!(matches!(run(&lab, &named(&[], "none"), clock(60), &stop), Err(TuneError::NoTasks)));
    let typo = run(&lab, &named(&["brestmnist"], "typo"), clock(60), &stop).unwrap_err().to_string();
    assert!(typo.contains("breastmnist"), "{typo}");
    let missing = run(&lab, &named(&["octmnist"], "missing"), clock(60), &stop);
    assert!(missing.is_err());
    let little = run(&lab, &AutoRequest { out: lab.path().join("little"), ..own.clone() }, clock(1), &stop);
    let Err(TuneError::TooLittleTime { needed, .. }) = little else { panic!("{little:?}") };
    assert!(needed > 1.0);
    for folder in ["none", "typo", "missing", "little"] {
        assert!(!lab.path().join(folder).exists(), "{folder} was left behind");
    }
    std::fs::create_dir(lab.path().join("theirs")).unwrap();
    let theirs = run(&lab, &AutoRequest { out: lab.path().join("theirs"), ..own }, clock(60), &stop);
    assert!(matches!(theirs, Err(TuneError::OutExists { .. })));
    assert!(Path::new(&lab.path().join("theirs")).is_dir());
}
