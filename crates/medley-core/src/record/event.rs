//! What happens in a run, in order.

use serde::{Deserialize, Deserializer, Serialize};

use super::{EpochMetrics, SeedResult};
use crate::Split;

/// One line of `events.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventLine {
    /// Seconds since the Unix epoch.
    pub time: f64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What the training loop says. It knows neither bar nor file: observers make those.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// The run begins, or goes on after an interruption.
    RunStarted {
        /// Name of the run.
        run: String,
        /// Task names.
        tasks: Vec<String>,
        /// All seeds.
        seeds: Vec<u64>,
        /// Epochs per seed.
        epochs: usize,
        /// Optimizer steps per epoch.
        steps_per_epoch: usize,
        /// Whether it goes on from a checkpoint.
        resumed: bool,
    },
    /// The run of one seed begins.
    SeedStarted {
        /// Its seed.
        seed: u64,
        /// Trainable parameters of the network.
        parameters: usize,
    },
    /// An optimizer step is done.
    Step {
        /// Seed.
        seed: u64,
        /// 0-based.
        epoch: usize,
        /// 0-based in its epoch.
        step: usize,
        /// Mean training loss of the batch.
        #[serde(deserialize_with = "number_or_null")]
        loss: f64,
        /// Learning rate that was used.
        learning_rate: f64,
        /// Norm of the gradient before clipping.
        #[serde(deserialize_with = "number_or_null")]
        gradient_norm: f64,
        /// Images in the batch.
        images: usize,
    },
    /// Validation advances: a line for bars, not for files.
    ValidationProgress {
        /// Seed.
        seed: u64,
        /// Which split is predicted.
        split: Split,
        /// Images predicted so far.
        done: usize,
        /// Images in all.
        total: usize,
    },
    /// An epoch is done and validated.
    EpochFinished {
        /// Its metrics.
        #[serde(flatten)]
        metrics: EpochMetrics,
        /// Whether it is the best so far.
        best: bool,
        /// Training images per second of wall time, `None` where the process that validated did not train. Informative only.
        images_per_second: Option<f64>,
        /// Share of the training time spent waiting for data, 0-1; `None` as above. Informative only.
        data_wait: Option<f64>,
    },
    /// A callback ended the training of a seed before its last epoch.
    SeedStopped {
        /// Seed.
        seed: u64,
        /// Finished epochs.
        epoch: usize,
        /// Why, such as `no improvement for 5 epochs`.
        reason: String,
    },
    /// The mean of the networks of some epochs is the best network of a seed, or that of one epoch still is.
    SoupMade {
        /// Seed.
        seed: u64,
        /// Those epochs, counted from 1, the best first.
        epochs: Vec<usize>,
        /// Harmonic mean of the validation macro-F1.
        harmonic_mean: f64,
    },
    /// A checkpoint is on disk.
    CheckpointSaved {
        /// Seed.
        seed: u64,
        /// Finished epochs it holds.
        epoch: usize,
        /// `best` or `last`.
        kind: String,
    },
    /// One seed is trained and scored, on the test split too unless the run leaves it shut.
    SeedScored {
        /// Seed.
        seed: u64,
        /// The result.
        result: SeedResult,
    },
    /// Something the user should know.
    Warning {
        /// One sentence.
        message: String,
    },
    /// Stopped on request; `medley resume` goes on from here.
    RunInterrupted {
        /// Seed.
        seed: u64,
        /// Finished epochs.
        epoch: usize,
    },
    /// Everything is written.
    RunFinished {
        /// Mean over seeds of the test harmonic mean; `None` where the test split is not scored.
        harmonic_mean: Option<f64>,
        /// Wall time of this process, seconds.
        seconds: f64,
    },
}

/// JSON has neither NaN nor infinities: they are written as `null`, and read as NaN.
pub(super) fn number_or_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diverged_step_is_read_back() {
        let event = Event::Step {
            seed: 0,
            epoch: 0,
            step: 0,
            loss: f64::NAN,
            learning_rate: 0.1,
            gradient_norm: f64::INFINITY,
            images: 1,
        };
        let text = serde_json::to_string(&EventLine { time: 1.0, event }).unwrap();
        let line: EventLine = serde_json::from_str(&text).unwrap();
        assert!(
            matches!(line.event, Event::Step { loss, gradient_norm, .. } if loss.is_nan() && gradient_norm.is_nan())
        );
    }
}
