//! `medley runs transfer`, `medley score --corruptions` of what was measured, `medley data audit --groups`.

use medley_core::record::{CorruptionErrors, RobustnessRecord, SCHEMA_VERSION, TaskRobustness};
use medley_core::{RunLayout, Split};
use medley_data::hash_file;
use serde_json::Value;

use crate::lab::{Lab, Recipe, TASKS, write};
use crate::program::{medley, must};

const JOINT: Recipe<'static> = Recipe {
    name: "joint-1",
    tasks: &TASKS,
    seeds: &[0, 1, 2],
    skill: 2.5,
    preference: 0.0,
    tested: false,
    fold: None,
};
const ALONE: Recipe<'static> =
    Recipe { name: "breast-1", tasks: &["breastmnist"], seeds: &[1, 2, 3], skill: 0.5, ..JOINT };

#[test]
fn joint_training_is_set_beside_training_alone_seed_by_seed() {
    let lab = Lab::new(150);
    for recipe in [JOINT, ALONE, Recipe { name: "retina-1", tasks: &["retinamnist"], ..JOINT }] {
        lab.run(recipe);
    }
    let arguments = ["runs", "transfer", "runs/joint-1", "runs/breast-1", "runs/retina-1"];
    let found: Value =
        serde_json::from_str(&must(lab.path(), &[&arguments[..], &["--json", "--html", "page.html"]].concat()))
            .unwrap();
    let tasks = found["tasks"].as_array().unwrap();
    assert_eq!(
        (tasks.len(), &tasks[0]["seeds"], &tasks[1]["seeds"]),
        (2, &serde_json::json!([1, 2]), &serde_json::json!([0, 1, 2]))
    );
    let breast = &tasks[0]["metrics"][2];
    assert_eq!((&breast["metric"], &breast["verdict"]), (&"macro_f1".into(), &"gain".into()), "{breast}");
    assert!(breast["deviation"].as_f64().unwrap() > 0.0 && breast["interval"]["low"].as_f64().unwrap() > 0.0);
    let page = std::fs::read_to_string(lab.path().join("page.html")).unwrap();
    assert!(page.contains("joint is better") && page.contains("Synthetic data") && !page.contains("<script"), "{page}");
    let text = must(lab.path(), &[&arguments[..], &["--markdown"]].concat());
    assert!(text.contains("| breastmnist | macro-f1 |") && text.contains("does not tell the steps"), "{text}");

    let refused = |part: &str, arguments: &[&str]| {
        let said = medley(lab.path(), &[&["runs", "transfer"], arguments].concat());
        assert_eq!((said.code, said.stdout.as_str()), (Some(2), ""), "{arguments:?}: {}", said.stderr);
        assert!(said.stderr.contains(part), "{part}: {}", said.stderr);
    };
    refused("no task in common", &["runs/breast-1", "runs/retina-1"]);
    refused("is the second run of `breastmnist`", &["runs/joint-1", "runs/breast-1", "runs/breast-1"]);
    lab.run(Recipe { name: "late-1", seeds: &[9], ..ALONE });
    refused("no seed in common", &["runs/joint-1", "runs/late-1"]);
    assert_eq!(medley(lab.path(), &["runs", "transfer", "runs/joint-1", "data"]).code, Some(4));
}

fn measured(lab: &Lab, run: &RunLayout, error: f64) {
    let task = TaskRobustness {
        task: "breastmnist".into(),
        sha256: hash_file(&lab.path().join("data/breastmnist.npz")).unwrap().1,
        rows: 40,
        clean: error / 2.0,
        corruptions: vec![CorruptionErrors { name: "speckle_noise".into(), balanced_error: [error; 5] }],
    };
    let record = RobustnessRecord {
        schema_version: SCHEMA_VERSION,
        run: run.name(),
        split: Split::Val,
        seeds: vec![0],
        tasks: vec![task],
    };
    write(&run.robustness(), &record);
}

#[test]
fn measured_errors_are_shown_beside_a_reference_without_libtorch() {
    let lab = Lab::new(40);
    let (own, reference) = (lab.run(ALONE), lab.run(Recipe { name: "ref-1", ..ALONE }));
    measured(&lab, &own, 0.2);
    measured(&lab, &reference, 0.4);
    let arguments = ["score", "runs/breast-1", "--corruptions"];
    let text = must(lab.path(), &arguments);
    assert!(text.contains("speckle noise  0.200") && !text.contains("ref-1"), "{text}");
    let beside = [&arguments[..], &["--reference", "runs/ref-1"]].concat();
    let text = must(lab.path(), &[&beside[..], &["--svg", "chart.svg"]].concat());
    assert!(text.contains("errors over those of ref-1") && text.contains("0.500"), "{text}");
    assert!(std::fs::read_to_string(lab.path().join("chart.svg")).unwrap().contains("</svg>"));
    let json: Value = serde_json::from_str(&must(lab.path(), &[&beside[..], &["--json"]].concat())).unwrap();
    assert_eq!(json["relative"][0]["relative_balanced_error"], 0.5);
    // It is known as part of the run, and its report shows it.
    must(lab.path(), &["report", "runs/breast-1"]);
    assert!(std::fs::read_to_string(own.report()).unwrap().contains("id=\"robustness\""));
    let refused = |code: i32, part: &str, arguments: &[&str]| {
        let said = medley(lab.path(), arguments);
        assert_eq!((said.code, said.stdout.as_str()), (Some(code), ""), "{arguments:?}: {}", said.stderr);
        assert!(said.stderr.contains(part), "{part}: {}", said.stderr);
    };
    refused(2, "for one run folder", &["score", "runs/breast-1", "runs/ref-1", "--corruptions"]);
    refused(2, "the test split stays shut", &[&arguments[..], &["--split", "test"]].concat());
    refused(2, "not those that the run was trained on", &[&arguments[..], &["--split", "train"]].concat());
    must(lab.path(), &[&arguments[..], &["--split", "val"]].concat());
    refused(4, "is not a run folder", &["score", "data", "--corruptions"]);
    refused(2, "--corruptions", &["score", "runs/breast-1", "--reference", "runs/ref-1"]);
    let text = std::fs::read_to_string(reference.robustness()).unwrap();
    std::fs::write(reference.robustness(), text.replace("\"rows\": 40", "\"rows\": 41")).unwrap();
    refused(2, "were validated on other images of `breastmnist`", &beside);
    std::fs::write(reference.robustness(), text.replace("0.4", "4.0")).unwrap();
    refused(4, "outside 0 to 1", &beside);
    must(lab.path(), &["runs", "rm", "runs/breast-1", "--yes"]);
}

#[test]
fn near_duplicates_become_groups_of_folds() {
    let lab = Lab::new(30);
    must(lab.path(), &["data", "audit", "breastmnist", "--groups", "groups.csv"]);
    let text = std::fs::read_to_string(lab.path().join("groups.csv")).unwrap();
    assert_eq!((text.lines().next(), text.lines().count()), (Some("split,index,group"), 91));
    let said = medley(lab.path(), &["data", "audit", "breastmnist", "--groups", "groups.csv"]);
    assert_eq!(said.code, Some(4), "{}", said.stderr);
}
