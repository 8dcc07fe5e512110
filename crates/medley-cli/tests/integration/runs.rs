//! `medley runs` as it is typed: what it prints, and how it ends.

use medley_core::RunLayout;
use serde_json::Value;

use crate::common;
use crate::program::{medley, must};

/// A finished run, a copy that is damaged, and a name that would clear the terminal.
fn three_runs() -> common::Fixture {
    let fixture = common::small_three();
    for name in ["damaged-1", "evil\u{1b}[2J"] {
        let run = RunLayout::new(fixture.folder.path().join(name));
        std::fs::create_dir(run.root()).unwrap();
        for (from, to) in [
            (fixture.layout.manifest(), run.manifest()),
            (fixture.layout.config(), run.config()),
            (fixture.layout.results(), run.results()),
        ] {
            std::fs::copy(from, to).unwrap();
        }
    }
    std::fs::write(fixture.folder.path().join("damaged-1/results.json"), "{").unwrap();
    fixture
}

#[test]
fn a_list_has_a_line_for_each_run_and_one_for_each_problem() {
    let fixture = three_runs();
    let runs = fixture.folder.path();
    let text = must(runs, &["runs", "list", "."]);
    assert_eq!(text.lines().count(), 5, "{text}");
    assert!(text.lines().last().unwrap().starts_with("damaged `./damaged-1`: "), "{text}");
    assert!(text.contains("evil\\u{1b}[2J") && !text.contains('\u{1b}'), "{text}");
    let list: Value = serde_json::from_str(&must(runs, &["runs", "list", ".", "--json", "--sort", "name"])).unwrap();
    let names: Vec<&str> = list.as_array().unwrap().iter().map(|run| run["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["damaged-1", "evil\u{1b}[2J", "small-three-1"]);
    assert_eq!((&list[0]["state"], &list[2]["state"]), (&"damaged".into(), &"finished".into()));
    assert!(list[2]["test"]["mean"].is_f64() && list[2]["validation"]["standard_deviation"].is_f64(), "{list}");
    let filtered = must(runs, &["runs", "list", ".", "--state", "finished", "--task", "breastmnist", "--limit", "1"]);
    assert_eq!(filtered.lines().count(), 2, "{filtered}");
    let none = medley(runs, &["runs", "list", ".", "--model", "vit"]);
    assert_eq!((none.code, none.stdout.as_str()), (Some(0), ""));
    assert!(none.stderr.contains("none of the 3 runs"), "{}", none.stderr);
}

#[test]
fn no_runs_yet_is_no_error_and_a_missing_folder_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let none = medley(folder.path(), &["runs", "list"]);
    assert_eq!(none.code, Some(0), "{}", none.stderr);
    assert!(none.stderr.contains("no runs in `runs`"), "{}", none.stderr);
    assert_eq!(must(folder.path(), &["runs", "list", "--json"]).trim(), "[]");
    assert_eq!(medley(folder.path(), &["runs", "list", "nowhere"]).code, Some(4));
}

#[test]
fn sorting_by_the_test_score_is_warned_of() {
    let fixture = three_runs();
    let said = medley(fixture.folder.path(), &["runs", "list", ".", "--sort", "score"]);
    assert!(said.stderr.contains("selection on the test split") && said.stderr.lines().count() == 1, "{}", said.stderr);
    assert_eq!(medley(fixture.folder.path(), &["runs", "list", ".", "--sort", "val"]).stderr, "");
}

#[test]
fn a_run_is_shown_compared_and_tagged() {
    let fixture = three_runs();
    let runs = fixture.folder.path();
    let shown = must(runs, &["runs", "show", "small-three-1"]);
    for part in ["resnet9 w32", "harmonic mean", "ensemble", "breastmnist.npz", "official"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let json: Value = serde_json::from_str(&must(runs, &["runs", "show", "small-three-1", "--json"])).unwrap();
    assert_eq!(json["seeds"].as_array().unwrap().len(), 3);
    let same = must(runs, &["runs", "diff", "small-three-1", "evil\u{1b}[2J"]);
    assert!(same.contains("config: no difference") && same.contains("test"), "{same}");
    let tags = must(runs, &["runs", "tag", "small-three-1", "base", "--note", "the first"]);
    assert_eq!(tags, "tags: base\nnote: the first\n");
    assert!(must(runs, &["runs", "list", ".", "--tag", "base"]).contains("small-three-1"));
    assert_eq!(must(runs, &["runs", "tag", "small-three-1", "--remove", "base", "--note", ""]), "no tags\n");
    for (code, arguments) in [
        (2, &["runs", "tag", "small-three-1", "a b"][..]),
        (2, &["runs", "diff", "small-three-1"]),
        (4, &["runs", "tag", ".", "base"]),
        (4, &["runs", "show", "damaged-1"]),
        (4, &["runs", "show", "nowhere"]),
    ] {
        assert_eq!(medley(runs, arguments).code, Some(code), "{arguments:?}");
    }
    assert!(!runs.join("tags.json").exists(), "what is no run gets no tags");
}

#[test]
fn a_run_that_began_from_another_says_so() {
    let fixture = common::small_three();
    let mut manifest: Value = serde_json::from_slice(&std::fs::read(fixture.layout.manifest()).unwrap()).unwrap();
    let from = |epoch: usize| serde_json::json!({ "seed": 0, "epoch": epoch, "sha256": "5e".repeat(32) });
    let seeds = serde_json::json!({ "0": from(12), "1": from(1), "2": from(12) });
    manifest["parent"] = serde_json::json!({ "run": "first-1", "how": "weights", "seeds": seeds });
    let child = RunLayout::new(fixture.folder.path().join("child-1"));
    std::fs::create_dir(child.root()).unwrap();
    std::fs::write(child.manifest(), manifest.to_string()).unwrap();
    std::fs::copy(fixture.layout.config(), child.config()).unwrap();
    std::fs::copy(fixture.layout.results(), child.results()).unwrap();
    let shown = must(fixture.folder.path(), &["runs", "show", "child-1"]);
    let line = "first-1, its best network: seed 0 from seed 0 after 12 epochs; seed 1 from seed 0 after 1 epoch;";
    assert!(shown.contains(line), "{shown}");
    let listed = must(fixture.folder.path(), &["runs", "list", "."]);
    assert!(listed.lines().next().unwrap().ends_with("  parent"), "{listed}");
    let listed = must(fixture.folder.path(), &["runs", "list", "small-three-1"]);
    assert!(!listed.contains("parent"), "{listed}");
}

#[test]
fn nothing_is_removed_without_a_word_or_if_one_of_several_is_refused() {
    let fixture = three_runs();
    let runs = fixture.folder.path();
    std::fs::create_dir(runs.join("photos")).unwrap();
    for (code, part, arguments) in [
        (2, "add --yes", &["runs", "rm", "small-three-1"][..]),
        (4, "photos` is not a run folder", &["runs", "rm", "small-three-1", "photos", "--yes"]),
        (4, "there is no folder", &["runs", "rm", "small-three-1", "nowhere", "--yes"]),
        (4, "does not name a run folder", &["runs", "rm", "..", "--yes"]),
    ] {
        let said = medley(runs, arguments);
        assert_eq!(said.code, Some(code), "{arguments:?}: {}", said.stderr);
        assert!(said.stderr.contains(part), "{}", said.stderr);
        assert!(fixture.layout.results().exists());
    }
    let inside = medley(fixture.layout.root(), &["runs", "rm", "../small-three-1", "--yes"]);
    assert!(inside.stderr.contains("holds the current folder"), "{}", inside.stderr);
    let removed = must(runs, &["runs", "rm", "small-three-1/", "./small-three-1", "damaged-1", "--yes"]);
    assert!(
        removed.contains("removed `damaged-1`: ") && removed.lines().last().unwrap().ends_with("freed"),
        "{removed}"
    );
    let mut left: Vec<_> = std::fs::read_dir(runs).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["evil\u{1b}[2J", "photos"]);
}

#[test]
fn a_run_is_watched_by_the_lines_that_its_process_writes() {
    let fixture = common::small_three();
    let run = fixture.layout.root().to_str().unwrap();
    let _ = std::fs::remove_file(fixture.layout.events());
    let said = medley(fixture.folder.path(), &["runs", "watch", run, "--once"]);
    assert_eq!(said.code, Some(4), "{}", said.stderr);
    assert!(said.stderr.contains("events.jsonl"), "{}", said.stderr);
    let line = |time: f64, event: &str| format!("{{\"time\":{time},\"event\":{event}}}\n");
    let started = r#""run_started","run":"small-three-1","tasks":["breastmnist"],"seeds":[0],"epochs":4,"steps_per_epoch":10,"resumed":false"#;
    let step = |at: usize| {
        format!(
            r#""step","seed":0,"epoch":1,"step":{at},"loss":0.5,"learning_rate":1e-3,"gradient_norm":1.0,"images":8"#
        )
    };
    let text = [line(10.0, started), line(10.0, &step(0)), line(20.0, &step(5)), "{\"time\":".into()].concat();
    std::fs::write(fixture.layout.events(), text).unwrap();
    let shown = must(fixture.folder.path(), &["runs", "watch", run, "--once"]);
    // 15 of 40 steps, and 2 s for each.
    for part in ["38 %  10 s elapsed, 50 s left", "> all tasks", "breastmnist", "small-three-1 begins"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(shown.lines().all(|line| line.chars().count() <= 100), "{shown}");
    let unseen = medley(fixture.folder.path(), &["runs", "watch", run]);
    assert_eq!((unseen.code, unseen.stdout.as_str()), (Some(2), ""));
    assert!(unseen.stderr.contains("--once"), "{}", unseen.stderr);
    assert_eq!(medley(fixture.folder.path(), &["runs", "watch", "nowhere"]).code, Some(4));
}
