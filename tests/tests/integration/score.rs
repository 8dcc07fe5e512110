//! Anyone's predictions are scored, or refused with the lines that are wrong.

use std::fmt::Write as _;

use medley_tests::lab::Lab;
use medley_tests::program::{Said, must};
use serde_json::Value;

const NAME: &str = "breastmnist_test_[AUC]1.000_[ACC]0.750@mine.csv";

/// Truth 0 1 1 0, of which a score below 0.5 misses the third.
fn lab() -> Lab {
    let lab = Lab::new();
    lab.write("labels.csv", "index,label\n0,0\n1,1\n2,1\n3,0\n");
    lab.write(NAME, "3,0.9,0.1\n0,0.8,0.2\n1,0.1,0.9\n2,0.6,0.4\n");
    lab
}

fn json(said: &Said) -> Value {
    serde_json::from_str(&said.stdout).unwrap_or_else(|error| panic!("{error}: {}", said.stdout))
}

fn metrics(task: &Value) -> Vec<(String, Option<f64>)> {
    let metrics = task["figures"].as_array().unwrap();
    metrics.iter().map(|metric| (metric["id"].as_str().unwrap().to_owned(), metric["value"].as_f64())).collect()
}

fn assert_refused(said: &Said, code: i32, words: &[&str]) {
    assert_eq!(said.code, Some(code), "{said:?}");
    assert!(said.stdout.is_empty(), "a score all the same: {}", said.stdout);
    for word in words {
        assert!(said.stderr.contains(word), "`{word}` is not in: {}", said.stderr);
    }
}

#[test]
fn metrics_are_those_of_the_file() {
    let lab = lab();
    let card = json(&must(lab.path(), &["score", NAME, "--labels", "labels.csv", "--json"]));
    let task = &card["predictors"][0]["tasks"][0];
    let f1 = f64::midpoint(0.8, 2.0 / 3.0);
    assert_eq!(metrics(task)[..2], [("auc".into(), Some(1.0)), ("accuracy".into(), Some(0.75))]);
    assert!((metrics(task)[2].1.unwrap() - f1).abs() < 1e-12);
    assert_eq!(task["confusion"], serde_json::json!([[2, 0], [1, 1]]));
    assert_eq!(task["remarks"], serde_json::json!([]));
    assert_eq!(card["predictors"][0]["predictor"], "mine");
}

#[test]
fn what_has_no_interval_or_no_auc_says_why() {
    let lab = lab();
    lab.write("constant.csv", "0,0.9,0.1\n1,0.8,0.2\n2,0.7,0.3\n3,0.6,0.4\n");
    lab.write("ones.csv", "index,label\n0,1\n1,1\n2,1\n3,1\n");
    let score = |labels: &str, more: &[&str]| {
        let arguments = ["score", "constant.csv", "--task", "breastmnist", "--labels", labels];
        must(lab.path(), &[&arguments[..], more].concat()).stdout
    };
    let said = score("labels.csv", &[]);
    assert!(said.contains("  0.500     "), "an interval without width: {said}");
    assert!(said.contains("No interval of breastmnist ACC and breastmnist macro-F1: every resample gives"), "{said}");
    let card: Value = serde_json::from_str(&score("labels.csv", &["--json"])).unwrap();
    let accuracy = &card["predictors"][0]["tasks"][0]["figures"][1];
    assert_eq!((&accuracy["low"], &accuracy["no_interval"]), (&Value::Null, &Value::from("constant")));
    let said = score("ones.csv", &[]);
    assert!(said.contains("breastmnist: the AUC is not defined, as no image is of `malignant`."), "{said}");
}

#[test]
fn metrics_without_a_name_are_refused() {
    let lab = lab();
    for metrics in ["", "auc,,accuracy", " "] {
        let said = lab.run(&["score", NAME, "--labels", "labels.csv", "--metrics", metrics]);
        assert_refused(&said, 2, &["`--metrics` has an empty name", "auc,macro_f1"]);
    }
}

#[test]
fn a_name_that_disagrees_is_said() {
    let lab = lab();
    let lies = NAME.replace("0.750", "0.950");
    std::fs::rename(lab.path().join(NAME), lab.path().join(&lies)).unwrap();
    let said = must(lab.path(), &["score", &lies, "--labels", "labels.csv"]);
    assert!(said.stdout.contains("name says ACC 0.950, but its content gives 0.750"), "{}", said.stdout);
}

#[test]
fn a_task_of_ones_own_needs_its_labels_alone() {
    let lab = lab();
    lab.write("mine.csv", "a,b,c\n0.7,0.2,0.1\n0.1,0.8,0.1\n0.2,0.2,0.6\n0.1,0.7,0.2\n");
    lab.write("truth.csv", "0,0\n1,1\n2,2\n3,2\n");
    let arguments =
        ["score", "mine.csv", "--task", "grains", "--kind", "ordinal", "--labels", "truth.csv", "--metrics", "all"];
    let said = must(lab.path(), &arguments);
    assert!(said.stdout.contains("quadratic_kappa") && said.stdout.contains("log_loss"), "{}", said.stdout);
    let refused = lab.run(&["score", "mine.csv", "--task", "grains", "--labels", "truth.csv"]);
    assert_refused(&refused, 3, &["--kind", "unknown data set `grains`"]);
}

#[test]
fn every_format_is_written() {
    let lab = lab();
    let with = |format: &str| must(lab.path(), &["score", NAME, "--labels", "labels.csv", format, "--details"]).stdout;
    let markdown = with("--markdown");
    assert!(markdown.contains("| breastmnist |      4 | 1.000 | 0.750 ("), "{markdown}");
    let latex = with("--latex");
    assert!(latex.contains("\\begin{tabular}") && latex.contains("breastmnist & 4 & 1.000 & 0.750 ("), "{latex}");
    assert!(!latex.contains('<'), "{latex}");
    assert_eq!(lab.run(&["score", NAME, "--json", "--latex"]).code, Some(2));
}

#[test]
fn what_is_wrong_has_its_lines() {
    for (content, words) in [
        ("0,0.9,0.1\n1,0.9,0.1\n", &["4 labels but 2 rows"][..]),
        ("0,0.9,0.1\n1,0.9,0.1\n1,0.9,0.1\n3,0.9,0.1\n", &["line 3: the index 1 is repeated"]),
        ("0,0.9,0.1\n1,0.9,0.1\n2,0.9,0.1\n4,0.9,0.1\n", &["rows are missing: 3"]),
        (
            "0,0.9,nan\n1,x,0.1\n2,0.9,0.1\n3,0.9,0.1\n",
            &["2 lines are wrong", "line 1: the score \"nan\"", "line 2: the score \"x\""],
        ),
        (
            "0,2.5,0.1\n1,0.9,0.1\n2,0.9,0.2\n3,0.9,0.1\n",
            &["line 1: the score 2.5 is not a probability", "line 3: the scores sum to 1.1", "--any-scores"],
        ),
        ("0,0.5,0.4,0.1\n1,0.5,0.4,0.1\n2,0.5,0.4,0.1\n3,0.5,0.4,0.1\n", &["3 columns, but it has 2 classes"]),
        ("id,a,b\n0,0.9,0.1\n", &["line 1: the first cell is \"id\""]),
    ] {
        let lab = lab();
        lab.write(NAME, content);
        assert_refused(&lab.run(&["score", NAME, "--labels", "labels.csv"]), 3, words);
    }
}

#[test]
fn the_other_generation_of_an_organ_file_is_named() {
    let lab = Lab::new();
    let (mut labels, mut scores) = (String::new(), String::new());
    for row in 0..8827 {
        let _ = writeln!(labels, "{row},{}", row % 11);
    }
    for row in 0..8829 {
        let _ = writeln!(scores, "{row},1,0,0,0,0,0,0,0,0,0,0");
    }
    lab.write("labels.csv", &labels);
    lab.write("organsmnist_test_[AUC]0.500_[ACC]0.091@old.csv", &scores);
    let said = lab.run(&["score", "organsmnist_test_[AUC]0.500_[ACC]0.091@old.csv", "--labels", "labels.csv"]);
    assert_refused(&said, 3, &["MedMNIST 2.0-2.2.3", ">=2.2.4", "8827 labels but 8829 rows"]);
}

#[test]
fn a_run_its_files_and_its_submission_agree() {
    let tasks = ["breastmnist", "retinamnist"];
    let lab = Lab::with_tasks(&tasks, 40);
    lab.config("lab", &tasks, "");
    lab.train("lab", &["--set", "seeds=[0,1]"]);
    let results: Value =
        serde_json::from_slice(&std::fs::read(lab.path().join("runs/lab-1/results.json")).unwrap()).unwrap();
    let card = json(&must(lab.path(), &["score", "runs/lab-1", "--data", "data", "--json"]));
    let names: Vec<&str> =
        card["predictors"].as_array().unwrap().iter().map(|one| one["predictor"].as_str().unwrap()).collect();
    assert_eq!(names, ["lab-1-ensemble", "lab-1-seed0", "lab-1-seed1"]);
    let close = |a: &Value, b: &Value| match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => (a - b).abs() < 1e-12,
        (a, b) => a == b,
    };
    for (index, seed) in results["seeds"].as_array().unwrap().iter().enumerate() {
        let predictor = &card["predictors"][index + 1];
        assert!(close(&predictor["harmonic_mean"]["value"], &seed["test"]["harmonic_mean"]));
        for (ours, theirs) in
            predictor["tasks"].as_array().unwrap().iter().zip(seed["test"]["tasks"].as_array().unwrap())
        {
            for (metric, key) in ours["figures"].as_array().unwrap().iter().zip(["auc", "accuracy", "macro_f1"]) {
                assert!(close(&metric["value"], &theirs[key]), "{metric} is not {}", theirs[key]);
            }
            assert_eq!(ours["origin"], "synthetic");
        }
    }
    assert_eq!(card["seeds"][0]["predictor"], "lab-1");
    let ends = |value: &Value| (value["low"].clone(), value["high"].clone());
    // The run recorded the very intervals that are computed now: of every predictor, and of the mean over seeds.
    let recorded = [&results["ensemble"], &results["seeds"][0]["test"], &results["seeds"][1]["test"]];
    for (predictor, set) in card["predictors"].as_array().unwrap().iter().zip(recorded) {
        assert_eq!(ends(&predictor["harmonic_mean"]), ends(&set["intervals"]["harmonic_mean"]));
        for (index, task) in predictor["tasks"].as_array().unwrap().iter().enumerate() {
            for (metric, key) in task["figures"].as_array().unwrap().iter().zip(["auc", "accuracy", "macro_f1"]) {
                let recorded = &set["intervals"]["tasks"][index][key];
                assert_eq!(ends(metric), ends(recorded), "{key}");
                // A network that was trained for seconds may say one class only.
                let constant = metric["no_interval"] == "constant";
                assert!(recorded["low"].is_f64() || constant || key == "auc", "{recorded}");
            }
        }
    }
    for row in card["seeds"][0]["rows"].as_array().unwrap() {
        let of_mean = &results["mean_intervals"];
        let recorded = match tasks.iter().position(|task| row[0] == *task) {
            Some(index) => &of_mean["tasks"][index][row[1].as_str().unwrap()],
            None => &of_mean["harmonic_mean"],
        };
        assert_eq!(&row[2]["bootstrap"], recorded, "{row}");
    }
    let page = std::fs::read_to_string(lab.path().join("runs/lab-1/report.html")).unwrap();
    let interval = &results["mean_intervals"]["harmonic_mean"];
    let printed = format!("{:.4}–{:.4}", interval["low"].as_f64().unwrap(), interval["high"].as_f64().unwrap());
    let shown = must(lab.path(), &["score", "runs/lab-1", "--data", "data"]).stdout;
    assert!(page.contains(&printed) && shown.contains(&printed), "{printed} is not in both: {shown}");
    let submission = lab.runs().iter().any(|name| name == "lab-1");
    assert!(submission);
    let file = "runs/lab-1/submission.SYNTHETIC.csv";
    let compared =
        json(&must(lab.path(), &["compare", "runs/lab-1", file, "--data", "data", "--json", "--resamples", "20"]));
    for task in compared["pairs"][0]["tasks"].as_array().unwrap() {
        assert_eq!(task["differences"][2]["difference"], 0.0, "{task}");
        assert_eq!(task["mcnemar"]["p"], 1.0);
    }
}

#[test]
fn the_result_comes_first_and_what_others_report_when_it_is_asked_for() {
    let lab = lab();
    let with = |more: &[&str]| must(lab.path(), &[&["score", NAME, "--labels", "labels.csv"], more].concat()).stdout;
    let short = with(&[]);
    assert!(short.starts_with("mine (test)\ntask"), "{short}");
    assert!(!short.contains("Published"), "{short}");
    let rows = |text: &str| text.lines().filter(|line| line.starts_with("breastmnist  ")).count();
    let (best, all) = (with(&["--baselines", "best"]), with(&["--published"]));
    assert!(best.contains("Published on these tasks") && best.contains("more published rows not shown"), "{best}");
    assert!(rows(&all) > rows(&best) && rows(&best) > rows(&short), "{all}");
    assert_eq!(lab.run(&["score", NAME, "--published", "--baselines", "best"]).code, Some(2));
}

#[test]
fn runs_that_were_computed_differently_are_compared_with_a_word_on_it() {
    let tasks = ["breastmnist"];
    let lab = Lab::with_tasks(&tasks, 40);
    lab.config("lab", &tasks, "");
    lab.train("lab", &["--set", "train.epochs=1", "--name", "full"]);
    lab.train("lab", &["--set", "train.epochs=1", "--set", "seeds=[1]", "--name", "other"]);
    lab.train("lab", &["--set", "train.epochs=1", "--set", "train.precision=bf16", "--name", "half"]);
    let compare = |other: &str| {
        let said = must(lab.path(), &["compare", "runs/full", other, "--data", "data", "--json", "--resamples", "20"]);
        json(&said)["remarks"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one.as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(compare("runs/other"), Vec::<String>::new());
    let remarks = compare("runs/half");
    assert!(remarks[0].contains("`runs/full` in fp32 and `runs/half` in bf16;"), "{remarks:?}");
    let text = must(lab.path(), &["compare", "runs/full", "runs/half", "--data", "data", "--resamples", "20"]).stdout;
    assert!(text.contains(&remarks[0]), "{text}");
}

#[test]
fn a_run_folder_whose_manifest_cannot_be_read_is_no_folder_of_result_files() {
    let lab = lab();
    std::fs::create_dir(lab.path().join("run")).unwrap();
    std::os::unix::fs::symlink("manifest.json", lab.path().join("run/manifest.json")).unwrap();
    let said = lab.run(&["score", "run", "--labels", "labels.csv"]);
    assert_eq!(said.code, Some(4), "{said:?}");
    assert!(said.stderr.contains("manifest.json"), "{said:?}");
}

/// `synth` draws other images of the same task from another number of rows.
fn lab_of_a_run() -> Lab {
    let lab = Lab::with_tasks(&["breastmnist"], 40);
    lab.config("lab", &["breastmnist"], "");
    lab.train("lab", &[]);
    must(lab.path(), &["data", "synth", "breastmnist", "--out", "other", "--rows", "40", "--seed", "7"]);
    lab
}

#[test]
fn a_run_is_scored_against_its_own_data_alone() {
    let lab = lab_of_a_run();
    // From anywhere, without --data: the run knows.
    std::fs::create_dir(lab.path().join("elsewhere")).unwrap();
    let elsewhere = lab.path().join("elsewhere");
    let own = json(&must(&elsewhere, &["score", "../runs/lab-1", "--json"]));
    assert_eq!(own["predictors"][0]["tasks"][0]["remarks"], serde_json::json!([]));
    assert_eq!(must(&elsewhere, &["resume", "../runs/lab-1", "--quiet"]).code, Some(0));
    assert_eq!(must(&elsewhere, &["test", "../runs/lab-1", "--quiet"]).code, Some(0));

    let folder = lab.path().join("data").canonicalize().unwrap().display().to_string();
    let file = std::fs::read_dir(lab.path().join("runs/lab-1/predictions")).unwrap();
    let file =
        file.map(|entry| entry.unwrap().path()).find(|path| path.display().to_string().contains("_test_")).unwrap();
    let file = file.strip_prefix(lab.path()).unwrap().to_str().unwrap();
    for path in ["runs/lab-1", "runs/lab-1/predictions", file, "runs/lab-1/submission.SYNTHETIC.csv"] {
        let words = ["runs/lab-1", "another `breastmnist.npz`", "its SHA-256 was", "--allow-other-data", &folder];
        assert_refused(&lab.run(&["score", path, "--data", "other"]), 3, &words);
        let card = json(&must(lab.path(), &["score", path, "--data", "other", "--allow-other-data", "--json"]));
        let remarks = card["predictors"][0]["tasks"][0]["remarks"].to_string();
        assert!(remarks.contains("scored against another `breastmnist.npz` than that of the run"), "{path}: {remarks}");
        let shown = must(lab.path(), &["score", path, "--data", "other", "--allow-other-data"]).stdout;
        assert!(shown.contains("scored against another `breastmnist.npz`"), "{path}: {shown}");
    }
    // What differs is said before rows are counted.
    must(lab.path(), &["data", "synth", "breastmnist", "--out", "fewer", "--rows", "20"]);
    assert_refused(&lab.run(&["score", "runs/lab-1", "--data", "fewer"]), 3, &["another `breastmnist.npz`"]);
    let compare = ["compare", "runs/lab-1", file, "--data", "other", "--resamples", "20"];
    assert_refused(&lab.run(&compare), 3, &["--allow-other-data"]);
    let compared = must(lab.path(), &[&compare[..], &["--allow-other-data", "--json"]].concat());
    assert!(json(&compared)["remarks"].to_string().contains("scored against another"), "{compared:?}");
    for subcommand in ["resume", "test"] {
        let words = ["cannot be resumed with other data", "its SHA-256 was", &folder];
        assert_refused(&lab.run(&[subcommand, "runs/lab-1", "--data", "other"]), 3, &words);
    }
}

#[test]
fn a_data_folder_that_is_gone_is_said_and_the_default_is_read() {
    let lab = lab_of_a_run();
    std::fs::create_dir(lab.path().join("elsewhere")).unwrap();
    std::fs::rename(lab.path().join("data"), lab.path().join("elsewhere/data")).unwrap();
    let said = must(&lab.path().join("elsewhere"), &["score", "../runs/lab-1"]);
    assert!(said.stderr.contains("is not there any more: reading `data`"), "{}", said.stderr);
    let named = must(lab.path(), &["score", "runs/lab-1", "--data", "elsewhere/data"]);
    assert_eq!((named.stdout, named.stderr.as_str()), (said.stdout, ""));
}

#[test]
fn a_header_says_where_each_class_stands() {
    let lab = lab();
    let labels = ["--task", "breastmnist", "--labels", "labels.csv", "--json"];
    let auc_and_remarks = |content: &str| {
        lab.write("scores.csv", content);
        let card = json(&must(lab.path(), &[&["score", "scores.csv"], &labels[..]].concat()));
        let task = &card["predictors"][0]["tasks"][0];
        (metrics(task)[0].1, task["remarks"].as_array().unwrap().len())
    };
    let rows = "0.8,0.2\n0.1,0.9\n0.6,0.4\n0.9,0.1\n";
    assert_eq!(auc_and_remarks(rows), (Some(1.0), 0));
    let turned = "0.2,0.8\n0.9,0.1\n0.4,0.6\n0.1,0.9\n";
    assert_eq!(auc_and_remarks(&format!("\"normal, benign\",malignant\n{turned}")), (Some(1.0), 1));
    assert_eq!(auc_and_remarks(&format!("1,0\n{turned}")), (Some(1.0), 1));
    assert_eq!(auc_and_remarks(&format!("a,b\n{rows}")), (Some(1.0), 1));
    lab.write("scores.csv", &format!("malignant,other\n{rows}"));
    let refused = lab.run(&[&["score", "scores.csv"], &labels[..]].concat());
    assert_refused(&refused, 3, &["line 1", "names only some of the classes", "\"normal, benign\""]);
}

#[test]
fn names_that_the_official_evaluator_takes_are_taken() {
    let rows = "3,0.9,0.1\n0,0.8,0.2\n1,0.1,0.9\n2,0.6,0.4\n";
    for (name, predictor) in [
        ("breastmnist_test_rounded@1.csv", "1"),
        ("breastmnist_test@b.csv", "b"),
        ("breastmnist_testset.txt", "breastmnist_testset"),
        ("breastmnist_64_test_x@1", "1"),
    ] {
        let lab = lab();
        lab.write(name, rows);
        let card = json(&must(lab.path(), &["score", name, "--labels", "labels.csv", "--json"]));
        assert_eq!(card["predictors"][0]["predictor"], predictor);
        assert_eq!(metrics(&card["predictors"][0]["tasks"][0])[1].1, Some(0.75), "{name}");
    }
    let lab = lab();
    std::fs::remove_file(lab.path().join(NAME)).unwrap();
    lab.write("breastmnist_test_mine@2.csv", rows);
    lab.write("notes_test_mine@2.csv", "no scores");
    let card = json(&must(lab.path(), &["score", ".", "--labels", "labels.csv", "--json"]));
    assert_eq!(card["predictors"].as_array().unwrap().len(), 1);
    // A flag that is no set says nothing; --task does.
    lab.write("mine_test.csv", rows);
    assert_refused(&lab.run(&["score", "mine_test.csv", "--labels", "labels.csv"]), 2, &["--task NAME"]);
    must(lab.path(), &["score", "mine_test.csv", "--task", "breastmnist", "--labels", "labels.csv"]);
}

#[test]
fn files_that_cannot_be_scores_are_not_read() {
    let lab = lab();
    let sparse = |name: &str, bytes: u64| {
        let file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).open(lab.path().join(name));
        file.unwrap().set_len(bytes).unwrap();
    };
    let labels = ["--labels", "labels.csv"];
    for name in [NAME, "scores.npy", "scores.csv"] {
        sparse(name, 3 << 30);
        let said = lab.run(&[&["score", name, "--task", "breastmnist"], &labels[..]].concat());
        assert_refused(&said, 3, &["holds 3221225472 bytes", "scores of 156 images and 2 classes", "at most 4194304"]);
    }
    sparse("labels.csv", 3 << 30);
    lab.write("scores.csv", "0.5\n");
    let said = lab.run(&[&["score", "scores.csv", "--task", "breastmnist"], &labels[..]].concat());
    assert_refused(
        &said,
        3,
        &["cannot score `scores.csv`", "holds 3221225472 bytes, but labels take at most 67108864"],
    );
    lab.write("labels.csv", "0,0\n1,1\n");
    lab.write("scores.csv", &"0.5,".repeat(1 << 20));
    let said = lab.run(&[&["score", "scores.csv", "--task", "breastmnist"], &labels[..]].concat());
    assert_refused(&said, 3, &["line 1 has 4194304 characters"]);
}
