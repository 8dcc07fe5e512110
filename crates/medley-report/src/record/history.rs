//! What happened on the way: `metrics.csv` for the curves, `events.jsonl` for the rest.
//!
//! Both files are read line by line and never fail a report. Events that this program does not know, numbers that are not
//! finite (JSON has no NaN, so they arrive as `null`) and lines that were cut off by a crash are passed over.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _};

use medley_core::RunLayout;
use medley_core::record::MetricRow;
use medley_core::text::plural;
use medley_storage::{ConfinedFolder, ReadError, check_size};
use serde::Deserialize;

/// Largest `events.jsonl` that is read: a line for every 50 steps of 200 million.
const EVENTS_FILE: u64 = 1 << 30;
/// Longest line of `events.jsonl` that is parsed.
const LONGEST_LINE: u64 = 8 << 20;
/// Largest `metrics.csv` that is read.
const METRICS_FILE: u64 = 64 << 20;
/// Step points kept per seed: more than a chart has pixels.
const STEP_POINTS: usize = 512;
/// Warnings kept.
const WARNINGS: usize = 200;

/// What the run told on its way.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    /// One per seed that began, by seed.
    pub seeds: Vec<SeedHistory>,
    /// Epochs that every seed was to have.
    pub planned_epochs: Option<usize>,
    /// Optimizer steps in an epoch.
    pub steps_per_epoch: Option<usize>,
    /// Warnings in the order of their first occurrence, and how often each was given.
    pub warnings: Vec<(String, usize)>,
    /// How often a process began or went on with the run.
    pub processes: usize,
    /// Seconds between the first and the last event of each process, summed.
    pub seconds: f64,
    /// Whether the last process was told to stop before the run was finished.
    pub interrupted: bool,
}

impl History {
    /// The history of one seed.
    pub fn seed(&self, seed: u64) -> Option<&SeedHistory> {
        self.seeds.iter().find(|history| history.seed == seed)
    }

    /// Epochs finished, over all seeds.
    pub fn finished_epochs(&self) -> usize {
        self.seeds.iter().map(|seed| seed.epochs.len()).sum()
    }
}

/// What one seed told on its way.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SeedHistory {
    /// Its seed.
    pub seed: u64,
    /// Trainable parameters.
    pub parameters: Option<usize>,
    /// Why its training ended before the last epoch, if it did.
    pub stopped: Option<String>,
    /// In order, each once.
    pub epochs: Vec<Epoch>,
    /// Training loss and learning rate by step, averaged over so many steps that at most 512 points remain.
    pub steps: Vec<StepPoint>,
}

/// The metrics after an epoch. What was not written, or is not finite, is `None`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Epoch {
    /// 1-based: epochs finished.
    pub epoch: usize,
    /// Mean training loss.
    pub train_loss: Option<f64>,
    /// Learning rate of the last step.
    pub learning_rate: Option<f64>,
    /// Harmonic mean of the validation macro-F1.
    pub harmonic_mean: Option<f64>,
    /// By task name.
    pub tasks: BTreeMap<String, EpochMetrics>,
    /// Training images per second of wall time, where the events tell.
    pub images_per_second: Option<f64>,
}

/// The validation metrics of one task after an epoch.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct EpochMetrics {
    /// Mean loss.
    pub loss: Option<f64>,
    /// Official AUC.
    pub auc: Option<f64>,
    /// Official accuracy.
    pub accuracy: Option<f64>,
    /// Macro-F1.
    pub macro_f1: Option<f64>,
}

/// The mean of some neighbouring steps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepPoint {
    /// Mean position in epochs, such as 2.5 in the middle of the third.
    pub epoch: f64,
    /// Mean loss of the batches.
    pub loss: f64,
    /// Mean learning rate.
    pub learning_rate: f64,
}

/// Reads both files. What cannot be read is added to `notes`.
pub(crate) fn read(run: &RunLayout, notes: &mut Vec<String>) -> History {
    let mut reader = Reader::default();
    reader.read_events(run, notes);
    reader.read_metrics(run, notes);
    reader.finish()
}

#[derive(Default)]
struct Reader {
    history: History,
    seeds: BTreeMap<u64, SeedReader>,
    warnings: BTreeMap<String, usize>,
    process: Option<(f64, f64)>,
}

#[derive(Default)]
struct SeedReader {
    parameters: Option<usize>,
    stopped: Option<String>,
    epochs: BTreeMap<usize, Epoch>,
    steps: Thinned,
}

/// [`medley_core::record::Event`] as far as a report needs it, and open to events of a later day.
#[derive(Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Line {
    RunStarted {
        epochs: usize,
        steps_per_epoch: usize,
    },
    SeedStarted {
        seed: u64,
        parameters: usize,
    },
    Step {
        seed: u64,
        epoch: usize,
        step: usize,
        loss: Option<f64>,
        learning_rate: Option<f64>,
    },
    EpochFinished {
        seed: u64,
        epoch: usize,
        train_loss: Option<f64>,
        learning_rate: Option<f64>,
        validation: Vec<LoggedMetrics>,
        harmonic_mean: Option<f64>,
        images_per_second: Option<f64>,
    },
    SeedStopped {
        seed: u64,
        reason: String,
    },
    Warning {
        message: String,
    },
    RunInterrupted {},
    RunFinished {},
    #[serde(other)]
    Other,
}

/// [`medley_core::record::TaskMetrics`], where any of them may be missing.
#[derive(Deserialize)]
struct LoggedMetrics {
    task: String,
    loss: Option<f64>,
    auc: Option<f64>,
    accuracy: Option<f64>,
    macro_f1: Option<f64>,
}

#[derive(Deserialize)]
struct Timed {
    #[serde(default)]
    time: f64,
}

impl Reader {
    fn read_events(&mut self, run: &RunLayout, notes: &mut Vec<String>) {
        let opened = ConfinedFolder::new(run.root()).open_file(&run.events());
        let file = match opened.and_then(|file| check_size(&file, EVENTS_FILE).map(|_| file)) {
            Ok(file) => file,
            Err(error) => return notes.push(format!("events.jsonl {}", reason(&error))),
        };
        let mut reader = BufReader::new(file);
        let mut bad = BadLines::default();
        let mut line = Vec::new();
        for number in 1_usize.. {
            line.clear();
            match reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line) {
                Ok(0) => break,
                Ok(_) if line.trim_ascii().is_empty() => {}
                Ok(_) => {
                    if !self.take_line(&line) {
                        bad.add(number);
                    }
                }
                Err(error) => {
                    notes.push(format!("events.jsonl, line {number}: {}", error.kind()));
                    break;
                }
            }
        }
        self.close_process();
        notes.extend(bad.note("events.jsonl"));
    }

    /// Whether the line could be read.
    fn take_line(&mut self, line: &[u8]) -> bool {
        let (Ok(event), Ok(Timed { time })) = (serde_json::from_slice(line), serde_json::from_slice(line)) else {
            return false;
        };
        if let Line::RunStarted { epochs, steps_per_epoch } = event {
            self.close_process();
            self.history.processes += 1;
            self.history.interrupted = false;
            self.history.planned_epochs = Some(epochs);
            self.history.steps_per_epoch = Some(steps_per_epoch);
        } else {
            self.take_event(event);
        }
        if time.is_finite() {
            let (first, _) = self.process.unwrap_or((time, time));
            self.process = Some((first, time));
        }
        true
    }

    fn take_event(&mut self, event: Line) {
        match event {
            Line::SeedStarted { seed, parameters } => self.seed(seed).parameters = Some(parameters),
            Line::Step { seed, epoch, step, loss, learning_rate } => {
                let steps = self.history.steps_per_epoch.unwrap_or(1).max(1) as f64;
                let (Some(loss), Some(learning_rate)) = (loss, learning_rate) else { return };
                let epoch = epoch as f64 + (step as f64 + 0.5) / steps;
                self.seed(seed).steps.push(StepPoint { epoch, loss, learning_rate });
            }
            Line::EpochFinished {
                seed,
                epoch,
                train_loss,
                learning_rate,
                validation,
                harmonic_mean,
                images_per_second,
            } => {
                let epoch = epoch.saturating_add(1);
                let tasks = validation.into_iter().map(LoggedMetrics::into_entry).collect();
                let row = Epoch { epoch, train_loss, learning_rate, harmonic_mean, tasks, images_per_second };
                self.seed(seed).epochs.insert(epoch, row);
            }
            Line::SeedStopped { seed, reason } => self.seed(seed).stopped = Some(reason),
            Line::Warning { message } => self.warn(message),
            Line::RunInterrupted {} => self.history.interrupted = true,
            Line::RunFinished {} => self.history.interrupted = false,
            Line::RunStarted { .. } | Line::Other => {}
        }
    }

    fn warn(&mut self, message: String) {
        if let Some(count) = self.warnings.get_mut(&message) {
            *count += 1;
        } else if self.warnings.len() < WARNINGS {
            self.history.warnings.push((message.clone(), 1));
            self.warnings.insert(message, 1);
        }
    }

    fn close_process(&mut self) {
        if let Some((first, last)) = self.process.take() {
            self.history.seconds += (last - first).max(0.0);
        }
    }

    /// `metrics.csv` wins over the events: on resuming, rows of work that was lost are taken out of it.
    fn read_metrics(&mut self, run: &RunLayout, notes: &mut Vec<String>) {
        let bytes = match ConfinedFolder::new(run.root()).read_file(&run.metrics(), METRICS_FILE) {
            Ok(bytes) => bytes,
            Err(error) => {
                return notes.push(format!("metrics.csv {}: the curves are drawn from the events", reason(&error)));
            }
        };
        let mut rows: BTreeMap<u64, BTreeMap<usize, Epoch>> = BTreeMap::new();
        let mut reader = csv::ReaderBuilder::new().flexible(false).from_reader(bytes.as_slice()).into_deserialize();
        let mut bad = BadLines::default();
        loop {
            // Errors do not all say where they are; the reader does.
            let line = reader.reader().position().line();
            match reader.next() {
                Some(Ok(row)) => add_row(&mut rows, row),
                Some(Err(error)) => bad.add(error.position().map_or(line, csv::Position::line) as usize),
                None => break,
            }
        }
        notes.extend(bad.note("metrics.csv"));
        for (seed, mut epochs) in rows {
            let reader = self.seed(seed);
            for (number, epoch) in &mut epochs {
                epoch.images_per_second = reader.epochs.get(number).and_then(|epoch| epoch.images_per_second);
            }
            reader.epochs = epochs;
        }
    }

    fn seed(&mut self, seed: u64) -> &mut SeedReader {
        self.seeds.entry(seed).or_default()
    }

    fn finish(self) -> History {
        let mut history = self.history;
        for (message, count) in &mut history.warnings {
            *count = self.warnings[message];
        }
        history.seeds = (self.seeds.into_iter())
            .map(|(seed, reader)| SeedHistory {
                seed,
                parameters: reader.parameters,
                stopped: reader.stopped,
                epochs: reader.epochs.into_values().map(Epoch::finite).collect(),
                steps: reader.steps.finish(),
            })
            .collect();
        history
    }
}

/// Lines that could not be read.
#[derive(Default)]
struct BadLines {
    first: usize,
    count: usize,
}

impl BadLines {
    fn add(&mut self, line: usize) {
        if self.count == 0 {
            self.first = line;
        }
        self.count += 1;
    }

    fn note(&self, file: &str) -> Option<String> {
        let (lines, first) = (plural(self.count, "line"), self.first);
        (self.count > 0).then(|| format!("{file}: {lines} could not be read, the first is line {first}"))
    }
}

/// Why a file is not read, as a note goes on after its name. The name says nothing of the folder: a report is the same wherever it
/// is made.
pub(super) fn reason(error: &ReadError) -> String {
    match error {
        ReadError::Missing { .. } => "is missing".to_owned(),
        ReadError::NotAFile { what, .. } => format!("is {what}, not a regular file"),
        ReadError::Link { .. } | ReadError::Outside { .. } => "is a link, which is not followed".to_owned(),
        ReadError::TooLarge { bytes, limit, .. } => format!("holds {bytes} bytes, more than the {limit} that are read"),
        ReadError::NotText { line, .. } => format!("is not UTF-8 text (line {line})"),
        ReadError::Io { source, .. } => format!("cannot be read: {}", source.kind()),
    }
}

fn add_row(rows: &mut BTreeMap<u64, BTreeMap<usize, Epoch>>, row: MetricRow) {
    let epoch = rows.entry(row.seed).or_default().entry(row.epoch).or_default();
    epoch.epoch = row.epoch;
    if row.task == "all" {
        epoch.train_loss = row.train_loss;
        epoch.learning_rate = row.learning_rate;
        epoch.harmonic_mean = Some(row.val_macro_f1);
    } else {
        let metrics = EpochMetrics {
            loss: row.val_loss,
            auc: row.val_auc,
            accuracy: row.val_accuracy,
            macro_f1: Some(row.val_macro_f1),
        };
        epoch.tasks.insert(row.task, metrics);
    }
}

impl LoggedMetrics {
    fn into_entry(self) -> (String, EpochMetrics) {
        let Self { task, loss, auc, accuracy, macro_f1 } = self;
        (task, EpochMetrics { loss, auc, accuracy, macro_f1 })
    }
}

impl Epoch {
    /// The same, less what is not finite.
    fn finite(mut self) -> Self {
        let keep = |value: &mut Option<f64>| *value = value.filter(|value| value.is_finite());
        for value in
            [&mut self.train_loss, &mut self.learning_rate, &mut self.harmonic_mean, &mut self.images_per_second]
        {
            keep(value);
        }
        for metrics in self.tasks.values_mut() {
            for value in [&mut metrics.loss, &mut metrics.auc, &mut metrics.accuracy, &mut metrics.macro_f1] {
                keep(value);
            }
        }
        self
    }
}

/// A series in bounded memory: when it is full, neighbours are averaged and the stride doubles.
struct Thinned {
    points: Vec<StepPoint>,
    stride: usize,
    sum: StepPoint,
    pending: usize,
}

const ZERO: StepPoint = StepPoint { epoch: 0.0, loss: 0.0, learning_rate: 0.0 };

impl Default for Thinned {
    fn default() -> Self {
        Self { points: Vec::new(), stride: 1, sum: ZERO, pending: 0 }
    }
}

impl Thinned {
    fn push(&mut self, point: StepPoint) {
        if !(point.loss.is_finite() && point.learning_rate.is_finite()) {
            return;
        }
        self.sum = add(self.sum, point);
        self.pending += 1;
        if self.pending == self.stride {
            self.flush();
            if self.points.len() == STEP_POINTS {
                self.points = self.points.chunks(2).map(|pair| scale(add(pair[0], pair[1]), 0.5)).collect();
                self.stride *= 2;
            }
        }
    }

    fn flush(&mut self) {
        if self.pending > 0 {
            self.points.push(scale(self.sum, 1.0 / self.pending as f64));
        }
        (self.sum, self.pending) = (ZERO, 0);
    }

    fn finish(mut self) -> Vec<StepPoint> {
        self.flush();
        // A crash and a resume repeat steps; the last word on each holds.
        let mut kept: Vec<StepPoint> = Vec::with_capacity(self.points.len());
        for point in self.points {
            while kept.last().is_some_and(|last| last.epoch >= point.epoch) {
                kept.pop();
            }
            kept.push(point);
        }
        kept
    }
}

fn add(a: StepPoint, b: StepPoint) -> StepPoint {
    StepPoint { epoch: a.epoch + b.epoch, loss: a.loss + b.loss, learning_rate: a.learning_rate + b.learning_rate }
}

fn scale(point: StepPoint, factor: f64) -> StepPoint {
    StepPoint { epoch: point.epoch * factor, loss: point.loss * factor, learning_rate: point.learning_rate * factor }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_series_are_averaged_not_cut() {
        let mut series = Thinned::default();
        for step in 0..100_000 {
            series.push(StepPoint { epoch: f64::from(step), loss: 2.0, learning_rate: 0.1 });
        }
        let points = series.finish();
        assert!(points.len() > STEP_POINTS / 2 && points.len() <= STEP_POINTS);
        assert!(points.iter().all(|point| (point.loss - 2.0).abs() < 1e-12));
        assert!(points.windows(2).all(|pair| pair[0].epoch < pair[1].epoch));
        assert!(points.last().unwrap().epoch > 99_000.0);
    }

    #[test]
    fn what_is_not_finite_is_passed_over() {
        let mut series = Thinned::default();
        series.push(StepPoint { epoch: 0.0, loss: f64::NAN, learning_rate: 0.1 });
        series.push(StepPoint { epoch: 1.0, loss: 1.0, learning_rate: 0.1 });
        assert_eq!(series.finish().len(), 1);
    }

    #[test]
    fn unknown_events_and_null_metrics_are_read() {
        let mut reader = Reader::default();
        assert!(reader.take_line(br#"{"time":1.0,"event":"moon_landing","crew":3}"#));
        assert!(reader.take_line(
            br#"{"time":2.0,"event":"step","seed":0,"epoch":0,"step":0,"loss":null,"learning_rate":0.1,"gradient_norm":null,"images":8}"#
        ));
        assert!(!reader.take_line(br#"{"time":3.0,"event":"step","se"#));
        assert_eq!(reader.seeds.len(), 0);
    }
}
