//! Folders of runs as they are met: finished, interrupted, running, damaged, hostile.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use medley_core::record::{Inheritance, Parent, ParentSeed, SCHEMA_VERSION, SeedRecord, TestOpening};
use medley_core::{RunLayout, Split};
use medley_runs::{
    ListOptions, Listing, Overview, RunsError, Selection, State, TagChange, Tags, TestScore, compare, describe, list,
};
use medley_storage::RealFs;

use crate::common::{self, Fixture};

fn runs_of(fixture: &Fixture) -> PathBuf {
    fixture.folder.path().to_owned()
}

fn listed(folder: &Path) -> Listing {
    list(&[folder.to_owned()], ListOptions::default()).unwrap()
}

fn only(folder: &Path) -> Overview {
    let mut listing = listed(folder);
    assert_eq!(listing.runs.len(), 1, "{listing:?}");
    listing.runs.remove(0)
}

/// Everything under a folder: an entry for each name, with its content.
fn everything(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.is_symlink() {
                folders.push(path);
            } else {
                found.push((path.clone(), std::fs::read(path).unwrap_or_default()));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_finished_run_has_its_scores() {
    let fixture = common::small_three();
    let before = everything(fixture.folder.path());
    let run = only(&runs_of(&fixture));
    assert_eq!((run.state, run.problem.as_deref(), run.name.as_str()), (State::Finished, None, "small-three-1"));
    assert_eq!(run.tasks, ["breastmnist", "pneumoniamnist", "retinamnist"]);
    assert_eq!(run.model.unwrap().to_string(), "resnet9 w32");
    assert_eq!((run.seeds.len(), run.epochs, run.bytes, run.synthetic), (3, Some(20), None, false));
    let means = |split: Split| {
        let scores = fixture.results.seeds.iter().map(|seed| match split {
            Split::Test => seed.test.as_ref().unwrap().harmonic_mean,
            _ => seed.validation.harmonic_mean,
        });
        scores.sum::<f64>() / 3.0
    };
    let validation = run.validation.unwrap();
    assert_eq!((validation.selection, validation.epoch, validation.mean.seeds), (Selection::MacroF1, None, 3));
    assert!((validation.mean.mean - means(Split::Val)).abs() < 1e-12 && validation.mean.standard_deviation.is_some());
    assert!((run.test.mean().unwrap() - means(Split::Test)).abs() < 1e-12);
    let with_sizes = list(&[runs_of(&fixture)], ListOptions { sizes: true }).unwrap();
    let size: usize = before.iter().map(|(_, content)| content.len()).sum();
    assert_eq!(with_sizes.runs[0].bytes, Some(size as u64));
    describe(fixture.layout.root()).unwrap();
    assert_eq!(everything(fixture.folder.path()), before, "reading changes nothing");
}

#[test]
fn each_selection_gives_the_validation_score() {
    let fixture = common::small_three();
    let config = std::fs::read_to_string(fixture.layout.config()).unwrap();
    for (name, selection) in [("auc", Selection::Auc), ("accuracy", Selection::Accuracy), ("loss", Selection::Loss)] {
        std::fs::write(fixture.layout.config(), format!("{config}\n[select]\nname = \"{name}\"\n")).unwrap();
        let score = only(&runs_of(&fixture)).validation.unwrap();
        assert_eq!((score.selection, score.mean.seeds), (selection, 3));
        assert!(score.mean.mean > 0.3 && score.mean.mean < 1.0, "{name}: {score:?}");
    }
    std::fs::write(fixture.layout.config(), format!("{config}\n[select]\nname = \"of_the_future\"\n")).unwrap();
    assert_eq!(only(&runs_of(&fixture)).validation, None);
}

#[test]
fn an_untested_run_says_so() {
    let mut fixture = common::small_three();
    for seed in &mut fixture.results.seeds {
        seed.test = None;
    }
    (fixture.results.ensemble, fixture.results.summary) = (None, Vec::new());
    fixture.manifest.no_test = true;
    fixture.write_manifest();
    fixture.write_results();
    let run = only(&runs_of(&fixture));
    assert_eq!((run.state, run.test), (State::Finished, TestScore::NotOpened));
    let opening = TestOpening {
        when: "2026-11-27T10:00:00Z".into(),
        by: "test".into(),
        predictor: "seed 0".into(),
        sha256: [].into(),
    };
    fixture.manifest.test_openings.push(opening);
    fixture.write_manifest();
    assert_eq!(only(&runs_of(&fixture)).test, TestScore::Opened);
}

#[test]
fn an_interrupted_run_tells_how_far_it_is() {
    let fixture = common::small_three();
    fixture.make_unfinished();
    let run = only(&runs_of(&fixture));
    assert_eq!(run.state, State::Interrupted);
    let epochs = |run: &Overview| run.seeds.iter().map(|seed| seed.epochs).collect::<Vec<_>>();
    // The last epoch of the second seed lacks its last line, and the third seed has not begun.
    assert_eq!(epochs(&run), [Some(20), Some(19), Some(0)]);
    assert!(run.validation.unwrap().epoch.is_some());
    std::fs::create_dir(fixture.layout.results_folder()).unwrap();
    let record = SeedRecord {
        schema_version: SCHEMA_VERSION,
        result: fixture.results.seeds[0].clone(),
        predictions: Vec::new(),
    };
    std::fs::write(fixture.layout.seed_results(0), serde_json::to_vec(&record).unwrap()).unwrap();
    let run = only(&runs_of(&fixture));
    assert_eq!(epochs(&run), [None, Some(19), Some(0)]);
    assert!(run.seeds[0].finished && !run.seeds[1].finished);
    let validation = run.validation.unwrap();
    assert_eq!((validation.epoch, validation.mean.seeds), (None, 1));
    std::fs::remove_file(fixture.layout.metrics()).unwrap();
    assert_eq!(epochs(&only(&runs_of(&fixture))), [None, Some(0), Some(0)]);
    let described = describe(fixture.layout.root()).unwrap();
    assert!(described.seeds[0].validation.is_some() && described.seeds[1].validation.is_none());
}

#[test]
fn a_run_that_is_held_is_running() {
    let fixture = common::one_seed();
    fixture.make_unfinished();
    std::fs::write(fixture.layout.lock(), "process 7 on here\n").unwrap();
    assert_eq!(only(&runs_of(&fixture)).state, State::Interrupted);
    let lock = std::fs::File::open(fixture.layout.lock()).unwrap();
    lock.lock().unwrap();
    assert_eq!(only(&runs_of(&fixture)).state, State::Running);
}

#[test]
fn damage_is_said_of_the_damaged_run_alone() {
    let fixture = common::small_three();
    let runs = runs_of(&fixture);
    let json = std::fs::read_to_string(fixture.layout.results()).unwrap();
    let manifest = std::fs::read_to_string(fixture.layout.manifest()).unwrap();
    let config = std::fs::read_to_string(fixture.layout.config()).unwrap();
    let nested = "[".repeat(100_000);
    let (deep_toml, deep_extra) = (format!("x = {}", "[".repeat(100_000)), format!("{{\"x\": {nested}"));
    for (name, files, part) in [
        ("half", [&manifest[..manifest.len() / 2], &config, &json], "manifest.json"),
        ("deep", [nested.as_str(), &config, &json], "manifest.json"),
        ("deep-extra", [&deep_extra, &config, &json], "manifest.json"),
        (
            "schema",
            [&manifest.replacen("\"schema_version\": 1", "\"schema_version\": 99", 1), &config, &json],
            "schema version 99",
        ),
        ("config", [&manifest, "[", &json], "config.toml"),
        ("deep-config", [&manifest, &deep_toml, &json], "config.toml"),
        ("results", [&manifest, &config, &json[..json.len() / 2]], "results.json"),
        ("scores", [&manifest, &config, &json.replacen("\"accuracy\": 0.", "\"accuracy\": 7.", 1)], "outside 0 to 1"),
        ("text", ["\u{1b}]0;owned\u{7}", &config, &json], "manifest.json"),
    ] {
        let run = RunLayout::new(runs.join(name));
        std::fs::create_dir(run.root()).unwrap();
        let [manifest, config, results] = files;
        std::fs::write(run.manifest(), manifest).unwrap();
        std::fs::write(run.config(), config).unwrap();
        std::fs::write(run.results(), results).unwrap();
        let listing = listed(&runs);
        let found = listing.runs.iter().find(|run| run.name == name).unwrap();
        assert_eq!(found.state, State::Damaged, "{name}: {found:?}");
        let problem = found.problem.as_deref().unwrap();
        assert!(problem.contains(part) && problem.len() < 1_000, "{name}: {problem}");
    }
    let lost = RunLayout::new(runs.join("lost"));
    std::fs::create_dir(lost.root()).unwrap();
    std::fs::write(lost.config(), &config).unwrap();
    std::fs::write(lost.events(), "").unwrap();
    let listing = listed(&runs);
    assert!(listing.runs.iter().any(|run| run.name == "lost" && run.state == State::Damaged));
    assert!(listing.runs.iter().any(|run| run.name == "small-three-1" && run.state == State::Finished));
    assert_eq!(listing.runs.len(), 11);
}

#[test]
fn a_manifest_without_end_is_not_read() {
    let fixture = common::small_three();
    let file = std::fs::File::create(fixture.layout.manifest()).unwrap();
    file.set_len(1 << 30).unwrap();
    assert!(only(&runs_of(&fixture)).problem.unwrap().contains("more than the"));
}

#[cfg(unix)]
#[test]
fn what_is_no_run_is_passed_over_and_links_lead_nowhere() {
    use std::os::unix::fs::symlink;
    let fixture = common::small_three();
    let runs = runs_of(&fixture);
    std::fs::create_dir(runs.join("empty")).unwrap();
    std::fs::create_dir(runs.join("photos")).unwrap();
    std::fs::write(runs.join("photos/config.toml"), "").unwrap();
    std::fs::write(runs.join("notes.txt"), "").unwrap();
    std::fs::create_dir(runs.join(".tmp-1-0a-0-removed-folder")).unwrap();
    std::fs::copy(fixture.layout.manifest(), runs.join(".tmp-1-0a-0-removed-folder/manifest.json")).unwrap();
    symlink(runs.join("loop"), runs.join("loop")).unwrap();
    symlink(&runs, runs.join("self")).unwrap();
    symlink("/nowhere", runs.join("dangling")).unwrap();
    assert_eq!(listed(&runs).runs.len(), 1);
    // A run whose manifest is a link to something else is not read through it.
    let hostile = RunLayout::new(runs.join("hostile"));
    std::fs::create_dir(hostile.root()).unwrap();
    symlink(fixture.layout.manifest(), hostile.manifest()).unwrap();
    let listing = listed(&runs);
    let found = listing.runs.iter().find(|run| run.name == "hostile").unwrap();
    assert!(found.problem.as_deref().unwrap().contains("is a link"), "{found:?}");
    // A link to a run is that run.
    symlink(fixture.layout.root(), runs.join("elsewhere")).unwrap();
    assert!(listed(&runs).runs.iter().any(|run| run.name == "elsewhere" && run.state == State::Finished));
}

#[test]
fn folders_are_named_or_runs_themselves() {
    let fixture = common::small_three();
    let (runs, run) = (runs_of(&fixture), fixture.layout.root().to_owned());
    assert_eq!(list(&[runs.clone(), run.clone(), runs.clone()], ListOptions::default()).unwrap().runs.len(), 1);
    assert_eq!(list(&[run], ListOptions::default()).unwrap().runs.len(), 1);
    let missing = list(&[runs.join("nowhere")], ListOptions::default()).unwrap_err();
    assert!(matches!(missing, RunsError::Missing { .. }), "{missing}");
}

#[test]
fn the_parent_of_a_run_is_named() {
    let mut fixture = common::one_seed();
    assert_eq!((only(&runs_of(&fixture)).parent, describe(fixture.layout.root()).unwrap().parent), (None, None));
    let from = ParentSeed { seed: 3, epoch: 12, sha256: "5e".repeat(32) };
    let parent = Parent {
        run: "first-1".to_owned(),
        folder: None,
        how: Inheritance::Weights,
        seeds: [(7, from)].into(),
        initialised: BTreeSet::new(),
    };
    fixture.manifest.parent = Some(parent.clone());
    fixture.write_manifest();
    assert_eq!(only(&runs_of(&fixture)).parent.as_deref(), Some("first-1"));
    assert_eq!(describe(fixture.layout.root()).unwrap().parent, Some(parent));
}

#[test]
fn runs_that_go_while_they_are_listed_are_left_out() {
    let fixture = common::one_seed();
    let runs = runs_of(&fixture);
    for number in 0..200 {
        let run = RunLayout::new(runs.join(format!("r-{number}")));
        std::fs::create_dir(run.root()).unwrap();
        std::fs::copy(fixture.layout.manifest(), run.manifest()).unwrap();
        std::fs::copy(fixture.layout.config(), run.config()).unwrap();
    }
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..200 {
                let hidden = runs.join(format!(".gone-{number}"));
                std::fs::rename(runs.join(format!("r-{number}")), &hidden).unwrap();
                std::fs::remove_dir_all(hidden).unwrap();
            }
        });
        for _ in 0..20 {
            let listing = listed(&runs);
            assert!(listing.runs.iter().all(|run| run.problem.is_none()), "{listing:?}");
        }
    });
    assert_eq!(listed(&runs).runs.len(), 1);
}

#[test]
fn a_run_is_described_at_a_glance() {
    let mut fixture = common::small_three();
    fixture.results.seeds[1].stopped = Some("no improvement for 5 epochs".into());
    fixture.write_results();
    let tags = TagChange { add: vec!["base".into()], note: Some("the first".into()), ..TagChange::default() };
    tags.apply(Tags::default(), &fixture.layout).unwrap().write(&fixture.layout, &RealFs).unwrap();
    let best = fixture.layout.checkpoints(1).join("best-000017");
    std::fs::create_dir_all(&best).unwrap();
    std::fs::write(best.join("model.safetensors"), [0; 100]).unwrap();
    // With a slash at its end, as shells complete it.
    let described = describe(&fixture.layout.root().join("")).unwrap();
    assert_eq!(described.overview.path, fixture.layout.root());
    assert_eq!(
        (described.overview.tags.as_slice(), described.overview.note.as_deref()),
        (&["base".to_owned()][..], Some("the first"))
    );
    assert_eq!(described.seeds[1].stopped.as_deref(), Some("no improvement for 5 epochs"));
    assert_eq!(described.seeds[1].best_epoch, Some(fixture.results.seeds[1].best_epoch));
    let checkpoints: Vec<_> =
        described.checkpoints.iter().map(|found| (found.seed, found.name.as_str(), found.bytes)).collect();
    assert_eq!(checkpoints, [(1, "best-000017", 100)]);
    assert!(described.config.contains(&("net.backbone.width".to_owned(), "32".to_owned())), "{:?}", described.config);
    assert!(described.ensemble.is_some() && described.problems.is_empty());
    let missing = describe(&fixture.folder.path().join("nowhere")).unwrap_err();
    assert!(matches!(missing, RunsError::Missing { .. }), "{missing}");
}

#[test]
fn damaged_tags_leave_the_rest() {
    let fixture = common::small_three();
    std::fs::write(fixture.layout.tags(), "{").unwrap();
    let run = only(&runs_of(&fixture));
    assert_eq!(run.state, State::Finished);
    assert!(run.problem.unwrap().contains("tags.json"));
    assert!(describe(fixture.layout.root()).unwrap().problems[0].contains("tags.json"));
}

#[test]
fn runs_are_compared_by_validation_and_by_test_where_both_have_opened_it() {
    let one = common::small_three();
    let mut two = common::finished("other-1", &common::three(), &[5, 6], 10);
    let paths = [one.layout.root().to_owned(), two.layout.root().to_owned()];
    let comparison = compare(&paths).unwrap();
    let keys: Vec<&str> = comparison.config.iter().map(|row| row.key.as_str()).collect();
    assert_eq!(keys, ["name", "seeds", "train.epochs"]);
    assert!(comparison.environment.is_empty() && comparison.data.is_empty() && comparison.remarks.is_empty());
    assert_eq!(comparison.metrics.iter().filter(|row| row.split == Split::Test).count(), 10);
    let synthetic = common::tensor_reloaded();
    let remarks = compare(&[paths[0].clone(), synthetic.layout.root().to_owned()]).unwrap().remarks.join("\n");
    assert!(remarks.contains("SYNTHETIC") && remarks.contains("the data differ"), "{remarks}");
    let all = comparison.metrics.iter().find(|row| row.task == "all" && row.split == Split::Val).unwrap();
    let [a, b] = [0, 1].map(|index| all.values[index].as_ref().unwrap().mean);
    assert_eq!(all.differences, [Some(b - a)]);

    for seed in &mut two.results.seeds {
        seed.test = None;
    }
    (two.results.ensemble, two.results.summary) = (None, Vec::new());
    two.manifest.environment.threads = 7;
    two.manifest.data[0].sha256 = "ab".repeat(32);
    two.write_manifest();
    two.write_results();
    let comparison = compare(&paths).unwrap();
    assert!(comparison.metrics.iter().all(|row| row.split == Split::Val));
    assert_eq!(comparison.environment[0].key, "threads");
    assert_eq!(comparison.data[0].key, "breastmnist");
    let remarks = comparison.remarks.join("\n");
    assert!(remarks.contains("not every run has scored it") && remarks.contains("the data differ"), "{remarks}");
    two.make_unfinished();
    assert!(compare(&paths).unwrap().remarks.join("\n").contains("0 of its 2 seeds have results"));
}
