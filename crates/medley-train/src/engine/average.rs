//! A moving average of the network's state.

use tch::{TchError, Tensor, no_grad_guard};

use crate::engine::buffers::copies;

/// A copy of parameters and buffers that follows the network as an [`Average`](crate::components::averages::Average) says.
/// Validation and the kept checkpoints use it.
pub struct MovingAverage {
    averaged: Vec<(String, Tensor)>,
}

impl MovingAverage {
    /// Starts at the present state.
    ///
    /// # Errors
    /// What libtorch says.
    pub fn new(state: &[(String, Tensor)]) -> Result<Self, TchError> {
        Ok(Self { averaged: copies(state)? })
    }

    /// Takes this share of the state into the average, the rest being what it was: 0 to 1. Counters are copied.
    ///
    /// # Errors
    /// What libtorch says.
    pub fn update(&mut self, share: f64, state: &[(String, Tensor)]) -> Result<(), TchError> {
        let _guard = no_grad_guard();
        for ((_, averaged), (_, current)) in self.averaged.iter_mut().zip(state) {
            if averaged.is_floating_point() {
                let _ = averaged.f_lerp_(&current.f_detach()?, share)?;
            } else {
                averaged.f_copy_(current)?;
            }
        }
        Ok(())
    }

    /// Exchanges the values of the average and the network: called once before validation and once after.
    ///
    /// # Errors
    /// What libtorch says; the two may then be partly exchanged.
    pub fn swap(&mut self, state: &[(String, Tensor)]) -> Result<(), TchError> {
        let _guard = no_grad_guard();
        for ((_, averaged), (_, current)) in self.averaged.iter_mut().zip(state) {
            let held = current.f_detach()?.copy();
            current.shallow_clone().f_copy_(averaged)?;
            averaged.f_copy_(&held)?;
        }
        Ok(())
    }

    /// The averaged tensors by name, sharing memory: what a checkpoint holds.
    pub fn state(&self) -> Vec<(String, Tensor)> {
        self.averaged.iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(value: f32) -> Vec<(String, Tensor)> {
        vec![("w".into(), Tensor::from_slice(&[value])), ("count".into(), Tensor::from_slice(&[value as i64]))]
    }

    #[test]
    fn follows_and_swaps() {
        let mut average = MovingAverage::new(&state(0.0)).unwrap();
        average.update(0.9, &state(1.0)).unwrap();
        assert!((average.state()[0].1.double_value(&[0]) - 0.9).abs() < 1e-6);
        assert_eq!(average.state()[1].1.int64_value(&[0]), 1, "counters are copied");
        let network = state(5.0);
        average.swap(&network).unwrap();
        assert!((network[0].1.double_value(&[0]) - 0.9).abs() < 1e-6);
        assert_eq!(average.state()[0].1.double_value(&[0]), 5.0);
        average.swap(&network).unwrap();
        assert_eq!(network[0].1.double_value(&[0]), 5.0);
    }
}
