//! Which runs go together.

use std::collections::BTreeMap;

use medley_core::RunLayout;
use medley_core::record::FoldsRecord;
use medley_ensembles::{Complete, EnsembleError, TaskPlan};
use medley_predictions::RunFiles;

use crate::common::{self, Fixture};

fn plan(runs: &[RunFiles], collect: bool) -> Result<Vec<TaskPlan>, EnsembleError> {
    medley_ensembles::plan(runs, collect, Complete::EveryRepeat)
}

fn read(fixture: &Fixture) -> RunFiles {
    RunFiles::read(&fixture.layout).unwrap()
}

/// A run of two of the three tasks, on the same files.
fn two_of(three: &Fixture) -> Fixture {
    let mut two = common::finished("b-1", &common::three()[1..], &[4], 5);
    for (own, data) in two.manifest.data.iter_mut().zip(&three.manifest.data[1..]) {
        own.sha256.clone_from(&data.sha256);
    }
    two.write_manifest();
    two
}

#[test]
fn tasks_come_in_the_order_of_their_runs_with_all_that_have_them() {
    let three = common::small_three();
    let two = two_of(&three);
    let runs = [read(&two), read(&three)];
    let plans = plan(&runs, false).unwrap();
    let found: Vec<(&str, &[usize])> =
        plans.iter().map(|plan| (plan.data.task.name.as_str(), plan.runs.as_slice())).collect();
    assert_eq!(found, [("pneumoniamnist", &[0, 1][..]), ("retinamnist", &[0, 1]), ("breastmnist", &[1])]);
    assert_eq!(plan(&runs[..1], false).unwrap().len(), 2, "one run goes together with itself");
}

#[test]
fn what_does_not_go_together_is_named() {
    let three = common::small_three();
    let mut other = two_of(&three);
    let alone = common::finished("c-1", &[common::adrenal()], &[4], 5);
    assert!(matches!(plan(&[], false), Err(EnsembleError::NoRuns)));
    let twice = plan(&[read(&three), read(&three)], false).unwrap_err();
    assert!(matches!(twice, EnsembleError::Twice { .. }), "{twice}");
    let runs = [read(&three), read(&other), read(&alone)];
    let error = plan(&runs, false).unwrap_err().to_string();
    assert!(error.contains("c-1` has no task in common") && error.contains("--collect"), "{error}");
    assert_eq!(plan(&runs, true).unwrap().len(), 4);
    other.manifest.data[0].rows.insert(medley_core::Split::Val, 523);
    let fewer = RunFiles { manifest: other.manifest.clone(), ..read(&common::one_seed()) };
    let error = plan(&[read(&three), fewer], false).unwrap_err().to_string();
    assert!(error.contains("have 524 and 523 predictions of `pneumoniamnist` (val)"), "{error}");
    other.manifest.data[0].rows.insert(medley_core::Split::Val, 524);
    other.manifest.data[0].sha256 = "5e".repeat(32);
    let changed = RunFiles { manifest: other.manifest.clone(), ..read(&common::one_seed()) };
    assert!(matches!(plan(&[read(&two_of(&three)), changed], false), Err(EnsembleError::OtherData { .. })));
    three.make_unfinished();
    let error = plan(&[read(&three)], false).unwrap_err().to_string();
    assert!(error.contains("it is unfinished"), "{error}");
}

#[test]
fn runs_on_different_folds_have_no_rows_in_common() {
    let three = common::small_three();
    let on_fold = |index: usize| {
        let mut run = read(&three);
        run.manifest.folds = Some(FoldsRecord { count: 3, index, repeat: 0, groups: BTreeMap::new() });
        run.layout = RunLayout::new(format!("runs/cv-fold{index}"));
        run
    };
    let error = plan(&[on_fold(0), on_fold(1)], false).unwrap_err().to_string();
    assert!(error.contains("cannot be taken as a fold") && error.contains("cv-fold0"), "{error}");
    let error = plan(&[on_fold(0), read(&two_of(&three))], false).unwrap_err().to_string();
    assert!(error.contains("b-1` has no folds, but other runs have"), "{error}");
    // Of one fold, they have rows in common, as runs without folds have.
    let mut other = on_fold(0);
    other.layout = RunLayout::new("runs/other-fold0");
    assert_eq!(plan(&[on_fold(0), other], false).unwrap()[0].runs, [0, 1]);
}
