//! Initial parameters, distributed as PyTorch's, from random streams of our own.
//!
//! Every tensor is initialised from a stream named by the seed and the tensor's own name, so its bits do not depend on which other
//! tensors exist or on the order in which a backbone makes them. tch's defaults are not used: it initialises `BatchNorm`
//! weights from U(0, 1) and gives convolutions another gain.

use medley_core::seed::{Purpose, stream};
use rand::Rng as _;

use crate::ModelError;

/// A distribution of initial values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Init {
    /// One value.
    Constant(f32),
    /// Uniform on `[-bound, bound)`.
    Uniform {
        /// Largest magnitude.
        bound: f64,
    },
    /// Gaussian around 0.
    Normal {
        /// Standard deviation.
        std: f64,
    },
    /// Gaussian around 0, redrawn beyond two units of absolute value (`torch.nn.init.trunc_normal_`, whose cuts at ±2 are
    /// absolute).
    TruncatedNormal {
        /// Standard deviation before the cut.
        std: f64,
    },
}

impl Init {
    /// Weights and biases of `nn.Linear` and `nn.Conv*d`: `kaiming_uniform_(a = sqrt(5))`, which is uniform within
    /// `1 / sqrt(fan_in)`, and so is the bias.
    pub fn torch_default(fan_in: i64) -> Self {
        Self::Uniform { bound: 1.0 / (fan_in.max(1) as f64).sqrt() }
    }

    /// `kaiming_normal_(mode = "fan_out", nonlinearity = "relu")` (He et al. 2015, eq. 14).
    pub fn kaiming_normal_fan_out(fan_out: i64) -> Self {
        Self::Normal { std: (2.0 / fan_out.max(1) as f64).sqrt() }
    }

    /// `len` values for the tensor called `name`.
    ///
    /// # Errors
    /// [`ModelError::Torch`] when memory runs out.
    pub fn values(self, seed: u64, name: &str, len: usize) -> Result<Vec<f32>, ModelError> {
        let mut values = Vec::new();
        values.try_reserve_exact(len).map_err(|_| ModelError::Torch {
            doing: format!("initialising `{name}`"),
            message: format!("cannot allocate memory for {len} values"),
        })?;
        let position: Vec<u64> = name.bytes().map(u64::from).collect();
        let mut rng = stream(seed, Purpose::Init, &position);
        let mut uniform = move || (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        match self {
            Self::Constant(value) => values.resize(len, value),
            Self::Uniform { bound } => values.extend((0..len).map(|_| ((2.0 * uniform() - 1.0) * bound) as f32)),
            Self::Normal { std } => values.extend((0..len).map(|_| (gaussian(&mut uniform) * std) as f32)),
            Self::TruncatedNormal { std } => values.extend((0..len).map(|_| {
                loop {
                    let value = gaussian(&mut uniform) * std;
                    if value.abs() <= 2.0 {
                        return value as f32;
                    }
                }
            })),
        }
        Ok(values)
    }
}

/// Box and Muller 1958, the cosine branch.
fn gaussian(uniform: &mut impl FnMut() -> f64) -> f64 {
    let radius = (-2.0 * (1.0 - uniform()).ln()).sqrt();
    radius * (std::f64::consts::TAU * uniform()).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(values: &[f32]) -> (f64, f64) {
        let n = values.len() as f64;
        let mean = values.iter().map(|&value| f64::from(value)).sum::<f64>() / n;
        let variance = values.iter().map(|&value| (f64::from(value) - mean).powi(2)).sum::<f64>() / n;
        (mean, variance.sqrt())
    }

    #[test]
    fn distributions_have_their_moments() {
        let n = 100_000;
        let values = Init::torch_default(27).values(1, "conv1.weight", n).unwrap();
        let bound = 1.0 / 27_f64.sqrt();
        let (mean, std) = moments(&values);
        assert!(values.iter().all(|&value| f64::from(value).abs() <= bound));
        assert!(mean.abs() < 0.01 * bound && (std / (bound / 3_f64.sqrt()) - 1.0).abs() < 0.01, "{mean} {std}");

        let (mean, std) = moments(&Init::kaiming_normal_fan_out(576).values(1, "conv1.weight", n).unwrap());
        let expected = (2.0 / 576_f64).sqrt();
        assert!(mean.abs() < 0.02 * expected && (std / expected - 1.0).abs() < 0.01, "{mean} {std}");

        let values = Init::TruncatedNormal { std: 1.0 }.values(1, "head.weight", n).unwrap();
        let (_, std) = moments(&values);
        // The standard deviation of a unit Gaussian cut at two: sqrt(1 - 4 phi(2) / (2 Phi(2) - 1)).
        assert!(values.iter().all(|value| value.abs() <= 2.0) && (std - 0.8796).abs() < 0.01, "{std}");
    }

    #[test]
    fn draws_depend_on_seed_and_name_alone() {
        let values = |seed, name| Init::Normal { std: 1.0 }.values(seed, name, 4).unwrap();
        assert_eq!(values(1, "a"), values(1, "a"));
        assert_ne!(values(1, "a"), values(2, "a"));
        assert_ne!(values(1, "a"), values(1, "b"));
        assert_eq!(Init::Normal { std: 1.0 }.values(1, "a", 8).unwrap()[..4], values(1, "a"));
    }
}
