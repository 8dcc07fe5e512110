//! Sharpness-aware minimisation: the gradient is taken where the loss near the parameters is highest.

use tch::{TchError, Tensor, no_grad_guard};

use super::gradient_norm;
use crate::engine::buffers::copied;

medley_core::keys! {
    /// Sharpness-aware minimisation (Foret et al., *Sharpness-Aware Minimization for Efficiently Improving Generalization*, 2021),
    /// around the optimizer: each step takes its gradient from where a small move along the first gradient leads, so that minima with
    /// a flat neighbourhood are preferred. A step takes two passes, and so about twice as long.
    pub struct Sharpness {
        /// Length of the step along the gradient before the gradient is taken again. 0.05 is usual, and 0.5 to 2 if adaptive.
        rho: f64 = 0.05, in 1e-6..=100.0;
        /// Whether large values are moved further (ASAM; Kwon et al., 2021): values of matrices, filters and the scales of normalisations
        /// by their own size.
        adaptive: bool = false;
    }
}

/// Added to the size of a value in ASAM, as by its authors.
const ETA: f64 = 0.01;

/// The parameters before the move, in their order; `None` for those that were not moved.
pub(crate) struct Origin(Vec<Option<Tensor>>);

impl Sharpness {
    /// Moves parameters to where the loss near them is highest, as far as the gradient tells.
    ///
    /// # Errors
    /// What libtorch says.
    pub(crate) fn ascend(
        &self,
        parameters: &[(String, Tensor)],
        gradients: &[Option<Tensor>],
    ) -> Result<Origin, TchError> {
        let _guard = no_grad_guard();
        // Of each parameter, by what its move is multiplied.
        let sizes = parameters.iter().map(|(name, tensor)| {
            let is_scaled = self.adaptive && name.ends_with("weight");
            if is_scaled { tensor.f_abs()?.f_add_scalar(ETA).map(Some) } else { Ok(None) }
        });
        let sizes = sizes.collect::<Result<Vec<_>, TchError>>()?;
        let times = |tensor: &Tensor, size: &Option<Tensor>| match size {
            Some(size) => tensor.f_mul(size),
            None => Ok(tensor.shallow_clone()),
        };
        let scaled = gradients.iter().zip(&sizes);
        let scaled = scaled.map(|(gradient, size)| gradient.as_ref().map(|gradient| times(gradient, size)).transpose());
        let scaled = scaled.collect::<Result<Vec<_>, TchError>>()?;
        let length = self.rho / (gradient_norm(&scaled)? + 1e-12);
        let mut origin = Vec::with_capacity(parameters.len());
        for (((_, tensor), scaled), size) in parameters.iter().zip(&scaled).zip(&sizes) {
            let Some(scaled) = scaled else {
                origin.push(None);
                continue;
            };
            origin.push(Some(copied(tensor)?));
            let _ = tensor.shallow_clone().f_add_(&times(scaled, size)?.f_mul_scalar(length)?)?;
        }
        Ok(Origin(origin))
    }
}

impl Origin {
    /// Moves parameters back, to the bit.
    ///
    /// # Errors
    /// What libtorch says.
    pub(crate) fn restore(&self, parameters: &[(String, Tensor)]) -> Result<(), TchError> {
        let _guard = no_grad_guard();
        for ((_, tensor), before) in parameters.iter().zip(&self.0) {
            if let Some(before) = before {
                tensor.shallow_clone().f_copy_(before)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters() -> Vec<(String, Tensor)> {
        [("a.weight", [1.0_f32, -2.0]), ("a.bias", [0.5, 0.25]), ("b.weight", [3.0, 3.0])]
            .map(|(name, values)| (name.to_owned(), Tensor::from_slice(&values)))
            .into()
    }

    fn values(parameters: &[(String, Tensor)]) -> Vec<f64> {
        parameters
            .iter()
            .flat_map(|(_, tensor)| Vec::<f64>::try_from(tensor.to_kind(tch::Kind::Double)).unwrap())
            .collect()
    }

    /// The formulas of the papers, in 64 bits.
    #[test]
    fn it_moves_by_rho_along_the_gradient_and_back() {
        let gradient: [f64; 4] = [0.3, 0.4, -1.0, 2.0];
        for adaptive in [false, true] {
            let parameters = parameters();
            let before = values(&parameters);
            let tensor = |range: std::ops::Range<usize>| Tensor::from_slice(&gradient[range]).to_kind(tch::Kind::Float);
            let gradients = [Some(tensor(0..2)), Some(tensor(2..4)), None];
            let origin = Sharpness { rho: 0.1, adaptive }.ascend(&parameters, &gradients).unwrap();
            let size = |index: usize| if adaptive && index < 2 { before[index].abs() + ETA } else { 1.0 };
            let norm = (0..4).map(|index| (gradient[index] * size(index)).powi(2)).sum::<f64>().sqrt();
            for (index, (now, before)) in values(&parameters).iter().zip(&before).enumerate() {
                let moved = if index < 4 { 0.1 * gradient[index] * size(index).powi(2) / norm } else { 0.0 };
                assert!((now - before - moved).abs() < 1e-6, "{adaptive} {index}");
            }
            origin.restore(&parameters).unwrap();
            assert_eq!(values(&parameters), before);
        }
    }
}
