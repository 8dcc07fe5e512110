//! From data to report, on synthetic and on real data.

use medley_tests::lab::{Lab, files_under};
use medley_tests::program::must;
use medley_tests::repository::{real_data, root};
use serde_json::Value;

const ELEVEN: [&str; 11] = [
    "pathmnist",
    "dermamnist",
    "octmnist",
    "pneumoniamnist",
    "retinamnist",
    "breastmnist",
    "bloodmnist",
    "tissuemnist",
    "organamnist",
    "organcmnist",
    "organsmnist",
];

fn read(lab: &Lab, name: &str) -> String {
    std::fs::read_to_string(lab.path().join("runs/lab-1").join(name)).unwrap()
}

#[test]
fn eleven_synthetic_tasks_become_a_report_that_says_so() {
    let lab = Lab::with_tasks(&[], 30);
    lab.config("lab", &ELEVEN, "");
    let said = lab.train("lab", &["--set", "train.epochs=1"]);
    assert!(said.stdout.contains("SYNTHETIC"), "{}", said.stdout);
    let files = files_under(&lab.path().join("runs/lab-1"));
    for needed in ["config.toml", "manifest.json", "events.jsonl", "metrics.csv", "results.json", "report.html"] {
        assert!(files.contains_key(needed), "{needed} is missing from {:?}", files.keys());
    }
    assert!(!files.contains_key("submission.csv"), "a synthetic submission must not look like a real one");
    let submission = read(&lab, "submission.SYNTHETIC.csv");
    let mut lines = submission.lines();
    assert_eq!(lines.next(), Some("id,id_image_in_task,task_name,label"));
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    let mut order: Vec<&str> = rows.iter().map(|row| row[2]).collect();
    order.dedup();
    assert_eq!(order, ELEVEN, "tasks in the order of the competition");
    for (id, row) in rows.iter().enumerate() {
        assert_eq!(row[0], id.to_string());
    }
    let report = read(&lab, "report.html");
    assert!(report.contains("SYNTHETIC") && report.to_lowercase().contains("not for clinical use"));
    let self_contained =
        !report.contains("src=\"http") && !report.contains("href=\"http://") && !report.contains("@import");
    assert!(self_contained, "the report fetches something");
    let results: Value = serde_json::from_str(&read(&lab, "results.json")).unwrap();
    assert_eq!(results["synthetic"], true);
    assert_eq!(results["seeds"][0]["test"]["tasks"].as_array().unwrap().len(), 11);
}

#[test]
fn a_run_of_multi_label_tasks_alone_ends_with_its_results() {
    let lab = Lab::with_tasks(&["chestmnist"], 60);
    lab.config("lab", &["chestmnist"], "");
    let said = lab.train("lab", &["--set", "train.epochs=1"]);
    for words in ["harmonic mean of macro-F1", "submission none:", "every task here has several labels"] {
        assert!(said.stdout.contains(words), "`{words}` is not in: {}", said.stdout);
    }
    let files = files_under(&lab.path().join("runs/lab-1"));
    assert!(files.contains_key("report.html") && !files.contains_key("submission.SYNTHETIC.csv"), "{:?}", files.keys());
    // Asked for by itself, a submission that cannot be is an error.
    assert_eq!(lab.run(&["submission", "runs/lab-1"]).code, Some(4));
}

#[test]
fn learnable_data_are_learnt() {
    let lab = Lab::new();
    medley_tests::npz::Npz::learnable(2, [200, 60, 100]).write(&lab.path().join("data/breastmnist.npz"));
    lab.config("lab", &["breastmnist"], "");
    lab.train("lab", &["--set", "train.epochs=8", "--set", "augment.policy=\"none\"", "--set", "net.dropout=0.0"]);
    let results: Value = serde_json::from_str(&read(&lab, "results.json")).unwrap();
    let test = &results["seeds"][0]["test"]["tasks"][0];
    assert!(test["auc"].as_f64().unwrap() > 0.95, "brightness tells the classes apart: {test}");
}

#[test]
fn predictions_have_the_official_names_and_shape() {
    let lab = Lab::with_tasks(&["retinamnist"], 40);
    lab.config("lab", &["retinamnist"], "");
    lab.train("lab", &[]);
    let files = files_under(&lab.path().join("runs/lab-1/predictions"));
    let test = files.keys().find(|name| name.starts_with("retinamnist_test_[AUC]")).expect("test predictions");
    assert!(test.contains("_[ACC]") && test.ends_with("@lab-1-seed0.csv"), "{test}");
    let rows = String::from_utf8(files[test].clone()).unwrap();
    assert_eq!(rows.lines().count(), 40);
    for (index, line) in rows.lines().enumerate() {
        let cells: Vec<&str> = line.split(',').collect();
        assert_eq!((cells[0], cells.len()), (index.to_string().as_str(), 6), "index and five probabilities: {line}");
        let sum: f64 = cells[1..].iter().map(|cell| cell.parse::<f64>().unwrap()).sum();
        assert!((sum - 1.0).abs() < 1e-5, "{line}");
    }
}

#[test]
fn a_report_can_be_made_from_the_folder_alone() {
    let lab = Lab::with_tasks(&["breastmnist"], 30);
    lab.config("lab", &["breastmnist"], "");
    lab.train("lab", &[]);
    let run = lab.path().join("runs/lab-1");
    let report = std::fs::read(run.join("report.html")).unwrap();
    // Elsewhere, without data, config or checkpoints.
    let moved = lab.path().join("moved");
    std::fs::rename(&run, &moved).unwrap();
    std::fs::remove_file(moved.join("report.html")).unwrap();
    std::fs::remove_dir_all(moved.join("checkpoints")).unwrap();
    std::fs::remove_dir_all(lab.path().join("data")).unwrap();
    must(lab.path(), &["report", "moved"]);
    assert!(
        std::fs::read(moved.join("report.html")).unwrap() == report,
        "the report depends on more than the run folder"
    );
    for (format, parts) in [
        ("markdown", &["# lab-1\n", "\n| BreastMNIST "][..]),
        ("csv", &["run,synthetic,split,", "\nlab-1,true,test,seed,0,breastmnist,30,"]),
        ("latex", &["\\begin{tabular}", "BreastMNIST & 30 & "]),
        ("model-card", &["# Model card: lab-1\n", "not for clinical use"]),
    ] {
        let text = must(lab.path(), &["report", "moved", "--print", format]).stdout;
        for part in parts {
            assert!(text.to_lowercase().contains(&part.to_lowercase()), "{format}: no {part:?} in {text}");
        }
    }
}

#[test]
fn volumes_train_to_a_report() {
    let lab = Lab::with_tasks(&["adrenalmnist3d"], 16);
    let network = "net.backbone={name='resnet18_3d',width=4,convolution='acs'}";
    lab.config("lab", &["adrenalmnist3d"], "");
    lab.train("lab", &["--set", network, "--set", "train.epochs=1"]);
    let results: Value = serde_json::from_str(&read(&lab, "results.json")).unwrap();
    assert_eq!(results["seeds"][0]["test"]["tasks"][0]["task"], "adrenalmnist3d");
    let files = files_under(&lab.path().join("runs/lab-1"));
    let test = files.keys().find(|name| name.starts_with("predictions/adrenalmnist3d_test_")).unwrap();
    assert_eq!(files[test].split(|&byte| byte == b'\n').count(), 17);
    assert!(read(&lab, "report.html").contains("resnet18_3d"));
    let exported = must(lab.path(), &["models", "export", "runs/lab-1"]);
    assert!(exported.stdout.contains("adrenalmnist3d-seed0.safetensors"), "{}", exported.stdout);
}

#[test]
fn standard_output_of_train_is_json_if_asked() {
    let lab = Lab::with_tasks(&["breastmnist"], 30);
    lab.config("lab", &["breastmnist"], "");
    let said = lab.train("lab", &["--json"]);
    let results: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(results["run"], "lab-1");
}

#[test]
fn three_real_sets_train_and_score() {
    let Some(data) = real_data() else { return };
    let data = data.to_str().unwrap();
    let lab = Lab::new();
    lab.config("lab", &["breastmnist", "pneumoniamnist", "retinamnist"], "");
    must(lab.path(), &["data", "verify", "--data", data]);
    let arguments = ["train", "lab.toml", "--data", data, "--quiet", "--set", "train.batch_size=64"];
    let said = must(lab.path(), &arguments);
    assert!(!said.stdout.contains("SYNTHETIC"), "{}", said.stdout);
    // 156 + 624 + 400 test images, and a header.
    assert_eq!(read(&lab, "submission.csv").lines().count(), 1181);
    let results: Value = serde_json::from_str(&read(&lab, "results.json")).unwrap();
    let pneumonia = &results["seeds"][0]["test"]["tasks"][1];
    assert!(pneumonia["auc"].as_f64().unwrap() > 0.8, "two epochs of a tiny net tell pneumonia: {pneumonia}");
    let manifest: Value = serde_json::from_str(&read(&lab, "manifest.json")).unwrap();
    assert_eq!(manifest["data"].as_array().unwrap().len(), 3);
    assert!(manifest["data"][0]["release"].is_string(), "a published file is recognised");
}

/// The eleven tasks at their official sizes: 439,760 training rows, 96,941 rows of submission, under 4 GiB of memory.
/// `cargo test -p medley-tests --test integration whole_runs -- --ignored`
#[test]
#[ignore = "draws half a million images and trains on them: several minutes"]
fn the_competition_at_official_size_fits_in_four_gibibytes() {
    let lab = Lab::new();
    must(lab.path(), &["data", "synth", "--out", "data", "--rows", "official"]);
    let config = root().join("configs/tensor-reloaded.toml");
    let mut child = medley_tests::program::command(lab.path())
        .args(["train", config.to_str().unwrap(), "--data", "data", "--name", "lab-1", "--quiet"])
        .args(["--set", "train.epochs=1", "--set", "net.backbone.width=8", "--set", "sampler.samples_per_epoch=20000"])
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut peak_kibibytes = 0;
    let status = loop {
        let text = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let high =
            text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().trim_end_matches(" kB").parse().ok());
        peak_kibibytes = peak_kibibytes.max(high.unwrap_or(0));
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    };
    assert!(status.success());
    assert_eq!(read(&lab, "submission.SYNTHETIC.csv").lines().count(), 96_942);
    assert!(peak_kibibytes < 4 << 20, "peak memory {peak_kibibytes} KiB");
    println!("peak memory {} MiB", peak_kibibytes / 1024);
}

#[test]
fn test_labels_stay_shut_until_medley_test() {
    let lab = Lab::with_tasks(&["breastmnist"], 30);
    lab.config("lab", &["breastmnist"], "");
    let said = lab.train("lab", &["--no-test"]);
    assert!(said.stdout.contains("validation harmonic mean of macro-F1  "), "{said:?}");
    assert!(said.stdout.contains("validation split") && said.stdout.contains("medley test runs/lab-1"), "{said:?}");
    assert!(read(&lab, "report.html").contains("medley test runs/lab-1"));
    let manifest = || -> Value { serde_json::from_str(&read(&lab, "manifest.json")).unwrap() };
    assert!(manifest()["test_openings"].is_null());
    let refused = lab.run(&["submission", "runs/lab-1"]);
    assert!(refused.code == Some(4) && refused.stderr.contains("medley test"), "{refused:?}");

    let refused = lab.run(&["score", "runs/lab-1", "--data", "data"]);
    assert!(refused.code == Some(4) && refused.stderr.contains("`medley test runs/lab-1`"), "{refused:?}");
    let of_validation = must(lab.path(), &["score", "runs/lab-1", "--split", "val", "--data", "data"]);
    assert!(of_validation.stdout.contains("breastmnist"), "{of_validation:?}");
    for (format, rows) in [("csv", "lab-1,true,val,seed,0,breastmnist,"), ("latex", "Validation results, which are")] {
        let printed = must(lab.path(), &["report", "runs/lab-1", "--print", format]).stdout;
        assert!(printed.contains(rows), "{format}: {printed}");
    }
    let said = must(lab.path(), &["resume", "runs/lab-1", "--data", "data", "--quiet"]);
    assert!(said.stderr.contains("is finished but for its test split"), "{said:?}");

    let tested = || must(lab.path(), &["test", "runs/lab-1", "--data", "data", "--quiet", "--json"]).stdout;
    let first = tested();
    let results: Value = serde_json::from_str(&first).unwrap();
    assert_eq!(results[0]["seeds"][0]["test"]["tasks"][0]["task"], "breastmnist");
    let opened = manifest();
    assert_eq!(opened["test_openings"].as_array().unwrap().len(), 1);
    assert_eq!(opened["test_openings"][0]["by"], "test");
    assert!(read(&lab, "report.html").contains("Test labels opened"));
    assert_eq!((tested(), manifest()), (first, opened), "tested again nothing is opened");

    let said = must(lab.path(), &["test", "runs/lab-1", "--data", "data", "--quiet"]);
    assert!(said.stderr.contains("`runs/lab-1` was tested before: there is nothing to do"), "{said:?}");
    let said = must(lab.path(), &["resume", "runs/lab-1", "--data", "data", "--quiet"]);
    assert!(said.stderr.contains("`runs/lab-1` is finished: there is nothing to resume"), "{said:?}");

    // What was done is printed before what fails.
    let said = lab.run(&["test", "runs/lab-1", "runs/lab-2", "--data", "data", "--json"]);
    let printed: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!((said.code, &printed), (Some(4), &results), "{}", said.stderr);
    assert!(said.stderr.contains("runs/lab-2"), "{}", said.stderr);
}
