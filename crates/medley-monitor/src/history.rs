//! What the events of a run have said so far, as far as it can be shown.

use std::collections::VecDeque;

use medley_core::record::{EpochMetrics, Event};
use medley_core::text::plural;

/// Lines of the log that are kept.
const LOG_LINES: usize = 500;

/// A task by epoch, of the seed that is trained.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Curve {
    /// Task name.
    pub task: String,
    /// Epochs finished (1-based, counted over the phases too) and macro-F1 on the validation split, 0-1.
    pub macro_f1: Vec<(f64, f64)>,
    /// The same for the loss on the validation split.
    pub loss: Vec<(f64, f64)>,
    /// The last AUC, 0-1; `None` where it is undefined.
    pub auc: Option<f64>,
    /// The last accuracy, 0-1.
    pub accuracy: Option<f64>,
}

impl Curve {
    /// The highest macro-F1 so far and the epoch that it is of.
    pub fn best(&self) -> Option<(f64, f64)> {
        self.macro_f1.iter().copied().filter(|(_, value)| value.is_finite()).max_by(|a, b| a.1.total_cmp(&b.1))
    }
}

/// How far a run is.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Position {
    /// Optimizer steps done, of all seeds.
    pub done: usize,
    /// Optimizer steps in all.
    pub total: usize,
    /// Seconds since the run began or went on.
    pub elapsed: f64,
    /// Seconds that are left at the speed of the steps so far; `None` before there are any.
    pub left: Option<f64>,
}

/// How a run has ended.
#[derive(Debug, Clone, PartialEq)]
pub enum End {
    /// Everything is written.
    Finished {
        /// Mean over seeds of the harmonic mean on the test split, where it is scored.
        harmonic_mean: Option<f64>,
    },
    /// It was stopped, and can go on.
    Interrupted,
}

/// A run as its events tell it. Equal events give an equal history.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    /// Name of the run.
    pub run: String,
    /// Its seeds.
    pub seeds: Vec<u64>,
    /// Epochs per seed.
    pub epochs: usize,
    /// The seed that is trained, and which of them it is (0-based).
    pub seed: Option<(u64, usize)>,
    /// The epoch that is trained, 0-based.
    pub epoch: usize,
    /// Curves of the seed that is trained, in task order.
    pub curves: Vec<Curve>,
    /// Harmonic mean of macro-F1 by epoch, of the seed that is trained.
    pub mean: Vec<(f64, f64)>,
    /// Training loss by epoch, of the seed that is trained.
    pub train_loss: Vec<(f64, f64)>,
    /// Training loss now: a moving mean over batches.
    pub loss: Option<f64>,
    /// Learning rate of the last step.
    pub learning_rate: Option<f64>,
    /// Images per second of the last epoch, and the share of time that it waited for data.
    pub speed: Option<(f64, f64)>,
    /// What is predicted, and the share that is done, 0-1.
    pub predicting: Option<(String, f64)>,
    /// How it ended.
    pub end: Option<End>,
    log: VecDeque<String>,
    steps_per_epoch: usize,
    position: usize,
    /// Time and position of the first step of this process.
    first_step: Option<(f64, usize)>,
    last_step: f64,
    began: f64,
    now: f64,
}

impl History {
    /// Takes note of an event. `time` is in seconds, from any fixed moment.
    pub fn add(&mut self, time: f64, event: &Event) {
        self.now = self.now.max(time);
        match event {
            Event::RunStarted { run, tasks, seeds, epochs, steps_per_epoch, resumed } => {
                self.begin(time, run, tasks, seeds);
                (self.epochs, self.steps_per_epoch) = (*epochs, *steps_per_epoch);
                let what = if *resumed { "goes on" } else { "begins" };
                self.write(format!("{run} {what}: {}, {}", plural(seeds.len(), "seed"), plural(*epochs, "epoch")));
            }
            Event::SeedStarted { seed, parameters } => self.begin_seed(*seed, *parameters),
            Event::Step { epoch, step, loss, learning_rate, .. } => {
                self.predicting = None;
                self.epoch = *epoch;
                self.learning_rate = Some(*learning_rate);
                self.loss = Some(self.loss.filter(|old| old.is_finite()).map_or(*loss, |old| 0.9 * old + 0.1 * loss));
                self.reach(time, epoch.saturating_mul(self.steps_per_epoch).saturating_add(*step));
            }
            Event::ValidationProgress { split, done, total, .. } => {
                self.predicting = Some((split.to_string(), *done as f64 / (*total).max(1) as f64));
            }
            Event::EpochFinished { metrics, best, images_per_second, data_wait } => {
                self.predicting = None;
                self.speed = images_per_second.zip(*data_wait);
                self.reach(time, metrics.epoch.saturating_add(1).saturating_mul(self.steps_per_epoch));
                self.add_epoch(metrics, *best);
            }
            Event::SeedStopped { epoch, reason, .. } => self.write(format!("stopped after epoch {epoch}: {reason}")),
            Event::SoupMade { epochs, harmonic_mean, .. } if epochs.len() > 1 => {
                self.write(format!("a soup of {}: {harmonic_mean:.4}", plural(epochs.len(), "epoch")));
            }
            Event::SeedScored { seed, result } => {
                let (split, set) = match &result.test {
                    Some(test) => ("test", test),
                    None => ("validation", &result.validation),
                };
                self.write(format!("seed {seed}: {split} harmonic mean {:.4}", set.harmonic_mean));
            }
            Event::Warning { message } => self.write(format!("warning: {message}")),
            Event::RunInterrupted { .. } => {
                self.end = Some(End::Interrupted);
                self.write("stopped; `medley resume` continues".to_owned());
            }
            Event::RunFinished { harmonic_mean, .. } => {
                (self.end, self.predicting) = (Some(End::Finished { harmonic_mean: *harmonic_mean }), None);
                self.write("finished".to_owned());
            }
            _ => {}
        }
    }

    /// Lets time pass without an event.
    pub fn tick(&mut self, time: f64) {
        if self.end.is_none() {
            self.now = self.now.max(time);
        }
    }

    /// The log, oldest line first.
    pub fn log(&self) -> impl DoubleEndedIterator<Item = &str> + ExactSizeIterator {
        self.log.iter().map(String::as_str)
    }

    /// How far the run is.
    pub fn position(&self) -> Position {
        let total = self.seeds.len().saturating_mul(self.epochs).saturating_mul(self.steps_per_epoch);
        let done = if matches!(self.end, Some(End::Finished { .. })) { total } else { self.position.min(total) };
        let left = self.first_step.and_then(|(time, at)| {
            let (steps, seconds) = (self.position.checked_sub(at).filter(|&steps| steps > 0)?, self.last_step - time);
            Some(seconds / steps as f64 * (total - done) as f64)
        });
        Position { done, total, elapsed: (self.now - self.began).max(0.0), left }
    }

    fn begin(&mut self, time: f64, run: &str, tasks: &[String], seeds: &[u64]) {
        let curve = |task: &String| Curve { task: task.clone(), ..Curve::default() };
        // What was before an interruption stays on the curves and in the log.
        if self.run != run || self.curves.len() != tasks.len() {
            *self = Self {
                curves: tasks.iter().map(curve).collect(),
                log: std::mem::take(&mut self.log),
                ..Self::default()
            };
        }
        (self.run, self.seeds) = (run.to_owned(), seeds.to_vec());
        (self.began, self.now, self.end, self.first_step) = (time, time, None, None);
    }

    fn begin_seed(&mut self, seed: u64, parameters: usize) {
        let index = self.seeds.iter().position(|&one| one == seed).unwrap_or(0);
        if self.seed.is_none_or(|(current, _)| current != seed) {
            for curve in &mut self.curves {
                *curve = Curve { task: std::mem::take(&mut curve.task), ..Curve::default() };
            }
            (self.mean, self.train_loss) = (Vec::new(), Vec::new());
        }
        (self.seed, self.loss) = (Some((seed, index)), None);
        self.write(format!("seed {seed}: {}", plural(parameters, "parameter")));
    }

    /// A position within the seed that is trained.
    fn reach(&mut self, time: f64, within: usize) {
        let before = self.seed.map_or(0, |(_, index)| index).saturating_mul(self.epochs);
        self.position = before.saturating_mul(self.steps_per_epoch).saturating_add(within);
        self.last_step = time;
        self.first_step.get_or_insert((time, self.position));
    }

    fn add_epoch(&mut self, metrics: &EpochMetrics, best: bool) {
        let at = metrics.epoch.saturating_add(1) as f64;
        for one in &metrics.validation {
            if let Some(curve) = self.curves.iter_mut().find(|curve| curve.task == one.task) {
                put(&mut curve.macro_f1, at, one.macro_f1);
                put(&mut curve.loss, at, one.loss);
                (curve.auc, curve.accuracy) = (one.auc, Some(one.accuracy));
            }
        }
        put(&mut self.mean, at, metrics.harmonic_mean);
        put(&mut self.train_loss, at, metrics.train_loss);
        let mark = if best { " (best so far)" } else { "" };
        self.write(format!(
            "epoch {}/{}: training loss {:.4}, validation {:.4}{mark}",
            metrics.epoch.saturating_add(1),
            self.epochs,
            metrics.train_loss,
            metrics.harmonic_mean,
        ));
    }

    fn write(&mut self, line: String) {
        if self.log.len() == LOG_LINES {
            self.log.pop_front();
        }
        self.log.push_back(line);
    }
}

/// Adds a point. An epoch that is trained again after an interruption takes the place of what was there from it on.
fn put(points: &mut Vec<(f64, f64)>, at: f64, value: f64) {
    points.truncate(points.partition_point(|&(epoch, _)| epoch < at));
    points.push((at, value));
}

#[cfg(test)]
mod tests {
    use medley_core::record::TaskMetrics;

    use super::*;

    fn epoch(epoch: usize, macro_f1: f64) -> Event {
        let task = |task: &str| TaskMetrics { task: task.into(), loss: 1.0, auc: Some(0.7), accuracy: 0.6, macro_f1 };
        let validation = vec![task("breastmnist"), task("retinamnist")];
        let (seed, train_loss, learning_rate) = (0, 0.5, 1e-3);
        let metrics = EpochMetrics { seed, epoch, train_loss, learning_rate, validation, harmonic_mean: macro_f1 };
        Event::EpochFinished { metrics, best: true, images_per_second: Some(900.0), data_wait: Some(0.01) }
    }

    fn started(resumed: bool) -> Event {
        let tasks = ["breastmnist", "retinamnist"].map(str::to_owned).to_vec();
        Event::RunStarted { run: "lab-1".into(), tasks, seeds: vec![0, 7], epochs: 4, steps_per_epoch: 10, resumed }
    }

    fn step(seed: u64, epoch: usize, step: usize) -> Event {
        Event::Step { seed, epoch, step, loss: 1.0, learning_rate: 1e-3, gradient_norm: 1.0, images: 8 }
    }

    #[test]
    fn what_is_left_follows_from_the_steps_of_this_process() {
        let mut history = History::default();
        history.add(100.0, &started(true));
        history.add(100.0, &Event::SeedStarted { seed: 7, parameters: 9 });
        history.add(110.0, &step(7, 1, 0));
        assert_eq!(history.position(), Position { done: 50, total: 80, elapsed: 10.0, left: None });
        history.add(120.0, &step(7, 1, 5));
        assert_eq!(history.position(), Position { done: 55, total: 80, elapsed: 20.0, left: Some(50.0) });
        history.tick(125.0);
        assert_eq!(history.position().elapsed, 25.0);
    }

    #[test]
    fn an_epoch_that_is_trained_again_replaces_what_was_lost() {
        let mut history = History::default();
        history.add(0.0, &started(false));
        history.add(0.0, &Event::SeedStarted { seed: 0, parameters: 9 });
        for (at, macro_f1) in [(0, 0.1), (1, 0.3), (2, 0.2)] {
            history.add(1.0, &epoch(at, macro_f1));
        }
        assert_eq!(history.curves[1].best(), Some((2.0, 0.3)));
        history.add(50.0, &started(true));
        history.add(50.0, &Event::SeedStarted { seed: 0, parameters: 9 });
        history.add(51.0, &epoch(1, 0.25));
        assert_eq!(history.curves[0].macro_f1, [(1.0, 0.1), (2.0, 0.25)]);
        // Another seed begins with empty curves.
        history.add(60.0, &Event::SeedStarted { seed: 7, parameters: 9 });
        assert!(history.curves.iter().all(|curve| curve.macro_f1.is_empty()) && history.mean.is_empty());
        assert_eq!(history.curves[0].task, "breastmnist");
    }

    #[test]
    fn the_log_is_bounded_and_an_end_is_kept() {
        let mut history = History::default();
        history.add(0.0, &started(false));
        for number in 0..2 * LOG_LINES {
            history.add(0.0, &Event::Warning { message: number.to_string() });
        }
        assert_eq!((history.log().len(), history.log().next_back()), (LOG_LINES, Some("warning: 999")));
        history.add(9.0, &Event::RunFinished { harmonic_mean: None, seconds: 9.0 });
        history.tick(100.0);
        assert_eq!(history.position(), Position { done: 80, total: 80, elapsed: 9.0, left: None });
    }
}
