//! When test labels open, what is recorded of it, and what is kept.

use medley_core::record::{Manifest, RunResults};
use medley_predictions::record::read_manifest;
use medley_storage::{Fault, FaultyFs};
use medley_train::observer::Memory;

use super::*;

fn manifest(root: &Path) -> Manifest {
    read_manifest(&RunLayout::new(root)).unwrap()
}

fn results(root: &Path) -> RunResults {
    serde_json::from_slice(&std::fs::read(root.join("results.json")).unwrap()).unwrap()
}

/// Who opened test labels, by what.
fn openings(root: &Path) -> Vec<(String, String)> {
    let openings = manifest(root).test_openings.into_iter();
    openings.map(|opening| (opening.predictor, opening.by)).collect()
}

fn by(subcommand: &str) -> Vec<(String, String)> {
    ["seed 0", "seed 1", "ensemble"].map(|predictor| (predictor.to_owned(), subcommand.to_owned())).to_vec()
}

fn trained_without_test(laboratory: &Laboratory) -> PathBuf {
    let request = RunRequest { no_test: true, ..laboratory.request() };
    let run = laboratory.session().start(&request).unwrap();
    let root = run.layout().root().to_owned();
    let RunEnd::Finished(results) = run.train(Observers::default(), &StopFlag::default()).unwrap() else {
        panic!("nobody asked for a stop")
    };
    assert!(!results.is_tested() && results.seeds.len() == 2 && results.summary.is_empty());
    root
}

fn test(laboratory: &Laboratory, root: &Path) -> RunResults {
    let run = laboratory.resume(root).unwrap();
    match run.test(Observers::default(), &StopFlag::default()).unwrap() {
        RunEnd::Finished(results) => *results,
        RunEnd::Interrupted => panic!("nobody asked for a stop"),
    }
}

pub(super) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn the_test_split_stays_shut_until_it_is_asked_for() {
    let laboratory = Laboratory::new("");
    let root = trained_without_test(&laboratory);
    assert!(manifest(&root).no_test && openings(&root).is_empty());
    let names: Vec<String> = promised(&root).into_keys().collect();
    assert!(names.iter().any(|name| name.contains("_val_")), "{names:?}");
    assert!(!names.iter().any(|name| name.contains("_test")), "{names:?}");
    // Going on with it opens nothing either.
    laboratory.resume(&root).unwrap().train(Observers::default(), &StopFlag::default()).unwrap();
    assert!(openings(&root).is_empty());

    let scored = test(&laboratory, &root);
    assert_eq!(openings(&root), by("test"));
    let at_once = laboratory.finish();
    assert_same(&at_once, &root);
    assert_eq!(openings(&at_once), by("train"));
    let expected = RunResults { run: scored.run.clone(), ..results(&at_once) };
    assert_eq!((&scored, &results(&root)), (&expected, &expected));
}

#[test]
fn tested_again_nothing_is_opened() {
    let laboratory = Laboratory::new("");
    let root = trained_without_test(&laboratory);
    let first = test(&laboratory, &root);
    let (files, before) = (promised(&root), manifest(&root));
    assert_eq!(test(&laboratory, &root), first);
    // A run that was scored when it was trained has nothing to test.
    assert_eq!((promised(&root) == files, manifest(&root)), (true, before));
    let trained = laboratory.finish();
    assert_eq!(test(&laboratory, &trained), results(&trained));
    assert_eq!(openings(&trained), by("train"));
}

#[test]
fn killed_while_scoring_it_ends_as_if_it_had_not_been() {
    let laboratory = Laboratory::new("");
    let trained = trained_without_test(&laboratory);
    let expected = laboratory.folder.path().join("expected/lab-1");
    copy(&trained, &expected);
    let scored = test(&laboratory, &expected);
    for fail_at in 0.. {
        let root = laboratory.folder.path().join(format!("{fail_at}/lab-1"));
        copy(&trained, &root);
        let storage = FaultyFs::new(fail_at, Fault::Crash);
        let session = Session::open(laboratory.folder.path(), OpenOptions::default(), &storage);
        let run = session.resume(&laboratory.experiment, RunFolder::open(&root).unwrap()).unwrap();
        let end = run.test(Observers::default(), &StopFlag::default());
        assert_eq!(end.is_err(), storage.tripped(), "at {fail_at}");
        // Labels never open without a record.
        let scored_seeds = std::fs::read_dir(root.join("results")).unwrap().count();
        assert!(scored_seeds == 2, "the results of training are kept");
        assert_eq!(test(&laboratory, &root), scored, "at {fail_at}");
        assert_eq!(openings(&root), by("test"), "at {fail_at}: scoring the same predictions again is no new opening");
        assert_same(&expected, &root);
        std::fs::remove_dir_all(&root).unwrap();
        if !storage.tripped() {
            assert!(fail_at > 20, "{fail_at} operations");
            break;
        }
    }
}

#[test]
fn a_finished_seed_is_left_alone() {
    let laboratory = Laboratory::new("");
    let run = laboratory.start().unwrap();
    let root = run.layout().root().to_owned();
    let stop = StopFlag::default();
    let mut observers = Observers::default();
    // The second seed has 12 steps too.
    observers.push("stop", Box::new(StopAt { counts: steps, left: 15, stop: stop.clone() }));
    assert_eq!(run.train(observers, &stop).unwrap(), RunEnd::Interrupted);
    assert!(root.join("results/seed-0.json").exists() && !root.join("results.json").exists());
    assert_eq!(openings(&root), by("train")[..1]);

    let memory = Memory::default();
    let mut observers = Observers::default();
    observers.push("memory", Box::new(memory.clone()));
    laboratory.resume(&root).unwrap().train(observers, &StopFlag::default()).unwrap();
    let of_first = |event: &&Event| match event {
        Event::SeedStarted { seed, .. } | Event::ValidationProgress { seed, .. } | Event::SeedScored { seed, .. } => {
            *seed == 0
        }
        _ => false,
    };
    let events = memory.take();
    assert_eq!(events.iter().filter(of_first).count(), 0);
    assert!(events.iter().any(|event| matches!(event, Event::SeedScored { seed: 1, .. })));
    assert_eq!(openings(&root), by("train"));
    assert_same_files(undisturbed(), &root);
}

#[test]
fn a_run_that_is_not_trained_is_not_tested() {
    let laboratory = Laboratory::new("");
    let run = laboratory.start().unwrap();
    let root = run.layout().root().to_owned();
    drop(run);
    let error = laboratory.resume(&root).unwrap().test(Observers::default(), &StopFlag::default()).unwrap_err();
    assert!(error.to_string().contains("medley resume"), "{error}");
    assert!(openings(&root).is_empty());
}
