//! The network of a seed run that validation chose.

use medley_augment::TestTimeView;
use medley_core::Scores;

use super::SeedRun;
use super::predict::Prediction;
use crate::TrainError;
use crate::data::SplitSources;
use crate::observer::Observers;
use crate::stop::StopFlag;

/// A finished seed run with the network that validation chose.
pub struct BestNetwork<'a> {
    pub(super) seed_run: SeedRun<'a>,
    pub(super) epoch: usize,
}

impl BestNetwork<'_> {
    /// Why training ended before its last epoch, if it did.
    pub fn stopped(&self) -> Option<&str> {
        self.seed_run.progress.stopped.as_deref()
    }

    /// Epochs finished when it was chosen.
    pub fn epoch(&self) -> usize {
        self.epoch
    }

    /// The tasks that it predicts, by number.
    pub(crate) fn tasks(&self) -> Vec<usize> {
        self.seed_run.own_tasks()
    }

    /// Predicts validation again, to be written beside the test predictions; `None` when a stop was asked for. Means over test-time views
    /// have no loss, unless `with_loss` asks for that of the images as they are, which takes one more pass.
    ///
    /// # Errors
    /// What the network says.
    pub fn predict_validation(
        &self,
        with_loss: bool,
        observers: &mut Observers,
        stop: &StopFlag,
    ) -> Result<Option<Vec<Prediction>>, TrainError> {
        let (assembler, data) = (&self.seed_run.val_assembler, &self.seed_run.data.val);
        match self.views() {
            None => self.seed_run.predict_validation(observers, stop),
            Some(views) => {
                let predictor = self.seed_run.predictor();
                let rows = self.seed_run.own_rows(data.rows());
                let predicted = predictor.predict_views(data.split(), assembler, &rows, &views, observers, stop)?;
                if !with_loss {
                    return Ok(predicted);
                }
                let plain = self.seed_run.predict_validation(observers, stop)?;
                let with_losses = |(all, plain): (Vec<Prediction>, Vec<Prediction>)| {
                    all.into_iter().zip(plain).map(|(one, plain)| Prediction { loss: plain.loss, ..one }).collect()
                };
                Ok(predicted.zip(plain).map(with_losses))
            }
        }
    }

    /// Predicts test images; `None` when a stop was asked for. Their labels are not here.
    ///
    /// # Errors
    /// What the network says.
    pub fn predict_test(
        &self,
        images: &SplitSources,
        observers: &mut Observers,
        stop: &StopFlag,
    ) -> Result<Option<Vec<Prediction>>, TrainError> {
        let assembler = images.assembler(self.seed_run.experiment, self.seed_run.seed)?;
        let (predictor, rows) = (self.seed_run.predictor(), self.seed_run.own_rows(images.rows()));
        match self.views() {
            None => predictor.predict(images.split(), &assembler, &rows, None, observers, stop),
            Some(views) => predictor.predict_views(images.split(), &assembler, &rows, &views, observers, stop),
        }
    }

    /// Predicts the images of one task as their policy changes them, each seen once; `None` when a stop was asked for. The changes are those
    /// of seed 0 whatever the seed of the network, so that all networks see the same images.
    pub(crate) fn predict_corrupted(
        &self,
        images: &SplitSources,
        task: usize,
        observers: &mut Observers,
        stop: &StopFlag,
    ) -> Result<Option<Scores>, TrainError> {
        let assembler = images.assembler(self.seed_run.experiment, 0)?;
        let mut rows = vec![0; images.rows().len()];
        rows[task] = images.rows()[task];
        let predictor = self.seed_run.predictor();
        let found = predictor.predict_changed(images.split(), &assembler, &rows, observers, stop)?;
        Ok(found.map(|mut all| all.swap_remove(task).scores))
    }

    /// The views of each task; `None` where every image is seen once, as it is.
    fn views(&self) -> Option<Vec<Vec<TestTimeView>>> {
        let tasks = self.seed_run.data.tasks.iter();
        let views: Vec<_> = tasks.map(|task| self.seed_run.experiment.test_time_views(task)).collect();
        views.iter().any(|views| views.len() > 1).then_some(views)
    }
}
