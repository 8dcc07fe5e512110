//! What is removed, what is refused, and what stays whatever happens.

use std::path::Path;

use medley_core::RunLayout;
use medley_core::record::FineTuned;
use medley_runs::{Checkpoints, Removal, RunsError, sweep_removed};
use medley_storage::{Fault, FaultyFs, RealFs};

use crate::common::{self, Fixture};

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Checkpoints as training leaves them: for each seed the one that the results are of, and one to go on from.
fn with_checkpoints() -> Fixture {
    let fixture = common::small_three();
    for seed in &fixture.results.seeds {
        for (name, files) in [
            (format!("best-{:06}", seed.best_epoch), &["model.safetensors", "state.json", "state.sha256"][..]),
            ("last-000020-000000".to_owned(), &["model.safetensors", "optimizer.safetensors", "state.json"][..]),
        ] {
            let folder = fixture.layout.checkpoints(seed.seed).join(name);
            std::fs::create_dir_all(&folder).unwrap();
            for file in files {
                std::fs::write(folder.join(file), [7; 100]).unwrap();
            }
        }
    }
    fixture
}

#[test]
fn a_run_is_removed_with_what_is_in_it() {
    let fixture = common::small_three();
    std::fs::write(fixture.layout.root().join("thesis.txt"), "mine").unwrap();
    let removal = Removal::check(&fixture.layout.root().join("")).unwrap();
    assert_eq!(removal.foreign(), ["thesis.txt"]);
    let bytes = removal.bytes();
    assert!(bytes > 10_000);
    assert_eq!(removal.carry_out(&RealFs).unwrap(), bytes);
    assert!(names(fixture.folder.path()).is_empty());
}

#[test]
fn interrupted_at_any_point_the_run_is_whole_or_gone() {
    let fixture = common::small_three();
    let (runs, root) = (fixture.folder.path(), fixture.layout.root());
    let before = names(root);
    for fault in [Fault::DiskFull, Fault::Torn, Fault::Crash] {
        let removal = Removal::check(root).unwrap();
        let error = removal.carry_out(&FaultyFs::new(0, fault)).unwrap_err();
        assert!(matches!(error, RunsError::NotRemoved { .. }), "{error}");
        assert_eq!(names(root), before);
    }
    // Killed after it was hidden: the next one sweeps what is left.
    let half = runs.join(".tmp-1-0a-0-removed-folder");
    std::fs::create_dir(&half).unwrap();
    std::fs::write(half.join("model.safetensors"), "x").unwrap();
    Removal::check(root).unwrap().carry_out(&RealFs).unwrap();
    assert_eq!(names(runs).len(), 1);
    sweep_removed(runs);
    assert!(names(runs).is_empty());
}

#[test]
fn what_is_not_a_run_is_refused() {
    let fixture = common::small_three();
    let at = |name: &str| fixture.folder.path().join(name);
    std::fs::create_dir(at("photos")).unwrap();
    std::fs::create_dir(at("web")).unwrap();
    std::fs::write(at("web/manifest.json"), r#"{"name": "an app"}"#).unwrap();
    std::fs::write(at("file"), "").unwrap();
    let refused = |path: &Path| Removal::check(path).unwrap_err().to_string();
    assert!(refused(&at("photos")).contains("is not a run folder: it has no manifest.json"));
    assert!(refused(&at("web")).contains("cannot be told to be a run"));
    assert!(refused(&at("file")).contains("is not a run folder"));
    assert!(refused(&at("nowhere")).contains("there is no folder"));
    assert!(refused(fixture.folder.path()).contains("is not a run folder"));
    for path in ["/", "..", ".", "", "runs/.."] {
        assert!(refused(Path::new(path)).contains("does not name a run folder"), "{path}");
    }
    let manifest = std::fs::read_to_string(fixture.layout.manifest()).unwrap();
    let newer = manifest.replacen("\"schema_version\": 1", "\"schema_version\": 2", 1);
    std::fs::write(fixture.layout.manifest(), newer).unwrap();
    assert!(refused(fixture.layout.root()).contains("cannot be told to be a run"));
    assert_eq!(names(fixture.folder.path()), ["file", "photos", "small-three-1", "web"]);
}

#[cfg(unix)]
#[test]
fn links_are_refused_and_never_followed() {
    use std::os::unix::fs::symlink;
    let fixture = with_checkpoints();
    let (other, link) = (tempfile::tempdir().unwrap(), fixture.folder.path().join("link"));
    std::fs::write(other.path().join("mine"), "text").unwrap();
    symlink(fixture.layout.root(), &link).unwrap();
    for path in [link.clone(), link.join(""), link.join(".")] {
        assert!(matches!(Removal::check(&path), Err(RunsError::Link { .. })), "{}", path.display());
        assert!(matches!(Checkpoints::find(&path), Err(RunsError::Link { .. })), "{}", path.display());
    }
    let seed = fixture.layout.checkpoints(0);
    std::fs::rename(&seed, other.path().join("seed-0")).unwrap();
    symlink(other.path().join("seed-0"), &seed).unwrap();
    assert!(Checkpoints::find(fixture.layout.root()).is_err());
    symlink(other.path().join("mine"), fixture.layout.lock()).unwrap();
    let unknown = Removal::check(fixture.layout.root()).unwrap_err();
    assert!(matches!(unknown, RunsError::Read(_)), "whether it is held cannot be told: {unknown}");
    std::fs::remove_file(fixture.layout.lock()).unwrap();
    symlink(other.path(), fixture.layout.root().join("inside")).unwrap();
    Removal::check(fixture.layout.root()).unwrap().carry_out(&RealFs).unwrap();
    assert_eq!(names(other.path()), ["mine", "seed-0"]);
    assert_eq!(names(&other.path().join("seed-0")).len(), 2);
}

#[test]
fn a_run_in_use_is_refused_and_says_by_whom() {
    let fixture = with_checkpoints();
    std::fs::write(fixture.layout.lock(), "process 7 on here\n").unwrap();
    let lock = std::fs::File::open(fixture.layout.lock()).unwrap();
    lock.lock().unwrap();
    for error in [
        Removal::check(fixture.layout.root()).unwrap_err().to_string(),
        Checkpoints::find(fixture.layout.root()).unwrap_err().to_string(),
    ] {
        assert!(error.contains("in use by process 7 on here"), "{error}");
    }
    drop(lock);
    let removal = Removal::check(fixture.layout.root()).unwrap();
    assert!(std::fs::File::open(fixture.layout.lock()).unwrap().try_lock().is_err(), "held until it is removed");
    removal.carry_out(&RealFs).unwrap();
    assert!(!fixture.layout.root().exists());
}

#[test]
fn freed_checkpoints_leave_the_best() {
    let fixture = with_checkpoints();
    let found = Checkpoints::find(fixture.layout.root()).unwrap();
    assert_eq!((found.count(), found.bytes(), found.kept().len()), (3, 900, 0));
    let freed = found.free(&RealFs).unwrap();
    assert_eq!((freed.checkpoints, freed.bytes), (3, 900));
    for seed in &fixture.results.seeds {
        assert_eq!(names(&fixture.layout.checkpoints(seed.seed)), [format!("best-{:06}", seed.best_epoch)]);
    }
    assert_eq!(Checkpoints::find(fixture.layout.root()).unwrap().count(), 0, "there is nothing left to free");
}

#[test]
fn a_checkpoint_stays_where_the_best_is_not_that_of_the_results() {
    let fixture = with_checkpoints();
    let best = |seed: usize| {
        let result = &fixture.results.seeds[seed];
        fixture.layout.checkpoints(result.seed).join(format!("best-{:06}", result.best_epoch))
    };
    std::fs::create_dir(fixture.layout.checkpoints(0).join("best-000099")).unwrap();
    std::fs::remove_file(best(1).join("model.safetensors")).unwrap();
    std::fs::remove_dir_all(best(2)).unwrap();
    let found = Checkpoints::find(fixture.layout.root()).unwrap();
    let kept = found.kept().join("\n");
    for part in ["seed 0: the newest best", "seed 1: `best-000017` has no model", "seed 2: there is no best"] {
        assert!(kept.contains(part), "{kept}");
    }
    assert_eq!(found.free(&RealFs).unwrap().checkpoints, 0);
    assert!(fixture.layout.checkpoints(2).join("last-000020-000000").exists());
}

#[test]
fn checkpoints_of_later_phases_are_freed_too() {
    let mut fixture = with_checkpoints();
    let checkpoint = |layout: &RunLayout, stage: &str, name: &str| {
        let folder = layout.checkpoints(0).join(stage).join(name);
        std::fs::create_dir_all(&folder).unwrap();
        for file in ["model.safetensors", "state.json"] {
            std::fs::write(folder.join(file), [7; 100]).unwrap();
        }
        folder
    };
    // One phase was chosen, of one the results are of another epoch, and one was no better than the joint training.
    for (stage, chosen) in [("breastmnist", Some(2)), ("pneumoniamnist", Some(3)), ("retinamnist", None)] {
        let stage_name = format!("phase-1-{stage}");
        checkpoint(&fixture.layout, &stage_name, "best-000002");
        checkpoint(&fixture.layout, &stage_name, "last-000004-000000");
        if let Some(epoch) = chosen {
            fixture.results.seeds[0].fine_tuned.insert(stage.into(), FineTuned { stage: stage_name, epoch });
        }
    }
    fixture.write_results();
    let found = Checkpoints::find(fixture.layout.root()).unwrap();
    assert_eq!((found.count(), found.bytes()), (3 + 2, 900 + 400));
    let kept = "seed 0: the newest best checkpoint is `best-000002`, and the results are of `best-000003`, so \
                `phase-1-pneumoniamnist/last-000004-000000` is kept";
    assert_eq!(found.kept(), [kept]);
    found.free(&RealFs).unwrap();
    let left = |stage: &str| names(&fixture.layout.checkpoints(0).join(format!("phase-1-{stage}")));
    assert_eq!(left("breastmnist"), ["best-000002"]);
    assert_eq!(left("pneumoniamnist"), ["best-000002", "last-000004-000000"]);
    assert_eq!(left("retinamnist"), ["best-000002"]);
}

#[test]
fn checkpoints_are_freed_of_finished_and_tested_runs_alone() {
    let mut fixture = with_checkpoints();
    for seed in &mut fixture.results.seeds {
        seed.test = None;
    }
    (fixture.results.ensemble, fixture.results.summary) = (None, Vec::new());
    fixture.write_results();
    let untested = Checkpoints::find(fixture.layout.root()).unwrap_err();
    assert!(untested.to_string().contains("medley test"), "{untested}");
    fixture.make_unfinished();
    let unfinished = Checkpoints::find(fixture.layout.root()).unwrap_err();
    assert!(unfinished.to_string().contains("medley resume"), "{unfinished}");
}

#[test]
fn whatever_fails_a_checkpoint_is_whole_or_gone() {
    for fail_at in 0..4 {
        let fixture = with_checkpoints();
        let storage = FaultyFs::new(fail_at, Fault::Crash);
        let freed = Checkpoints::find(fixture.layout.root()).unwrap().free(&storage);
        assert_eq!(freed.is_ok(), fail_at >= 3);
        for seed in 0..3 {
            let last = fixture.layout.checkpoints(seed).join("last-000020-000000");
            assert_eq!(last.exists(), seed as usize >= fail_at);
            assert!(!last.exists() || names(&last).len() == 3);
        }
    }
}
