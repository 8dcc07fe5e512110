//! `medley auto`, from nothing to a package that predicts and a test split that is opened once.

use medley_tests::lab::Lab;
use medley_tests::program::must;
use serde_json::Value;

const AUTO: [&str; 8] = ["auto", "--config", "base.toml", "--budget", "14s", "--out", "auto/first", "--json"];

/// A run in a few seconds, or on a machine that is busy and finishes nothing in them, in more; and its options.
fn finished() -> (Lab, [&'static str; 8], Value) {
    let within = |budget: &'static str| {
        let lab = Lab::with_tasks(&["breastmnist"], 40);
        lab.config("base", &["breastmnist"], "");
        let mut options = AUTO;
        options[4] = budget;
        let said = lab.run(&options);
        assert!(said.code == Some(0) || said.code == Some(2), "{said:?}");
        (said.code == Some(0)).then(|| (lab, options, json(&said.stdout)))
    };
    ["14s", "25s", "1min", "5min"].into_iter().find_map(within).unwrap()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn a_time_makes_a_package_and_a_report_and_the_test_split_opens_once() {
    let (lab, options, record) = finished();
    // Whether there is time for a search depends on the machine.
    let finding = record["finding"].as_str().unwrap();
    assert_eq!(record["trials"] == 0, finding.contains("no time for a search"), "{record}");
    assert!(record["test"].is_null());
    let folder = lab.path().join("auto/first");
    let report = fs_err::read_to_string(folder.join("report.html")).unwrap();
    assert!(report.contains("Automatic run") && report.contains("SYNTHETIC"));
    assert_eq!(report.contains("id=\"result\""), record["trials"] != 0, "what was not searched has no result");

    // Given again, there is nothing to do; asked otherwise, it is refused.
    let again = must(lab.path(), &options);
    assert_eq!(json(&again.stdout), record);
    assert!(again.stderr.contains("nothing to do"), "{}", again.stderr);
    let mut other = options;
    other[4] = "15s";
    let refused = lab.run(&other);
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("--budget"), "{}", refused.stderr);

    // What it made is used.
    must(lab.path(), &["models", "verify", "auto/first"]);
    let predict = ["predict", "data/breastmnist.npz", "--member", "test_images", "--model", "auto/first", "--csv"];
    let predicted = must(lab.path(), &predict).stdout;
    assert_eq!(predicted.lines().count(), 41);

    // Opened once, whatever is asked.
    let tested = json(&must(lab.path(), &["test", "auto/first", "--json", "--quiet"]).stdout);
    assert_eq!(tested["test"]["tasks"][0]["rows"], 40);
    let once = must(lab.path(), &["test", "auto/first", "--json"]);
    assert_eq!(json(&once.stdout), tested);
    assert!(once.stderr.contains("tested before"), "{}", once.stderr);
    let ensemble = fs_err::read_to_string(folder.join("ensemble-1/ensemble.json")).unwrap();
    assert_eq!(json(&ensemble)["test_openings"].as_array().map(Vec::len), Some(1));
    let report = fs_err::read_to_string(folder.join("report.html")).unwrap();
    assert!(report.contains("opened once, for the ensemble"));
    // The package says what was scored.
    let file = fs_err::read_dir(folder.join("ensemble-1/predictions")).unwrap();
    let file = file.map(|entry| entry.unwrap().path()).find(|path| path.to_string_lossy().contains("_test_")).unwrap();
    // The last two columns, as the name of a class may have a comma.
    let odds = |line: &str| -> f64 {
        let numbers: Vec<f64> = line.rsplit(',').take(2).map(|number| number.parse().unwrap()).collect();
        (numbers[0] / numbers[1]).ln()
    };
    let decisions = json(&fs_err::read_to_string(folder.join("ensemble-1/decisions.json")).unwrap());
    // A temperature changes what is shown, and not what is scored.
    let temperature = decisions["decide_by"]["tasks"]["breastmnist"]["temperature"].as_f64().unwrap_or(1.0);
    let scored = fs_err::read_to_string(file).unwrap();
    assert_eq!(scored.lines().count(), 40);
    for (scored, said) in scored.lines().zip(predicted.lines().skip(1)) {
        let (scored, said) = (odds(scored), odds(said) * temperature);
        assert!((scored - said).abs() < 1e-3 * scored.abs().max(1.0), "{scored} {said} {temperature}");
    }
}
