use super::{Position, Schedule};

medley_core::keys! {
    /// A straight line from the peak down.
    pub struct Linear {
        /// The last rate as a share of the peak.
        final_ratio: f64 = 0.001, in 0.0..=1.0;
    }
}

impl Schedule for Linear {
    fn factor(&self, position: Position) -> f64 {
        1.0 - (1.0 - self.final_ratio) * position.progress()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ScheduleChoice, rates};
    use super::*;

    #[test]
    fn it_falls_in_equal_steps() {
        assert_eq!(rates(ScheduleChoice::Linear(Linear { final_ratio: 0.5 }), 5), [1.0, 0.875, 0.75, 0.625, 0.5]);
    }
}
