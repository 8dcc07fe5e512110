use tch::{Kind, TchError, Tensor};

use super::{ClassTargets, LabelTargets, Loss};

medley_core::keys! {
    /// Asymmetric loss (Ridnik et al., *Asymmetric Loss for Multi-Label Classification*, 2021): binary cross entropy in which easy
    /// labels count less, those that are absent far less than those that are present, and absent labels below a probability of
    /// `margin` not at all. For tasks with one label per image, as the authors' `ASLSingleLabel`: the target counts by `gamma_positive`, what
    /// label smoothing spreads over the others by `gamma_negative`.
    pub struct Asymmetric {
        /// How much less easy labels count that are present.
        gamma_positive: f64 = 1.0, in 0.0..=10.0;
        /// How much less easy labels count that are absent.
        gamma_negative: f64 = 4.0, in 0.0..=10.0;
        /// Probability below which an absent label costs nothing.
        margin: f64 = 0.05, in 0.0..=0.5;
    }
}

/// Below it a factor or a probability stays as it is: slopes are infinite at 0.
const LEAST: f64 = 1e-7;

fn power(base: &Tensor, gamma: f64) -> Result<Tensor, TchError> {
    base.f_clamp_min(LEAST)?.f_pow_tensor_scalar(gamma)
}

impl Loss for Asymmetric {
    fn of_classes(&self, logits: &Tensor, targets: &ClassTargets<'_>) -> Result<Tensor, TchError> {
        let log_p = logits.f_log_softmax(-1, Kind::Float)?;
        let p = log_p.f_exp()?;
        let is_target = targets.classes.f_one_hot(targets.weights.numel() as i64)?.f_to_kind(Kind::Bool)?;
        let present = power(&log_p.f_expm1()?.f_neg()?, self.gamma_positive)?;
        let factor = present.f_where_self(&is_target, &power(&p, self.gamma_negative)?)?;
        let each = log_p.f_mul(&factor)?.f_mul(&targets.weighted()?)?;
        each.f_sum_dim_intlist(-1, false, Kind::Float)?.f_neg()
    }

    fn of_labels(&self, logits: &Tensor, targets: &LabelTargets<'_>) -> Result<Tensor, TchError> {
        let p = logits.f_sigmoid()?;
        let missing = logits.f_neg()?.f_sigmoid()?;
        let present = logits.f_log_sigmoid()?.f_mul(&power(&missing, self.gamma_positive)?)?;
        let shifted = p.f_sub_scalar(self.margin)?.f_clamp_min(0.0)?;
        let log_absent = shifted.f_neg()?.f_add_scalar(1.0)?.f_clamp_min(LEAST)?.f_log()?;
        let absent = log_absent.f_mul(&power(&shifted, self.gamma_negative)?)?;
        targets.presence()?.f_mul(&present)?.f_add(&targets.absence()?.f_mul(&absent)?)?.f_neg()
    }
}

#[cfg(test)]
mod tests {
    use super::super::LossChoice;
    use super::super::conformance::{ClassRow, compare};
    use super::*;

    #[test]
    fn equals_the_definition() {
        for (gamma_positive, gamma_negative, margin) in [(1.0, 4.0, 0.05), (0.0, 2.0, 0.0), (0.5, 3.0, 0.2)] {
            let classes = |row: &ClassRow<'_>| {
                let factor = |class: usize, p: f64| {
                    if class == row.class { (1.0 - p).powf(gamma_positive) } else { p.powf(gamma_negative) }
                };
                let each = row.p.iter().zip(row.target).enumerate();
                each.map(|(class, (&p, target))| -target * factor(class, p) * p.ln()).sum()
            };
            let label = |target: f64, p: f64| {
                let shifted = (p - margin).max(0.0);
                let present = (1.0 - p).powf(gamma_positive) * p.ln();
                let absent = shifted.powf(gamma_negative) * (1.0 - shifted).ln();
                -target * present - (1.0 - target) * absent
            };
            compare(&LossChoice::Asymmetric(Asymmetric { gamma_positive, gamma_negative, margin }), classes, label);
        }
    }
}
