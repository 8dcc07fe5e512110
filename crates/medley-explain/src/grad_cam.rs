//! Grad-CAM; see [`Method::GradCam`](crate::Method::GradCam).

use tch::{Kind, Tensor};

use crate::method::{Explanation, Question, numbers};
use crate::{AttributionMap, ExplainError};

pub(crate) fn explain(question: &Question<'_>) -> Result<Vec<Explanation>, ExplainError> {
    tch::with_grad(|| {
        // A network without parameters, or a frozen one, has a graph too.
        let images = question.images.f_set_requires_grad(true)?;
        let pass = question.network.pass(&images)?;
        // A map of one place says nothing of places.
        let Some(map) = pass.feature_map.filter(|map| map.size()[2..].iter().any(|&side| side > 1)) else {
            return Err(ExplainError::NoFeatureMap { network: question.network.name().to_owned() });
        };
        let logits = question.chosen(&pass.logits)?;
        let gradient = Tensor::f_run_backward(&[logits.f_sum(Kind::Float)?], &[&map], false, false)?.swap_remove(0);
        let axes: Vec<i64> = (2..map.dim() as i64).collect();
        let weights = gradient.f_mean_dim(axes.as_slice(), true, Kind::Float)?;
        let maps = (weights * map.f_detach()?).f_sum_dim_intlist([1_i64].as_slice(), false, Kind::Float)?.f_relu()?;
        let logits = numbers(&logits)?;
        (question.classes.iter().zip(logits).enumerate())
            .map(|(row, (&class, logit))| {
                let map = AttributionMap::of_tensor(&maps.f_get(row as i64)?, false)?;
                Ok(Explanation { class, map, logit, baseline_logit: None, residual: None })
            })
            .collect()
    })
}
