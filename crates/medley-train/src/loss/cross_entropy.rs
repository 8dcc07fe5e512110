use medley_core::Labels;
use tch::{Device, Kind, Reduction, TchError, Tensor};

use super::Loss;

/// Softmax cross entropy with class weights and label smoothing (Szegedy et al., 2016, section 7), as
/// `torch.nn.functional.cross_entropy(reduction="none")`.
#[derive(Debug)]
pub struct CrossEntropy {
    weights: Tensor,
    label_smoothing: f64,
}

impl CrossEntropy {
    /// One weight per class.
    pub fn new(weights: &[f64], label_smoothing: f64, device: Device) -> Self {
        let weights = Tensor::from_slice(weights).to_kind(Kind::Float).to_device(device);
        Self { weights, label_smoothing }
    }
}

impl Loss for CrossEntropy {
    fn targets(&self, labels: &Labels, rows: &[usize]) -> Result<Tensor, TchError> {
        let classes: Vec<i64> = rows.iter().map(|&row| i64::from(labels.row(row)[0])).collect();
        Tensor::f_from_slice(&classes)
    }

    fn per_row(&self, logits: &Tensor, targets: &Tensor) -> Result<Tensor, TchError> {
        logits.f_cross_entropy_loss(targets, Some(&self.weights), Reduction::None, -100, self.label_smoothing)
    }

    fn probabilities(&self, logits: &Tensor) -> Result<Tensor, TchError> {
        logits.f_softmax(-1, Kind::Float)
    }
}

#[cfg(test)]
mod tests {
    use super::super::conformance::check_loss;
    use super::*;

    #[test]
    fn conforms() {
        check_loss(&CrossEntropy::new(&[1.0, 2.0, 0.5], 0.1, Device::Cpu), 3, 1);
        check_loss(&CrossEntropy::new(&[1.0, 1.0], 0.0, Device::Cpu), 2, 1);
    }

    #[test]
    fn equals_the_definition() {
        // Weighted and smoothed: (1 - e) * w_y * -log p_y + e / C * sum_c w_c * -log p_c.
        let (weights, smoothing) = ([1.0, 2.0, 0.5], 0.3);
        let logits = [0.3_f64, -1.2, 0.9];
        let normaliser = logits.iter().map(|z| z.exp()).sum::<f64>().ln();
        let nll: Vec<f64> = logits.iter().map(|z| normaliser - z).collect();
        let spread: f64 = nll.iter().zip(weights).map(|(n, w)| n * w).sum::<f64>() / 3.0;
        let expected = (1.0 - smoothing) * weights[1] * nll[1] + smoothing * spread;
        let loss = CrossEntropy::new(&weights, smoothing, Device::Cpu);
        let targets = loss.targets(&Labels::single(vec![1]).unwrap(), &[0]).unwrap();
        let logits = Tensor::from_slice(&logits.map(|z| z as f32)).view([1, 3]);
        let actual = loss.per_row(&logits, &targets).unwrap().double_value(&[0]);
        assert!((actual - expected).abs() < 1e-6, "{actual} {expected}");
    }
}
