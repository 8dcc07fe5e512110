use super::{Average, AveragePosition};

medley_core::keys! {
    /// Stochastic weight averaging (Izmailov et al., *Averaging Weights Leads to Wider Optima and Better Generalization*, 2018): the
    /// plain mean of the networks at the ends of the last epochs, as `torch.optim.swa_utils`. Before `start` it is the network itself. A learning
    /// rate that stays high suits it: `schedule.name = "constant"` or `"trapezoid"`.
    pub struct Swa {
        /// Share of all epochs before the first that counts.
        start: f64 = 0.75, in 0.0..=1.0;
        /// Training batches on which the running statistics of `BatchNorm` are measured anew before each validation: those of a mean
        /// of networks are not the mean of theirs. 0 takes the mean.
        measure_on: usize = 50, in 0..=1_000_000;
    }
}

impl Swa {
    /// Networks in the mean once so many epochs are finished.
    fn count(&self, finished: usize, epochs: usize) -> usize {
        // At least the last epoch counts.
        let before = ((self.start * epochs as f64).floor() as usize).min(epochs - 1);
        finished.saturating_sub(before)
    }
}

impl Average for Swa {
    fn share(&self, position: AveragePosition) -> Option<f64> {
        let finished = position.finished_epochs()?;
        Some(1.0 / self.count(finished, position.epochs).max(1) as f64)
    }

    fn goes_by_epochs(&self) -> bool {
        true
    }

    fn measured_on(&self, position: AveragePosition) -> Option<usize> {
        let count = self.count(position.finished_epochs()?, position.epochs);
        (count > 1 && self.measure_on > 0).then_some(self.measure_on)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_mean_of_the_last_epochs() {
        let swa = Swa { start: 0.5, measure_on: 3 };
        let position = |epoch: usize| AveragePosition { step: epoch * 5 - 1, steps_per_epoch: 5, epochs: 6 };
        let mut average = f64::NAN;
        for epoch in 1..=6 {
            let share = swa.share(position(epoch)).unwrap();
            average = if share == 1.0 { epoch as f64 } else { average + (epoch as f64 - average) * share };
            let expected = [1.0, 2.0, 3.0, 4.0, 4.5, 5.0][epoch - 1];
            assert!((average - expected).abs() < 1e-12, "epoch {epoch}: {average}");
            assert_eq!(swa.measured_on(position(epoch)), (epoch > 4).then_some(3));
        }
        assert_eq!(swa.share(AveragePosition { step: 7, steps_per_epoch: 5, epochs: 6 }), None);
        assert_eq!(Swa { start: 1.0, measure_on: 0 }.count(6, 6), 1);
    }
}
