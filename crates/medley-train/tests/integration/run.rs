//! Whole runs on small synthetic sets: same bits twice, same bits after an interruption, nothing left behind when refused.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use medley_core::record::Event;
use medley_core::{MemoryLayout, RunLayout};
use medley_data::{OpenOptions, Registry};
use medley_models::weights;
use medley_predictions::record::read_manifest;
use medley_storage::RealFs;
use medley_synth::{Rows, SynthOptions, write_set};
use medley_train::TrainError;
use medley_train::config::{Experiment, RawExperiment};
use medley_train::export::export;
use medley_train::observer::{Observer, Observers};
use medley_train::run::{Run, RunEnd};
use medley_train::run_folder::RunFolder;
use medley_train::session::{RunRequest, Session};
use medley_train::stop::StopFlag;
use tch::Tensor;

mod callbacks;
mod configs;
mod distill;
mod dry_run;
mod folds;
mod freezing;
mod hostile;
mod not_finite;
mod parent;
mod phases;
mod recipes;
mod robustness;
mod rules;
mod scoring;
mod session;
mod soup;
mod views;

const TASKS: [&str; 2] = ["breastmnist", "bloodmnist"];

/// So far from any minimum that it ends in numbers that are not finite.
const DIVERGING: &str = "max_bad_steps = 1\n[optimizer]\nlearning_rate = 1e3\ngradient_clip = 0.0\nname = 'sgd'";

/// Of an experiment that takes a moment; `more` are keys of `[train]`, and tables.
fn config(more: &str) -> String {
    format!(
        "name = 'lab'\ntasks = ['breastmnist', 'bloodmnist']\nseeds = [0, 1]\n[net]\nbackbone = {{ name = 'resnet9', width \
             = 2 }}\ndropout = 0.2\n[train]\nepochs = 2\nbatch_size = 16\nthreads = 1\nprecision = 'fp32'\nmemory_layout = \
             'channels_last'\nconvolutions = 'libtorch'\n{more}"
    )
}

struct Laboratory {
    folder: Arc<tempfile::TempDir>,
    experiment: Experiment,
    text: String,
}

impl Laboratory {
    fn new(more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = SynthOptions { rows: Rows::AtMost(48), ..SynthOptions::default() };
        for task in TASKS {
            write_set(folder.path(), task, &options, &RealFs).unwrap();
        }
        let text = config(more);
        let raw: RawExperiment = toml::from_str(&text).unwrap();
        Self { folder: Arc::new(folder), experiment: raw.check(Registry::builtin()).unwrap(), text }
    }

    /// Another experiment on the same data.
    fn other(&self, text: String) -> Self {
        let raw: RawExperiment = toml::from_str(&text).unwrap();
        Self { folder: self.folder.clone(), experiment: raw.check(Registry::builtin()).unwrap(), text }
    }

    /// Every seed starts from the weights in this file.
    fn starting_from(self, weights: &Path) -> Self {
        self.other(self.text.replace("dropout = 0.2", &format!("dropout = 0.2\npretrained = {:?}", weights.display())))
    }

    fn request(&self) -> RunRequest<'_> {
        RunRequest {
            experiment: &self.experiment,
            config_text: &self.text,
            runs_folder: Box::leak(self.runs().into_boxed_path()),
            run_name: None,
            no_test: false,
            parent: None,
        }
    }

    fn session(&self) -> Session<'static> {
        Session::open(self.folder.path(), OpenOptions::default(), &RealFs)
    }

    fn start(&self) -> Result<Run<'_>, TrainError> {
        self.session().start(&self.request())
    }

    fn resume(&self, root: &Path) -> Result<Run<'_>, TrainError> {
        self.session().resume(&self.experiment, RunFolder::open(root)?)
    }

    fn runs(&self) -> PathBuf {
        self.folder.path().join("runs")
    }

    fn finish(&self) -> PathBuf {
        let run = self.start().unwrap();
        let root = run.layout().root().to_owned();
        assert!(matches!(run.train(Observers::default(), &StopFlag::default()).unwrap(), RunEnd::Finished(_)));
        root
    }
}

/// Asks for a stop at the n-th event of a kind.
struct StopAt {
    counts: fn(&Event) -> bool,
    left: usize,
    stop: StopFlag,
}

impl Observer for StopAt {
    fn observe(&mut self, event: &Event) -> anyhow::Result<()> {
        if (self.counts)(event) {
            self.left = self.left.saturating_sub(1);
            if self.left == 0 {
                self.stop.request();
            }
        }
        Ok(())
    }
}

fn steps(event: &Event) -> bool {
    matches!(event, Event::Step { .. })
}

/// Their bytes by name.
type Files = BTreeMap<String, Vec<u8>>;

/// All files whose bits are promised, with the run's own name taken out of theirs.
fn promised(root: &Path) -> Files {
    let run = root.file_name().unwrap().to_string_lossy().into_owned();
    let mut files = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(root).unwrap().to_string_lossy().replace(&run, "RUN");
            if name.starts_with("checkpoints") || name.starts_with("predictions") || name == "metrics.csv" {
                files.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    files
}

fn assert_same(a: &Path, b: &Path) {
    assert_same_files(&promised(a), b);
}

/// A run of the plain experiment that nothing disturbed, made once for all tests that look at it: its files, and the exported weights
/// of its first seed for one task.
fn undisturbed_run() -> &'static (Files, Vec<u8>) {
    static RUN: LazyLock<(Files, Vec<u8>)> = LazyLock::new(|| {
        let laboratory = Laboratory::new("");
        let root = laboratory.finish();
        let layout = RunLayout::new(&root);
        let manifest = read_manifest(&layout).unwrap();
        let mut exported = export(&layout, &manifest, &laboratory.experiment, 0, &["bloodmnist".to_owned()]).unwrap();
        (promised(&root), exported.remove(0).bytes)
    });
    &RUN
}

fn undisturbed() -> &'static Files {
    &undisturbed_run().0
}

fn assert_same_files(a: &Files, b: &Path) {
    let b = promised(b);
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    for (name, bytes) in a {
        assert!(*bytes == b[name], "{name} differs");
    }
    assert!(a.keys().any(|name| name.starts_with("checkpoints/seed-1/best")), "{:?}", a.keys());
    assert!(a.keys().any(|name| name.contains("@RUN-ensemble")), "{:?}", a.keys());
    assert!(a.contains_key("metrics.csv"));
}

#[test]
fn twice_the_same_is_the_same_whatever_the_workers() {
    for workers in ["workers = 0", "workers = 2\nprefetch = 1"] {
        let laboratory = Laboratory::new(&format!("[augment]\n{workers}"));
        assert_same_files(undisturbed(), &laboratory.finish());
    }
}

#[test]
fn an_interrupted_run_goes_on_to_the_same_bits() {
    let laboratory = Laboratory::new("");
    let steps_per_epoch = 6;
    for stop_at in [1, steps_per_epoch - 1, steps_per_epoch, steps_per_epoch + 2, 2 * steps_per_epoch + 1] {
        let stop = StopFlag::default();
        let run = laboratory.start().unwrap();
        let root = run.layout().root().to_owned();
        let mut observers = Observers::default();
        observers.push("stop", Box::new(StopAt { counts: steps, left: stop_at, stop: stop.clone() }));
        assert_eq!(run.train(observers, &stop).unwrap(), RunEnd::Interrupted, "at step {stop_at}");
        let run = laboratory.resume(&root).unwrap();
        assert!(matches!(run.train(Observers::default(), &StopFlag::default()).unwrap(), RunEnd::Finished(_)));
        assert_same_files(undisturbed(), &root);
    }
}

#[test]
fn a_stop_while_predicting_goes_on_to_the_same_bits() {
    // Two batches a split: in the validation of the first epoch, and of the best network, and in the test of each seed.
    for (predicted, epochs_done) in [(1, 0), (5, 2), (7, 2), (15, 4)] {
        let disturbed = Laboratory::new("");
        let run = disturbed.start().unwrap();
        let root = run.layout().root().to_owned();
        let stop = StopFlag::default();
        let mut observers = Observers::default();
        let counts = |event: &Event| matches!(event, Event::ValidationProgress { .. });
        observers.push("stop", Box::new(StopAt { counts, left: predicted, stop: stop.clone() }));
        assert_eq!(run.train(observers, &stop).unwrap(), RunEnd::Interrupted);
        let events = std::fs::read_to_string(root.join("events.jsonl")).unwrap();
        let seen = events.lines().filter(|line| line.contains("\"epoch_finished\"")).count();
        assert_eq!(seen, epochs_done, "after {predicted} batches");
        let run = disturbed.resume(&root).unwrap();
        assert!(matches!(run.train(Observers::default(), &StopFlag::default()).unwrap(), RunEnd::Finished(_)));
        assert_same_files(undisturbed(), &root);
    }
}

#[test]
fn a_run_from_weights_goes_on_to_the_same_bits_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let weights = folder.path().join("weights.safetensors");
    std::fs::write(&weights, &undisturbed_run().1).unwrap();
    let undisturbed = Laboratory::new("").starting_from(&weights);
    let expected = undisturbed.finish();
    let resumed = |laboratory: &Laboratory, root: &Path| {
        let run = laboratory.resume(root)?;
        run.train(Observers::default(), &StopFlag::default())
    };
    let stopped_at = |laboratory: &Laboratory, step| {
        let run = laboratory.start().unwrap();
        let (root, stop) = (run.layout().root().to_owned(), StopFlag::default());
        let mut observers = Observers::default();
        observers.push("stop", Box::new(StopAt { counts: steps, left: step, stop: stop.clone() }));
        assert_eq!(run.train(observers, &stop).unwrap(), RunEnd::Interrupted);
        root
    };
    let disturbed = Laboratory::new("").starting_from(&weights);
    let root = stopped_at(&disturbed, 3);
    resumed(&disturbed, &root).unwrap();
    assert_same(&expected, &root);

    // The second seed has yet to start from the file: that is said before the first goes on.
    let disturbed = Laboratory::new("").starting_from(&weights);
    let root = stopped_at(&disturbed, 3);
    let good = std::fs::read(&weights).unwrap();
    std::fs::write(&weights, &good[..good.len() - 4]).unwrap();
    let message = resumed(&disturbed, &root).unwrap_err().to_string();
    assert!(message.contains("is not the file that this run began with"), "{message}");
    std::fs::write(&weights, good).unwrap();
    resumed(&disturbed, &root).unwrap();
    assert_same(&expected, &root);
}

#[test]
fn exported_weights_are_those_that_validation_chose() {
    let (files, exported) = undisturbed_run();
    let read = |bytes: &[u8]| -> BTreeMap<String, Tensor> { weights::read(bytes).unwrap().0.into_iter().collect() };
    let best =
        files.keys().find(|name| name.starts_with("checkpoints/seed-0/best-") && name.ends_with("model.safetensors"));
    let (chosen, exported) = (read(&files[best.unwrap()]), read(exported));
    let mut compared = 0;
    for (name, tensor) in &exported {
        let of_trunk = chosen.get(&format!("backbone.{name}"));
        let (_, part) = name.rsplit_once('.').unwrap();
        let expected = of_trunk.unwrap_or_else(|| &chosen[&format!("heads.bloodmnist.{part}")]);
        assert!(tensor.equal(expected), "{name}");
        compared += usize::from(of_trunk.is_some());
    }
    assert_eq!((compared, exported.len()), (chosen.len() - 4, chosen.len() - 2), "all but the heads, and one head");
}

#[test]
fn predicted_again_a_split_has_one_result_file() {
    let laboratory = Laboratory::new("");
    let root = laboratory.finish();
    let names = || -> Vec<String> {
        let entries = std::fs::read_dir(root.join("predictions")).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    };
    let expected = names();
    // As if another machine had predicted it.
    let (start_of, end) = expected[0].split_once("[AUC]").map(|(start, rest)| (start, &rest[5..])).unwrap();
    let folder = root.join("predictions");
    std::fs::rename(folder.join(&expected[0]), folder.join(format!("{start_of}[AUC]0.123{end}"))).unwrap();
    std::fs::remove_file(root.join("results.json")).unwrap();
    let run = laboratory.resume(&root).unwrap();
    run.train(Observers::default(), &StopFlag::default()).unwrap();
    assert_eq!(names(), expected);
}

#[test]
fn a_failing_observer_leaves_a_run_that_resumes() {
    struct Failing(usize);
    impl Observer for Failing {
        fn observe(&mut self, event: &Event) -> anyhow::Result<()> {
            if matches!(event, Event::Step { .. } | Event::EpochFinished { .. }) {
                self.0 -= 1;
            }
            anyhow::ensure!(self.0 > 0, "no space left");
            Ok(())
        }
    }
    let laboratory = Laboratory::new("");
    for fail_at in [3, 7, 10] {
        let run = laboratory.start().unwrap();
        let root = run.layout().root().to_owned();
        let mut observers = Observers::default();
        observers.push("failing", Box::new(Failing(fail_at)));
        let error = run.train(observers, &StopFlag::default()).unwrap_err().to_string();
        assert!(error.contains("no space left"), "{error}");
        let run = laboratory.resume(&root).unwrap();
        run.train(Observers::default(), &StopFlag::default()).unwrap();
        assert_same_files(undisturbed(), &root);
    }
}

#[test]
fn replicas_repeat_and_go_on_to_the_same_bits() {
    let laboratory = Laboratory::new("replicas = 2");
    let undisturbed = laboratory.finish();
    assert_same(&undisturbed, &laboratory.finish());
    let stop = StopFlag::default();
    let run = laboratory.start().unwrap();
    assert_eq!((run.environment().replicas, run.environment().threads), (2, 1));
    let root = run.layout().root().to_owned();
    let mut observers = Observers::default();
    observers.push("stop", Box::new(StopAt { counts: steps, left: 8, stop: stop.clone() }));
    assert_eq!(run.train(observers, &stop).unwrap(), RunEnd::Interrupted);
    let run = laboratory.resume(&root).unwrap();
    run.train(Observers::default(), &StopFlag::default()).unwrap();
    assert_same(&undisturbed, &root);
    // The statistics of BatchNorm, to begin with, are others.
    let alone = Laboratory::new("replicas = 1");
    assert_ne!(promised(&undisturbed)["metrics.csv"], promised(&alone.finish())["metrics.csv"]);
}

#[test]
fn what_is_left_open_is_tried_once_and_recorded() {
    let text = config("").replace("memory_layout = 'channels_last'\n", "").replace("threads = 1", "threads = 2");
    let laboratory = Laboratory::new("").other(text);
    let run = laboratory.start().unwrap();
    // A batch of 16 is too small for replicas.
    let tried: Vec<_> = run.choice().unwrap().trials.iter().map(|trial| (trial.memory_layout, trial.threads)).collect();
    assert_eq!(tried, [(MemoryLayout::ChannelsLast, 2), (MemoryLayout::Contiguous, 2)]);
    let layout = run.layout().clone();
    let chosen = run.environment();
    drop(run);
    let manifest = std::fs::read_to_string(layout.manifest()).unwrap();
    assert!(manifest.contains("images_per_second"), "{manifest}");

    // Whatever another try would find: what is recorded counts.
    let other = match chosen.memory_layout {
        MemoryLayout::Contiguous => MemoryLayout::ChannelsLast,
        MemoryLayout::ChannelsLast => MemoryLayout::Contiguous,
    };
    let there = format!("\"memory_layout\": \"{}\",\n    \"convolutions\"", chosen.memory_layout);
    assert!(manifest.contains(&there), "{manifest}");
    let manifest = manifest.replace(&there, &format!("\"memory_layout\": \"{other}\",\n    \"convolutions\""));
    std::fs::write(layout.manifest(), &manifest).unwrap();
    let run = laboratory.resume(layout.root()).unwrap();
    assert_eq!((run.environment().memory_layout, run.choice()), (other, None));
    drop(run);
    std::fs::write(layout.manifest(), manifest.replace("\"precision\": \"fp32\"", "\"precision\": \"fp8\"")).unwrap();
    let error = laboratory.resume(layout.root()).err().unwrap();
    assert!(error.to_string().contains("`fp8`"), "{error}");
}

#[test]
fn what_is_refused_leaves_nothing_behind() {
    let laboratory = Laboratory::new("");
    std::fs::remove_file(laboratory.folder.path().join("bloodmnist.npz")).unwrap();
    let error = laboratory.start().err().unwrap();
    assert!(matches!(error, TrainError::Data(_)), "{error}");
    assert!(error.to_string().contains("bloodmnist"), "{error}");
    assert!(!laboratory.runs().exists());
}

#[test]
fn changed_data_is_not_resumed() {
    let laboratory = Laboratory::new("");
    let root = laboratory.finish();
    let options = SynthOptions { rows: Rows::AtMost(48), seed: 9, overwrite: true, ..SynthOptions::default() };
    write_set(laboratory.folder.path(), "bloodmnist", &options, &RealFs).unwrap();
    let error = laboratory.resume(&root).err().unwrap();
    assert!(error.to_string().contains("bloodmnist"), "{error}");
}
