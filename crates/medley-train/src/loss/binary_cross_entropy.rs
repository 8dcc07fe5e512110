use medley_core::Labels;
use tch::{Kind, Reduction, TchError, Tensor};

use super::Loss;

/// Logistic loss per label, averaged over the labels of a row.
#[derive(Debug)]
pub struct BinaryCrossEntropy {
    label_smoothing: f64,
}

impl BinaryCrossEntropy {
    /// Targets become `y * (1 - s) + s / 2`.
    pub fn new(label_smoothing: f64) -> Self {
        Self { label_smoothing }
    }
}

impl Loss for BinaryCrossEntropy {
    fn targets(&self, labels: &Labels, rows: &[usize]) -> Result<Tensor, TchError> {
        let mut values = Vec::with_capacity(rows.len() * labels.width());
        for &row in rows {
            values.extend(labels.row(row).iter().map(|&label| f32::from(label)));
        }
        Tensor::f_from_slice(&values)?.f_view([rows.len() as i64, labels.width() as i64])
    }

    fn per_row(&self, logits: &Tensor, targets: &Tensor) -> Result<Tensor, TchError> {
        let smoothed = targets.f_mul_scalar(1.0 - self.label_smoothing)?.f_add_scalar(self.label_smoothing / 2.0)?;
        logits.f_binary_cross_entropy_with_logits::<Tensor>(&smoothed, None, None, Reduction::None)?.f_mean_dim(
            -1,
            false,
            Kind::Float,
        )
    }

    fn probabilities(&self, logits: &Tensor) -> Result<Tensor, TchError> {
        logits.f_sigmoid()
    }
}

#[cfg(test)]
mod tests {
    use super::super::conformance::check_loss;
    use super::*;

    #[test]
    fn conforms() {
        check_loss(&BinaryCrossEntropy::new(0.0), 3, 3);
        check_loss(&BinaryCrossEntropy::new(0.1), 14, 14);
    }
}
