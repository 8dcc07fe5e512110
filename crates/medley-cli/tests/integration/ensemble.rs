//! `medley ensemble`.

use std::path::Path;

use medley_core::RunLayout;
use medley_core::record::Manifest;
use serde_json::Value;

use crate::lab::{Lab, Recipe, TASKS, write};
use crate::program::{medley, must};

const GOOD: Recipe<'static> =
    Recipe { name: "good-1", tasks: &TASKS, seeds: &[0, 1], skill: 2.0, preference: 0.0, tested: true, fold: None };
const OTHER: Recipe<'static> =
    Recipe { name: "other-1", tasks: &["retinamnist", "dermamnist"], seeds: &[5], skill: 1.7, ..GOOD };
/// It knows nothing.
const USELESS: Recipe<'static> =
    Recipe { name: "useless-1", tasks: OTHER.tasks, seeds: &[7, 8, 9], skill: 0.0, ..GOOD };

fn json(folder: &Path, arguments: &[&str]) -> Value {
    serde_json::from_str(&must(folder, &[arguments, &["--json"]].concat())).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn the_mean_of_all_seeds_is_written_and_scored_on_validation_alone() {
    let lab = Lab::new(120);
    lab.run(GOOD);
    lab.run(OTHER);
    let record = json(lab.path(), &["ensemble", "runs/good-1", "runs/other-1"]);
    let tasks = record["tasks"].as_array().unwrap();
    let members: Vec<usize> = tasks.iter().map(|task| task["members"].as_array().unwrap().len()).collect();
    assert_eq!((members, &record["members_compared"]), (vec![2, 3, 3], &8.into()));
    assert_eq!(
        (&record["method"], &record["name"], &record["synthetic"]),
        (&"mean".into(), &"ensemble-1".into(), &true.into())
    );
    assert!(record.get("test").is_none() && record.get("test_openings").is_none());
    let folder = lab.path().join("runs/ensemble-1");
    assert_eq!(names(&folder), ["ensemble.json", "predictions"]);
    let written: Value = serde_json::from_slice(&std::fs::read(folder.join("ensemble.json")).unwrap()).unwrap();
    assert_eq!(written, record);
    // Anyone's evaluator finds the same scores in the files.
    let card = json(lab.path(), &["score", "runs/ensemble-1/predictions", "--split", "val"]);
    let f1 = record["validation"]["tasks"][1]["macro_f1"].as_f64().unwrap();
    assert!(card.to_string().contains(&f1.to_string()), "{card}");
    // Three are better than each alone, and a second folder takes the next number.
    let alone = json(lab.path(), &["ensemble", "runs/other-1"]);
    assert_eq!(alone["name"], "ensemble-2");
    let of = |record: &Value, task: &str| {
        let tasks = record["validation"]["tasks"].as_array().unwrap().clone();
        tasks.iter().find(|found| found["task"] == task).unwrap()["macro_f1"].as_f64().unwrap()
    };
    assert!(of(&record, "retinamnist") > of(&alone, "retinamnist"));
    // It is not a run, and lists of runs are not bothered.
    assert!(!must(lab.path(), &["runs", "list"]).contains("ensemble-1"));
}

#[test]
fn the_test_split_is_opened_on_request_and_recorded() {
    let lab = Lab::new(60);
    lab.run(GOOD);
    lab.run(OTHER);
    let text = must(lab.path(), &["ensemble", "runs/good-1", "runs/other-1", "--test", "--name", "both"]);
    assert!(text.contains("submission.SYNTHETIC.csv (180 rows)") && text.contains("harmonic mean"), "{text}");
    let folder = lab.path().join("runs/both-1");
    let record: Value = serde_json::from_slice(&std::fs::read(folder.join("ensemble.json")).unwrap()).unwrap();
    let openings = record["test_openings"].as_array().unwrap();
    assert_eq!((openings.len(), &openings[0]["by"]), (1, &"ensemble".into()));
    // The predictions that opened the labels are those that are kept.
    for prediction in record["predictions"].as_array().unwrap().iter().filter(|one| one["split"] == "test") {
        let path = folder.join("predictions").join(prediction["file"].as_str().unwrap());
        let sha256 = medley_data::hash_file(&path).unwrap().1;
        assert_eq!(
            (&prediction["sha256"], &openings[0]["sha256"][prediction["task"].as_str().unwrap()]),
            (&sha256.clone().into(), &sha256.into())
        );
    }
    assert_eq!(names(&folder.join("predictions")).len(), 6);
    let submission = std::fs::read_to_string(folder.join("submission.SYNTHETIC.csv")).unwrap();
    assert_eq!(submission.lines().count(), 181);
    let card = json(lab.path(), &["score", "runs/both-1/predictions"]);
    let f1 = record["test"]["tasks"][2]["macro_f1"].as_f64().unwrap();
    assert!(card.to_string().contains(&f1.to_string()), "{card}");
}

#[test]
fn members_that_know_nothing_lose_their_weight_and_among_equals_the_mean_stays() {
    let lab = Lab::new(300);
    for recipe in [GOOD, OTHER, USELESS] {
        lab.run(recipe);
    }
    for method in ["weighted", "greedy"] {
        let record =
            json(lab.path(), &["ensemble", "runs/good-1", "runs/useless-1", "--method", method, "--name", method]);
        let (breast, retina) = (&record["tasks"][0]["weighed"], &record["tasks"][1]["weighed"]);
        assert_eq!(retina["method"], method, "{retina}");
        let weights: Vec<f64> =
            retina["weights"].as_array().unwrap().iter().map(|weight| weight.as_f64().unwrap()).collect();
        assert!(weights[..2].iter().sum::<f64>() > 0.7, "{weights:?}");
        assert_eq!((&breast["method"], breast["weights"].as_array().unwrap().len()), (&"mean".into(), 2), "{breast}");
        let text = must(lab.path(), &["ensemble", "runs/good-1", "runs/useless-1", "--method", method]);
        assert!(text.contains("no certain gain over the mean") && text.contains("weights"), "{text}");
    }
}

#[test]
fn what_does_not_go_together_is_refused_and_nothing_is_written() {
    let lab = Lab::new(30);
    let good = lab.run(GOOD);
    let other = lab.run(OTHER);
    let apart = lab.run(Recipe { name: "apart-1", tasks: &TASKS[..1], ..OTHER });
    lab.run(Recipe { name: "shut-1", tested: false, ..OTHER });
    let change = |run: &RunLayout, change: &dyn Fn(&mut Manifest)| {
        let before = std::fs::read(run.manifest()).unwrap();
        let mut manifest: Manifest = serde_json::from_slice(&before).unwrap();
        change(&mut manifest);
        write(&run.manifest(), &manifest);
        before
    };
    let refused = |code: i32, part: &str, arguments: &[&str]| {
        let before = names(&lab.path().join("runs"));
        let said = medley(lab.path(), &[&["ensemble"], arguments].concat());
        assert_eq!((said.code, said.stdout.as_str()), (Some(code), ""), "{arguments:?}: {}", said.stderr);
        assert!(said.stderr.contains(part), "{part}: {}", said.stderr);
        assert_eq!(names(&lab.path().join("runs")), before);
    };
    refused(2, "was named twice", &["runs/good-1", "runs/other-1", "runs/./good-1/"]);
    refused(2, "`runs/apart-1` has no task in common", &["runs/apart-1", "runs/other-1"]);
    refused(2, "cannot be the name of an ensemble", &["runs/good-1", "--name", "../x"]);
    refused(4, "is not a run folder", &["runs/good-1", "data"]);
    refused(4, "`medley test runs/shut-1`", &["runs/good-1", "runs/shut-1", "--test"]);
    let before = change(&other, &|manifest| manifest.data[0].sha256 = "5e".repeat(32));
    refused(3, "were made with different data for `retinamnist`", &["runs/good-1", "runs/other-1"]);
    std::fs::write(other.manifest(), before).unwrap();
    let before = change(&good, &|manifest| manifest.data[1].sha256 = "5e".repeat(32));
    refused(3, "was made with another `retinamnist.npz`", &["runs/good-1"]);
    std::fs::write(good.manifest(), before).unwrap();
    // Another number of validation rows: in the manifest, then in the files.
    let before = change(&other, &|manifest| {
        manifest.data[0].rows.insert(medley_core::Split::Val, 29);
    });
    let results = std::fs::read_to_string(other.results()).unwrap();
    std::fs::write(other.results(), results.replacen("\"rows\": 30", "\"rows\": 29", 1)).unwrap();
    let said = medley(lab.path(), &["ensemble", "runs/good-1", "runs/other-1"]);
    assert!(said.code != Some(0) && said.stderr.contains("30"), "{}", said.stderr);
    std::fs::write(other.manifest(), before).unwrap();
    std::fs::write(other.results(), results).unwrap();
    std::fs::remove_file(apart.results()).unwrap();
    refused(4, "it is unfinished", &["runs/good-1", "runs/apart-1"]);
    // Side by side, on request.
    let collected = lab.run(Recipe { name: "apart-2", tasks: &TASKS[..1], ..OTHER });
    assert!(collected.results().exists());
    let record = json(lab.path(), &["ensemble", "runs/other-1", "runs/apart-2", "--collect", "--test"]);
    assert_eq!(record["test"]["tasks"].as_array().unwrap().len(), 3);
}
