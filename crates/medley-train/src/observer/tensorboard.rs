//! TensorBoard event files with scalars.
//!
//! The format is small and has not changed since 2016: records of a length, a checksum of the length, a protocol-buffer
//! message `tensorflow.Event` and a checksum of the message (`tensorflow/core/lib/io/record_writer.h`,
//! `tensorflow/core/util/event.proto`, `tensorflow/core/framework/summary.proto`). Only the fields that scalars
//! and the settings of a run need are encoded here.

mod hparams;

use std::io::Write as _;

use fs_err::File;
use medley_core::RunLayout;
use medley_core::record::{Event, TaskMetrics};
use medley_storage::{Access, ConfinedFolder, ReadError};

use super::Observer;
use super::checksum::masked;
use super::jsonl::seconds_since_epoch;
pub(crate) use hparams::flattened;

/// Steps from one training scalar to the next.
const EVERY_STEPS: usize = 10;

/// Writes scalars to `tb/seed-<seed>/`: `train/loss`, `train/learning_rate` and `train/gradient_norm` every tenth step,
/// `train/epoch_loss`, `val/<task>/{loss,auc,accuracy,macro_f1}`, `val/harmonic_mean` and `speed/…` every epoch.
///
/// The step of a point is the number of optimizer steps that were finished. A run that goes on begins a new file, which tells
/// TensorBoard to forget what the lost work had written beyond its first step.
#[derive(Debug)]
pub struct TensorBoard {
    layout: RunLayout,
    steps_per_epoch: usize,
    current: Option<(u64, EventFile)>,
    /// For the hparams page; empty, there is none.
    settings: Vec<(String, toml::Value)>,
    clock: fn() -> f64,
}

impl TensorBoard {
    /// Writes under the run's folder. Files are made when there is something to write.
    pub fn new(layout: RunLayout) -> Self {
        Self { layout, steps_per_epoch: 0, current: None, settings: Vec::new(), clock: seconds_since_epoch }
    }

    /// Writes these settings, by their dotted keys, at the beginning of each seed: they make the hparams page of TensorBoard.
    #[must_use]
    pub fn describing(self, settings: Vec<(String, toml::Value)>) -> Self {
        Self { settings, ..self }
    }

    /// The file of a seed, whose first point has this step.
    fn file(&mut self, seed: u64, step: u64) -> anyhow::Result<&mut EventFile> {
        let current = match self.current.take() {
            Some((of, file)) if of == seed => (of, file),
            _ => {
                let mut file = EventFile::create(&self.layout, seed, (self.clock)())?;
                if step > 1 {
                    file.write((self.clock)(), step, &Content::SessionStart)?;
                } else if !self.settings.is_empty() {
                    let (time, run) = ((self.clock)(), self.layout.name());
                    let summary = hparams::summary(&self.settings, &run, time);
                    file.write(time, 0, &Content::Settings(&summary))?;
                }
                (seed, file)
            }
        };
        Ok(&mut self.current.insert(current).1)
    }

    fn scalars(&mut self, seed: u64, step: u64, scalars: &[(String, f64)]) -> anyhow::Result<()> {
        let time = (self.clock)();
        self.file(seed, step)?.write(time, step, &Content::Scalars(scalars))
    }
}

impl Observer for TensorBoard {
    fn observe(&mut self, event: &Event) -> anyhow::Result<()> {
        match event {
            Event::RunStarted { steps_per_epoch, .. } => self.steps_per_epoch = *steps_per_epoch,
            Event::Step { seed, epoch, step, loss, learning_rate, gradient_norm, .. } => {
                let position = (epoch * self.steps_per_epoch + step + 1) as u64;
                // The first step decides where the file begins, also if it is not written.
                self.file(*seed, position)?;
                if step % EVERY_STEPS == 0 {
                    let scalars = [
                        ("train/loss".to_owned(), *loss),
                        ("train/learning_rate".to_owned(), *learning_rate),
                        ("train/gradient_norm".to_owned(), *gradient_norm),
                    ];
                    self.scalars(*seed, position, &scalars)?;
                }
            }
            Event::EpochFinished { metrics, images_per_second, data_wait, .. } => {
                let mut scalars: Vec<(String, f64)> = metrics.validation.iter().flat_map(scalars_of).collect();
                scalars.extend([
                    ("val/harmonic_mean".to_owned(), metrics.harmonic_mean),
                    ("train/epoch_loss".to_owned(), metrics.train_loss),
                ]);
                scalars.extend(images_per_second.map(|speed| ("speed/images_per_second".to_owned(), speed)));
                scalars.extend(data_wait.map(|share| ("speed/data_wait".to_owned(), share)));
                self.scalars(metrics.seed, ((metrics.epoch + 1) * self.steps_per_epoch) as u64, &scalars)?;
            }
            _ => {}
        }
        Ok(())
    }
}

fn scalars_of(metrics: &TaskMetrics) -> Vec<(String, f64)> {
    let tag = |name: &str| format!("val/{}/{name}", metrics.task);
    let mut scalars =
        vec![(tag("loss"), metrics.loss), (tag("accuracy"), metrics.accuracy), (tag("macro_f1"), metrics.macro_f1)];
    scalars.extend(metrics.auc.map(|auc| (tag("auc"), auc)));
    scalars
}

/// What an event says, beside time and step.
enum Content<'a> {
    /// Must be the first of a file.
    FileVersion,
    /// Points of this step or later in earlier files do not count.
    SessionStart,
    /// An encoded summary.
    Settings(&'a [u8]),
    /// Tags and values.
    Scalars(&'a [(String, f64)]),
}

/// One file of events.
#[derive(Debug)]
struct EventFile(File);

impl EventFile {
    /// Begins a file whose name sorts after those that are there; none is overwritten.
    fn create(run: &RunLayout, seed: u64, time: f64) -> anyhow::Result<Self> {
        let (confined, folder) = (ConfinedFolder::new(run.root()), run.tensorboard(seed));
        confined.create_folder(&folder)?;
        let mut second = time as u64;
        let file = loop {
            let path = folder.join(format!("events.out.tfevents.{second:010}.medley"));
            match confined.open(&path, Access::Create) {
                Err(ReadError::Io { source, .. }) if source.kind() == std::io::ErrorKind::AlreadyExists => second += 1,
                other => break other?,
            }
        };
        let mut file = Self(file);
        file.write(time, 0, &Content::FileVersion)?;
        Ok(file)
    }

    /// Appends a record with one write.
    fn write(&mut self, time: f64, step: u64, content: &Content<'_>) -> anyhow::Result<()> {
        let event = encode_event(time, step, content);
        let length = (event.len() as u64).to_le_bytes();
        let mut record = Vec::with_capacity(event.len() + 16);
        record.extend(length);
        record.extend(masked(&length).to_le_bytes());
        record.extend(&event);
        record.extend(masked(&event).to_le_bytes());
        self.0.write_all(&record)?;
        self.0.flush()?;
        Ok(())
    }
}

/// `tensorflow.Event`: `double wall_time = 1; int64 step = 2; string file_version = 3; Summary summary = 5;
/// SessionLog session_log = 7;`
fn encode_event(time: f64, step: u64, content: &Content<'_>) -> Vec<u8> {
    let mut event = Vec::new();
    put_tag(&mut event, 1, FIXED64);
    event.extend(time.to_le_bytes());
    put_tag(&mut event, 2, VARINT);
    put_varint(&mut event, step);
    match content {
        Content::FileVersion => put_bytes(&mut event, 3, b"brain.Event:2"),
        // `SessionLog`: `SessionStatus status = 1;`, where START is 1.
        Content::SessionStart => put_bytes(&mut event, 7, &[1 << 3, 1]),
        Content::Settings(summary) => put_bytes(&mut event, 5, summary),
        Content::Scalars(scalars) => put_bytes(&mut event, 5, &encode_summary(scalars)),
    }
    event
}

/// `tensorflow.Summary`: `repeated Value value = 1;`, and its `Value`: `string tag = 1; float simple_value = 2;`
fn encode_summary(scalars: &[(String, f64)]) -> Vec<u8> {
    let mut summary = Vec::new();
    for (tag, number) in scalars {
        let mut value = Vec::new();
        put_bytes(&mut value, 1, tag.as_bytes());
        put_tag(&mut value, 2, FIXED32);
        value.extend((*number as f32).to_le_bytes());
        put_bytes(&mut summary, 1, &value);
    }
    summary
}

const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const LENGTH_DELIMITED: u64 = 2;
const FIXED32: u64 = 5;

fn put_tag(message: &mut Vec<u8>, field: u64, wire_type: u64) {
    put_varint(message, field << 3 | wire_type);
}

fn put_bytes(message: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    put_tag(message, field, LENGTH_DELIMITED);
    put_varint(message, bytes.len() as u64);
    message.extend(bytes);
}

fn put_varint(message: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        message.push(value as u8 | 0x80);
        value >>= 7;
    }
    message.push(value as u8);
}

#[cfg(test)]
mod tests;
