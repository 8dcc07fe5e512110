#![allow(clippy::disallowed_methods, reason = "fixtures of tests need not survive a crash")]

use medley_storage::{Fault, FaultyFs};
use tempfile::TempDir;

use super::*;

const QUICK: WorkOptions = WorkOptions { lease: Duration::from_mins(1), poll: Duration::from_millis(1), wait: false };

/// Reports three rungs; the value is a function of point and seed.
#[derive(Default)]
struct Curve {
    /// Numbers of trials, with the rungs that were there when they were begun.
    begun: Vec<(u64, usize)>,
    /// Stops by itself in this evaluation.
    stops_at: Option<usize>,
}

fn value_at(trial: &Trial, rung: u64) -> f64 {
    let x = trial.settings["x"].as_float().unwrap();
    (x - 0.3).abs() + (trial.seed % 97) as f64 * 1e-6 + 1.0 / rung as f64
}

impl Objective for Curve {
    fn evaluate(&mut self, trial: &Trial, report: &mut dyn FnMut(u64, f64) -> Verdict) -> Result<Evaluation, String> {
        self.begun.push((trial.number, trial.rungs.len()));
        let resumed = trial.rungs.last().map_or(0, |(rung, _)| *rung);
        for rung in [1, 3, 9].into_iter().filter(|rung| *rung > resumed) {
            if self.stops_at == Some(self.begun.len()) {
                return Ok(Evaluation::Stopped);
            }
            if report(rung, value_at(trial, rung)) != Verdict::Continue {
                return Ok(Evaluation::Stopped);
            }
        }
        Ok(Evaluation::Finished(value_at(trial, 9)))
    }
}

fn text(trials: u64, rest: &str) -> String {
    format!(
        "seed = 5\ndirection = \"minimize\"\n[budget]\ntrials = {trials}\n{rest}\n[space]\nx = {{ uniform = [0.0, 1.0] }}\n"
    )
}

fn study(trials: u64, rest: &str) -> (TempDir, Study) {
    let folder = tempfile::tempdir().unwrap();
    let study = Study::create(folder.path(), "s", "s.toml".as_ref(), &text(trials, rest)).unwrap();
    (folder, study)
}

/// What a study has come to: everything but who did it.
fn result(study: &Study) -> Vec<TrialRecord> {
    study.trials().unwrap().into_iter().map(|record| TrialRecord { lease: None, ..record }).collect()
}

const KINDS: [&str; 4] = [
    "[sampler]\nname = \"tpe\"\nstartup = 4",
    "[sampler]\nname = \"random\"\n[pruner]\nname = \"asha\"\nlast = 9",
    "[sampler]\nname = \"tpe\"\nstartup = 4\n[pruner]\nname = \"median\"\nstartup = 2",
    "[sampler]\nname = \"sobol\"\n[pruner]\nname = \"hyperband\"\nlast = 9",
];

#[test]
fn a_study_is_worked_off_and_can_be_derived_again() {
    for kind in KINDS {
        let (_folder, study) = study(12, kind);
        let mut objective = Curve::default();
        let done = work(&study, &mut objective, QUICK).unwrap();
        assert_eq!((done.worker, done.reason), (0, Reason::Done));
        let trials = result(&study);
        assert_eq!(trials.iter().map(|trial| trial.number).collect::<Vec<_>>(), (0..12).collect::<Vec<_>>());
        for trial in &trials {
            assert!(trial.state.has_ended() || trial.state == TrialState::Paused, "{trial:?}");
            assert_eq!(study.derive(trial.number).unwrap().as_ref(), Some(&trial.point), "{kind}");
        }
        let status = study.status().unwrap();
        assert_eq!((status.budget.unwrap(), status.counts.values().sum::<usize>()), (12, 12));
        let best = status.best.unwrap();
        assert!(trials.iter().all(|trial| trial.value.is_none_or(|value| value >= best.value)));
        let again = work(&study, &mut objective, QUICK).unwrap();
        assert_eq!((again.worker, again.evaluations), (1, 0), "there is nothing left");
        if kind.contains("asha") {
            assert!(objective.begun.iter().any(|(_, rungs)| *rungs > 0), "none was promoted");
        }
    }
}

/// Whichever operation fails, and however: another worker brings the study to the same end.
#[test]
fn whatever_fails_the_next_worker_comes_to_the_same_end() {
    for (kind, fault) in KINDS.iter().zip([Fault::Crash, Fault::DiskFull, Fault::Torn, Fault::Crash]) {
        let reference = {
            let (_folder, study) = study(3, kind);
            work(&study, &mut Curve::default(), QUICK).unwrap();
            result(&study)
        };
        for fail_at in 0.. {
            let (_folder, study) = study(3, kind);
            let storage = FaultyFs::new(fail_at, fault);
            let first = Worker::new(&study, &storage, QUICK).and_then(|worker| worker.run(&mut Curve::default()));
            if !storage.tripped() {
                assert_eq!(result(&study), reference);
                break;
            }
            assert!(first.is_err(), "{kind} {fail_at}");
            // As if its process had ended: this one runs, so its leases are given back by hand.
            for trial in study.trials().unwrap() {
                if let Some(lease @ LeaseName { owner: Owner::Worker(_), .. }) = &trial.lease {
                    let files = study.trial_folder(trial.number);
                    let next = LeaseName { generation: lease.generation + 1, owner: Owner::Waiting };
                    std::fs::rename(files.join(lease.to_string()), files.join(next.to_string())).unwrap();
                }
            }
            work(&study, &mut Curve::default(), QUICK).unwrap();
            assert_eq!(result(&study), reference, "{kind} {fault:?} {fail_at}");
        }
    }
}

#[test]
fn a_study_is_complete_when_a_worker_would_find_nothing() {
    let grid = "[sampler]\nname = \"grid\"\nlevels = 2";
    for kind in KINDS.iter().copied().chain([grid]) {
        let (_folder, study) = study(3, kind);
        let mut workers = 0;
        while !study.is_complete().unwrap() {
            let mut objective = Curve { stops_at: Some(2), ..Curve::default() };
            assert!(work(&study, &mut objective, QUICK).unwrap().evaluations > 0, "{kind} after {workers} workers");
            workers += 1;
        }
        assert!(workers >= if kind == grid { 2 } else { 3 }, "{kind}");
        assert_eq!(work(&study, &mut Curve::default(), QUICK).unwrap().evaluations, 0, "{kind}");
    }
}

/// A signal is heeded while there is nothing to take, and before a trial is made.
#[test]
fn an_interrupted_worker_does_not_wait_for_others() {
    struct Interrupted(usize);
    impl Objective for Interrupted {
        fn evaluate(&mut self, _: &Trial, _: &mut dyn FnMut(u64, f64) -> Verdict) -> Result<Evaluation, String> {
            self.0 += 1;
            Ok(Evaluation::Stopped)
        }

        fn is_interrupted(&self) -> bool {
            true
        }
    }
    let (_folder, study) = study(1, KINDS[0]);
    let waiting = WorkOptions { wait: true, ..QUICK };
    let mut objective = Interrupted(0);
    assert_eq!(work(&study, &mut objective, waiting).unwrap().reason, Reason::Interrupted);
    assert_eq!((objective.0, study.trials().unwrap().len()), (0, 0));
}

#[test]
fn a_stopped_study_goes_on_where_it_was() {
    let (_folder, study) = study(4, KINDS[0]);
    study.stop().unwrap();
    assert_eq!(work(&study, &mut Curve::default(), QUICK).unwrap().reason, Reason::Stopped);
    assert_eq!(study.trials().unwrap(), []);
    study.resume().unwrap();
    let mut interrupted = Curve { stops_at: Some(2), ..Curve::default() };
    assert_eq!(work(&study, &mut interrupted, QUICK).unwrap().reason, Reason::Interrupted);
    assert_eq!(study.trials().unwrap()[1].state, TrialState::Waiting);
    let mut objective = Curve::default();
    work(&study, &mut objective, QUICK).unwrap();
    assert_eq!(objective.begun, [(1, 0), (2, 0), (3, 0)]);
    study.extend(2, Duration::ZERO).unwrap();
    study.extend(1, Duration::ZERO).unwrap();
    work(&study, &mut objective, QUICK).unwrap();
    assert_eq!((study.budget().unwrap(), study.trials().unwrap().len()), (7, 7));
}

#[test]
fn a_stop_in_the_middle_keeps_the_rungs() {
    struct Stops<'a>(&'a Study);
    impl Objective for Stops<'_> {
        fn evaluate(
            &mut self,
            trial: &Trial,
            report: &mut dyn FnMut(u64, f64) -> Verdict,
        ) -> Result<Evaluation, String> {
            assert_eq!(report(1, value_at(trial, 1)), Verdict::Continue);
            self.0.stop().unwrap();
            assert_eq!(report(3, value_at(trial, 3)), Verdict::Leave);
            assert_eq!(report(9, value_at(trial, 9)), Verdict::Leave, "and so it stays");
            Ok(Evaluation::Stopped)
        }
    }
    let (_folder, study) = study(1, "");
    assert_eq!(work(&study, &mut Stops(&study), QUICK).unwrap().reason, Reason::Stopped);
    study.resume().unwrap();
    let mut objective = Curve::default();
    work(&study, &mut objective, QUICK).unwrap();
    assert_eq!(objective.begun, [(0, 2)]);
    assert_eq!(study.trials().unwrap()[0].rungs.len(), 3);
}

#[test]
fn what_cannot_be_evaluated_fails_and_the_rest_goes_on() {
    struct Bad;
    impl Objective for Bad {
        fn evaluate(
            &mut self,
            trial: &Trial,
            report: &mut dyn FnMut(u64, f64) -> Verdict,
        ) -> Result<Evaluation, String> {
            match trial.number {
                0 => Err("no data".to_owned()),
                1 => Ok(Evaluation::Finished(f64::NAN)),
                2 => {
                    assert_eq!(report(1, f64::INFINITY), Verdict::Leave);
                    Ok(Evaluation::Finished(1.0))
                }
                3 => {
                    report(5, 1.0);
                    report(4, 1.0);
                    Ok(Evaluation::Finished(1.0))
                }
                _ => Ok(Evaluation::Finished(0.5)),
            }
        }
    }
    let (_folder, study) = study(6, "");
    work(&study, &mut Bad, QUICK).unwrap();
    let messages: Vec<_> = study.trials().unwrap().into_iter().map(|trial| trial.message.unwrap_or_default()).collect();
    let says = [
        "no data",
        "its value is NaN",
        "the value at rung 1 is inf",
        "rung 4 was reported after rung 5; rungs must go up",
        "",
        "",
    ];
    assert_eq!(messages, says);
    assert_eq!(study.status().unwrap().best.unwrap().number, 4);
}

#[test]
fn a_worker_that_lost_its_lease_records_nothing() {
    struct Robbed<'a>(&'a Study);
    impl Objective for Robbed<'_> {
        fn evaluate(
            &mut self,
            trial: &Trial,
            report: &mut dyn FnMut(u64, f64) -> Verdict,
        ) -> Result<Evaluation, String> {
            if trial.number == 0 && trial.rungs.is_empty() {
                report(1, 1.0);
                let record = &self.0.trials().unwrap()[0];
                let thief = Holder { worker: 99, ..Holder::this(99) };
                let lease = record.lease.clone().unwrap();
                let mut lease = Lease::take(&RealFs, &trial.folder, 0, &lease, &thief).unwrap().unwrap();
                assert_eq!(report(3, 1.0), Verdict::Leave);
                lease.pass(Owner::Waiting).unwrap();
                return Ok(Evaluation::Finished(-1.0));
            }
            Ok(Evaluation::Finished(2.0))
        }
    }
    let (_folder, study) = study(2, "");
    work(&study, &mut Robbed(&study), QUICK).unwrap();
    let trials = study.trials().unwrap();
    assert_eq!((trials[0].value, &trials[0].rungs[..]), (Some(2.0), &[(1, 1.0)][..]));
}

#[test]
fn patience_ends_a_trial_with_its_best_value() {
    struct Peak;
    impl Objective for Peak {
        fn evaluate(&mut self, _: &Trial, report: &mut dyn FnMut(u64, f64) -> Verdict) -> Result<Evaluation, String> {
            let values = [3.0, 1.0, 2.0, 2.5, 0.0];
            let stop = (1..).zip(values).find(|(rung, value)| report(*rung, *value) != Verdict::Continue);
            assert_eq!(stop, Some((4, 2.5)));
            Ok(Evaluation::Stopped)
        }
    }
    let (_folder, study) = study(1, "[pruner]\nname = \"patience\"\nreports = 2");
    work(&study, &mut Peak, QUICK).unwrap();
    assert_eq!((study.trials().unwrap()[0].state, study.trials().unwrap()[0].value), (TrialState::Finished, Some(1.0)));
}

#[test]
fn a_trial_whose_lease_was_removed_is_for_anyone() {
    let (_folder, study) = study(2, "");
    let mut interrupted = Curve { stops_at: Some(2), ..Curve::default() };
    work(&study, &mut interrupted, QUICK).unwrap();
    let lease = study.trials().unwrap()[1].lease.clone().unwrap();
    std::fs::remove_file(study.trial_folder(1).join(lease.to_string())).unwrap();
    let options = WorkOptions { lease: Duration::from_millis(20), wait: true, ..QUICK };
    work(&study, &mut Curve::default(), options).unwrap();
    assert!(study.trials().unwrap().iter().all(|trial| trial.state == TrialState::Finished));
}

#[test]
fn a_grid_ends_by_itself() {
    let (_folder, study) = study(100, "[sampler]\nname = \"grid\"\nlevels = 5");
    assert_eq!(work(&study, &mut Curve::default(), QUICK).unwrap().evaluations, 5);
}

#[test]
fn a_study_that_is_not_ours_is_refused() {
    let (folder, study) = study(2, "");
    let message = |error: SearchError| error.to_string();
    let again = Study::create(folder.path(), "s", "s.toml".as_ref(), &text(2, ""));
    assert!(message(again.unwrap_err()).contains("exists already"));
    let named = Study::create(folder.path(), "../x", "s.toml".as_ref(), &text(2, ""));
    assert!(message(named.unwrap_err()).contains("cannot be the name of a study"));
    assert!(message(Study::open(folder.path()).unwrap_err()).contains("is not a study"));
    assert_eq!(Study::open(study.folder()).unwrap().definition(), study.definition());
    let toml = study.folder().join("study.toml");
    std::fs::write(&toml, text(3, "")).unwrap();
    assert!(message(Study::open(study.folder()).unwrap_err()).contains("was changed after the study was begun"));
    std::fs::write(&toml, text(2, "")).unwrap();
    let json = study.folder().join("study.json");
    let other = std::fs::read_to_string(&json).unwrap().replace("\"schema\": 1", "\"schema\": 2");
    std::fs::write(&json, other).unwrap();
    assert!(message(Study::open(study.folder()).unwrap_err()).contains("has schema 2"));
}

#[test]
fn a_damaged_trial_hides_no_other_and_can_be_repeated() {
    let (_folder, study) = study(3, KINDS[0]);
    work(&study, &mut Curve::default(), QUICK).unwrap();
    let before = result(&study);
    let damaged = study.trial_folder(1);
    std::fs::write(damaged.join("outcome.json"), "{").unwrap();
    let trials = study.trials().unwrap();
    assert!(trials[1].is_damaged() && trials[1].message.as_ref().unwrap().contains("outcome.json"));
    assert_eq!(trials[2].value, before[2].value);
    std::fs::remove_dir_all(damaged).unwrap();
    work(&study, &mut Curve::default(), QUICK).unwrap();
    assert_eq!(result(&study).len(), 3);
}

#[test]
fn time_that_is_over_ends_the_study_and_more_lets_it_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let text = text(3, "").replace("trials = 3", "trials = 3\ntime = \"60s\"");
    let study = Study::create(folder.path(), "s", "s.toml".as_ref(), &text).unwrap();
    assert_eq!(work(&study, &mut Curve { stops_at: Some(1), ..Curve::default() }, QUICK).unwrap().evaluations, 1);
    let clock = study.clock().unwrap();
    assert!(clock.seconds > 0.0 && clock.trials.keys().eq([&0]), "{clock:?}");
    // Another worker has spent all of it.
    let spent = Clock { seconds: 60.0, trials: [(0, 59.0)].into() };
    std::fs::create_dir(study.folder().join("workers/7")).unwrap();
    std::fs::write(study.folder().join("workers/7/clock.json"), serde_json::to_string(&spent).unwrap()).unwrap();
    assert_eq!(work(&study, &mut Curve::default(), QUICK).unwrap().reason, Reason::TimeOver);
    assert_eq!(study.status().unwrap().seconds_allowed, Some(60.0));
    study.extend(0, Duration::from_mins(1)).unwrap();
    assert_eq!(work(&study, &mut Curve::default(), QUICK).unwrap().reason, Reason::Done);
    assert!(study.clock().unwrap().seconds > 60.0 && study.status().unwrap().best.is_some());
}

#[test]
fn half_written_records_of_a_process_that_is_gone_are_removed() {
    let (_folder, study) = study(1, "");
    let worked = || work(&study, &mut Curve::default(), QUICK).unwrap();
    worked();
    std::fs::create_dir_all(study.folder().join("workers/7")).unwrap();
    // A number that no process can have, and this one.
    let (gone, alive) = (i32::MAX as u32, std::process::id());
    let leave = |process: u32, folder: &str, name: &str| {
        let path = study.folder().join(folder).join(format!(".tmp-{process}-0a-0-{name}"));
        std::fs::write(&path, "{").unwrap();
        path
    };
    let records = [
        ("workers/7", "clock.json"),
        ("trials/0", "outcome.json"),
        ("trials/0", "lease-0-waiting"),
        ("trials/0/rungs", "1.json"),
    ];
    let removed = records.map(|(folder, name)| leave(gone, folder, name));
    let kept = records.map(|(folder, name)| leave(alive, folder, name));
    let notes = ["workers/7", "trials/0"].map(|folder| leave(gone, folder, "notes.txt"));
    worked();
    assert!(removed.iter().all(|path| !path.exists()), "{removed:?}");
    assert!(kept.iter().chain(&notes).all(|path| path.exists()));
}

#[test]
fn a_record_that_is_taken_away_while_it_is_written_is_written_again() {
    let gone = || StorageError::io("x".as_ref(), std::io::ErrorKind::NotFound.into());
    let turns = std::cell::Cell::new(0);
    let write = |failures: u32| {
        turns.set(0);
        super::sweep::survive(|| {
            turns.set(turns.get() + 1);
            if turns.get() > failures { Ok(()) } else { Err(gone()) }
        })
    };
    assert!(write(0).is_ok() && turns.get() == 1);
    assert!(write(1).is_ok() && turns.get() == 2);
    assert!(write(2).is_err() && turns.get() == 2);
}

#[test]
fn what_a_killed_worker_left_is_removed_when_it_is_old() {
    let (_folder, study) = study(1, "");
    let temporary = |trial: &str| {
        let made = std::cell::RefCell::new(String::new());
        // A name as storage gives it.
        let seen = medley_storage::write_filled::<StorageError>(&RealFs, &study.folder().join(trial), |path| {
            made.replace(path.file_name().unwrap().to_string_lossy().into_owned());
            Err(StorageError::Exists { path: path.to_owned() })
        });
        assert!(seen.is_err());
        made.into_inner()
    };
    let left = |name: &str, age: u64| {
        let path = study.folder().join("trials").join(name);
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join("proposal.json"), "{}").unwrap();
        let then = std::time::SystemTime::now() - Duration::from_secs(age);
        std::fs::File::open(&path).unwrap().set_modified(then).unwrap();
        path
    };
    let (old, new, other) = (left(&temporary("3"), 7_200), left(&temporary("4"), 60), left("notes", 7_200));
    work(&study, &mut Curve::default(), QUICK).unwrap();
    assert!(!old.exists() && new.exists() && other.exists());
}

#[test]
fn other_texts_are_kept_and_held() {
    let folder = tempfile::tempdir().unwrap();
    let others = [("base.toml", "name = 'a'")];
    let study = Study::create_with(&RealFs, folder.path(), "s", "s.toml".as_ref(), &text(2, ""), &others).unwrap();
    assert_eq!(study.text("base.toml").unwrap().as_deref(), Some("name = 'a'"));
    assert!(study.text("other.toml").unwrap().is_none() && study.is_of(&text(2, "")) && !study.is_of("x"));
    std::fs::write(study.folder().join("base.toml"), "name = 'b'").unwrap();
    for error in [study.text("base.toml").unwrap_err(), Study::open(study.folder()).unwrap_err()] {
        assert!(error.to_string().contains("base.toml` was changed after the study was begun"), "{error}");
    }
}
