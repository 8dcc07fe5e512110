//! Running a network over a split.

use std::sync::Arc;

use medley_augment::{Batch, BatchAssembler, BatchRequest, BatchStream, SampleRef, TestTimeView};
use medley_core::record::Event;
use medley_core::{ImageShape, Labels, Scores, Split, TaskSpec};
use medley_models::{Inference, MultiTaskNet, Segment, image_batch, volume_batch};
use tch::{Device, Kind, Tensor, no_grad_guard};

use crate::TrainError;
use crate::components::losses::TaskLoss;
use crate::observer::Observers;
use crate::stop::StopFlag;

/// What one network says of one task.
pub struct Prediction {
    /// Probabilities in the order of the split.
    pub scores: Scores,
    /// Mean loss, if labels were given.
    pub loss: Option<f64>,
}

/// A network with what it needs to predict.
pub struct Predictor<'a> {
    /// The network, in any mode: it is run for inference.
    pub net: &'a MultiTaskNet,
    /// One per task.
    pub losses: &'a [TaskLoss],
    /// The tasks.
    pub tasks: &'a [TaskSpec],
    /// Where it computes.
    pub device: Device,
    /// Images at once.
    pub batch_size: usize,
    /// For progress events.
    pub seed: u64,
}

impl Predictor<'_> {
    /// Predicts the first `rows` images of every task, one task after another, and leaves out tasks without any; `None` when a stop was asked for before the end. With
    /// `labels` (never those of the test split: they are sealed) the loss is measured as well.
    ///
    /// # Errors
    /// What the network says.
    pub fn predict(
        &self,
        split: Split,
        assembler: &Arc<BatchAssembler>,
        rows: &[usize],
        labels: Option<&[Labels]>,
        observers: &mut Observers,
        stop: &StopFlag,
    ) -> Result<Option<Vec<Prediction>>, TrainError> {
        let mut stream = assembler.stream(requests(rows, self.batch_size), false);
        let mut parts: Vec<Part> = rows.iter().map(|_| Part::default()).collect();
        let mut progress = Counted { split, done: 0, total: rows.iter().sum() };
        if !self.predict_stream(&mut stream, labels, &mut parts, &mut progress, observers, stop)? {
            return Ok(None);
        }
        let asked = parts.into_iter().zip(self.tasks).zip(rows).filter(|(_, rows)| **rows > 0);
        let finished = asked.map(|((part, task), _)| part.finish(task, labels.is_some()));
        finished.collect::<Result<_, _>>().map(Some)
    }

    /// Predicts every image as the policy of its task changes it in the first epoch.
    ///
    /// # Errors
    /// What the network says.
    pub(crate) fn predict_changed(
        &self,
        split: Split,
        assembler: &Arc<BatchAssembler>,
        rows: &[usize],
        observers: &mut Observers,
        stop: &StopFlag,
    ) -> Result<Option<Vec<Prediction>>, TrainError> {
        let mut stream = assembler.stream(requests(rows, self.batch_size), true);
        let mut parts: Vec<Part> = rows.iter().map(|_| Part::default()).collect();
        let mut progress = Counted { split, done: 0, total: rows.iter().sum() };
        if !self.predict_stream(&mut stream, None, &mut parts, &mut progress, observers, stop)? {
            return Ok(None);
        }
        let finished = parts.into_iter().zip(self.tasks).map(|(part, task)| part.finish(task, false));
        finished.collect::<Result<_, _>>().map(Some)
    }

    /// The same with the mean of the probabilities over several views of each image: `views` are those of each task.
    ///
    /// # Errors
    /// What the network says, and [`TrainError::Augment`] for images that cannot be seen so.
    pub fn predict_views(
        &self,
        split: Split,
        assembler: &Arc<BatchAssembler>,
        rows: &[usize],
        views: &[Vec<TestTimeView>],
        observers: &mut Observers,
        stop: &StopFlag,
    ) -> Result<Option<Vec<Prediction>>, TrainError> {
        let passes = rows.iter().zip(views).map(|(rows, views)| rows * views.len()).sum();
        let mut progress = Counted { split, done: 0, total: passes };
        let all = requests(rows, self.batch_size);
        let mut predictions = Vec::with_capacity(rows.len());
        for (task, (views, spec)) in views.iter().zip(self.tasks).enumerate().filter(|(task, _)| rows[*task] > 0) {
            let mut sum: Vec<f64> = Vec::new();
            for &view in views {
                let requests: Vec<_> = all.iter().filter(|one| one.samples[0].task == task).cloned().collect();
                let mut stream = assembler.stream_view(requests, view)?;
                let mut parts: Vec<Part> = rows.iter().map(|_| Part::default()).collect();
                if !self.predict_stream(&mut stream, None, &mut parts, &mut progress, observers, stop)? {
                    return Ok(None);
                }
                let values = parts.swap_remove(task).values;
                if sum.is_empty() {
                    sum = values;
                } else {
                    sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
                }
            }
            let count = views.len() as f64;
            let values = sum.into_iter().map(|sum| sum / count).collect();
            predictions.push(Part { values, rows: rows[task], loss_sum: 0.0 }.finish(spec, false)?);
        }
        Ok(Some(predictions))
    }

    /// Predicts the images of a stream; `false` when a stop was asked for before the end.
    fn predict_stream(
        &self,
        stream: &mut BatchStream,
        labels: Option<&[Labels]>,
        parts: &mut [Part],
        progress: &mut Counted,
        observers: &mut Observers,
        stop: &StopFlag,
    ) -> Result<bool, TrainError> {
        let _guard = no_grad_guard();
        // Folds normalisation into the weights as they are now.
        let network = self.net.inference();
        while let Some(batch) = stream.next() {
            if stop.requested() {
                return Ok(false);
            }
            let task = batch.request.samples[0].task;
            self.predict_batch(&network, task, &batch, labels, &mut parts[task])?;
            progress.done += batch.request.samples.len();
            stream.recycle(batch);
            let Counted { split, done, total } = *progress;
            observers.send(&Event::ValidationProgress { seed: self.seed, split, done, total })?;
        }
        Ok(true)
    }

    fn predict_batch(
        &self,
        network: &Inference<'_>,
        task: usize,
        batch: &Batch,
        labels: Option<&[Labels]>,
        part: &mut Part,
    ) -> Result<(), TrainError> {
        let rows = batch.request.samples.len();
        let images = batch_tensor(batch, self.device)?;
        let segment = Segment { task, start: 0, len: rows as i64 };
        let logits = network.forward(&images, &[segment])?;
        let loss = &self.losses[task];
        if let Some(labels) = labels {
            let indices: Vec<usize> = batch.request.samples.iter().map(|sample| sample.index).collect();
            let targets = loss.targets(&labels[task], &indices)?.f_to_device(self.device)?;
            part.loss_sum += loss.per_row(&logits[0], &targets)?.f_sum(Kind::Double)?.f_double_value(&[])?;
        }
        let probabilities =
            loss.probabilities(&logits[0])?.f_to_device(Device::Cpu)?.f_contiguous()?.f_reshape([-1])?;
        let values: Vec<f32> = Vec::try_from(probabilities)?;
        part.values.extend(values.into_iter().map(f64::from));
        part.rows += rows;
        Ok(())
    }
}

/// Images that were predicted so far.
struct Counted {
    split: Split,
    done: usize,
    total: usize,
}

#[derive(Default)]
struct Part {
    values: Vec<f64>,
    rows: usize,
    loss_sum: f64,
}

impl Part {
    fn finish(self, task: &TaskSpec, with_loss: bool) -> Result<Prediction, TrainError> {
        let loss = with_loss.then(|| self.loss_sum / self.rows.max(1) as f64);
        Ok(Prediction { scores: Scores::new(self.values, self.rows, task.outputs())?, loss })
    }
}

/// Pixels of a batch as `[N, C, H, W]`, or voxels as `[N, C, D, H, W]`, on a device.
pub(crate) fn batch_tensor(batch: &Batch, device: Device) -> Result<Tensor, TrainError> {
    let ImageShape { depth, height, width, channels } = batch.shape;
    let [images, height, width, channels] =
        [batch.request.samples.len(), height, width, channels].map(|count| count as i64);
    let images = match depth {
        Some(depth) => volume_batch(&batch.pixels, images, depth as i64, height, width, channels)?,
        None => image_batch(&batch.pixels, images, height, width, channels)?,
    };
    Ok(images.f_to_device(device)?)
}

/// Every row of every task once, in order, in batches of one task each.
pub(super) fn requests(rows: &[usize], batch_size: usize) -> Vec<BatchRequest> {
    let mut requests = Vec::new();
    for (task, &rows) in rows.iter().enumerate() {
        for start in (0..rows).step_by(batch_size) {
            let samples = (start..rows.min(start + batch_size)).map(|index| SampleRef { task, index }).collect();
            requests.push(BatchRequest { epoch: 0, samples });
        }
    }
    requests
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_cover_every_row_once_in_order() {
        let requests = requests(&[5, 2], 3);
        let sizes: Vec<_> = requests.iter().map(|request| request.samples.len()).collect();
        assert_eq!(sizes, [3, 2, 2]);
        assert_eq!(requests[1].samples[0], SampleRef { task: 0, index: 3 });
    }
}
