//! Runs that begin where another one ended.

use medley_core::record::{Inheritance, Manifest};
use medley_train::parent::{ParentError, ParentRun};

use super::*;

/// Nothing in it depends on how many epochs there are.
const STEADY: &str = "[schedule]\nname = 'constant'\nwarmup = 0.0";

fn manifest(root: &Path) -> Manifest {
    read_manifest(&RunLayout::new(root)).unwrap()
}

impl Laboratory {
    /// A run that begins from another one.
    fn begin_from(&self, parent: &Path, how: Inheritance) -> Result<Run<'_>, TrainError> {
        let parent = Box::leak(Box::new(ParentRun::open(parent, how)?));
        self.session().start(&RunRequest { parent: Some(parent), ..self.request() })
    }

    fn run_folders(&self) -> usize {
        std::fs::read_dir(self.runs()).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_dir()).count()
    }
}

fn train(run: Run<'_>) -> PathBuf {
    let root = run.layout().root().to_owned();
    assert!(matches!(run.train(Observers::default(), &StopFlag::default()).unwrap(), RunEnd::Finished(_)));
    root
}

fn interrupt(run: Run<'_>, after: usize) -> PathBuf {
    let (root, stop) = (run.layout().root().to_owned(), StopFlag::default());
    let mut observers = Observers::default();
    observers.push("stop", Box::new(StopAt { counts: steps, left: after, stop: stop.clone() }));
    assert_eq!(run.train(observers, &stop).unwrap(), RunEnd::Interrupted);
    root
}

#[test]
fn a_finished_run_goes_on_as_if_it_had_been_longer_from_the_start() {
    let short = Laboratory::new(STEADY);
    let parent = short.finish();
    let long = short.other(config(STEADY).replace("epochs = 2", "epochs = 4"));
    let expected = by_seed(promised(&long.finish()));
    let run = long.begin_from(&parent, Inheritance::Everything).unwrap();
    assert_eq!(run.parent().unwrap().seeds[&1].epoch, 2);
    assert_eq!(by_seed(promised(&train(run))), expected);
    // Interrupted in its first epoch, and without its parent from then on.
    let root = interrupt(long.begin_from(&parent, Inheritance::Everything).unwrap(), 3);
    std::fs::remove_dir_all(&parent).unwrap();
    assert_eq!(by_seed(promised(&train(long.resume(&root).unwrap()))), expected);
}

/// With the rows of metrics sorted: those of the parent come before those that are new, seed after seed each.
fn by_seed(mut files: BTreeMap<String, Vec<u8>>) -> BTreeMap<String, Vec<u8>> {
    let metrics = files.get_mut("metrics.csv").unwrap();
    let mut lines: Vec<String> = String::from_utf8(metrics.clone()).unwrap().lines().map(str::to_owned).collect();
    lines.sort();
    *metrics = lines.join("\n").into_bytes();
    files
}

#[test]
fn one_that_was_stopped_early_goes_on() {
    // No epoch is better by so much, so each seed stops after its second, and then after its third.
    let text = config("[stop]\npatience = 1\nmin_delta = 1.0");
    let short = Laboratory::new("").other(text.replace("epochs = 2", "epochs = 4"));
    let parent = short.finish();
    let long = short.other(text.replace("epochs = 2", "epochs = 8"));
    let root = train(long.begin_from(&parent, Inheritance::Everything).unwrap());
    let metrics = std::fs::read_to_string(root.join("metrics.csv")).unwrap();
    assert_eq!(
        metrics.lines().filter(|line| line.contains(",all,")).count(),
        6,
        "three epochs of two seeds: {metrics}"
    );
}

#[test]
fn a_run_starts_from_the_best_networks_of_another() {
    let plain = Laboratory::new("");
    let parent = plain.finish();
    // Another task beside one that it knows, and a seed that it does not know.
    let text = config("").replace("seeds = [0, 1]", "seeds = [1, 7]").replace("'bloodmnist'", "'pneumoniamnist'");
    write_set(
        plain.folder.path(),
        "pneumoniamnist",
        &SynthOptions { rows: Rows::AtMost(48), ..SynthOptions::default() },
        &RealFs,
    )
    .unwrap();
    let child = plain.other(text);
    let run = child.begin_from(&parent, Inheritance::Weights).unwrap();
    let record = run.parent().unwrap().clone();
    assert_eq!((record.seeds[&1].seed, record.seeds[&7].seed), (1, 0));
    let initialised: Vec<&str> = record.initialised.iter().map(String::as_str).collect();
    assert_eq!(initialised, ["heads.pneumoniamnist.bias", "heads.pneumoniamnist.weight"]);
    let root = interrupt(run, 1);
    let expected = promised(&train(child.resume(&root).unwrap()));
    assert_eq!(manifest(&root).parent, Some(record));
    assert_same_files(&expected, &train(child.begin_from(&parent, Inheritance::Weights).unwrap()));
    let fresh = promised(&child.finish());
    assert_ne!(expected["metrics.csv"], fresh["metrics.csv"]);
}

#[test]
fn the_first_step_is_made_from_the_weights_of_the_parent() {
    let plain = Laboratory::new("");
    let parent = plain.finish();
    let still = plain.other(config("[optimizer]\nlearning_rate = 1e-12\nweight_decay = 0.0\n[average]\nname = 'none'"));
    for (how, file) in [(Inheritance::Weights, "best"), (Inheritance::WeightsAndOptimizer, "last")] {
        let run = match how {
            Inheritance::Weights => &still,
            // Of another optimizer's state nothing fits.
            _ => &plain,
        };
        let root = run.begin_from(&parent, how).unwrap().layout().root().to_owned();
        let model = |root: &Path, kind: &str| {
            let folder = root.join("checkpoints/seed-1");
            let mut found: Vec<PathBuf> =
                std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
            found.retain(|path| path.file_name().unwrap().to_string_lossy().starts_with(kind));
            let bytes = std::fs::read(found[0].join("model.safetensors")).unwrap();
            weights::read(&bytes).unwrap().0.into_iter().collect::<BTreeMap<String, Tensor>>()
        };
        let (ours, theirs) = (model(&root, "last"), model(&parent, file));
        assert!(ours.iter().all(|(name, tensor)| tensor.equal(&theirs[name])), "{file}");
    }
}

#[test]
fn what_does_not_fit_is_refused_and_leaves_nothing() {
    let plain = Laboratory::new("");
    let parent = plain.finish();
    let before = plain.run_folders();
    let wide = plain.other(config("").replace("width = 2", "width = 8"));
    let error = wide.begin_from(&parent, Inheritance::Weights).err().unwrap();
    assert!(matches!(&error, TrainError::Parent(ParentError::Misfit { missing, .. }) if *missing > 10), "{error}");
    let error = wide.begin_from(&parent, Inheritance::Everything).err().unwrap();
    assert!(matches!(&error, TrainError::Checkpoint(_)), "{error}");
    let sgd = plain.other(config("[optimizer]\nname = 'sgd'"));
    assert!(sgd.begin_from(&parent, Inheritance::WeightsAndOptimizer).is_err());
    let error = plain.begin_from(&plain.runs().join("none"), Inheritance::Weights).err().unwrap();
    assert!(error.to_string().contains("none"), "{error}");
    for entry in std::fs::read_dir(parent.join("checkpoints/seed-1")).unwrap() {
        let file = entry.unwrap().path().join("model.safetensors");
        std::fs::write(file, b"damaged").unwrap();
    }
    let error = plain.begin_from(&parent, Inheritance::Weights).err().unwrap().to_string();
    assert!(error.contains("no usable best checkpoint") && error.contains("SHA-256"), "{error}");
    assert_eq!(plain.run_folders(), before);
}

/// As if the process had been killed after the folder was made.
#[test]
fn a_run_whose_beginning_was_not_written_does_not_begin_afresh() {
    let plain = Laboratory::new("");
    let parent = plain.finish();
    let root = plain.begin_from(&parent, Inheritance::Weights).unwrap().layout().root().to_owned();
    std::fs::remove_dir_all(root.join("checkpoints/seed-0")).unwrap();
    let run = plain.resume(&root).unwrap();
    let error = run.train(Observers::default(), &StopFlag::default()).unwrap_err();
    assert!(matches!(&error, TrainError::Parent(ParentError::NotBegun { .. })), "{error}");
}

/// A parent on another fold has learnt from rows that the new run is validated on.
#[test]
fn other_folds_are_refused() {
    let plain = Laboratory::new("");
    let parent = plain.finish();
    let of_fold = |index: usize| plain.other(config(&format!("[folds]\ncount = 3\nindex = {index}")));
    let fold = of_fold(1).finish();
    for (child, parent, says) in [
        (of_fold(0), &parent, "it left out the validation split of the file, and this run leaves out fold 0 of 3"),
        (of_fold(0), &fold, "it left out fold 1 of 3 (repeat 0)"),
        (plain.other(config("")), &fold, "this run leaves out the validation split of the file"),
    ] {
        for how in [Inheritance::Weights, Inheritance::WeightsAndOptimizer] {
            let error = child.begin_from(parent, how).err().unwrap();
            assert!(matches!(&error, TrainError::Parent(ParentError::OtherFolds { .. })), "{error}");
            assert!(error.to_string().contains(says), "{error}");
        }
    }
    train(of_fold(1).begin_from(&fold, Inheritance::Weights).unwrap());
}

#[test]
fn an_optimizer_is_taken_over_though_its_run_began_with_a_frozen_trunk() {
    let plain = Laboratory::new("");
    let frozen = plain.other(config("[freeze]\nmatch = ['backbone.*']\nepochs = 1"));
    let parent = frozen.finish();
    for child in [&plain, &frozen] {
        let expected = promised(&train(child.begin_from(&parent, Inheritance::WeightsAndOptimizer).unwrap()));
        let root = interrupt(child.begin_from(&parent, Inheritance::WeightsAndOptimizer).unwrap(), 3);
        assert_same_files(&expected, &train(child.resume(&root).unwrap()));
    }
}
