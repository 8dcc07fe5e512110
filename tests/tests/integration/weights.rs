//! Weights leave a run and start another.

use medley_tests::lab::Lab;
use medley_tests::program::must;

/// A finished run `runs/base-1` of two tasks.
fn trained() -> Lab {
    let lab = Lab::with_tasks(&["breastmnist", "bloodmnist"], 40);
    lab.config("base", &["breastmnist", "bloodmnist"], "[optimizer]\nlearning_rate = 0.01\n");
    lab.train("base", &[]);
    lab
}

fn read(lab: &Lab, name: &str) -> String {
    String::from_utf8_lossy(&fs_err::read(lab.path().join(name)).unwrap()).into_owned()
}

#[test]
fn a_run_starts_from_the_weights_of_another() {
    let lab = trained();
    let said = must(lab.path(), &["models", "export", "runs/base-1", "--json"]);
    let files: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
    let paths: Vec<_> = files.as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap()).collect();
    assert_eq!(
        paths,
        ["runs/base-1/weights/breastmnist-seed0.safetensors", "runs/base-1/weights/bloodmnist-seed0.safetensors"]
    );
    let header = read(&lab, paths[1]);
    for known in [
        "\"task\":\"bloodmnist\"",
        "\"input_size\":\"28\"",
        "resnet9",
        "basophil",
        "\"mean\":",
        "\"std\":",
        "Not for clinical use",
        "synthetic",
    ] {
        assert!(header.contains(known), "{known} is not in the metadata");
    }
    // Again: what is there already is the same, and stays.
    must(lab.path(), &["models", "export", "runs/base-1", "--task", "bloodmnist"]);

    let weights = format!("net.pretrained='{}'", paths[1]);
    let first_epoch = |run: &str| read(&lab, &format!("runs/{run}/metrics.csv")).lines().nth(1).unwrap().to_owned();
    let one = ["--set", "train.epochs=1", "--set", "optimizer.learning_rate=1e-9"];
    lab.train("base", &[&one[..], &["--name", "drawn"]].concat());
    lab.train("base", &[&one[..], &["--name", "started", "--set", &weights]].concat());
    assert_ne!(first_epoch("drawn"), first_epoch("started"));
    assert!(read(&lab, "runs/started/manifest.json").contains("bloodmnist-seed0.safetensors"));
    assert!(!read(&lab, "runs/drawn/manifest.json").contains("pretrained"));
    assert!(read(&lab, "runs/started/report.html").contains("Started from"));
    let card = must(lab.path(), &["report", "runs/started", "--print", "model-card"]).stdout;
    assert!(card.contains("The trunk started from bloodmnist-seed0.safetensors"), "{card}");
}

#[test]
fn weights_that_do_not_fit_leave_no_run() {
    let lab = trained();
    must(lab.path(), &["models", "export", "runs/base-1"]);
    let file = "net.pretrained='runs/base-1/weights/breastmnist-seed0.safetensors'";
    lab.write("text.safetensors", "this is no file of weights");
    lab.write("nothing.safetensors", "");
    for (set, words) in [
        (vec!["net.pretrained='nowhere.safetensors'"], vec!["nowhere.safetensors", "relative to"]),
        (vec!["net.pretrained='text.safetensors'"], vec!["text.safetensors", "not a valid safetensors file"]),
        (vec!["net.pretrained='nothing.safetensors'"], vec!["nothing.safetensors", "not a valid safetensors file"]),
        (vec!["net.pretrained='data'"], vec!["cannot read `data`"]),
        (
            vec![file, "net.backbone.width=8"],
            vec!["other shape", "file [8], network [16]", "medley models show resnet9"],
        ),
    ] {
        let mut arguments = vec!["train", "base.toml", "--data", "data", "--quiet"];
        for set in &set {
            arguments.extend(["--set", set]);
        }
        let said = lab.run(&arguments);
        assert_eq!(said.code, Some(3), "{set:?}: {}", said.stderr);
        for word in words {
            assert!(said.stderr.contains(word), "{set:?}: no `{word}` in {}", said.stderr);
        }
    }
    assert_eq!(lab.runs(), ["base-1"]);
}

#[test]
fn what_a_run_does_not_have_is_not_exported() {
    let lab = trained();
    for (arguments, code, words) in [
        (vec!["--task", "chestmnist"], 2, "it has breastmnist, bloodmnist"),
        (vec!["--seed", "7"], 2, "the run has no seed `7`; it has 0"),
    ] {
        let said = lab.run(&[&["models", "export", "runs/base-1"], &arguments[..]].concat());
        assert_eq!(said.code, Some(code), "{}", said.stderr);
        assert!(said.stderr.contains(words), "{}", said.stderr);
    }
    let said = lab.run(&["models", "export", "data"]);
    assert_eq!(said.code, Some(4), "{}", said.stderr);
    // Another file of that name is not overwritten.
    fs_err::create_dir(lab.path().join("out")).unwrap();
    lab.write("out/breastmnist-seed0.safetensors", "mine");
    let said = lab.run(&["models", "export", "runs/base-1", "--out", "out"]);
    assert_eq!(said.code, Some(4), "{}", said.stderr);
    assert!(said.stderr.contains("choose another folder with --out"), "{}", said.stderr);
    assert_eq!(read(&lab, "out/breastmnist-seed0.safetensors"), "mine");
    assert!(!lab.path().join("out/bloodmnist-seed0.safetensors").exists(), "all or nothing");
    lab.write("file", "");
    assert_eq!(lab.run(&["models", "export", "runs/base-1", "--out", "file/out"]).code, Some(4));
    fs_err::remove_dir_all(lab.path().join("runs/base-1/checkpoints")).unwrap();
    let said = lab.run(&["models", "export", "runs/base-1"]);
    assert_eq!(said.code, Some(4), "{}", said.stderr);
    assert!(said.stderr.contains("checkpoints/seed-0`; one is written when an epoch has finished"), "{}", said.stderr);
}

#[test]
fn every_export_takes_the_seed_that_did_best_on_validation() {
    let lab = Lab::with_tasks(&["breastmnist"], 40);
    lab.config("base", &["breastmnist"], "");
    lab.train("base", &["--set", "seeds=[3,5]", "--set", "train.epochs=1"]);
    let results = lab.path().join("runs/base-1/results.json");
    let mut known: serde_json::Value = serde_json::from_slice(&fs_err::read(&results).unwrap()).unwrap();
    for (at, seed) in [(1, "5"), (0, "3")] {
        for one in [0, 1] {
            known["seeds"][one]["validation"]["harmonic_mean"] = serde_json::json!(if one == at { 0.9 } else { 0.1 });
        }
        lab.write("runs/base-1/results.json", &known.to_string());
        let export = |more: &[&str]| {
            let said = must(lab.path(), &[&["models", "export", "runs/base-1", "--json"], more].concat());
            let files: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
            files[0]["path"].as_str().unwrap().to_owned()
        };
        for (format, ending) in [("onnx", "onnx"), ("safetensors", "safetensors")] {
            let path = export(&["--format", format]);
            assert_eq!(path, format!("runs/base-1/weights/breastmnist-seed{seed}.{ending}"));
        }
        let package = export(&["--no-calibration", "--to", &format!("best-{seed}")]);
        assert!(read(&lab, &format!("{package}/model.toml")).contains(&format!("seed = {seed}\n")));
        let maps = format!("maps-{seed}");
        let said = must(lab.path(), &["explain", "runs/base-1", "--rows", "0", "--out", &maps, "--json"]);
        assert!(said.stdout.contains(&format!("seed {seed}, epoch 1")), "{}", said.stdout);
    }
}

#[test]
fn a_run_is_exported_as_onnx_models() {
    let lab = trained();
    let export = |more: &[&str]| lab.run(&[&["models", "export", "runs/base-1"], more].concat());
    let written = |more: &[&str]| -> Vec<(String, String)> {
        let said =
            must(lab.path(), &[&["models", "export", "runs/base-1", "--json", "--format", "onnx"], more].concat());
        let files: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let files = files.as_array().unwrap().iter();
        files.map(|file| (text(&file["path"]), text(&file["outputs"][0]))).collect()
    };
    let (breast, blood) = ("runs/base-1/weights/breastmnist-seed0.onnx", "runs/base-1/weights/bloodmnist-seed0.onnx");
    let pairs = [(breast, "breastmnist_probabilities"), (blood, "bloodmnist_probabilities")];
    assert_eq!(written(&[]), pairs.map(|(path, output)| (path.to_owned(), output.to_owned())));
    let model = read(&lab, blood);
    for known in [
        "basophil",
        "Not for clinical use",
        "config_sha256",
        "synthetic",
        "known_answer",
        "CC BY 4.0",
        "Conv",
        "Softmax",
    ] {
        assert!(model.contains(known), "{known} is not in the model");
    }
    // Again: the same bytes are there already. Others are not overwritten.
    assert_eq!(written(&["--task", "bloodmnist"]).len(), 1);
    let said = export(&["--format", "onnx", "--logits"]);
    assert_eq!(said.code, Some(4), "{}", said.stderr);
    assert!(said.stderr.contains("other models are there"), "{}", said.stderr);
    assert_eq!(read(&lab, blood), model);
    let together = written(&["--together", "--logits", "--half", "--batch", "8", "--pixels", "unit", "--out", "out"]);
    assert_eq!(together, [("out/tasks-seed0.onnx".to_owned(), "breastmnist_logits".to_owned())]);
    assert!(read(&lab, "out/tasks-seed0.onnx").contains("bloodmnist_logits"));

    for (more, words) in [
        (vec!["--logits"], "add --format onnx"),
        (vec!["--format", "onnx", "--pixels", "percent"], "expected one of"),
        (vec!["--format", "onnx", "--batch", "0"], "0 is not in 1..=65536"),
        (vec!["--format", "torchscript"], "safetensors, onnx"),
        (vec!["--format", "onnx", "--task", "chestmnist"], "it has breastmnist, bloodmnist"),
        (vec!["--format", "onnx", "--seed", "7"], "the run has no seed `7`"),
    ] {
        let said = export(&more);
        assert_eq!(said.code, Some(2), "{more:?}: {}", said.stderr);
        assert!(said.stderr.contains(words), "{more:?}: no `{words}` in {}", said.stderr);
    }
}
