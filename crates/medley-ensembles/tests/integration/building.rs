//! The folder is whole or absent, and test labels are shut until their opening is recorded.

use std::cell::Cell;
use std::error::Error;
use std::path::Path;

use medley_core::{Labels, RunLayout, Scores, SealedLabels, Split, TaskSpec};
use medley_decisions::FitOptions;
use medley_decisions::ensemble::Method;
use medley_ensembles::{Complete, Record, Request, Source, build, open_test};
use medley_predictions::{PublishedTask, RunFiles, Truth, TruthSource, result_file};
use medley_storage::{Fault, FaultyFs, RealFs};

use crate::common::{self, Fixture};

/// Labels in turn, as many as the manifest says; it notes when those of the test split are asked for.
struct InTurn<'a> {
    fixture: &'a Fixture,
    ensemble: RunLayout,
    openings_when_asked: Cell<Option<usize>>,
}

impl TruthSource for InTurn<'_> {
    fn task(&self, name: &str, _: usize) -> Result<PublishedTask, Box<dyn Error + Send + Sync>> {
        Err(format!("no task `{name}`").into())
    }

    fn labels(
        &self,
        task: &TaskSpec,
        _: usize,
        split: Split,
        _: Option<&Path>,
    ) -> Result<Truth, Box<dyn Error + Send + Sync>> {
        if split == Split::Test {
            let json = std::fs::read(self.ensemble.root().join("ensemble.json"))?;
            let record: Record = serde_json::from_slice(&json)?;
            self.openings_when_asked.set(Some(record.test_openings.len()));
        }
        let data = self.fixture.manifest.data.iter().find(|data| data.task.name == task.name).unwrap();
        let labels = (0..data.rows[&split]).map(|row| (row % task.outputs()) as u16).collect();
        Ok(Truth { spec: task.clone(), labels: SealedLabels::seal(&task.name, Labels::single(labels)?) })
    }

    fn sha256(&self, file: &Path) -> Result<String, Box<dyn Error + Send + Sync>> {
        let data = self.fixture.manifest.data.iter().find(|data| Path::new(&data.file) == file).unwrap();
        Ok(data.sha256.clone())
    }
}

/// A run of one seed, with validation predictions.
fn run() -> Fixture {
    let fixture = common::one_seed();
    for data in &fixture.manifest.data {
        let (rows, classes) = (data.rows[&Split::Val], data.task.outputs());
        let row = |row: usize| {
            (0..classes).map(move |class| if class == row % classes { 0.6 } else { 0.4 / (classes - 1) as f64 })
        };
        let scores = Scores::new((0..rows).flat_map(row).collect(), rows, classes).unwrap();
        let path = fixture.layout.prediction_file(&data.task.name, Split::Val, None, 1.0, "one-seed-1-seed7");
        std::fs::write(path, result_file::render(&scores)).unwrap();
    }
    fixture
}

fn request(runs: &Path) -> Request {
    Request {
        method: Method::Greedy,
        options: FitOptions { resamples: 50, ..FitOptions::default() },
        decide: true,
        test: true,
        collect: false,
        complete: Complete::EveryRepeat,
        name: "both".into(),
        runs: runs.to_owned(),
        now: "2026-11-27T10:00:00Z".into(),
        medley: "0.2.0".into(),
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| !name.starts_with(".tmp-"));
    names.sort();
    names
}

#[test]
fn whatever_fails_the_folder_is_whole_or_absent() {
    let fixture = run();
    for fault in [Fault::DiskFull, Fault::Torn, Fault::Crash] {
        for fail_at in 0.. {
            let runs = tempfile::tempdir().unwrap();
            let truth =
                InTurn { fixture: &fixture, ensemble: RunLayout::new("none"), openings_when_asked: Cell::new(None) };
            let source = Source { run: RunFiles::read(&fixture.layout).unwrap(), truth: &truth };
            let storage = FaultyFs::new(fail_at, fault);
            let built = build(&[source], &request(runs.path()), &storage);
            if !storage.tripped() {
                assert_eq!(names(built.unwrap().layout.root()), ["decisions.json", "ensemble.json", "predictions"]);
                break;
            }
            assert!(built.is_err());
            assert!(names(runs.path()).is_empty(), "{fault:?} at {fail_at}");
        }
    }
}

#[test]
fn the_opening_is_recorded_before_the_labels_are_asked_for() {
    let fixture = run();
    let runs = tempfile::tempdir().unwrap();
    let ensemble = RunLayout::new(runs.path().join("both-1"));
    let truth = InTurn { fixture: &fixture, ensemble: ensemble.clone(), openings_when_asked: Cell::new(None) };
    let sources = [Source { run: RunFiles::read(&fixture.layout).unwrap(), truth: &truth }];
    let mut built = build(&sources, &request(runs.path()), &RealFs).unwrap();
    assert_eq!((truth.openings_when_asked.get(), built.record.test.as_ref()), (None, None));
    assert_eq!(built.record.validation.harmonic_mean, 1.0);
    let written = open_test(&mut built, &sources, "2026-11-27T10:00:01Z", &RealFs).unwrap().unwrap();
    assert_eq!(truth.openings_when_asked.get(), Some(1));
    assert_eq!(written.rows, 156 + 624 + 400);
    let json = std::fs::read(ensemble.root().join("ensemble.json")).unwrap();
    assert_eq!(serde_json::from_slice::<Record>(&json).unwrap(), built.record);
    assert_eq!(names(&ensemble.predictions()).len(), 6, "nothing is left pending");
    // Killed between two steps, it says that the labels were opened.
    let mut seen = Vec::new();
    for fail_at in 0.. {
        let runs = tempfile::tempdir().unwrap();
        let ensemble = RunLayout::new(runs.path().join("both-1"));
        let truth = InTurn { ensemble: ensemble.clone(), openings_when_asked: Cell::new(None), ..truth };
        let sources = [Source { run: RunFiles::read(&fixture.layout).unwrap(), truth: &truth }];
        let mut built = build(&sources, &request(runs.path()), &RealFs).unwrap();
        let storage = FaultyFs::new(fail_at, Fault::Crash);
        let opened = open_test(&mut built, &sources, "2026-11-27T10:00:01Z", &storage);
        let json = std::fs::read(ensemble.root().join("ensemble.json")).unwrap();
        let record: Record = serde_json::from_slice(&json).unwrap();
        assert!(truth.openings_when_asked.get().is_none() || record.test_openings.len() == 1, "at {fail_at}");
        seen.push(record.test_openings.len());
        if !storage.tripped() {
            assert!(opened.is_ok());
            break;
        }
    }
    assert!(seen.contains(&0) && seen.contains(&1), "{seen:?}");
}
