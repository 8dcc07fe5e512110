//! Trained models that are part of the program.

use medley_tests::lab::Lab;
use medley_tests::program::must;
use medley_tests::repository::real_data;
use serde_json::Value;

const MODELS: [&str; 5] = ["adrenalmnist3d", "breastmnist", "dermamnist", "pneumoniamnist", "retinamnist"];

#[test]
fn they_need_nothing_but_the_program() {
    let lab = Lab::new();
    let listed: Value = serde_json::from_str(&must(lab.path(), &["models", "list", "--json"]).stdout).unwrap();
    let listed = listed["built_in"].as_array().unwrap();
    assert_eq!(listed.iter().map(|model| model["name"].as_str().unwrap()).collect::<Vec<_>>(), MODELS);
    let text = must(lab.path(), &["models", "list"]).stdout;
    for model in listed {
        let (name, licence) = (model["name"].as_str().unwrap(), model["licence"].as_str().unwrap());
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}: {text}"));
        assert!(line.contains(licence) && line.contains(" ± "), "{line}");
        let verified = must(lab.path(), &["models", "verify", name, "--json"]).stdout;
        let verified: Value = serde_json::from_str(&verified).unwrap();
        assert!(verified["largest_difference"].as_f64().unwrap() < 1e-3, "{name}: {verified}");
    }
}

#[test]
fn one_is_written_out_as_a_package() {
    let lab = Lab::with_tasks(&["breastmnist"], 12);
    must(lab.path(), &["models", "export", "breastmnist", "--to", "written"]);
    let images = ["data/breastmnist.npz", "--member", "test_images", "--csv"];
    let predict = |model| lab.run(&[&["predict"], &images[..], &["--model", model]].concat());
    let (own, written) = (predict("breastmnist"), predict("written/breastmnist"));
    assert_eq!((own.code, &own.stdout), (Some(0), &written.stdout), "{own:?}");
    for (arguments, code, part) in [
        (&["models", "export", "breastmnist", "--to", "written"][..], 4, "written/breastmnist"),
        (&["models", "export", "breastmnist"], 2, "with --to"),
        (&["models", "export", "breastmnist", "--to", "x", "--seed", "1"], 2, "--seed is for run folders"),
        (&["predict", "x.png", "--model", "brestmnist"], 4, "adrenalmnist3d, breastmnist, dermamnist"),
        (&["predict", "x.png", "--model", "breastmnist", "--task", "octmnist"], 2, "it has breastmnist"),
    ] {
        let said = lab.run(arguments);
        assert_eq!(said.code, Some(code), "{arguments:?}: {said:?}");
        assert!(said.stderr.contains(part), "{arguments:?}: {}", said.stderr);
    }
}

#[test]
fn a_folder_with_a_network_is_taken_before_one() {
    let lab = Lab::with_tasks(&["breastmnist"], 12);
    let images = ["predict", "data/breastmnist.npz", "--member", "test_images", "--model"];
    let predict = |model| lab.run(&[&images[..], &[model]].concat());
    // What has no network is not in the way.
    fs_err::create_dir(lab.path().join("retinamnist")).unwrap();
    assert_eq!((predict("retinamnist").code, predict("./retinamnist").code), (Some(0), Some(4)));
    must(lab.path(), &["models", "export", "breastmnist", "--to", "written"]);
    fs_err::rename(lab.path().join("written/breastmnist"), lab.path().join("dermamnist")).unwrap();
    let said = predict("dermamnist");
    assert!(said.stdout.contains("malignant"), "{said:?}");
    assert!(said.stderr.contains("`dermamnist` is the folder of that name, and not the built-in model"), "{said:?}");
}

/// The column of a CSV of predictions.
fn column(csv: &str, at: usize) -> Vec<&str> {
    // Names of files and labels here have no comma but in quotes at the end of the label.
    csv.lines().skip(1).map(|line| line.split(',').nth(at).unwrap()).collect()
}

#[test]
fn exported_pictures_get_the_labels_that_its_scores_are_of() {
    let Some(data) = real_data() else { return };
    let (lab, data) = (Lab::new(), data.canonicalize().unwrap());
    let data = data.to_str().unwrap();
    must(lab.path(), &["data", "export", "retinamnist", "--data", data, "--out", "exported", "--open-test-labels"]);
    fs_err::create_dir(lab.path().join("test")).unwrap();
    for entry in fs_err::read_dir(lab.path().join("exported/retinamnist")).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name().to_string_lossy().starts_with("test") {
            fs_err::rename(entry.path(), lab.path().join("test").join(entry.file_name())).unwrap();
        }
    }
    let pictures = must(lab.path(), &["predict", "test", "--model", "retinamnist", "--csv"]).stdout;
    let array = format!("{data}/retinamnist.npz");
    let array = must(lab.path(), &["predict", &array, "--member", "test_images", "--model", "retinamnist", "--csv"]);
    assert_eq!(column(&pictures, 1), column(&array.stdout, 1));
    assert_eq!(column(&pictures, 2), column(&array.stdout, 2), "to the last bit");
    // The name of an exported picture ends with its label.
    let truth = column(&pictures, 0).into_iter().map(|name| name.trim_end_matches(".png").rsplit('_').next().unwrap());
    let right = truth.zip(column(&pictures, 1)).filter(|(truth, label)| truth == label).count();
    let listed: Value = serde_json::from_str(&must(lab.path(), &["models", "list", "--json"]).stdout).unwrap();
    let model = listed["built_in"].as_array().unwrap().iter().find(|model| model["name"] == "retinamnist").unwrap();
    assert_eq!(model["decision"]["rule"]["name"], "plain", "with another rule, its scores are of other labels");
    let said = model["metrics"]["test"]["accuracy"].as_f64().unwrap();
    let found = right as f64 / column(&pictures, 0).len() as f64;
    // In fp16, a label or two of the run's may be another.
    assert!((found - said).abs() <= 2.0 / 400.0, "{found} and {said}");
}
