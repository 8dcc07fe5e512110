use super::{Position, Schedule};

medley_core::keys! {
    /// The peak for most of the run, and a straight line down at its end (a trapezoid with the warm-up, or warm-up-stable-decay;
    /// Hägele et al., *Scaling Laws and Compute-Optimal Training Beyond Fixed Training Durations*, 2024).
    pub struct Trapezoid {
        /// Share of all steps, at the end, in which the rate falls.
        decay: f64 = 0.2, in 0.0..=1.0;
        /// The last rate as a share of the peak.
        final_ratio: f64 = 0.001, in 0.0..=1.0;
    }
}

impl Schedule for Trapezoid {
    fn factor(&self, position: Position) -> f64 {
        let last = (position.steps - 1) as f64;
        let start = ((1.0 - self.decay) * position.steps as f64).max(position.warmup as f64).min(last);
        let step = position.step as f64;
        if step <= start || start >= last {
            return 1.0;
        }
        1.0 - (1.0 - self.final_ratio) * (step - start) / (last - start)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ScheduleChoice, rates};
    use super::*;

    #[test]
    fn it_falls_at_the_end_alone() {
        let schedule = Trapezoid { decay: 0.5, final_ratio: 0.2 };
        let rates = rates(ScheduleChoice::Trapezoid(schedule), 10);
        for (rate, expected) in rates.iter().zip([1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.8, 0.6, 0.4, 0.2]) {
            assert!((rate - expected).abs() < 1e-12, "{rates:?}");
        }
    }
}
