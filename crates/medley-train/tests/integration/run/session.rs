//! Many experiments in one process.

use std::process::Command;

use medley_models::environment;
use medley_train::compute::kept;
use medley_train::run_folder::RunFolderError;

use super::*;

/// Where the child process of a test finds its laboratory.
const ALONE: &str = "MEDLEY_TEST_ALONE";

fn two_threads() -> String {
    config("").replace("threads = 1", "threads = 2")
}

fn finish(session: &Session<'_>, laboratory: &Laboratory) -> PathBuf {
    let run = session.start(&laboratory.request()).unwrap();
    let root = run.layout().root().to_owned();
    assert!(matches!(run.train(Observers::default(), &StopFlag::default()).unwrap(), RunEnd::Finished(_)));
    root
}

#[test]
fn data_are_read_once() {
    let laboratory = Laboratory::new("");
    let session = laboratory.session();
    let first = finish(&session, &laboratory);
    for task in TASKS {
        std::fs::remove_file(laboratory.folder.path().join(format!("{task}.npz"))).unwrap();
    }
    assert_same(&first, &finish(&session, &laboratory));
    assert!(laboratory.start().is_err(), "another session reads the folder as it is");
}

#[test]
fn a_name_that_is_taken_is_refused_before_data_are_opened() {
    let laboratory = Laboratory::new("");
    let session = Session::open("nowhere", OpenOptions::default(), &RealFs);
    std::fs::create_dir_all(laboratory.runs().join("taken")).unwrap();
    for (name, taken) in [("taken", true), ("a/b", false)] {
        let request = RunRequest { run_name: Some(name), ..laboratory.request() };
        let error = session.start(&request).err().unwrap();
        match error {
            TrainError::RunFolder(RunFolderError::Exists { .. }) => assert!(taken),
            TrainError::RunFolder(RunFolderError::BadName { .. }) => assert!(!taken),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn one_after_another_they_are_as_in_processes_of_their_own() {
    let laboratory = Laboratory::new("");
    std::fs::write(laboratory.folder.path().join("lab.toml"), &laboratory.text).unwrap();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "run::session::the_run_of_a_child_process", "--ignored"])
        .env(ALONE, laboratory.folder.path())
        .output()
        .unwrap();
    assert!(child.status.success(), "{child:?}");
    let alone = laboratory.runs().join("alone");

    let threads = environment::threads();
    let session = laboratory.session();
    finish(&session, &laboratory.other(two_threads()));
    assert_same(&alone, &finish(&session, &laboratory));
    // One with replicas, one that diverges, and one that is interrupted, each leaving what it may.
    finish(&session, &laboratory.other(config("replicas = 2")));
    assert_same(&alone, &finish(&session, &laboratory));
    let diverging = laboratory.other(config(DIVERGING));
    session.start(&diverging.request()).unwrap().train(Observers::default(), &StopFlag::default()).unwrap_err();
    assert_same(&alone, &finish(&session, &laboratory));
    let (stop, mut observers) = (StopFlag::default(), Observers::default());
    observers.push("stop", Box::new(StopAt { counts: steps, left: 4, stop: stop.clone() }));
    let interrupted = session.start(&laboratory.request()).unwrap();
    let root = interrupted.layout().root().to_owned();
    assert_eq!(interrupted.train(observers, &stop).unwrap(), RunEnd::Interrupted);
    assert_same(&alone, &finish(&session, &laboratory));
    let resumed = session.resume(&laboratory.experiment, RunFolder::open(&root).unwrap()).unwrap();
    resumed.train(Observers::default(), &StopFlag::default()).unwrap();
    assert_same(&alone, &root);
    assert_eq!(environment::threads(), threads, "the caller's number of threads is as it was");
}

#[test]
#[ignore = "another test runs it, in a process of its own"]
fn the_run_of_a_child_process() {
    let folder = PathBuf::from(std::env::var_os(ALONE).expect("the test that runs it sets it"));
    let text = std::fs::read_to_string(folder.join("lab.toml")).unwrap();
    let raw: RawExperiment = toml::from_str(&text).unwrap();
    let experiment = raw.check(Registry::builtin()).unwrap();
    let request = RunRequest {
        experiment: &experiment,
        config_text: &text,
        runs_folder: &folder.join("runs"),
        run_name: Some("alone"),
        no_test: false,
        parent: None,
    };
    let session = Session::open(folder.clone(), OpenOptions::default(), &RealFs);
    session.start(&request).unwrap().train(Observers::default(), &StopFlag::default()).unwrap();
}

#[test]
fn a_choice_that_is_kept_is_taken_by_the_next_run() {
    let text = config("").replace("memory_layout = 'channels_last'\n", "");
    let laboratory = Laboratory::new("").other(text);
    let folder = laboratory.folder.path().join("compute");
    let start = |keep: bool| {
        let session = laboratory.session().keep_choices(keep.then(|| folder.clone()));
        session.start(&laboratory.request()).unwrap()
    };
    let (first, second) = (start(true), start(true));
    let (made, taken) = (first.choice().unwrap(), second.choice().unwrap());
    assert!(!made.kept && taken.kept);
    assert_eq!((made.plan, &made.trials), (taken.plan, &taken.trials));
    // Of the other layout, as if it had been the faster one.
    let file = &kept::list(&folder).unwrap()[0];
    let text = std::fs::read_to_string(file).unwrap();
    let layout = |of: &str| text.rfind(&format!("\"memory_layout\": \"{of}\"")).is_some();
    assert!(layout("channels_last") && layout("contiguous"), "both were tried: {text}");
    assert!(!start(false).choice().unwrap().kept);
    assert_eq!(kept::forget(&folder).unwrap(), 1);
    assert!(!start(true).choice().unwrap().kept);
}

#[test]
fn at_the_same_time_each_has_its_own_bits() {
    let laboratory = Laboratory::new("");
    let others = [two_threads(), config("replicas = 2"), config("")].map(|text| laboratory.other(text));
    let session = laboratory.session();
    let alone: Vec<PathBuf> = others.iter().map(|other| finish(&session, other)).collect();
    let together: Vec<PathBuf> = std::thread::scope(|scope| {
        let threads: Vec<_> = others.iter().map(|other| scope.spawn(|| finish(&session, other))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for (alone, together) in alone.iter().zip(&together) {
        assert_same(alone, together);
    }
}
