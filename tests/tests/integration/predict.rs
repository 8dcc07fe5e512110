//! Pictures are classified by runs and packages.

use medley_tests::lab::Lab;
use medley_tests::npz::Array;
use medley_tests::program::{command, must};
use serde_json::Value;

/// A finished run `runs/base-1` and exported pictures.
fn trained() -> Lab {
    let lab = Lab::with_tasks(&["breastmnist"], 40);
    lab.config("base", &["breastmnist"], "");
    lab.train("base", &[]);
    must(lab.path(), &["data", "export", "breastmnist", "--data", "data", "--out", "exported", "--open-test-labels"]);
    // In the order of the split: the pictures of test alone.
    fs_err::create_dir(lab.path().join("test")).unwrap();
    for entry in fs_err::read_dir(lab.path().join("exported/breastmnist")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with("test") {
            fs_err::copy(&path, lab.path().join("test").join(name)).unwrap();
        }
    }
    lab
}

/// Rows of a CSV, without its header and its first `skipped` columns.
fn numbers(csv: &str, header: usize, skipped: usize) -> Vec<Vec<f64>> {
    let row = |line: &str| line.split(',').skip(skipped).map(|number| number.parse().unwrap()).collect();
    csv.lines().skip(header).map(row).collect()
}

#[test]
fn exported_pictures_get_the_predictions_of_the_run() {
    let lab = trained();
    let files =
        fs_err::read_dir(lab.path().join("runs/base-1/predictions")).unwrap().map(|entry| entry.unwrap().path());
    let file = files.into_iter().find(|path| path.to_string_lossy().contains("breastmnist_test_")).unwrap();
    let expected = numbers(&fs_err::read_to_string(file).unwrap(), 0, 1);
    let said = must(lab.path(), &["predict", "test", "--model", "runs/base-1", "--csv"]);
    let (header, _) = said.stdout.split_once('\n').unwrap();
    assert_eq!(header, "file,label,entropy,unlike,malignant,\"normal, benign\"");
    assert_eq!(numbers(&said.stdout, 1, 4), expected);
    assert!(said.stderr.contains("Not for clinical use"), "{}", said.stderr);

    must(lab.path(), &["models", "export", "runs/base-1", "--to", "models", "--no-calibration"]);
    let array = must(
        lab.path(),
        &["predict", "data/breastmnist.npz", "--member", "test_images", "--model", "models/breastmnist", "--csv"],
    );
    assert_eq!(numbers(&array.stdout, 1, 4), expected);
}

#[test]
fn an_image_has_the_same_bits_alone_and_among_others() {
    let lab = Lab::new();
    let pixels: Vec<u8> = (0..24 * 28 * 28_u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let answers = |name: &str, images: &[u8]| {
        fs_err::write(lab.path().join(name), Array::bytes(&[images.len() / 784, 28, 28], images.to_vec()).encode())
            .unwrap();
        // As a user has it: scripts/test tells MKL what `medley` should tell it.
        let mut command = command(lab.path());
        command.args(["predict", name, "--model", "breastmnist", "--npy"]).env_remove("MKL_CBWR");
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        // The header, of one length, is that of another number of rows.
        output.stdout[128..].to_vec()
    };
    let all = answers("all.npy", &pixels);
    assert_eq!(all.len(), 24 * 2 * 4);
    for count in [1, 3, 12] {
        let parts = pixels.chunks(count * 784).take(4);
        let parts: Vec<u8> = parts.flat_map(|images| answers("part.npy", images)).collect();
        assert_eq!(parts, all[..parts.len()], "{count} at a time");
    }
}

#[test]
fn a_bad_picture_is_named_and_passed_over() {
    let lab = trained();
    must(lab.path(), &["models", "export", "runs/base-1", "--to", "models"]);
    let verified = must(lab.path(), &["models", "verify", "models/breastmnist", "--json"]);
    let verified: Value = serde_json::from_str(&verified.stdout).unwrap();
    assert_eq!(verified["largest_difference"], 0.0);
    assert!(fs_err::read_to_string(lab.path().join("models/breastmnist/README.md")).unwrap().contains("model-index:"));
    lab.write("test/bad.png", "no picture");
    let said = lab.run(&["predict", "test", "--model", "models/breastmnist", "--json"]);
    assert_eq!(said.code, Some(3), "{said:?}");
    assert!(said.stderr.contains("skipped: `test/bad.png`: it is not a PNG"), "{}", said.stderr);
    let document: Value = serde_json::from_str(&said.stdout).unwrap();
    let results = document["results"].as_array().unwrap();
    assert_eq!(document["images"], results.len());
    assert!(results[0]["error"].as_str().unwrap().contains("not a PNG"), "sorted by name, it comes first");
    assert!(results[1]["unlike"]["score"].is_number() && results[1]["probabilities"].as_array().unwrap().len() == 2);
    for (arguments, code, part) in [
        (vec!["predict", "nowhere.png", "--model", "models/breastmnist"], 3, "no such file"),
        (vec!["predict", "test", "--model", "data"], 4, "neither a run folder"),
        (vec!["predict", "test", "--model", "runs/base-1", "--task", "octmnist"], 2, "it has breastmnist"),
        (vec!["predict", "data/breastmnist.npz", "--model", "runs/base-1"], 3, "--member"),
        (vec!["predict", "test", "--model", "models/breastmnist", "--csv", "--json"], 2, "cannot be used with"),
        (vec!["models", "export", "runs/base-1", "--to", "models"], 4, "models/breastmnist"),
    ] {
        let said = lab.run(&arguments);
        assert_eq!(said.code, Some(code), "{arguments:?}: {said:?}");
        assert!(said.stderr.contains(part), "{arguments:?}: {}", said.stderr);
    }
    lab.write("models/breastmnist/model.safetensors", "nothing of the kind");
    let said = lab.run(&["models", "verify", "models/breastmnist"]);
    assert_eq!(said.code, Some(3), "{said:?}");
    assert!(said.stderr.contains("it was changed"), "{}", said.stderr);
}
