//! Images that belong together, in `medley score` and `medley compare`: the rest of these is tested with real runs.

use std::fmt::Write as _;

use serde_json::Value;

use crate::lab::{Lab, Recipe, TASKS};
use crate::program::{medley, must};

fn run() -> Recipe<'static> {
    Recipe { name: "one-1", tasks: &TASKS[..2], seeds: &[0], skill: 2.0, preference: 0.0, tested: true, fold: None }
}

/// Figures of the tasks of the only predictor: name, rows, and the accuracy.
fn tasks(json: &str) -> Vec<(String, u64, f64)> {
    let card: Value = serde_json::from_str(json).unwrap();
    let of = |task: &Value| {
        let accuracy = task["figures"].as_array().unwrap().iter().find(|metric| metric["id"] == "accuracy").unwrap();
        (task["task"].as_str().unwrap().to_owned(), task["rows"].as_u64().unwrap(), accuracy["value"].as_f64().unwrap())
    };
    card["predictors"][0]["tasks"].as_array().unwrap().iter().map(of).collect()
}

#[test]
fn images_that_are_related_to_other_splits_are_left_out() {
    let lab = Lab::new(60);
    lab.run(run());
    let mut csv = "split,index,group\ntrain,3,a\nval,5,b\n".to_owned();
    for row in 0..60 {
        let group = if row < 10 {
            "a".to_owned()
        } else if row < 15 {
            "b".to_owned()
        } else {
            format!("own-{row}")
        };
        writeln!(csv, "test,{row},{group}").unwrap();
    }
    std::fs::write(lab.path().join("groups.csv"), csv).unwrap();
    let all = tasks(&must(lab.path(), &["score", "runs/one-1", "--json"]));
    let arguments = ["score", "runs/one-1", "--apart", "breastmnist=groups.csv"];
    let apart = tasks(&must(lab.path(), &[&arguments[..], &["--json"]].concat()));
    assert_eq!(apart.iter().map(|task| task.1).collect::<Vec<_>>(), [45, 60]);
    assert_eq!(apart[1], all[1], "the other task is as it was");
    // Of images, right ones are a whole number.
    let right = apart[0].2 * 45.0;
    assert!((right - right.round()).abs() < 1e-9 && right <= all[0].2 * 60.0 + 1e-9, "{apart:?} {all:?}");
    must(lab.path(), &[&arguments[..], &["--write"]].concat());
    let record: Value =
        serde_json::from_slice(&std::fs::read(lab.path().join("runs/one-1/related.json")).unwrap()).unwrap();
    let score = &record["tasks"][0]["scores"][1];
    assert_eq!((&record["tasks"][0]["apart"], &score["metric"]), (&45.into(), &"ACC".into()), "{record}");
    let (with, without) = (score["all"]["value"].as_f64().unwrap(), score["apart"]["value"].as_f64().unwrap());
    assert!((with - all[0].2).abs() + (without - apart[0].2).abs() < 1e-9, "{record}");
    // Of another task, it is kept beside the first.
    std::fs::copy(lab.path().join("groups.csv"), lab.path().join("others.csv")).unwrap();
    let other = format!("{}=others.csv", TASKS[1]);
    must(lab.path(), &["score", "runs/one-1", "--apart", &other, "--write"]);
    let record: Value =
        serde_json::from_slice(&std::fs::read(lab.path().join("runs/one-1/related.json")).unwrap()).unwrap();
    let kept: Vec<&str> =
        record["tasks"].as_array().unwrap().iter().map(|task| task["task"].as_str().unwrap()).collect();
    assert_eq!(kept, TASKS[..2]);
    let text = must(lab.path(), &arguments);
    assert!(text.contains("without 15 of 60 images") && text.contains("groups.csv"), "{text}");
}

#[test]
fn images_of_one_patient_are_drawn_together_for_intervals() {
    let lab = Lab::new(60);
    lab.run(run());
    let mut csv = "split,index,patient\n".to_owned();
    (0..60).for_each(|row| writeln!(csv, "test,{row},P{}", row / 6).unwrap());
    std::fs::write(lab.path().join("patients.csv"), csv).unwrap();
    let width = |more: &[&str]| {
        let card: Value =
            serde_json::from_str(&must(lab.path(), &[&["score", "runs/one-1", "--json"], more].concat())).unwrap();
        let task = &card["predictors"][0]["tasks"][0];
        let ends = |end: &str| task["figures"][1][end].as_f64().unwrap();
        (ends("value"), ends("high") - ends("low"), task["rows"].as_u64().unwrap())
    };
    let groups = ["--groups", "breastmnist=patients.csv"];
    let ((value, rows_apart, _), (same, whole_patients, _)) = (width(&[]), width(&groups));
    assert_eq!(value, same, "the figure is that of all images");
    assert_ne!(rows_apart, whole_patients);
    let text = must(lab.path(), &[&["score", "runs/one-1"], &groups[..]].concat());
    assert!(text.contains("the 10 groups of `patients.csv` that the 60 images are of"), "{text}");
    let (_, _, left) = width(&[&groups[..], &["--apart", "breastmnist=patients.csv"]].concat());
    assert_eq!(left, 60, "no patient is in two splits");
}

#[test]
fn comparisons_take_whole_patients() {
    let lab = Lab::new(60);
    lab.run(run());
    lab.run(Recipe { name: "two-1", skill: 0.5, tasks: &TASKS[..1], ..run() });
    let mut csv = "split,index,patient\n".to_owned();
    (0..60).for_each(|row| writeln!(csv, "test,{row},P{}", row / 6).unwrap());
    std::fs::write(lab.path().join("patients.csv"), csv).unwrap();
    let compared = |more: &[&str]| {
        let arguments = [&["compare", "runs/one-1", "runs/two-1", "--json"], more].concat();
        serde_json::from_str::<Value>(&must(lab.path(), &arguments)).unwrap()
    };
    let tests = |card: &Value| {
        let differences = card["pairs"][0]["tasks"][0]["differences"].as_array().unwrap();
        differences.iter().map(|one| one["test"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let groups = ["--groups", "breastmnist=patients.csv"];
    let (rows, patients) = (compared(&[]), compared(&groups));
    assert_eq!(tests(&rows), ["DeLong", "McNemar", "permutation"]);
    assert_eq!(tests(&patients), ["DeLong", "permutation", "permutation"]);
    let of = |card: &Value, key: &str| card["pairs"][0]["tasks"][0]["differences"][0][key].as_f64().unwrap();
    assert_eq!(of(&rows, "difference"), of(&patients, "difference"));
    assert_ne!(of(&rows, "p"), of(&patients, "p"));
    let text = must(lab.path(), &[&["compare", "runs/one-1", "runs/two-1"], &groups[..]].concat());
    assert!(text.contains("the 10 groups of `patients.csv`"), "{text}");
    // A task that one of them lacks is not compared, and may still have groups.
    let card = compared(&["--groups", "retinamnist=patients.csv"]);
    assert_eq!(tests(&card), ["DeLong", "McNemar", "permutation"]);
    let said = medley(lab.path(), &["compare", "runs/one-1", "runs/two-1", "--groups", "pathmnist=patients.csv"]);
    assert_eq!(said.code, Some(2), "{}", said.stderr);
    assert!(said.stderr.contains("there are no predictions of `pathmnist`"), "{}", said.stderr);
}

#[test]
fn groups_that_do_not_fit_are_refused_in_a_line() {
    let lab = Lab::new(30);
    lab.run(run());
    std::fs::write(lab.path().join("long.csv"), "split,index,group\ntest,30,a\n").unwrap();
    std::fs::write(lab.path().join("twice.csv"), "split,index,group\ntest,1,a\ntest,1,b\n").unwrap();
    let mut csv = "split,index,group\ntrain,0,a\n".to_owned();
    (0..30).for_each(|row| writeln!(csv, "test,{row},a").unwrap());
    std::fs::write(lab.path().join("all.csv"), csv).unwrap();
    let refused = |code: i32, part: &str, more: &[&str]| {
        let said = medley(lab.path(), &[&["score", "runs/one-1"], more].concat());
        assert_eq!((said.code, said.stdout.as_str()), (Some(code), ""), "{more:?}: {}", said.stderr);
        assert!(said.stderr.contains(part), "{part}: {}", said.stderr);
    };
    refused(2, "give the task and its file", &["--apart", "groups.csv"]);
    refused(3, "`none.csv`", &["--apart", "breastmnist=none.csv"]);
    refused(3, "line 3: the test row 1 is listed twice", &["--apart", "breastmnist=twice.csv"]);
    refused(3, "line 2: there is no test row 30", &["--apart", "breastmnist=long.csv"]);
    std::fs::write(lab.path().join("short.csv"), "split,index,group\ntest,0,a\n").unwrap();
    refused(3, "groups of `breastmnist` in `short.csv`", &["--apart", "breastmnist=short.csv"]);
    refused(3, "it has no group of the test row 1", &["--apart", "breastmnist=short.csv"]);
    refused(2, "needs one run folder", &["runs/one-1", "--apart", "breastmnist=all.csv", "--write"]);
    refused(2, "is given twice", &["--apart", "breastmnist=all.csv", "--apart", "breastmnist=all.csv"]);
    refused(3, "no rows", &["--apart", "breastmnist=all.csv"]);
    refused(2, "there are no predictions of `bloodmnist`", &["--apart", "bloodmnist=all.csv"]);
    refused(2, "is for the test split", &["--split", "val", "--apart", "breastmnist=all.csv"]);
}

#[test]
fn runs_of_a_seed_each_are_scored_as_seeds_of_one() {
    let lab = Lab::new(60);
    lab.run(run());
    lab.run(Recipe { name: "two-1", seeds: &[1], ..run() });
    let runs = ["score", "runs/one-1", "runs/two-1"];
    let card: Value =
        serde_json::from_str(&must(lab.path(), &[&runs[..], &["--as-seeds", "both", "--json"]].concat())).unwrap();
    let mean = &card["seeds"][0];
    assert_eq!((&mean["predictor"], &card["predictors"][1]["predictor"]), (&"both".into(), &"both-seed1".into()));
    assert!(mean["rows"].as_array().unwrap().iter().all(|row| row[2]["count"] == 2), "{mean}");
    let text = must(lab.path(), &[&runs[..], &["--as-seeds", "both"]].concat());
    assert!(text.contains("both (test), mean over seeds"), "{text}");
    let refused = medley(lab.path(), &["score", "runs/one-1", "--as-seeds", "both"]);
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("needs two or more"), "{}", refused.stderr);
}
