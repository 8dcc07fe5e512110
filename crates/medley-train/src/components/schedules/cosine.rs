use std::f64::consts::PI;

use super::{Position, Schedule};

medley_core::keys! {
    /// Half a cosine from the peak down (Loshchilov and Hutter, *SGDR*, 2017, without restarts).
    pub struct Cosine {
        /// The last rate as a share of the peak.
        final_ratio: f64 = 0.001, in 0.0..=1.0;
    }
}

impl Schedule for Cosine {
    fn factor(&self, position: Position) -> f64 {
        let low = self.final_ratio;
        low + (1.0 - low) * 0.5 * (1.0 + (PI * position.progress()).cos())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ScheduleChoice, rates};
    use super::*;

    #[test]
    fn it_falls_slowly_at_both_ends() {
        let rates = rates(ScheduleChoice::Cosine(Cosine { final_ratio: 0.01 }), 5);
        // As torch.optim.lr_scheduler.CosineAnnealingLR(T_max=4, eta_min=0.01).
        for (rate, expected) in rates.iter().zip([1.0, 0.855_017_856_687_341_2, 0.505, 0.154_982_143_312_658_75, 0.01])
        {
            assert!((rate - expected).abs() < 1e-12, "{rate} {expected}");
        }
    }
}
