//! What a batch costs: the losses of its tasks, mixed images and weights of tasks among them, as one number.

use std::ops::Range;

use medley_augment::Batch;
use medley_augment::mix::Mixed;
use medley_core::seed::{Purpose, number};
use medley_models::Segment;
use tch::{Kind, Tensor};

use super::SeedRun;
use super::predict::batch_tensor;
use crate::TrainError;
use crate::components::losses::TaskReduction;

/// A batch, and how its images were mixed.
pub(super) struct MixedBatch<'a> {
    pub(super) batch: &'a Batch,
    /// One per image.
    pub(super) mixed: &'a [Mixed],
    /// By what the losses of tasks are multiplied; `None` where that is 1.
    pub(super) weights: Option<&'a [f64]>,
    /// What teachers say of the rows of each task in the batch, `[n, C]` f32; empty without teachers.
    pub(super) taught: &'a [Option<Tensor>],
}

/// What a batch costs.
pub(super) struct BatchLoss {
    /// What is minimised.
    pub(super) total: Tensor,
    /// Of weighted tasks, the mean over their images, without the weight.
    pub(super) tasks: Vec<(usize, f64)>,
}

impl SeedRun<'_> {
    /// One number from the losses of all rows in the batch.
    pub(super) fn batch_loss(&self, mixed: &MixedBatch<'_>, position: usize) -> Result<BatchLoss, TrainError> {
        let batch = mixed.batch;
        let segments = segments(batch);
        // Dropout is a function of the position, which makes resuming exact.
        let noise = number(self.seed, Purpose::Network, &[position as u64]);
        let logits = self.net.forward_with_noise(&batch_tensor(batch, self.device)?, &segments, noise)?;
        let (mut sums, mut tasks) = (Vec::with_capacity(segments.len()), Vec::new());
        for (index, (segment, logits)) in segments.iter().zip(&logits).enumerate() {
            let from = segment.start as usize;
            let rows = from..from + segment.len as usize;
            let divisor = match self.experiment.loss.task_reduction() {
                TaskReduction::Samples => batch.request.samples.len(),
                TaskReduction::Tasks => rows.len() * segments.len(),
            };
            let loss = self.row_losses(mixed, segment.task, rows, logits)?;
            let loss =
                self.with_teaching(loss, mixed.taught.get(index).and_then(Option::as_ref), segment.task, logits)?;
            if mixed.weights.is_some() {
                tasks.push((segment.task, loss.f_detach()?.f_mean(Kind::Float)?.f_double_value(&[])?));
            }
            sums.push((segment.task, loss.f_sum(Kind::Float)?.f_div_scalar(divisor as f64)?));
        }
        let weights = mixed.weights.map(|weights| self.weights_of_losses(weights, &tasks, position));
        let weighted = |(task, share): (usize, Tensor)| match &weights {
            Some(weights) => share.f_mul_scalar(weights[task]),
            None => Ok(share),
        };
        let sums = sums.into_iter().map(weighted).collect::<Result<Vec<_>, _>>()?;
        Ok(BatchLoss { total: Tensor::f_stack(&sums, 0)?.f_sum(Kind::Float)?, tasks })
    }

    /// The losses of the rows of a task, `[n]`. The label of an image that is a mixture is one: each of its two images has its share.
    fn row_losses(
        &self,
        MixedBatch { batch, mixed, .. }: &MixedBatch<'_>,
        task: usize,
        rows: Range<usize>,
        logits: &Tensor,
    ) -> Result<Tensor, TrainError> {
        blended(batch, mixed, rows, |numbers| {
            let targets =
                self.losses[task].targets(&self.data.train_labels[task], numbers)?.f_to_device(self.device)?;
            Ok(self.losses[task].per_row(logits, &targets)?)
        })
    }
}

/// Something of each row of a batch, `[n, ..]`, mixed as its images are. `of` makes it for training images by their numbers.
pub(super) fn blended(
    batch: &Batch,
    mixed: &[Mixed],
    rows: Range<usize>,
    of: impl Fn(&[usize]) -> Result<Tensor, TrainError>,
) -> Result<Tensor, TrainError> {
    let number = |row: usize| batch.request.samples[row].index;
    let own = of(&rows.clone().map(number).collect::<Vec<_>>())?;
    let mixed = &mixed[rows];
    if mixed.iter().all(|row| row.share == 1.0) {
        return Ok(own);
    }
    let partners = of(&mixed.iter().map(|row| number(row.partner)).collect::<Vec<_>>())?;
    let shares: Vec<f32> = mixed.iter().map(|row| row.share).collect();
    let mut shape = vec![1; own.dim()];
    shape[0] = -1;
    let shares = Tensor::f_from_slice(&shares)?.f_view(shape.as_slice())?.f_to_device(own.device())?;
    Ok(partners.f_lerp_tensor(&own, &shares)?)
}

/// Where each task lies in a batch that is sorted by task.
pub(super) fn segments(batch: &Batch) -> Vec<Segment> {
    let mut segments: Vec<Segment> = Vec::new();
    for (row, sample) in batch.request.samples.iter().enumerate() {
        match segments.last_mut() {
            Some(segment) if segment.task == sample.task => segment.len += 1,
            _ => segments.push(Segment { task: sample.task, start: row as i64, len: 1 }),
        }
    }
    segments
}
