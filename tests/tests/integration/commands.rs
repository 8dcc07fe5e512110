//! `--json` is JSON, and what the documents tell people to type can be typed.

use std::fs;
use std::path::Path;
use std::process::Command;

use medley_tests::lab::Lab;
use medley_tests::program::{self, Said, medley, must};
use medley_tests::repository::{root, text};
use serde_json::Value;

fn json(lab: &Lab, arguments: &[&str]) -> Value {
    let said = must(lab.path(), arguments);
    serde_json::from_str(&said.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {}", said.stdout))
}

/// The lines of fenced blocks that begin with a word, comments and prompts taken off.
fn commands(document: &str) -> Vec<String> {
    let mut fenced = false;
    let mut found = Vec::new();
    for line in document.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if fenced {
            let line = line.split("  #").next().unwrap_or_default().trim().trim_start_matches("$ ");
            found.push(line.to_owned());
        }
    }
    found
}

/// Splits as a shell does, as far as documents need it: spaces, single and double quotes.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, ' ') => words.extend((!word.is_empty()).then(|| std::mem::take(&mut word))),
            _ => word.push(c),
        }
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}

#[test]
fn documented_commands_are_real() {
    let mut seen = 0;
    for document in ["README.md", "CONTRIBUTING.md", "data/README.md"] {
        for line in commands(&text(Path::new(document))) {
            let words = words(&line);
            let Some(program) = words.first() else { continue };
            if program.starts_with("scripts/") {
                assert!(root().join(program).is_file(), "{document}: `{line}`");
                seen += 1;
            } else if program == "medley" || program.ends_with("/medley") {
                // Everything before --help is parsed first, so an option that does not exist fails.
                let mut arguments: Vec<&str> = words[1..].iter().map(String::as_str).collect();
                arguments.push("--help");
                must(root(), &arguments);
                for path in words.iter().filter(|word| word.starts_with("configs/")) {
                    assert!(root().join(path).is_file(), "{document}: `{line}`");
                }
                seen += 1;
            } else if program == "cargo" && words.iter().any(|word| word == "-p") {
                let package = &words[words.iter().position(|word| word == "-p").unwrap() + 1];
                let folder = if package == "medley-tests" { "tests".into() } else { format!("crates/{package}") };
                assert!(root().join(folder).is_dir(), "{document}: `{line}`");
                seen += 1;
            }
        }
    }
    assert!(seen >= 8, "only {seen} commands were found: is the parser blind?");
}

#[test]
fn doctor_knows_this_machine() {
    let lab = Lab::new();
    let findings = json(&lab, &["doctor", "--json"]);
    let find = |what: &str| findings.as_array().unwrap().iter().find(|finding| finding["what"] == what).cloned();
    let libtorch = find("libtorch").expect("doctor looks at libtorch");
    assert_eq!(libtorch["state"], "ok", "{libtorch}");
    assert!(libtorch["found"].as_str().unwrap().starts_with("2.11.0"), "{libtorch}");
    assert_eq!(find("calibration").unwrap()["found"], "no choice of how to compute is kept");
    // An empty data folder is no problem, but worth a word on what to do.
    let data = find("data folder").unwrap();
    assert!(data["advice"].as_str().unwrap().contains("medley data fetch"), "{data}");
}

#[test]
fn doctor_looks_at_what_is_kept_of_calibration() {
    let lab = Lab::new();
    let found = |home: &str, cache: &str| {
        let mut doctor = program::command(lab.path());
        doctor.args(["doctor", "--json"]).env("HOME", home).env("XDG_CACHE_HOME", cache);
        let said: Said = doctor.output().unwrap().into();
        let findings: Value = serde_json::from_str(&said.stdout).unwrap();
        let of = findings.as_array().unwrap().iter().find(|finding| finding["what"] == "calibration").cloned().unwrap();
        (of["state"].as_str().unwrap().to_owned(), of["found"].as_str().unwrap().to_owned())
    };
    let home = lab.path().display().to_string();
    let folder = lab.path().join(".cache/medley/compute");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("0123456789abcdef.json"), "{").unwrap();
    // A relative path is ignored, so this is the folder in HOME.
    let (state, text) = found(&home, "relative");
    assert_eq!(state, "note");
    assert!(text.contains("0 networks") && text.contains("1 file that cannot be read"), "{text}");
    assert_eq!(found("", ""), ("note".to_owned(), "no cache folder is known".to_owned()));
    fs::remove_dir_all(&folder).unwrap();
    fs::write(&folder, "").unwrap();
    let (state, text) = found(&home, "");
    assert_eq!((state.as_str(), text.matches("medley/compute").count()), ("note", 1), "{text}");
}

#[test]
fn what_training_will_see_can_be_drawn() {
    let lab = Lab::with_tasks(&["retinamnist"], 20);
    let policy = must(lab.path(), &["augment", "policy", "retinamnist"]).stdout;
    let config = format!("name = 'look'\ntasks = ['retinamnist']\n{policy}");
    std::fs::write(lab.path().join("look.toml"), &config).unwrap();
    let preview = ["augment", "preview", "look.toml", "--data", "data", "--out", "sheets", "--images", "3"];
    must(lab.path(), &preview);
    let sheet = lab.path().join("sheets/preview-retinamnist.png");
    let first = std::fs::read(&sheet).unwrap();
    assert!(first.starts_with(b"\x89PNG"));
    assert_eq!(lab.run(&preview).code, Some(4), "nothing is overwritten silently");
    must(lab.path(), &[&preview[..], &["--overwrite"]].concat());
    assert_eq!(std::fs::read(&sheet).unwrap(), first, "equal draws");
    must(lab.path(), &["augment", "corruptions", "retinamnist", "--data", "data", "--out", "sheets"]);
    assert!(lab.path().join("sheets/corruptions-retinamnist.png").is_file());

    std::fs::write(lab.path().join("look.toml"), config.replace("pixels = 2", "pixels = 2000")).unwrap();
    let refused = lab.run(&preview);
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("augment.policies.retinamnist.steps[0].pixels"), "{}", refused.stderr);
}

#[test]
fn lists_are_json() {
    let lab = Lab::with_tasks(&["retinamnist"], 20);
    let text = json(&lab, &["data", "list", "--data", "data", "--json"]).to_string();
    assert!(text.contains("retinamnist") && text.contains("chestmnist"), "{text}");
    let text = json(&lab, &["models", "list", "--json"]).to_string();
    assert!(text.contains("resnet9") && text.contains("resnet18"), "{text}");
    let shown = json(&lab, &["models", "show", "resnet18", "--size", "28", "--size", "224", "--json"]);
    assert_eq!((&shown[0]["parameters"], &shown[0]["receptive_field"]), (&11_168_832.into(), &109.into()));
    assert_eq!((&shown[1]["stem"], &shown[1]["pretrained"]), (&"imagenet".into(), &"torchvision resnet18".into()));
    let text = json(&lab, &["data", "info", "data/retinamnist.npz", "--json"]).to_string();
    assert!(text.contains("synthetic"), "{text}");
}

#[test]
fn every_config_resolves() {
    let lab = Lab::new();
    let mut seen = 0;
    let folders = ["configs", "configs/joint"].map(|folder| std::fs::read_dir(root().join(folder)).unwrap());
    for entry in folders.into_iter().flatten() {
        let path = entry.unwrap().path();
        // A base is no experiment.
        if path.extension().is_some_and(|extension| extension == "toml") && !path.ends_with("base.toml") {
            let shown = must(lab.path(), &["config", "show", path.to_str().unwrap()]).stdout;
            let resolved: toml::Table = shown.parse().unwrap();
            assert!(resolved.contains_key("train") && !resolved.contains_key("extends"), "{shown}");
            seen += 1;
        }
    }
    assert!(seen >= 6);
}

#[test]
fn completions_are_printed_for_shells() {
    let lab = Lab::new();
    for shell in ["bash", "zsh", "fish"] {
        assert!(must(lab.path(), &["completions", shell]).stdout.contains("medley"));
    }
}

#[test]
fn a_closed_pipe_is_no_error() {
    let lab = Lab::new();
    let script = format!("'{}' data list | head -n 1", medley_tests::program::medley().display());
    let output =
        std::process::Command::new("bash").args(["-o", "pipefail", "-c", &script]).current_dir(lab.path()).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn medley_alone_does_what_needs_no_libtorch_and_says_what_does() {
    let lab = Lab::with_tasks(&["breastmnist"], 12);
    let alone = lab.path().join("alone/medley");
    fs::create_dir(lab.path().join("alone")).unwrap();
    fs::copy(medley(), &alone).unwrap();
    let run = |arguments: &[&str]| -> Said {
        Command::new(&alone).args(arguments).env_remove("MEDLEY_DATA").current_dir(lab.path()).output().unwrap().into()
    };
    let said = run(&["data", "info", "breastmnist"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let said = run(&["doctor"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.stdout.contains("medley-torch") && said.stdout.contains("cargo build --release --bins"), "{said:?}");
    // What the other program would explain is said as far as it is known.
    let said = run(&["train", "my.toml", "--epochs", "3"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.stderr.contains("unexpected argument '--epochs'"), "{said:?}");
}
