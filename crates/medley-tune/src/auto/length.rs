//! How long a network is trained: whole epochs that fit into a time, or shorter ones.

use medley_train::dry_run::EpochTime;

use super::schedule::PLANNED_EXCESS;

/// Fewer epochs say nothing of a schedule.
pub(super) const LEAST_EPOCHS: usize = 3;
/// Fewer epochs than that are shortened where whole ones would not fill the time.
const MANY_EPOCHS: f64 = 30.0;
/// Fewer steps of an epoch teach nothing.
pub(super) const LEAST_STEPS: f64 = 4.0;

/// How long a network is trained.
#[derive(Debug, Clone, Copy)]
pub(super) struct Length {
    pub(super) epochs: usize,
    /// Steps of an epoch, where those are fewer than the rows ask for.
    pub(super) fewer_steps: Option<usize>,
    /// Steps of an epoch.
    steps_per_epoch: usize,
    /// Seconds of an epoch.
    pub(super) seconds: f64,
}

impl Length {
    /// As many epochs as fit, up to `most`; shorter ones where few would, so that there is a schedule, and rungs.
    pub(super) fn within(seconds: f64, epoch: EpochTime, most: usize) -> Self {
        let epochs = ((seconds / epoch.seconds().max(1e-6)) as usize).min(most);
        if epochs >= LEAST_EPOCHS {
            return Self { epochs, fewer_steps: None, steps_per_epoch: epoch.steps, seconds: epoch.seconds() };
        }
        Self::shortened(seconds, epoch, LEAST_EPOCHS)
    }

    /// For a network whose end the clock decides: somewhat more than fits, up to `most` epochs. Few epochs are shortened, as one more
    /// than fits would make the schedule too long.
    pub(super) fn laid_out(seconds: f64, epoch: EpochTime, most: usize) -> Self {
        let epochs = seconds * PLANNED_EXCESS / epoch.seconds().max(1e-6);
        let whole = Self { epochs: most, fewer_steps: None, steps_per_epoch: epoch.steps, seconds: epoch.seconds() };
        if epochs >= most as f64 {
            return whole;
        }
        if epochs >= MANY_EPOCHS {
            return Self { epochs: epochs.ceil() as usize, ..whole };
        }
        let count = (epochs.ceil() as usize).max(LEAST_EPOCHS);
        Self::shortened(seconds * PLANNED_EXCESS, epoch, count)
    }

    /// So many epochs in this time, none longer than the rows ask for.
    fn shortened(seconds: f64, epoch: EpochTime, epochs: usize) -> Self {
        let steps = (seconds / epochs as f64 - epoch.validation) / epoch.step.max(1e-9);
        let steps = steps.max(LEAST_STEPS).min(epoch.steps.max(1) as f64);
        Self {
            epochs,
            fewer_steps: Some(steps as usize).filter(|&steps| steps < epoch.steps),
            steps_per_epoch: steps as usize,
            seconds: epoch.step * steps + epoch.validation,
        }
    }

    /// As many epochs of this kind as fit, no fewer than these, and no more than so many steps.
    pub(super) fn longer(self, seconds: f64, most_steps: usize) -> Self {
        let most = (most_steps / self.steps_per_epoch.max(1)).max(self.epochs);
        Self { epochs: ((seconds / self.seconds.max(1e-6)) as usize).clamp(self.epochs, most), ..self }
    }

    pub(super) fn steps(self) -> usize {
        self.epochs * self.steps_per_epoch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Epochs of 10 s.
    const EPOCH: EpochTime = EpochTime { step: 0.09, steps: 100, validation: 1.0, end: 0.0 };

    #[test]
    fn epochs_are_whole_where_the_last_one_may_be_left_out() {
        let one = Length::within(99.0, EPOCH, 50);
        assert_eq!((one.epochs, one.fewer_steps, one.seconds), (9, None, 10.0));
        assert_eq!(Length::within(99.0, EPOCH, 5).epochs, 5);
        let short = Length::within(21.0, EPOCH, 50);
        assert_eq!((short.epochs, short.fewer_steps), (3, Some(66)), "each of 7 s, a validation among them");
        assert_eq!(Length::within(0.1, EPOCH, 50).fewer_steps, Some(4), "no fewer steps teach anything");
    }

    #[test]
    fn a_network_that_ends_by_the_clock_has_somewhat_more_than_fits() {
        let of = |seconds: f64, most: usize| {
            let one = Length::laid_out(seconds, EPOCH, most);
            (one.epochs, one.fewer_steps)
        };
        // 43.2 epochs.
        assert_eq!(of(400.0, 100), (44, None));
        assert_eq!(of(400.0, 40), (40, None), "it ends by its epochs");
        // 7.2 epochs: 8 of 9.06 s.
        assert_eq!(of(67.0, 100), (8, Some(89)));
        assert_eq!(of(5.0, 100), (3, Some(8)));
    }
}
