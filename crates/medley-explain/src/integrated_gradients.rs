//! Integrated gradients; see [`Method::IntegratedGradients`](crate::Method::IntegratedGradients).

use tch::{Device, Kind, Tensor};

use crate::method::{Explanation, Question, numbers};
use crate::{AttributionMap, ExplainError};

/// More make no difference that could be seen.
const MOST_STEPS: usize = 10_000;

pub(crate) fn explain(question: &Question<'_>, steps: usize) -> Result<Vec<Explanation>, ExplainError> {
    if !(1..=MOST_STEPS).contains(&steps) {
        let problem = format!("1 to {MOST_STEPS}");
        return Err(ExplainError::Option { option: "steps", value: steps.to_string(), problem });
    }
    let difference = question.images.f_sub(question.baseline)?;
    let mut total = Tensor::f_zeros(question.images.size().as_slice(), (Kind::Double, Device::Cpu))?;
    let at_once = (question.batch / question.classes.len()).max(1);
    for start in (0..steps).step_by(at_once) {
        let shares: Vec<f64> =
            (start..steps.min(start + at_once)).map(|step| (step as f64 + 0.5) / steps as f64).collect();
        let points: Vec<Tensor> = (shares.iter())
            .map(|&share| question.baseline.f_add(&difference.f_mul_scalar(share)?))
            .collect::<Result<_, _>>()?;
        let gradients = gradients(question, &Tensor::f_cat(&points, 0)?)?;
        for part in gradients.f_split(question.classes.len() as i64, 0)? {
            total = total.f_add(&part)?;
        }
    }
    let attributions = total.f_mul(&difference)?.f_div_scalar(steps as f64)?;
    let maps = attributions.f_sum_dim_intlist([1_i64].as_slice(), false, Kind::Double)?;
    let logits = question.logits(question.images)?;
    let nothing = question.logits(&question.baseline.f_expand_as(question.images)?.f_contiguous()?)?;
    (question.classes.iter().zip(logits).zip(nothing).enumerate())
        .map(|(row, ((&class, logit), baseline))| {
            let map = maps.f_get(row as i64)?;
            let sum: f64 = numbers(&map)?.iter().sum();
            let residual = Some(sum - (logit - baseline));
            let map = AttributionMap::of_tensor(&map, true)?;
            Ok(Explanation { class, map, logit, baseline_logit: Some(baseline), residual })
        })
        .collect()
}

/// Of the sum of the logits, with respect to each image.
fn gradients(question: &Question<'_>, images: &Tensor) -> Result<Tensor, ExplainError> {
    tch::with_grad(|| {
        let images = images.f_detach()?.f_set_requires_grad(true)?;
        let logits = question.chosen(&question.network.pass(&images)?.logits)?;
        let gradient = Tensor::f_run_backward(&[logits.f_sum(Kind::Float)?], &[&images], false, false)?.swap_remove(0);
        Ok(gradient.f_to_device(Device::Cpu)?.f_to_kind(Kind::Double)?)
    })
}
