//! How far an image is from the training images, by what a network sees of it on the way to its answer.

use medley_models::ModelError;
use tch::{Kind, Tensor};

/// What is added to the diagonal of the covariance, as a share of its mean: directions without variance have no infinite weight.
const RIDGE: f64 = 1e-3;
/// The fewest images that a distribution is fitted to.
const FEWEST: usize = 20;
/// What tensors are called in the file of weights: this, the task, and `mean` or `factor`.
const PREFIX: &str = "unlike.";

/// A normal distribution of `width` features, fitted to training images. The distance of an image is that of Mahalanobis, divided by the
/// root of the width: about 1 for images like those (Lee, Lee, Lee and Shin, *A simple unified framework for detecting
/// out-of-distribution samples and adversarial attacks*, `NeurIPS` 2018; here of all classes together, which is as good).
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Gaussian {
    mean: Vec<f32>,
    /// The inverse of the lower Cholesky factor of the covariance, row by row; what lies above the diagonal is zero.
    factor: Vec<f32>,
}

impl Gaussian {
    /// Fits it to features `[N, width]`. `None` where there is nothing to fit it to.
    pub(crate) fn fit(features: &[f32], width: usize) -> Result<Option<Self>, ModelError> {
        if width == 0 || features.len() / width < FEWEST || features.iter().any(|value| !value.is_finite()) {
            return Ok(None);
        }
        let (rows, width) = ((features.len() / width) as i64, width as i64);
        let values = Tensor::f_from_slice(features)?.f_view([rows, width])?.f_to_kind(Kind::Double)?;
        let mean = values.f_mean_dim([0_i64].as_slice(), true, None::<Kind>)?;
        let centred = values.f_sub(&mean)?;
        let covariance = centred.f_transpose(0, 1)?.f_matmul(&centred)?.f_div_scalar(rows as f64)?;
        let average = f64::try_from(covariance.f_trace()?)? / width as f64;
        if !(average.is_finite() && average > 0.0) {
            return Ok(None);
        }
        let unit = Tensor::f_eye(width, (Kind::Double, tch::Device::Cpu))?;
        let lower = covariance.f_add(&unit.f_mul_scalar(RIDGE * average)?)?.f_linalg_cholesky(false)?;
        let factor = lower.f_linalg_solve_triangular(&unit, false, true, false)?;
        Ok(Some(Self { mean: numbers(&mean)?, factor: numbers(&factor)? }))
    }

    /// The distance of each row of features `[N, width]`.
    pub(crate) fn distances(&self, features: &[f32]) -> Vec<f32> {
        let width = self.width();
        let mut centred = vec![0.0_f32; width];
        let distance = |row: &[f32]| {
            centred.iter_mut().zip(row.iter().zip(&self.mean)).for_each(|(to, (value, mean))| *to = value - mean);
            let lines = self.factor.chunks_exact(width).enumerate();
            let parts = lines.map(|(at, line)| -> f32 { line[..=at].iter().zip(&centred).map(|(a, b)| a * b).sum() });
            let squares: f64 = parts.map(|part| f64::from(part).powi(2)).sum();
            (squares / width as f64).sqrt() as f32
        };
        features.chunks_exact(width).map(distance).collect()
    }

    pub(crate) fn width(&self) -> usize {
        self.mean.len()
    }

    /// As it lies in a file of weights, in fp32.
    pub(crate) fn tensors(&self, task: &str) -> Result<[(String, Tensor); 2], ModelError> {
        let width = self.width() as i64;
        let factor = Tensor::f_from_slice(&self.factor)?.f_view([width, width])?;
        Ok([(tensor_name(task, "mean"), Tensor::f_from_slice(&self.mean)?), (tensor_name(task, "factor"), factor)])
    }

    /// That of a task, out of the tensors of a file; `None` if it has none.
    ///
    /// # Errors
    /// What is wrong with its tensors.
    pub(crate) fn of(tensors: &[(String, Tensor)], task: &str) -> Result<Option<Self>, String> {
        let find =
            |part: &str| tensors.iter().find(|(found, _)| *found == tensor_name(task, part)).map(|(_, tensor)| tensor);
        let (mean, factor) = match (find("mean"), find("factor")) {
            (None, None) => return Ok(None),
            (Some(mean), Some(factor)) => (mean, factor),
            _ => {
                return Err(format!(
                    "of `{}` and `{}` it has one only",
                    tensor_name(task, "mean"),
                    tensor_name(task, "factor")
                ));
            }
        };
        let width = mean.size().first().copied().unwrap_or_default();
        if mean.dim() != 1 || width == 0 || factor.size() != [width, width] {
            return Err(format!("`{PREFIX}{task}` has sizes {:?} and {:?}", mean.size(), factor.size()));
        }
        let read = |tensor| numbers(tensor).map_err(|error| error.to_string());
        Ok(Some(Self { mean: read(mean)?, factor: read(factor)? }))
    }
}

pub(crate) fn tensor_name(task: &str, part: &str) -> String {
    format!("{PREFIX}{task}.{part}")
}

/// Whether a tensor belongs to a distribution, and not to the network. No parameter is called so: theirs begin with `backbone`, `heads`
/// or the name of a table.
pub(crate) fn is_of_gaussian(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// Values of a tensor, row by row.
pub(crate) fn numbers(tensor: &Tensor) -> Result<Vec<f32>, ModelError> {
    let flat = tensor.f_to_kind(Kind::Float)?.f_to_device(tch::Device::Cpu)?.f_contiguous()?.f_reshape([-1])?;
    Ok(Vec::try_from(flat)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two features that go together, and one that does not.
    fn features() -> Vec<f32> {
        let row = |index: usize| {
            let (a, b) = ((index * 7 % 20) as f32 - 9.5, (index * 3 % 20) as f32 - 9.5);
            [a, a + 0.1 * b, 5.0 + b]
        };
        (0..20).flat_map(row).collect()
    }

    #[test]
    fn what_goes_together_is_near_together() {
        let gaussian = Gaussian::fit(&features(), 3).unwrap().unwrap();
        let own = gaussian.distances(&features());
        let mean = own.iter().map(|distance| distance * distance).sum::<f32>() / 20.0;
        // Of three features that have two dimensions, two thirds; NumPy says 0.666163.
        assert!((mean - 0.666_163).abs() < 1e-4, "{mean}");
        // As far from the mean, along the training images and across.
        let [along, across] = gaussian.distances(&[9.0, 9.0, 5.0, 9.0, -9.0, 5.0])[..] else { panic!() };
        assert!((along - 0.9015).abs() < 1e-3 && (across - 40.08).abs() < 0.1, "{along} {across}");
    }

    #[test]
    fn it_comes_back_from_tensors() {
        let gaussian = Gaussian::fit(&features(), 3).unwrap().unwrap();
        let tensors = gaussian.tensors("a").unwrap();
        assert_eq!(Gaussian::of(&tensors, "a").unwrap(), Some(gaussian));
        assert_eq!(Gaussian::of(&tensors, "b").unwrap(), None);
        assert!(Gaussian::of(&tensors[..1], "a").is_err() && is_of_gaussian(&tensors[0].0));
        let [mean, (name, factor)] = tensors;
        assert!(Gaussian::of(&[mean, (name, factor.narrow(0, 0, 2))], "a").is_err());
    }

    #[test]
    fn what_cannot_be_fitted_is_left_out() {
        for features in [vec![], vec![1.0; 60], vec![f32::NAN; 60], vec![1.0; 3]] {
            assert_eq!(Gaussian::fit(&features, 3).unwrap(), None);
        }
        assert_eq!(Gaussian::fit(&[1.0], 0).unwrap(), None);
    }
}
