use super::{Average, AveragePosition};

medley_core::keys! {
    /// An exponential moving average, one step after another (Polyak and Juditsky, 1992): at a fixed learning rate it stands where a
    /// decayed rate would have led.
    pub struct Ema {
        /// Share of the average that is kept per step, at most `(1 + step) / (10 + step)`, so that the random start is forgotten soon; 0
        /// keeps the network itself.
        decay: f64 = 0.998, in 0.0..=0.999_999;
    }
}

impl Average for Ema {
    fn share(&self, position: AveragePosition) -> Option<f64> {
        let step = position.step as f64;
        Some(1.0 - self.decay.min((1.0 + step) / (10.0 + step)))
    }

    fn is_kept(&self) -> bool {
        self.decay > 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_follows_fast_at_first() {
        let share = |step| Ema { decay: 0.9 }.share(AveragePosition { step, steps_per_epoch: 10, epochs: 10 }).unwrap();
        assert!((share(0) - 0.9).abs() < 1e-12 && (share(1000) - 0.1).abs() < 1e-12);
    }
}
