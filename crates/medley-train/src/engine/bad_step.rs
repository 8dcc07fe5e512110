//! Steps whose loss or gradient is not finite: what becomes of them, and the batch that is kept for whoever looks into it.

use std::path::PathBuf;

use medley_augment::{Batch, SampleRef};
use medley_core::record::Event;
use medley_data::{DataError, NpzWriter};
use medley_storage::ConfinedFolder;
use tch::{TchError, Tensor};

use super::SeedRun;
use super::buffers::{copies, copy_over, restore_finite};
use crate::TrainError;
use crate::config::schema::OnNan;
use crate::observer::Observers;

/// Groups of tensors that a checkpoint holds, by name.
type Groups = Vec<(&'static str, Vec<(String, Tensor)>)>;

/// What training changes, as it was when the epoch began. It is saved with checkpoints, so that a run that was interrupted
/// within an epoch rolls back to the same state.
pub(super) struct EpochStart {
    groups: Groups,
}

impl EpochStart {
    fn of(live: &Groups) -> Result<Self, TchError> {
        let name = |live: &str| match live {
            "model" => "epoch_model",
            "optimizer" => "epoch_optimizer",
            _ => "epoch_average",
        };
        let groups = live.iter().map(|(group, tensors)| Ok((name(group), copies(tensors)?)));
        Ok(Self { groups: groups.collect::<Result<_, TchError>>()? })
    }

    /// Its tensors, sharing memory.
    pub(super) fn state(&self) -> Groups {
        let share = |tensors: &[(String, Tensor)]| tensors.iter().map(super::share).collect();
        self.groups.iter().map(|(group, tensors)| (*group, share(tensors))).collect()
    }
}

impl SeedRun<'_> {
    /// Takes note of the present state as that of the beginning of an epoch, if it may be needed.
    pub(super) fn keep_epoch_start(&mut self) -> Result<(), TrainError> {
        if self.experiment.train.on_nan == OnNan::RollBack {
            self.epoch_start = Some(EpochStart::of(&self.live_state())?);
        }
        Ok(())
    }

    /// A step from which nothing is learnt.
    pub(super) fn bad_step(
        &mut self,
        what: &'static str,
        batch: &Batch,
        observers: &mut Observers,
    ) -> Result<(), TrainError> {
        self.progress.bad_steps += 1;
        let (epoch, step) = (self.progress.epoch + 1, self.progress.step + 1);
        let kept = match self.progress.bad_steps {
            1 => self.kept_batch(batch),
            _ => String::new(),
        };
        let on_nan = self.experiment.train.on_nan;
        let stops = on_nan == OnNan::Stop || self.progress.bad_steps > self.experiment.train.max_bad_steps;
        let consequence = match on_nan {
            _ if stops => "training stops",
            OnNan::RollBack => "rolled back to the beginning of the epoch",
            _ => "step skipped",
        };
        let message =
            format!("the {what} is not finite (seed {}, epoch {epoch}, step {step}){kept}; {consequence}", self.seed);
        observers.send(&Event::Warning { message })?;
        if stops {
            return Err(TrainError::Diverged { what, steps: self.progress.bad_steps, seed: self.seed, epoch, step });
        }
        if let Some(start) = &self.epoch_start {
            for ((_, live), (_, start)) in self.live_state().iter().zip(&start.groups) {
                copy_over(live, start)?;
            }
        }
        Ok(())
    }

    /// Keeps a batch, and says where: training is not to end because it could not be kept.
    fn kept_batch(&self, batch: &Batch) -> String {
        match self.keep_batch(batch) {
            Ok(None) => String::new(),
            Ok(Some(path)) => format!("; its batch is kept in `{}`", path.display()),
            Err(error) => format!("; its batch is not kept: {error}"),
        }
    }

    /// Writes the images of a batch as the network saw them, and which they are; `None` in a dry run, which has no folder.
    fn keep_batch(&self, batch: &Batch) -> Result<Option<PathBuf>, DataError> {
        if !self.run.root().is_dir() {
            return Ok(None);
        }
        let folder = self.run.bad_batches();
        let name = format!("seed-{}-epoch-{}-step-{}.npz", self.seed, self.progress.epoch + 1, self.progress.step + 1);
        let path = folder.join(name);
        ConfinedFolder::new(self.run.root()).create_folder(&folder)?;
        let samples = &batch.request.samples;
        let shape = batch.shape;
        let mut dimensions = vec![samples.len()];
        dimensions.extend(shape.depth);
        dimensions.extend([shape.height, shape.width, shape.channels]);
        let mut writer = NpzWriter::new(&path, true, 0);
        writer.floats("images", &dimensions, &batch.pixels)?;
        let integers = |of: &dyn Fn(&SampleRef) -> usize| samples.iter().map(|one| of(one) as i64).collect::<Vec<_>>();
        writer.integers("task", &[samples.len()], &integers(&|sample| sample.task))?;
        writer.integers("index", &[samples.len()], &integers(&|sample| sample.index))?;
        writer.finish(self.storage)?;
        Ok(Some(path))
    }

    /// The forward pass of a bad step may have left infinite running statistics, on which every later step would fail: those
    /// are taken back from the moving average or, without one, from `before` the step.
    pub(super) fn restore_buffers(&self, before: &[(String, Tensor)]) -> Result<(), TchError> {
        match &self.average {
            Some(average) => restore_finite(&self.state, &average.state()),
            None => restore_finite(&self.net.buffers(), before),
        }
    }
}
