//! `medley decide`.

use serde_json::Value;

use crate::lab::{Lab, Recipe, TASKS};
use crate::program::{medley, must};

/// Networks that prefer class 0 far too much.
fn biased() -> Recipe<'static> {
    Recipe {
        name: "biased-1",
        tasks: &TASKS[..2],
        seeds: &[0, 1],
        skill: 2.0,
        preference: 2.5,
        tested: true,
        fold: None,
    }
}

#[test]
fn a_bias_is_found_and_written_down_and_the_test_split_is_shown_by_both_rules() {
    let lab = Lab::new(240);
    let run = lab.run(biased());
    let text = must(lab.path(), &["decide", "runs/biased-1"]);
    for part in ["SYNTHETIC", "the mean of 2 seeds", "accepted", "harmonic mean", "each seed alone", "TEST split"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!run.decisions().exists());
    let said: Value =
        serde_json::from_str(&must(lab.path(), &["decide", "runs/biased-1", "--json", "--write"])).unwrap();
    let written: Value = serde_json::from_slice(&std::fs::read(run.decisions()).unwrap()).unwrap();
    assert_eq!(said, written);
    for task in written["tasks"].as_array().unwrap() {
        let number = |path: &str| task.pointer(path).unwrap().as_f64().unwrap();
        assert_ne!(task["predictor"]["rule"]["name"], "plain", "{task}");
        assert!(number("/predictor/macro_f1") > number("/predictor/plain_macro_f1") + 0.05, "{task}");
        assert!(number("/test/with_rule") > number("/test/plain"), "{task}");
        assert_eq!(task["seeds"].as_array().unwrap().len(), 2);
    }
    // What is to be used stands in one place, and is read by whoever uses it.
    let decisions: medley_decisions::Decisions = serde_json::from_value(written["decide_by"].clone()).unwrap();
    for task in written["tasks"].as_array().unwrap() {
        let decision = decisions.of(task["task"].as_str().unwrap()).unwrap();
        assert_eq!(serde_json::to_value(decision.rule()).unwrap(), task["predictor"]["rule"]);
    }
    // A submission follows the rules where that is asked for.
    let submitted = |more: &[&str]| {
        let said = medley(lab.path(), &[&["submission", "runs/biased-1"], more].concat());
        assert_eq!(said.code, Some(0), "{}", said.stderr);
        let file = said.stdout.split(" (").next().unwrap().trim().to_owned();
        (std::fs::read_to_string(lab.path().join(file)).unwrap(), said.stderr)
    };
    let ((plain, _), (by_rules, said)) = (submitted(&[]), submitted(&["--decide"]));
    let zeros = |text: &str| text.lines().filter(|line| line.ends_with(",0")).count();
    assert!(zeros(&by_rules) + 20 < zeros(&plain), "{} of {}", zeros(&by_rules), zeros(&plain));
    assert_eq!(plain.lines().count(), by_rules.lines().count());
    assert!(said.contains("by rules: "), "{said}");
    // What is written is known as part of the run.
    let removed = must(lab.path(), &["runs", "rm", "runs/biased-1", "--yes"]);
    assert!(removed.contains("removed"), "{removed}");
}

#[test]
fn test_labels_are_neither_needed_nor_opened() {
    let lab = Lab::new(60);
    let run = lab.run(Recipe { tested: false, ..biased() });
    let before = std::fs::read(run.manifest()).unwrap();
    let text = must(lab.path(), &["decide", "runs/biased-1"]);
    assert!(!text.contains("TEST") && text.contains("validation"), "{text}");
    assert_eq!(std::fs::read(run.manifest()).unwrap(), before);
    // The same without any test predictions: they are not read.
    let with = lab.run(Recipe { name: "biased-2", ..biased() });
    for entry in std::fs::read_dir(with.predictions()).unwrap() {
        let path = entry.unwrap().path();
        if path.to_str().unwrap().contains("_test_") {
            std::fs::remove_file(path).unwrap();
        }
    }
    assert_eq!(medley(lab.path(), &["decide", "runs/biased-2"]).code, Some(4));
}

#[test]
fn what_cannot_be_decided_is_said_in_one_line() {
    let lab = Lab::new(30);
    let run = lab.run(biased());
    let refused = |code: i32, part: &str, arguments: &[&str]| {
        let said = medley(lab.path(), arguments);
        assert_eq!((said.code, said.stdout.as_str()), (Some(code), ""), "{arguments:?}: {}", said.stderr);
        assert!(said.stderr.contains(part), "{part}: {}", said.stderr);
        assert!(!run.decisions().exists());
    };
    refused(4, "is not a run folder", &["decide", "data"]);
    refused(2, "`medley decide runs/biased-1 --write` fits them", &["submission", "runs/biased-1", "--decide"]);
    refused(2, "`level` is 0.2, but must be at least 0.5", &["decide", "runs/biased-1", "--level", "0.2"]);
    let file = std::fs::read_dir(run.predictions()).unwrap().map(|entry| entry.unwrap().path());
    let file = file.into_iter().find(|path| path.to_str().unwrap().contains("retinamnist_val_")).unwrap();
    let whole = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    refused(4, "its file has changed since the seed was scored", &["decide", "runs/biased-1", "--write"]);
    std::fs::remove_file(&file).unwrap();
    refused(4, "there is no file whose name ends with", &["decide", "runs/biased-1", "--write"]);
    std::fs::write(&file, &whole).unwrap();
    std::fs::remove_file(run.results()).unwrap();
    refused(4, "`medley resume runs/biased-1` continues it", &["decide", "runs/biased-1"]);
}
