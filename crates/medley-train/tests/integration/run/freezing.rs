//! Parameters that are frozen for a while, by `[freeze]` and by callbacks of the caller.

use medley_train::components::callbacks::{Action, Callback, CallbackState, Callbacks, EpochReport};

use super::*;

const STEPS_PER_EPOCH: usize = 6;

/// Three epochs of a seed, in the first of which the trunk is frozen.
fn freezing(more: &str) -> Laboratory {
    let laboratory = Laboratory::new("");
    let text = config(&format!("{more}\n[freeze]\nmatch = ['backbone.*']\nepochs = 1"));
    laboratory.other(text.replace("epochs = 2", "epochs = 3"))
}

/// Trains until a number of steps is made.
fn stopped_after(laboratory: &Laboratory, made: usize, callbacks: fn(u64) -> Callbacks) -> PathBuf {
    let run = laboratory.start().unwrap().with_callbacks(callbacks);
    let (root, stop) = (run.layout().root().to_owned(), StopFlag::default());
    let mut observers = Observers::default();
    observers.push("stop", Box::new(StopAt { counts: steps, left: made, stop: stop.clone() }));
    assert_eq!(run.train(observers, &stop).unwrap(), RunEnd::Interrupted);
    root
}

fn none(_: u64) -> Callbacks {
    Callbacks::default()
}

/// The network in the newest checkpoint of the first seed.
fn network(root: &Path) -> BTreeMap<String, Tensor> {
    let folder = std::fs::read_dir(root.join("checkpoints/seed-0")).unwrap();
    let newest = folder.map(|entry| entry.unwrap().path()).find(|path| path.to_string_lossy().contains("last-"));
    let bytes = std::fs::read(newest.unwrap().join("model.safetensors")).unwrap();
    weights::read(&bytes).unwrap().0.into_iter().collect()
}

#[test]
fn it_goes_on_to_the_same_bits_before_at_and_after_the_end_of_freezing() {
    for more in ["", "replicas = 2", "[optimizer]\nname = 'sgd'"] {
        let laboratory = freezing(more);
        let undisturbed = laboratory.finish();
        for made in [2, STEPS_PER_EPOCH, STEPS_PER_EPOCH + 1, 2 * STEPS_PER_EPOCH + 1] {
            let root = stopped_after(&laboratory, made, none);
            laboratory.resume(&root).unwrap().train(Observers::default(), &StopFlag::default()).unwrap();
            assert_same(&undisturbed, &root);
        }
    }
}

#[test]
fn what_is_frozen_stays_and_is_trained_later_and_its_statistics_go_on() {
    let laboratory = freezing("");
    let [begun, frozen, trained] =
        [1, STEPS_PER_EPOCH, 2 * STEPS_PER_EPOCH].map(|made| network(&stopped_after(&laboratory, made, none)));
    for (name, tensor) in &begun {
        let is_statistic = name.ends_with("running_mean") || name.ends_with("running_var");
        let is_frozen = name.starts_with("backbone.") && !is_statistic;
        assert_eq!(tensor.equal(&frozen[name]), is_frozen, "{name} in the first epoch");
        assert!(!frozen[name].equal(&trained[name]), "{name} in the second epoch");
    }
}

#[test]
fn patterns_that_do_not_fit_the_network_are_refused() {
    let laboratory = Laboratory::new("");
    let refused = |more: &str| {
        let error = laboratory.other(config(more)).start().err().unwrap();
        assert!(matches!(error, TrainError::Config(_)), "{error}");
        error.to_string()
    };
    let message = refused("[freeze]\nmatch = ['heads.*', 'backbon.*']\nepochs = 1");
    assert!(message.contains("`freeze.match[1]`: `backbon.*` matches no parameter of the network"), "{message}");
    let groups = "[[optimizer.groups]]\nmatch = 'heads.*'\nfrozen = true\n";
    let message = refused(&format!("{groups}[freeze]\nmatch = ['backbone.*']\nepochs = 1"));
    assert!(message.contains("`freeze.match`: all parameters are frozen in the first epochs"), "{message}");
    assert!(!laboratory.runs().exists());
}

/// Freezes the heads after its second epoch, as it remembers.
#[derive(Default)]
struct Second(usize);

impl Callback for Second {
    fn after_epoch(&mut self, _: &EpochReport<'_>) -> Action {
        self.0 += 1;
        if self.0 == 2 { Action::Freeze(vec!["heads.*".into()]) } else { Action::Continue }
    }

    fn state(&mut self) -> Option<&mut dyn CallbackState> {
        Some(&mut self.0)
    }
}

fn second(_: u64) -> Callbacks {
    let mut callbacks = Callbacks::default();
    callbacks.push("second", Box::<Second>::default());
    callbacks
}

#[test]
fn callbacks_of_the_caller_freeze_too_and_cannot_be_left_out() {
    let laboratory = freezing("");
    let run = laboratory.start().unwrap().with_callbacks(second);
    let undisturbed = run.layout().root().to_owned();
    run.train(Observers::default(), &StopFlag::default()).unwrap();
    for made in [STEPS_PER_EPOCH + 2, 2 * STEPS_PER_EPOCH, 2 * STEPS_PER_EPOCH + 3] {
        let root = stopped_after(&laboratory, made, second);
        let error = laboratory.resume(&root).unwrap().train(Observers::default(), &StopFlag::default()).unwrap_err();
        assert!(error.to_string().starts_with("callback `second`: the run was trained with it"), "{error}");
        let run = laboratory.resume(&root).unwrap().with_callbacks(second);
        run.train(Observers::default(), &StopFlag::default()).unwrap();
        assert_same(&undisturbed, &root);
    }
    // What is done needs it no more.
    std::fs::remove_file(undisturbed.join("results.json")).unwrap();
    std::fs::remove_dir_all(undisturbed.join("results")).unwrap();
    laboratory.resume(&undisturbed).unwrap().train(Observers::default(), &StopFlag::default()).unwrap();
}

#[test]
fn a_batch_of_tasks_that_are_all_frozen_is_a_step_like_any_other() {
    let frozen = |pattern: &str| format!("[[optimizer.groups]]\nmatch = '{pattern}'\nfrozen = true\n");
    let more = format!("[sampler]\nsamples_per_epoch = 24\n{}{}", frozen("backbone.*"), frozen("heads.breastmnist.*"));
    let laboratory = Laboratory::new("");
    let laboratory = laboratory.other(config(&more).replace("batch_size = 16", "batch_size = 2"));
    laboratory.finish();
}
