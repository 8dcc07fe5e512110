//! Every subcommand has help with examples, and these and the ones in the READMEs run.

use std::fs;
use std::path::Path;

use medley_tests::lab::Lab;
use medley_tests::npz::{Array, Npz};
use medley_tests::program::{self, Said, must};
use medley_tests::repository::{files, text};

/// Examples that cannot succeed here: without a network, in seconds, without published files, without a terminal, or ever, as they do not end.
const NOT_RUN: [&str; 10] = [
    "medley data fetch ",
    "--rows official",
    "medley data verify",
    "medley serve ",
    "--tui",
    "medley runs watch ",
    "medley auto ",
    "auto/breastmnist",
    "--mlflow ",
    "study slurm ",
];

/// The help of `medley` and of all subcommands, depth first.
fn all_help(folder: &Path) -> Vec<(Vec<String>, String)> {
    let (mut queue, mut found) = (vec![Vec::<String>::new()], Vec::new());
    while let Some(path) = queue.pop() {
        let mut arguments: Vec<&str> = path.iter().map(String::as_str).collect();
        arguments.push("--help");
        let help = must(folder, &arguments).stdout;
        let listed = help.split("\nCommands:\n").nth(1).unwrap_or_default();
        for line in listed.lines().take_while(|line| !line.is_empty()) {
            // Continuation lines of a long description are indented further.
            let name = line.strip_prefix("  ").and_then(|rest| rest.split(' ').next()).unwrap_or_default();
            if !name.is_empty() && name != "help" {
                queue.push([&path[..], &[name.to_owned()]].concat());
            }
        }
        found.push((path, help));
    }
    found
}

/// The lines under "Example:" and "Examples:" that begin with `medley`, without what is said beside them.
fn examples(help: &str) -> Vec<String> {
    let joined = help.replace("\\\n", " ");
    let lines = joined.lines().filter_map(|line| line.strip_prefix("  medley "));
    lines.map(|line| format!("medley {}", without_remark(line))).collect()
}

/// What is said beside an example follows two spaces or more.
fn without_remark(line: &str) -> String {
    // A joined line has more than one space within itself.
    let line = line.trim_end();
    let remark = line.rfind("   ").or_else(|| line.rfind("  ")).filter(|&at| !line[at..].trim().starts_with('-'));
    line[..remark.unwrap_or(line.len())].split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Runs a line as a shell does: quotes, `~` and `*` are for it.
fn shell(folder: &Path, line: &str) -> Said {
    program::shell(folder, line).output().unwrap().into()
}

/// A folder in which there is all that the examples name.
fn furnished() -> Lab {
    let lab = Lab::with_tasks(&[], 12);
    let at = |name: &str| lab.path().join(name);
    let run = |line: &str| {
        let said = shell(lab.path(), line);
        assert_eq!(said.code, Some(0), "{line}: {said:?}");
    };
    run("medley data synth adrenalmnist3d --rows 12");
    run("medley data synth pathmnist retinamnist octmnist --size 64 --rows 12");
    fs::create_dir_all(at("configs")).unwrap();
    let small = ["breastmnist", "pneumoniamnist", "retinamnist"];
    for (name, tasks) in [
        ("configs/small-three", &small[..]),
        ("configs/tensor-reloaded", &["pathmnist", "breastmnist"]),
        ("my", &["pathmnist"]),
        ("my-config", &["breastmnist"]),
    ] {
        lab.config(name, tasks, "");
        let file = at(&format!("{name}.toml"));
        let text = fs::read_to_string(&file).unwrap();
        fs::write(file, text.replace("name = 'configs/", "name = '").replace("epochs = 2", "epochs = 1")).unwrap();
    }
    run("medley train configs/small-three.toml --set 'seeds=[0,1]' --quiet");
    run("medley score runs/small-three-1 --corruptions");
    run("medley train configs/small-three.toml --set 'seeds=[0]' --set folds.count=2 --all-folds --name cv --quiet");
    for task in ["breast", "retina"] {
        let tasks = format!("--set 'seeds=[0]' --set 'tasks=[\"{task}mnist\"]' --name {task}-1");
        run(&format!("medley train configs/small-three.toml {tasks} --quiet"));
    }
    for number in 1..=3 {
        run(&format!("medley train configs/small-three.toml --set 'seeds=[{number}]' --name four-{number} --quiet"));
    }
    run("cp -r runs/small-three-1 runs/joint-1");
    run("cp -r runs/small-three-1 runs/resnet9-1 && cp -r runs/small-three-1 runs/resnet18-1");
    run("cp -r runs/small-three-1 runs/old-1 && cp -r runs/small-three-1 runs/old-2");
    run(
        "cp runs/small-three-1/submission.SYNTHETIC.csv submission.csv && cp submission.csv mine.csv && cp mine.csv theirs.csv",
    );
    run("cp runs/small-three-1/predictions/breastmnist_test_*seed0.csv 'breastmnist_test_[AUC]0.901_[ACC]0.863@1.csv'");
    run("cp data/breastmnist.npz download-3.npz && ln -s data medmnist");
    fs::write(at("scores.npy"), float_array(12, 5).encode()).unwrap();
    fs::write(at("labels.npy"), Array::bytes(&[12], (0..12).map(|row| row % 5).collect()).encode()).unwrap();
    // Pictures of a user: those of a set, by class.
    run("medley data export breastmnist --out exported");
    run("mkdir -p photos/benign photos/malignant jpg");
    run("cp exported/breastmnist/*_0.png photos/benign && cp exported/breastmnist/*_1.png photos/malignant");
    run("for f in exported/breastmnist/train*.png; do cp $f jpg/$(basename $f .png).jpg; done");
    run(
        "(echo image_id,dx,lesion_id; i=0; for f in jpg/*.jpg; do i=$((i + 1)); echo $(basename $f .jpg),dx$((i % 2)),l$i; \
         done) > metadata.csv",
    );
    // What is predicted with, and on.
    run(
        "cp -r runs/small-three-1 runs/quickstart-1 && cp photos/benign/train0_*.png picture.png || cp photos/malignant/train0_*.png picture.png",
    );
    run("cp picture.png photo.jpg && mkdir pictures && cp photos/benign/*.png pictures");
    run("medley models export runs/small-three-1 --task breastmnist --to packages");
    // Model cards call the package that they lie in DIR.
    run("ln -s packages/breastmnist DIR");
    let members = [("images", Array::bytes(&[40, 28, 28], vec![9; 40 * 784])), ("labels", labels(40))];
    let members = members.into_iter().map(|(name, array)| (name.to_owned(), array)).collect();
    Npz { members }.write(&at("arrays.npz"));
    run("medley data import mine arrays.npz");
    // A study with two trials, for those that look at one.
    fs::write(
        at("study.toml"),
        "[budget]\ntrials = 2\ntime = '1h'\n[objective]\nbase = 'my-config.toml'\n[space]\n'net.dropout' = { uniform = [0.0, 0.5] }\n",
    )
    .unwrap();
    run("medley study run study.toml --quiet");
    lab
}

fn labels(rows: usize) -> Array {
    Array::bytes(&[rows], (0..rows).map(|row| (row % 2) as u8).collect())
}

/// Equal probabilities.
fn float_array(rows: usize, columns: usize) -> Array {
    let value = (1.0 / columns as f64).to_le_bytes();
    let bytes = (0..rows * columns).flat_map(|_| value).collect();
    Array { dtype: "<f8".into(), shape: vec![rows, columns], bytes }
}

#[test]
fn every_subcommand_has_help() {
    let lab = Lab::new();
    let all = all_help(lab.path());
    for (path, help) in &all {
        let usage = format!("Usage: medley {}", path.join(" "));
        assert!(help.contains(usage.trim_end()), "{path:?}: {help}");
        let about = help.lines().next().unwrap_or_default();
        assert!(about.split(' ').count() >= 3, "{path:?} does not say what it does: {about:?}");
    }
    let names: Vec<String> = all.iter().map(|(path, _)| path.join(" ")).collect();
    for expected in ["train", "resume", "data list", "augment preview", "models export", "config show", "completions"] {
        assert!(names.iter().any(|name| name == expected), "{expected} was not found among {names:?}");
    }
    assert!(must(lab.path(), &["--version"]).stdout.starts_with("medley "));
    assert_eq!(lab.run(&[]).code, Some(2), "without a subcommand there is nothing to do");
}

/// The lines of a document's blocks that run the program.
fn documented(document: &str) -> Vec<String> {
    let blocks = document.split("\n```").skip(1).step_by(2);
    let lines = blocks.flat_map(str::lines).map(|line| line.split(" #").next().unwrap_or_default());
    let typed = lines.filter_map(|line| line.trim_start_matches("target/release/").strip_prefix("medley "));
    typed.map(|line| format!("medley {}", without_remark(line))).collect()
}

fn run_example(lab: &Lab, place: &str, line: &str) {
    if NOT_RUN.iter().any(|part| line.contains(part)) {
        // All that stands before --help is parsed first.
        let said = shell(lab.path(), &format!("{line} --help"));
        assert_eq!(said.code, Some(0), "{place}: {line}: {said:?}");
        return;
    }
    // Sets are generated where there are none.
    let empty = Lab::new();
    let folder = if line.starts_with("medley data synth") { empty.path() } else { lab.path() };
    let said = shell(folder, line);
    assert_eq!(said.code, Some(0), "{place}: {line}: {said:?}");
}

#[test]
fn the_examples_in_help_and_readmes_run() {
    let lab = furnished();
    let mut count = 0;
    for (path, help) in all_help(lab.path()) {
        let found = examples(&help);
        // What only leads to subcommands has none of its own.
        assert!(!found.is_empty() || help.contains("\nCommands:\n"), "{path:?} has no example");
        for line in found {
            count += 1;
            run_example(&lab, &path.join(" "), &line);
        }
    }
    assert!(count >= 45, "only {count} examples were found: is the search blind?");
    // The sheets and groups that the examples of help have written are not replaced.
    shell(lab.path(), "rm *.png groups.csv; cp photo.jpg picture.png");
    let readmes: Vec<_> = files().into_iter().filter(|path| path.ends_with("README.md")).collect();
    let lines = readmes.iter().flat_map(|path| documented(&text(path)).into_iter().map(move |line| (path, line)));
    let mut count = 0;
    for (path, line) in lines {
        count += 1;
        run_example(&lab, &path.display().to_string(), &line);
    }
    assert!(count >= 20, "only {count} examples were found in READMEs: is the search blind?");
}

#[test]
fn an_option_that_is_a_key_of_the_config_is_pointed_to() {
    let lab = Lab::new();
    let said = lab.run(&["train", "lab.toml", "--epochs", "3"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.stderr.contains("--set train.epochs=3"), "{}", said.stderr);
}
