//! Same config, data and seed: same bits; whatever the number of loader threads, and whether the run was interrupted or not.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use medley_tests::lab::{Lab, assert_same_bits, files_under, promised};
use medley_tests::program::{Said, command};

const TASKS: [&str; 2] = ["breastmnist", "bloodmnist"];

/// Long enough to be hit in the middle, with two seeds so that a finished and an unfinished one meet.
fn laboratory() -> Lab {
    let lab = Lab::with_tasks(&TASKS, 64);
    lab.write("base.toml", "name = 'lab'\ntasks = ['breastmnist', 'bloodmnist']\nseeds = [0, 7]\n");
    lab.write(
        "lab.toml",
        "extends = 'base.toml'\n[net]\nbackbone = { name = 'resnet9', width = 8 }\ndropout = 0.2\n[train]\nepochs = \
         4\nbatch_size = 16\nthreads = 1\nprecision = 'fp32'\nmemory_layout = 'channels_last'\nconvolutions = 'winograd'\n",
    );
    lab
}

fn start(lab: &Lab, arguments: &[&str]) -> Child {
    command(lab.path()).args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits until the run has a checkpoint of at least this many epochs of the seed, or has ended.
fn wait_for_epoch(child: &mut Child, run: &Path, seed: u64, epoch: usize) {
    let folder = run.join(format!("checkpoints/seed-{seed}"));
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() && begun.elapsed() < Duration::from_mins(5) {
        let names = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        let reached = names
            .filter_map(|entry| {
                entry.file_name().to_str()?.strip_prefix("last-")?.split('-').next()?.parse::<usize>().ok()
            })
            .any(|finished| finished >= epoch);
        if reached {
            return;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Sends a signal by name; the process may have ended already.
fn signal(child: &Child, name: &str) {
    let _ = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).stderr(Stdio::null()).status();
}

#[test]
fn twice_the_same_is_the_same() {
    let lab = laboratory();
    lab.train("lab", &[]);
    assert_same_bits(undisturbed(), &lab.path().join("runs/lab-1"));
}

#[test]
fn another_seed_is_another_run() {
    let lab = laboratory();
    lab.train("lab", &["--runs", "a", "--set", "seeds=[0]", "--set", "train.epochs=1"]);
    lab.train("lab", &["--runs", "b", "--set", "seeds=[1]", "--set", "train.epochs=1"]);
    let (a, b) = (promised(&lab.path().join("a/lab-1")), promised(&lab.path().join("b/lab-1")));
    assert_ne!(a["metrics.csv"], b["metrics.csv"], "the check of equal bits would see nothing");
}

#[test]
fn loader_threads_change_no_bit() {
    let lab = laboratory();
    lab.train("lab", &["--runs", "a", "--set", "augment.workers=0", "--set", "train.epochs=2"]);
    lab.train(
        "lab",
        &["--runs", "b", "--set", "augment.workers=3", "--set", "augment.prefetch=2", "--set", "train.epochs=2"],
    );
    let (mut a, mut b) = (promised(&lab.path().join("a/lab-1")), promised(&lab.path().join("b/lab-1")));
    a.remove("config.toml");
    b.remove("config.toml");
    assert!(a == b, "files differ");
}

/// The files of a run that nothing disturbed, made once for all tests that compare with it.
fn undisturbed() -> &'static BTreeMap<String, Vec<u8>> {
    static FILES: LazyLock<BTreeMap<String, Vec<u8>>> = LazyLock::new(|| {
        let lab = laboratory();
        lab.train("lab", &[]);
        promised(&lab.path().join("runs/lab-1"))
    });
    &FILES
}

/// Interrupts a run by a signal after an epoch of a seed, resumes it, and compares with an undisturbed one.
fn interrupted(name: &str, code: Option<i32>, seed: u64, epoch: usize) {
    let lab = laboratory();
    let run = lab.path().join("runs/lab-1");
    let mut child = start(&lab, &["train", "lab.toml", "--data", "data"]);
    wait_for_epoch(&mut child, &run, seed, epoch);
    signal(&child, name);
    let said = Said::from(child.wait_with_output().unwrap());
    assert_eq!(said.code, code, "{said:?}");
    assert!(!run.join("results.json").exists(), "it ended before it was interrupted: {said:?}");
    if code.is_some() {
        assert!(said.stderr.contains("medley resume"), "{}", said.stderr);
    }
    assert_eq!(lab.run(&["resume", "runs/lab-1", "--data", "data", "--quiet"]).code, Some(0));
    assert_same_bits(undisturbed(), &run);
}

/// Waits until the process catches a signal, by what the kernel says of it.
fn wait_for_handler(child: &mut Child, number: u32) {
    let status = format!("/proc/{}/status", child.id());
    let catches = || {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let mask = text.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
            .is_some_and(|mask| mask >> (number - 1) & 1 == 1)
    };
    while !catches() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn stopped_before_it_begins_it_says_that_nothing_was_written() {
    let lab = laboratory();
    // Trials, which take seconds, come before the folder.
    let open = ["--set", "train.precision=auto", "--set", "train.memory_layout=auto", "--no-cache"];
    for (name, number, code) in [("INT", 2, 130), ("TERM", 15, 143)] {
        let mut child = start(&lab, &[&["train", "lab.toml", "--data", "data"], &open[..]].concat());
        wait_for_handler(&mut child, number);
        signal(&child, name);
        let said = Said::from(child.wait_with_output().unwrap());
        assert_eq!(said.code, Some(code), "{said:?}");
        assert!(said.stderr.contains("nothing was written"), "{}", said.stderr);
        assert!(lab.runs().is_empty(), "{:?}", lab.runs());
    }
}

#[test]
fn control_c_and_resume_is_the_undisturbed_run() {
    interrupted("INT", Some(130), 0, 2);
}

#[test]
fn termination_and_resume_is_the_undisturbed_run() {
    interrupted("TERM", Some(143), 7, 1);
}

#[test]
fn kill_and_resume_is_the_undisturbed_run() {
    interrupted("KILL", None, 7, 2);
}

/// Again and again at arbitrary moments, until it is through: no state on the way is one that cannot be gone on from.
#[test]
fn killed_at_any_moment_it_still_arrives() {
    let lab = laboratory();
    let run = lab.path().join("runs/lab-1");
    let mut child = start(&lab, &["train", "lab.toml", "--data", "data", "--quiet"]);
    // What has a manifest is a run: before that there is nothing to be resumed.
    while !run.join("manifest.json").exists() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(1));
    }
    for round in 0_u64..12 {
        std::thread::sleep(Duration::from_millis(40 + round * 73 % 211));
        signal(&child, "KILL");
        let _ = child.wait_with_output().unwrap();
        assert!(run.join("config.toml").exists() && run.join("manifest.json").exists(), "the run folder is half there");
        child = start(&lab, &["resume", "runs/lab-1", "--data", "data", "--quiet"]);
    }
    let said = Said::from(child.wait_with_output().unwrap());
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_same_bits(undisturbed(), &run);
    let left_over: Vec<_> = files_under(&run).into_keys().filter(|name| name.contains(".tmp")).collect();
    assert!(left_over.is_empty(), "{left_over:?}");
}

#[test]
fn a_finished_run_resumes_to_itself() {
    let lab = laboratory();
    lab.train("lab", &["--set", "train.epochs=1"]);
    let run = lab.path().join("runs/lab-1");
    let before = promised(&run);
    assert_eq!(lab.run(&["resume", "runs/lab-1", "--data", "data", "--quiet"]).code, Some(0));
    assert!(promised(&run) == before, "resuming a finished run changed it");
}

#[test]
fn two_programs_do_not_share_a_run() {
    let lab = laboratory();
    let run = lab.path().join("runs/lab-1");
    let mut child = start(&lab, &["train", "lab.toml", "--data", "data", "--quiet", "--set", "train.epochs=60"]);
    wait_for_epoch(&mut child, &run, 0, 1);
    let said = lab.run(&["resume", "runs/lab-1", "--data", "data"]);
    signal(&child, "KILL");
    let _ = child.wait_with_output();
    assert_eq!(said.code, Some(4), "{said:?}");
    assert!(said.stderr.contains("lab-1"), "{}", said.stderr);
}
