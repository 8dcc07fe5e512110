//! `medley decide` and `medley ensemble` of the runs of all folds.

use std::collections::BTreeMap;

use medley_cli::combine::{combine, weights};
use medley_core::record::Manifest;
use serde_json::Value;

use crate::lab::{Fold, Lab, Recipe, TASKS, write};
use crate::program::{medley, must};

/// A recipe whose networks prefer class 0 far too much.
const BIASED: Recipe<'static> = Recipe {
    name: "",
    tasks: &["breastmnist", "retinamnist"],
    seeds: &[0, 1],
    skill: 2.0,
    preference: 2.5,
    tested: true,
    fold: None,
};

/// Rows of training and validation together, by task: a validation split of BreastMNIST has 78 at most.
const ROWS: [u64; 2] = [178, 200];

/// The runs of all folds of a recipe, with their paths.
fn train(lab: &Lab, stem: &str, recipe: Recipe<'_>, count: usize, repeats: u64) -> Vec<String> {
    let mut paths = Vec::new();
    for repeat in 0..repeats {
        for index in 0..count {
            let name = format!("{stem}-fold{index}-{repeat}");
            lab.run(Recipe { name: &name, fold: Some(Fold { count, index, repeat }), ..recipe });
            paths.push(format!("runs/{name}"));
        }
    }
    paths
}

fn arguments<'a>(command: &[&'a str], paths: &'a [String]) -> Vec<&'a str> {
    command.iter().copied().chain(paths.iter().map(String::as_str)).collect()
}

fn json(lab: &Lab, command: &[&str], paths: &[String]) -> Value {
    serde_json::from_str(&must(lab.path(), &[&arguments(command, paths)[..], &["--json"]].concat())).unwrap()
}

#[test]
fn every_row_is_decided_by_rules_of_other_folds() {
    let lab = Lab::new(100);
    let paths = train(&lab, "cv", BIASED, 4, 2);
    let text = must(lab.path(), &arguments(&["decide"], &paths));
    assert!(text.contains("out-of-fold rows of 4 folds, 2 ways of splitting") && !text.contains("TEST"), "{text}");
    let record = json(&lab, &["decide"], &paths);
    assert_eq!(record["run"], "cv");
    for (task, rows) in record["tasks"].as_array().unwrap().iter().zip(ROWS) {
        assert_eq!(task["predictor"]["rows"], rows);
        assert_ne!(task["predictor"]["rule"]["name"], "plain", "{task}");
        assert_eq!(task["seeds"][0]["sha256"].as_array().unwrap().len(), 8);
    }
    let said = medley(lab.path(), &arguments(&["decide", "--write"], &paths));
    assert!(said.code == Some(2) && said.stderr.contains("--decide"), "{}", said.stderr);
}

#[test]
fn folds_are_weighed_out_of_fold_and_bagged_on_the_test_split() {
    let lab = Lab::new(100);
    let mut paths = train(&lab, "cv", BIASED, 3, 1);
    paths.extend(train(&lab, "blind", Recipe { skill: 0.0, preference: 0.0, seeds: &[5], ..BIASED }, 3, 1));
    let record = json(&lab, &["ensemble", "--method", "greedy", "--decide"], &paths);
    assert_eq!((&record["folds"]["count"], &record["members_compared"]), (&3.into(), &6.into()));
    assert!(record.get("test").is_none());
    let of = |task: &Value, place: &str| task.pointer(place).unwrap().as_f64().unwrap();
    for (task, result) in
        record["tasks"].as_array().unwrap().iter().zip(record["validation"]["tasks"].as_array().unwrap())
    {
        let members: Vec<&str> =
            task["members"].as_array().unwrap().iter().map(|member| member["run"].as_str().unwrap()).collect();
        assert_eq!(members, ["cv", "cv", "blind"]);
        assert!(ROWS.contains(&result["rows"].as_u64().unwrap()), "{result}");
        assert!(task["weighed"]["method"] == "mean" || of(task, "/weighed/weights/2") < 0.3, "{task}");
        // The files have what each row was predicted by when it was held out.
        let expected = task.pointer("/weighed/cross_fitted").filter(|_| task["weighed"]["method"] == "greedy");
        let expected = expected.unwrap_or_else(|| task.pointer("/weighed/mean").unwrap());
        assert!((of(result, "/macro_f1") - expected["macro_f1"].as_f64().unwrap()).abs() < 1e-9);
    }
    let folder = lab.path().join("runs/ensemble-1");
    let decisions: Value = serde_json::from_slice(&std::fs::read(folder.join("decisions.json")).unwrap()).unwrap();
    assert_ne!(decisions["decide_by"]["tasks"]["retinamnist"]["rule"]["name"], "plain");
    assert!(decisions["tasks"][0].get("test").is_none());

    // The test split: the mean over the folds, decided by the rules.
    let cv = &paths[..3];
    let text = must(lab.path(), &arguments(&["ensemble", "--test", "--decide", "--name", "bag"], cv));
    assert!(text.contains("test, macro-F1"), "{text}");
    let folder = lab.path().join("runs/bag-1");
    let files = |root: &std::path::Path, part: &str| -> Vec<std::path::PathBuf> {
        let entries = std::fs::read_dir(root.join("predictions")).unwrap().map(|entry| entry.unwrap().path());
        let mut found: Vec<_> = entries.filter(|path| path.to_str().unwrap().contains(part)).collect();
        found.sort();
        found
    };
    let table = |path: &std::path::Path| -> Vec<f64> {
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().flat_map(|line| line.split(',').skip(1).map(|cell| cell.parse().unwrap())).collect()
    };
    let mut sums = vec![0.0; 500];
    let mut count = 0.0;
    for path in cv {
        for file in files(&lab.path().join(path), "retinamnist_test_") {
            if !file.to_str().unwrap().contains("-ensemble") {
                table(&file).iter().zip(&mut sums).for_each(|(value, sum)| *sum += value);
                count += 1.0;
            }
        }
    }
    let bagged = table(&files(&folder, "retinamnist_test_")[0]);
    assert_eq!((count, bagged.len()), (6.0, 500));
    assert!(bagged.iter().zip(&sums).all(|(mean, sum)| (mean - sum / count).abs() < 1e-6));
    let decisions: Value = serde_json::from_slice(&std::fs::read(folder.join("decisions.json")).unwrap()).unwrap();
    let retina = &decisions["tasks"][1];
    assert!(of(retina, "/test/with_rule") > of(retina, "/test/plain"), "{retina}");
    // The submission is decided by the rules: it has the macro-F1 that they are said to have.
    let card = must(lab.path(), &["score", "runs/bag-1/submission.SYNTHETIC.csv", "--metrics", "macro_f1", "--json"]);
    assert!(card.contains(&of(retina, "/test/with_rule").to_string()), "{card}");
}

#[test]
fn folds_that_do_not_fit_are_named() {
    let lab = Lab::new(40);
    let recipe = Recipe { tasks: &TASKS[..1], seeds: &[0], tested: false, ..BIASED };
    let paths = train(&lab, "cv", recipe, 3, 1);
    let other = train(&lab, "other", recipe, 4, 1);
    let again = train(&lab, "again", recipe, 3, 1);
    lab.run(Recipe { name: "plain-1", ..recipe });
    let refused = |code: i32, part: &str, paths: &[&str]| {
        for command in ["decide", "ensemble"] {
            let said = medley(lab.path(), &[&[command], paths].concat());
            assert_eq!((said.code, said.stdout.as_str()), (Some(code), ""), "{command} {paths:?}: {}", said.stderr);
            assert!(said.stderr.contains(part), "{part}: {}", said.stderr);
        }
    };
    let [zero, one, two] = [0, 1, 2].map(|index| paths[index].as_str());
    refused(2, "fold 1 of 3 (repeat 0) of the recipe of `runs/cv-fold0-0` is missing", &[zero, two]);
    refused(
        2,
        "`runs/cv-fold0-0` and `runs/other-fold0-0` were not split alike: they have 3 and 4",
        &[zero, &other[0]],
    );
    refused(2, "`runs/plain-1` has no folds", &[zero, one, two, "runs/plain-1"]);
    let all: Vec<&str> = paths.iter().chain(&again).map(String::as_str).collect();
    let said = medley(lab.path(), &[&["decide"], &all[..]].concat());
    assert!(said.code == Some(2) && said.stderr.contains("2 recipes (`cv`, `again`)"), "{}", said.stderr);
    let said = medley(lab.path(), &["decide", "runs/plain-1", "runs/plain-1"]);
    assert!(said.code == Some(2) && said.stderr.contains("medley ensemble"), "{}", said.stderr);
    // A copy of a fold, other data, rows twice, rows that are not there, a damaged file.
    let config = lab.path().join(one).join("config.toml");
    let (own, of_zero) =
        (std::fs::read(&config).unwrap(), std::fs::read(lab.path().join(zero).join("config.toml")).unwrap());
    std::fs::write(&config, of_zero).unwrap();
    let manifest = lab.path().join(one).join("manifest.json");
    let before = std::fs::read(&manifest).unwrap();
    let change = |change: &dyn Fn(&mut Manifest)| {
        let mut value: Manifest = serde_json::from_slice(&before).unwrap();
        change(&mut value);
        write(&manifest, &value);
    };
    change(&|manifest| manifest.folds.as_mut().unwrap().index = 0);
    refused(2, "`runs/cv-fold0-0` and `runs/cv-fold1-0` are both fold 0", &[zero, one, two]);
    std::fs::write(&config, own).unwrap();
    change(&|manifest| manifest.data[0].sha256 = "5e".repeat(32));
    refused(3, "were made with different data for `breastmnist`", &[zero, one, two]);
    change(&|manifest| manifest.folds.as_mut().unwrap().index = 7);
    refused(4, "it is fold 7 of 3", &[zero, one, two]);
    std::fs::write(&manifest, &before).unwrap();
    let rows = lab.path().join(one).join("fold_rows.json");
    let kept = std::fs::read(&rows).unwrap();
    let mut named: BTreeMap<String, Vec<usize>> = serde_json::from_slice(&kept).unwrap();
    let list = named.get_mut("breastmnist").unwrap();
    list[0] = 0;
    write(&rows, &named);
    refused(4, "row 0 is in `runs/cv-fold1-0` and in another fold", &[zero, one, two]);
    named.get_mut("breastmnist").unwrap()[0] = usize::MAX;
    write(&rows, &named);
    refused(4, "names row 18446744073709551615", &[zero, one, two]);
    std::fs::write(&rows, "{").unwrap();
    refused(4, "`medley resume` writes it again", &[zero, one, two]);
    std::fs::write(&rows, kept).unwrap();
    must(lab.path(), &["decide", zero, one, two]);
}

#[test]
fn a_fold_of_a_later_way_of_splitting_is_averaged_where_it_was_held_out() {
    let lab = Lab::new(60);
    let recipe = Recipe { tasks: &TASKS[..1], seeds: &[0], tested: false, ..BIASED };
    let paths = train(&lab, "cv", recipe, 3, 2);
    let some = &paths[..4];
    let said = medley(lab.path(), &arguments(&["ensemble"], some));
    assert!(said.code == Some(2) && said.stderr.contains("fold 1 of 3 (repeat 1)"), "{}", said.stderr);

    let folders: Vec<std::path::PathBuf> = some.iter().map(|path| lab.path().join(path)).collect();
    let built = combine(&folders, &lab.path().join("data"), &lab.path().join("made"), "ensemble").unwrap();
    assert_eq!(weights(&built, "cv-fold0-1")["breastmnist"], 0.25, "a mean of four networks for new images");
    let mean = values(built.layout.root());
    let mut sums: BTreeMap<usize, Vec<Vec<f64>>> = BTreeMap::new();
    for folder in &folders {
        let rows: BTreeMap<String, Vec<usize>> =
            serde_json::from_slice(&std::fs::read(folder.join("fold_rows.json")).unwrap()).unwrap();
        for (row, one) in rows["breastmnist"].iter().zip(values(folder)) {
            sums.entry(*row).or_default().push(one);
        }
    }
    let twice = sums.values().filter(|all| all.len() == 2).count();
    assert!(twice > 0 && twice < sums.len() && sums.len() == mean.len(), "{twice} of {}", sums.len());
    for (all, mean) in sums.values().zip(&mean) {
        let expected = all.iter().map(|one| one[1]).sum::<f64>() / all.len() as f64;
        assert!((expected - mean[1]).abs() < 1e-6, "{all:?}: {mean:?}");
    }
    // The first way of splitting has to be whole.
    let error = combine(&folders[1..], &lab.path().join("data"), &lab.path().join("made"), "less").unwrap_err();
    assert!(error.to_string().contains("fold 0 of 3 (repeat 0)"), "{error}");
}

/// The validation probabilities of BreastMNIST in a folder.
fn values(root: &std::path::Path) -> Vec<Vec<f64>> {
    let entries = std::fs::read_dir(root.join("predictions")).unwrap().map(|entry| entry.unwrap().path());
    let path = entries.into_iter().find(|path| path.to_str().unwrap().contains("breastmnist_val")).unwrap();
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| line.split(',').skip(1).map(|cell| cell.parse().unwrap()).collect()).collect()
}
