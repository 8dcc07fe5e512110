use super::{Position, Schedule};

medley_core::keys! {
    /// A step down at each milestone, as `torch.optim.lr_scheduler.MultiStepLR`; by default as in the official benchmark.
    pub struct MultiStep {
        /// Shares of all steps, the warm-up among them, after which the rate falls.
        milestones: Vec<f64> = vec![0.5, 0.75], in 0.0..=1.0;
        /// What the rate is multiplied by at each.
        factor: f64 = 0.1, in 1e-6..=1.0;
    }
}

impl Schedule for MultiStep {
    fn factor(&self, position: Position) -> f64 {
        let passed = self.milestones.iter().filter(|&&milestone| position.done() >= milestone).count();
        // Two tenths are 0.01 this way, and not 0.1 * 0.1 = 0.010000000000000002.
        self.factor.recip().powi(passed as i32).recip()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ScheduleChoice, rates};
    use super::*;

    #[test]
    fn the_default_is_the_official_schedule() {
        let rates = rates(ScheduleChoice::MultiStep(MultiStep::default()), 100);
        assert_eq!([0, 49, 50, 74, 75, 99].map(|step| rates[step]), [1.0, 1.0, 0.1, 0.1, 0.01, 0.01]);
    }

    #[test]
    fn milestones_may_be_many_and_in_any_order() {
        let schedule = MultiStep { milestones: vec![0.5, 0.2, 0.2], factor: 0.5 };
        let rates = rates(ScheduleChoice::MultiStep(schedule), 10);
        assert_eq!([1, 2, 4, 5].map(|step| rates[step]), [1.0, 0.25, 0.25, 0.125]);
    }
}
