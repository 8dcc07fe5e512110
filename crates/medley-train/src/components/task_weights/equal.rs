use super::{TaskWeighting, WeightPosition, WeightState};

medley_core::keys! {
    /// Every task weighs 1.
    pub struct Equal {}
}

impl TaskWeighting for Equal {
    fn weights(&self, _state: &WeightState, position: WeightPosition<'_>) -> Vec<f64> {
        vec![1.0; position.tasks.len()]
    }

    fn is_equal(&self) -> bool {
        true
    }
}
