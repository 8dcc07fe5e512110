//! What people see while a run goes on: a bar on a terminal, plain lines elsewhere.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use medley_core::record::Event;
use medley_core::text::plural;
use medley_train::observer::Observer;

use medley_cli::output::note;

/// How often a run that is not on a terminal says where it is.
const PLAIN_INTERVAL: Duration = Duration::from_secs(15);

/// Draws events on standard error.
pub(crate) struct Progress {
    /// What is done with the run: the first word of the first line.
    doing: &'static str,
    bar: Option<ProgressBar>,
    steps_per_epoch: usize,
    epochs: usize,
    seeds: usize,
    tasks: usize,
    seeds_done: usize,
    spoken: Instant,
    loss: f64,
}

impl Progress {
    /// A bar if standard error is a terminal.
    pub(crate) fn new(doing: &'static str) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::no_length();
            if let Ok(style) = ProgressStyle::with_template(
                "{prefix} {bar:32} {pos}/{len} steps  {msg}  {elapsed_precise} elapsed, {eta_precise} left",
            ) {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(500));
            bar
        });
        Self {
            doing,
            bar,
            steps_per_epoch: 0,
            epochs: 0,
            seeds: 1,
            tasks: 1,
            seeds_done: 0,
            spoken: Instant::now(),
            loss: f64::NAN,
        }
    }

    fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => note(text),
        }
    }

    /// A line now and then where no bar can be drawn.
    fn say_throttled(&mut self, text: impl Fn() -> String) {
        if self.bar.is_none() && self.spoken.elapsed() >= PLAIN_INTERVAL {
            note(&text());
            self.spoken = Instant::now();
        }
    }

    fn step(&mut self, epoch: usize, step: usize, loss: f64) {
        // A moving mean, as single batches jump.
        self.loss = if self.loss.is_finite() { 0.95 * self.loss + 0.05 * loss } else { loss };
        let (epochs, steps, mean) = (self.epochs, self.steps_per_epoch, self.loss);
        if let Some(bar) = &self.bar {
            bar.set_position(((self.seeds_done * epochs + epoch) * steps + step + 1) as u64);
            bar.set_message(format!("loss {mean:.3}"));
        }
        self.say_throttled(|| format!("epoch {}/{epochs}, step {}/{steps}: loss {mean:.3}", epoch + 1, step + 1));
    }
}

impl Observer for Progress {
    fn observe(&mut self, event: &Event) -> anyhow::Result<()> {
        match event {
            Event::RunStarted { run, tasks, seeds, epochs, steps_per_epoch, .. } => {
                (self.epochs, self.steps_per_epoch, self.seeds) = (*epochs, *steps_per_epoch, seeds.len());
                self.tasks = tasks.len();
                let (seeds_text, epochs_text) = (plural(seeds.len(), "seed"), plural(*epochs, "epoch"));
                self.say(&format!("{} {run}: {} ({seeds_text}, {epochs_text})", self.doing, tasks.join(", ")));
                if let Some(bar) = &self.bar {
                    bar.set_length((seeds.len() * epochs * steps_per_epoch) as u64);
                }
            }
            Event::SeedStarted { seed, parameters } => {
                self.loss = f64::NAN;
                self.say(&format!("seed {seed}: {parameters} parameters"));
                if let Some(bar) = &self.bar {
                    bar.set_prefix(format!("seed {seed}"));
                }
            }
            Event::Step { epoch, step, loss, .. } => self.step(*epoch, *step, *loss),
            Event::ValidationProgress { split, done, total, .. } => {
                if let Some(bar) = &self.bar {
                    bar.set_message(format!("{split} {:.0} %", 100.0 * *done as f64 / (*total).max(1) as f64));
                }
                self.say_throttled(|| format!("predicting {split}: {done}/{total} images"));
            }
            Event::EpochFinished { metrics, best, images_per_second, data_wait } => {
                let mark = if *best { "  (best so far)" } else { "" };
                let throughput = images_per_second.zip(*data_wait).map_or_else(String::new, |(speed, wait)| {
                    format!("  [{speed:.0} images/s, {:.1} % waiting for data]", 100.0 * wait)
                });
                let what = match &metrics.validation[..] {
                    // In a phase that trains tasks apart.
                    [one] if self.tasks > 1 => format!("macro-F1 of {}", one.task),
                    _ => "harmonic mean of macro-F1".to_owned(),
                };
                self.say(&format!(
                    "epoch {}/{}: training loss {:.4}, validation {what} {:.4}{mark}{throughput}",
                    metrics.epoch + 1,
                    self.epochs,
                    metrics.train_loss,
                    metrics.harmonic_mean,
                ));
            }
            Event::SeedScored { seed, result } => {
                self.seeds_done += 1;
                let (split, set) = match &result.test {
                    Some(test) => ("test", test),
                    None => ("validation", &result.validation),
                };
                self.say(&format!(
                    "seed {seed}: {split} harmonic mean of macro-F1 {:.4} (checkpoint of epoch {})",
                    set.harmonic_mean, result.best_epoch
                ));
            }
            Event::SeedStopped { seed, epoch, reason } => {
                self.say(&format!("seed {seed}: stopped after epoch {epoch}: {reason}"));
            }
            Event::SoupMade { seed, epochs, harmonic_mean } if epochs.len() > 1 => {
                let epochs: Vec<String> = epochs.iter().map(usize::to_string).collect();
                self.say(&format!(
                    "seed {seed}: a soup of the epochs {}, validation harmonic mean of macro-F1 {harmonic_mean:.4}",
                    epochs.join(", ")
                ));
            }
            Event::Warning { message } => self.say(&format!("warning: {message}")),
            Event::RunInterrupted { .. } | Event::RunFinished { .. } => {
                if let Some(bar) = &self.bar {
                    bar.finish_and_clear();
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
