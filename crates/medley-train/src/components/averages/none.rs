use super::{Average, AveragePosition};

medley_core::keys! {
    /// The network itself is validated and kept.
    pub struct NoAverage {}
}

impl Average for NoAverage {
    fn share(&self, _position: AveragePosition) -> Option<f64> {
        None
    }

    fn is_kept(&self) -> bool {
        false
    }
}
