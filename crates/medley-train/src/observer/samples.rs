//! Events for the tests of observers.

use medley_core::record::{EpochMetrics, Event, TaskMetrics};

pub(crate) fn warning() -> Event {
    Event::Warning { message: "a \"quoted\"\nline".to_owned() }
}

pub(crate) fn run_started(steps_per_epoch: usize, resumed: bool) -> Event {
    Event::RunStarted {
        run: "small-1".to_owned(),
        tasks: vec!["breastmnist".to_owned(), "octmnist".to_owned()],
        seeds: vec![7],
        epochs: 3,
        steps_per_epoch,
        resumed,
    }
}

pub(crate) fn seed_started(seed: u64) -> Event {
    Event::SeedStarted { seed, parameters: 1_000 }
}

pub(crate) fn step(seed: u64, epoch: usize, step: usize, loss: f64) -> Event {
    Event::Step { seed, epoch, step, loss, learning_rate: 0.01, gradient_norm: 2.5, images: 16 }
}

pub(crate) fn epoch_finished(seed: u64, epoch: usize) -> Event {
    let metrics = |task: &str, auc, macro_f1| TaskMetrics {
        task: task.to_owned(),
        loss: 0.1 + 0.2,
        auc,
        accuracy: 0.75,
        macro_f1,
    };
    Event::EpochFinished {
        metrics: EpochMetrics {
            seed,
            epoch,
            train_loss: 1.5 / (epoch + 1) as f64,
            learning_rate: 0.003,
            validation: vec![metrics("breastmnist", Some(0.9), 0.5), metrics("octmnist", None, 1.0 / 3.0)],
            harmonic_mean: 0.4,
        },
        best: epoch == 0,
        images_per_second: Some(1234.5),
        data_wait: Some(0.01),
    }
}

pub(crate) fn validation_progress() -> Event {
    Event::ValidationProgress { seed: 7, split: medley_core::Split::Val, done: 1, total: 2 }
}
