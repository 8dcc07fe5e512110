//! What callbacks do to a run, interrupted or not.

use medley_core::record::RunResults;
use medley_train::components::callbacks::{Action, Callback, Callbacks, EpochReport};
use medley_train::observer::Memory;

use super::*;

/// No epoch is better by so much, so each seed stops after its second.
const IMPATIENT: &str = "[stop]\npatience = 1\nmin_delta = 1.0";

fn reasons(root: &Path) -> Vec<Option<String>> {
    let results: RunResults = serde_json::from_slice(&std::fs::read(root.join("results.json")).unwrap()).unwrap();
    results.seeds.into_iter().map(|seed| seed.stopped).collect()
}

fn impatient() -> Laboratory {
    Laboratory::new("").other(config(IMPATIENT).replace("epochs = 2", "epochs = 5"))
}

/// Trains until a stop is asked for, and goes on to the end; what was sent after that.
pub(crate) fn interrupted_at(
    laboratory: &Laboratory,
    counts: fn(&Event) -> bool,
    left: usize,
) -> (PathBuf, Vec<Event>) {
    let run = laboratory.start().unwrap();
    let (root, stop) = (run.layout().root().to_owned(), StopFlag::default());
    let mut observers = Observers::default();
    observers.push("stop", Box::new(StopAt { counts, left, stop: stop.clone() }));
    assert_eq!(run.train(observers, &stop).unwrap(), RunEnd::Interrupted);
    let (memory, mut observers) = (Memory::default(), Observers::default());
    observers.push("memory", Box::new(memory.clone()));
    laboratory.resume(&root).unwrap().train(observers, &StopFlag::default()).unwrap();
    (root, memory.take())
}

#[test]
fn early_stopping_ends_a_seed_and_says_why() {
    let laboratory = impatient();
    let undisturbed = laboratory.finish();
    let reason = Some("no better validation score in the last epoch".to_owned());
    assert_eq!(reasons(&undisturbed), [reason.clone(), reason]);
    let metrics = std::fs::read_to_string(undisturbed.join("metrics.csv")).unwrap();
    assert_eq!(metrics.lines().filter(|line| line.contains(",all,")).count(), 4, "two epochs of two seeds: {metrics}");
    // In the first epoch, at its end, and in the second.
    for step in [3, 6, 9] {
        let (root, _) = interrupted_at(&laboratory, steps, step);
        assert_same(&undisturbed, &root);
        assert_eq!(reasons(&root), reasons(&undisturbed));
    }
}

#[test]
fn a_stopped_seed_stays_stopped() {
    let laboratory = impatient();
    let undisturbed = laboratory.finish();
    // Two batches a split: the best network of the second seed is at its prediction of the validation split.
    let predicting = |event: &Event| matches!(event, Event::ValidationProgress { seed: 1, .. });
    let (root, later) = interrupted_at(&laboratory, predicting, 5);
    assert!(!later.iter().any(steps), "no step is made any more");
    assert_same(&undisturbed, &root);
    assert_eq!(reasons(&root), reasons(&undisturbed));
}

struct StandStill;

impl Callback for StandStill {
    fn after_epoch(&mut self, report: &EpochReport<'_>) -> Action {
        assert_eq!(report.validation.len(), 2);
        assert!(report.epoch > 1 || report.best, "the first epoch is the best so far");
        Action::LearningRate(0.0)
    }
}

#[test]
fn a_learning_rate_holds_from_the_next_epoch_on() {
    let laboratory = Laboratory::new("");
    let standing_still = |_| {
        let mut callbacks = Callbacks::default();
        callbacks.push("stand_still", Box::new(StandStill));
        callbacks
    };
    let (memory, mut observers) = (Memory::default(), Observers::default());
    observers.push("memory", Box::new(memory.clone()));
    let run = laboratory.start().unwrap().with_callbacks(standing_still);
    run.train(observers, &StopFlag::default()).unwrap();
    let mut rates = [0, 0];
    for event in memory.take() {
        if let Event::Step { epoch, learning_rate, .. } = event {
            assert_eq!(learning_rate == 0.0, epoch == 1, "epoch {epoch}: {learning_rate}");
            rates[epoch] += 1;
        }
    }
    assert_eq!(rates, [12, 12]);
}

/// Ends the first epoch after two batches, and stops with the second one.
#[derive(Default)]
struct Short {
    batches: usize,
}

impl Callback for Short {
    fn ends_epoch(&mut self) -> bool {
        self.batches += 1;
        self.batches == 2
    }

    fn after_epoch(&mut self, report: &EpochReport<'_>) -> Action {
        if report.epoch == 2 { Action::Stop("it was short".to_owned()) } else { Action::Continue }
    }
}

#[test]
fn an_epoch_that_ends_early_is_validated() {
    let laboratory = Laboratory::new("").other(config("").replace("epochs = 2", "epochs = 3"));
    let short = |_| {
        let mut callbacks = Callbacks::default();
        callbacks.push("short", Box::new(Short::default()));
        callbacks
    };
    let (memory, mut observers) = (Memory::default(), Observers::default());
    observers.push("memory", Box::new(memory.clone()));
    let run = laboratory.start().unwrap().with_callbacks(short);
    let root = run.layout().root().to_owned();
    run.train(observers, &StopFlag::default()).unwrap();
    let (mut steps, mut validated) = ([0; 3], 0);
    for event in memory.take() {
        match event {
            Event::Step { seed: 0, epoch, .. } => steps[epoch] += 1,
            Event::EpochFinished { metrics, .. } if metrics.seed == 0 => {
                assert!(metrics.train_loss.is_finite() && !metrics.validation.is_empty());
                validated += 1;
            }
            _ => {}
        }
    }
    assert_eq!((steps, validated), ([2, 6, 0], 2));
    assert_eq!(reasons(&root)[0].as_deref(), Some("it was short"));

    // Interrupted in the validation of the epoch that ended early: it is validated as it is.
    let run = laboratory.start().unwrap().with_callbacks(short);
    let (again, stop) = (run.layout().root().to_owned(), StopFlag::default());
    let mut observers = Observers::default();
    let validating = |event: &Event| matches!(event, Event::ValidationProgress { seed: 0, .. });
    observers.push("stop", Box::new(StopAt { counts: validating, left: 1, stop: stop.clone() }));
    assert_eq!(run.train(observers, &stop).unwrap(), RunEnd::Interrupted);
    let later = |_| {
        let mut callbacks = Callbacks::default();
        callbacks.push("short", Box::new(Short { batches: 2 }));
        callbacks
    };
    let (memory, mut observers) = (Memory::default(), Observers::default());
    observers.push("memory", Box::new(memory.clone()));
    laboratory.resume(&again).unwrap().with_callbacks(later).train(observers, &StopFlag::default()).unwrap();
    let of_first = |event: &Event| matches!(event, Event::Step { seed: 0, epoch: 0, .. });
    assert!(!memory.take().iter().any(of_first), "the epoch has ended");
}

#[test]
fn an_impossible_learning_rate_is_an_error() {
    struct Broken;
    impl Callback for Broken {
        fn after_epoch(&mut self, _: &EpochReport<'_>) -> Action {
            Action::LearningRate(f64::NAN)
        }
    }
    let laboratory = Laboratory::new("");
    let run = laboratory.start().unwrap().with_callbacks(|_| {
        let mut callbacks = Callbacks::default();
        callbacks.push("broken", Box::new(Broken));
        callbacks
    });
    let error = run.train(Observers::default(), &StopFlag::default()).unwrap_err().to_string();
    assert!(error.starts_with("callback `broken`: NaN is no learning rate"), "{error}");
}

/// After the first epoch, a rate that takes every parameter to infinity in one step.
pub(crate) fn explode(_: u64) -> Callbacks {
    struct Explode;
    impl Callback for Explode {
        fn after_epoch(&mut self, _: &EpochReport<'_>) -> Action {
            Action::LearningRate(1e300)
        }
    }
    let mut callbacks = Callbacks::default();
    callbacks.push("explode", Box::new(Explode));
    callbacks
}

#[test]
fn divergence_is_an_error_with_its_place() {
    let laboratory = Laboratory::new("max_bad_steps = 1");
    let run = laboratory.start().unwrap().with_callbacks(explode);
    let error = run.train(Observers::default(), &StopFlag::default()).unwrap_err();
    // The first step of the second epoch is good, the two after it are not.
    let TrainError::Diverged { what: "loss", steps: 2, seed: 0, epoch: 2, step: 3 } = error else { panic!("{error}") };
}

#[test]
fn divergence_that_no_step_shows_is_an_error_with_its_epoch() {
    let laboratory = Laboratory::new("max_bad_steps = 100");
    let run = laboratory.start().unwrap().with_callbacks(explode);
    let error = run.train(Observers::default(), &StopFlag::default()).unwrap_err();
    let TrainError::DivergedScores { seed: 0, epoch: 2, .. } = error else { panic!("{error}") };
}
