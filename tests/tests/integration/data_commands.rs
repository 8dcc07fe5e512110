//! `medley data` as people and scripts use it.

use medley_tests::lab::Lab;
use medley_tests::program::must;
use serde_json::Value;

fn json(lab: &Lab, arguments: &[&str]) -> Value {
    serde_json::from_str(&must(lab.path(), arguments).stdout).unwrap()
}

#[test]
fn a_renamed_file_is_known_and_a_misnamed_one_refused() {
    let lab = Lab::with_tasks(&["breastmnist"], 40);
    std::fs::rename(lab.path().join("data/breastmnist.npz"), lab.path().join("data/download.npz")).unwrap();
    let described = json(&lab, &["data", "info", "data/download.npz", "--json"]);
    // Forty rows are not a published number: of a generated file it is known that it was generated.
    assert_eq!(described[0]["verdict"]["verdict"], "synthetic");
    assert_eq!(described[0]["arrays"].as_array().unwrap().len(), 7);
    assert!(described[0]["licence"].is_null() && described[0]["differences"].as_array().unwrap().is_empty());
    std::fs::rename(lab.path().join("data/download.npz"), lab.path().join("data/pathmnist.npz")).unwrap();
    let said = lab.run(&["data", "stats", "data/pathmnist.npz"]);
    assert_eq!(said.code, Some(3), "{}", said.stderr);
    assert!(said.stderr.contains("images of PathMNIST are 28x28x3"), "{}", said.stderr);
}

#[test]
fn sets_are_named_with_their_size_everywhere() {
    let lab = Lab::new();
    must(lab.path(), &["data", "synth", "breastmnist_64", "--out", "d", "--rows", "20"]);
    let described = json(&lab, &["data", "info", "breastmnist_64", "--data", "d", "--json"]);
    assert_eq!((&described[0]["set"], &described[0]["size"]), (&"breastmnist".into(), &64.into()));
    let verified = lab.run(&["data", "verify", "breastmnist_64", "--data", "d", "--json"]);
    assert_eq!(verified.code, Some(3), "it is not the published file: {verified:?}");
    assert!(verified.stdout.contains("d/breastmnist_64.npz") && verified.stdout.contains("synthetic"), "{verified:?}");
    // What to do about a missing file is said for that file.
    let said = lab.run(&["data", "stats", "breastmnist", "--data", "d"]);
    assert!(said.stderr.contains("`medley data fetch breastmnist --data d`"), "{}", said.stderr);
    let said = lab.run(&["data", "verify", "brestmnist_64", "--data", "d"]);
    assert!(said.stderr.contains("did you mean `breastmnist`"), "{}", said.stderr);
}

#[test]
fn statistics_keep_test_labels_sealed_until_asked() {
    let lab = Lab::with_tasks(&["retinamnist"], 50);
    let sealed = json(&lab, &["data", "stats", "retinamnist", "--data", "data", "--json"]);
    assert!(sealed[0]["splits"]["test"].get("class_counts").is_none());
    assert_eq!(sealed[0]["splits"]["train"]["channels"].as_array().unwrap().len(), 3);
    let opened = json(&lab, &["data", "stats", "retinamnist", "--data", "data", "--open-test-labels", "--json"]);
    let counts: u64 = opened[0]["splits"]["test"]["class_counts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|count| count.as_u64().unwrap())
        .sum();
    assert_eq!(counts, 50);
    let text = must(lab.path(), &["data", "stats", "retinamnist", "--data", "data"]).stdout;
    assert!(text.contains("sealed") && text.contains("dark to light"), "{text}");
}

#[test]
fn an_audit_speaks_and_writes_json() {
    let lab = Lab::with_tasks(&["breastmnist", "pneumoniamnist"], 60);
    let text = must(lab.path(), &["data", "audit", "breastmnist", "pneumoniamnist", "--data", "data"]).stdout;
    assert!(text.contains("Equal images: 0 groups") && text.contains("val precision"), "{text}");
    let found = json(&lab, &["data", "audit", "data/breastmnist.npz", "--near", "off", "--json"]);
    assert!(found["near_threshold"].is_null() && found["sets"][0]["rows"][0] == 60, "{found}");
    assert_eq!(lab.run(&["data", "audit", "breastmnist", "--data", "data", "--near", "1.5"]).code, Some(2));
    let said = lab.run(&["data", "audit", "brestmnist", "--data", "data"]);
    assert_eq!(said.code, Some(3));
    assert!(said.stderr.contains("did you mean `breastmnist`?"), "{}", said.stderr);
}

#[test]
fn little_memory_means_a_cache_that_clean_removes() {
    let lab = Lab::with_tasks(&["bloodmnist"], 60);
    let stats = ["data", "stats", "bloodmnist", "--data", "data", "--json"];
    let plain = must(lab.path(), &stats).stdout;
    let small = [&stats[..], &["--memory", "10kB", "--cache", "decoded"]].concat();
    assert_eq!(must(lab.path(), &small).stdout, plain);
    let listed = json(&lab, &["data", "clean", "--cache", "decoded", "--dry-run", "--json"]);
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert!(must(lab.path(), &["data", "clean", "--cache", "decoded"]).stdout.contains("1 file,"));
    assert_eq!(json(&lab, &["data", "clean", "--cache", "decoded", "--json"]), Value::Array(Vec::new()));
    assert_eq!(lab.run(&[&stats[..], &["--memory", "much"]].concat()).code, Some(2));
}
