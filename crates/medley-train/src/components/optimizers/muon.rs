use tch::{Kind, TchError, Tensor, no_grad_guard};

use super::{AdamW, Build, Optimizer, Parameter};
use crate::components::patterns::Patterns;

medley_core::keys! {
    /// Muon (Jordan et al., *Muon: An optimizer for hidden layers in neural networks*, 2024), as `torch.optim.Muon`: the momentum of
    /// each matrix is brought near an orthogonal one before the step, in bfloat16 where the network is trained in it. Filters count as
    /// matrices with a row per output. Biases, norms and what `adamw_for` names are stepped by AdamW with the same learning rate and
    /// decay.
    pub struct Muon {
        /// Share of the mean of gradients that is kept.
        momentum: f64 = 0.95, in 0.0..=0.999_999;
        /// Whether it looks ahead.
        nesterov: bool = true;
        /// Steps of the Newton-Schulz iteration.
        iterations: usize = 5, in 1..=20;
        /// How the learning rate follows the shape of a matrix.
        scaling: Scaling = Scaling::Rms;
        /// Patterns on the names of the matrices that are left to AdamW: `*` stands for any text.
        adamw_for: Vec<String> = vec!["heads.*".into(), "*embedding*".into()];
        /// AdamW's decay of the mean of gradients.
        beta1: f64 = 0.9, in 0.0..=0.999_999;
        /// AdamW's decay of the mean of their squares.
        beta2: f64 = 0.99, in 0.0..=0.999_999_9;
        /// AdamW's addition to the root of that mean.
        epsilon: f64 = 1e-8, in 1e-16..=1.0;
    }
}

medley_core::choices! {
    /// `optimizer.scaling` of `muon`
    pub enum Scaling {
        /// By `0.2 sqrt(max(rows, columns))`: a step is about as large as one of AdamW, whose rates fit (Liu et al., 2025).
        Rms = "match_rms_adamw",
        /// By `sqrt(max(1, rows / columns))`, where 0.02 is usual.
        Original = "original",
    }
}

/// Of the Newton-Schulz iteration (Jordan et al.): they grow small singular values fastest.
const COEFFICIENTS: [f64; 3] = [3.4445, -4.775, 2.0315];

/// The least norm that a matrix is divided by.
const LEAST_NORM: f64 = 1e-7;

impl Build for Muon {
    fn states(&self) -> usize {
        // Of what AdamW steps; matrices have one.
        2
    }

    fn build(&self, parameters: Vec<Parameter>, threads: usize, kind: Kind) -> Result<Box<dyn Optimizer>, TchError> {
        let _guard = no_grad_guard();
        let others = Patterns::new(&self.adamw_for);
        let is_matrix = |one: &Parameter| one.tensor.dim() >= 2 && !others.matches(&one.name);
        let places = parameters.iter().map(is_matrix).collect();
        let (matrices, rest): (Vec<_>, Vec<_>) = parameters.into_iter().partition(is_matrix);
        let matrix =
            |parameter: Parameter| Ok(Matrix { mean: parameter.tensor.f_zeros_like()?, parameter, is_frozen: false });
        let adamw = AdamW { beta1: self.beta1, beta2: self.beta2, epsilon: self.epsilon };
        Ok(Box::new(Stepper {
            muon: self.clone(),
            kind,
            places,
            matrices: matrices.into_iter().map(matrix).collect::<Result<_, TchError>>()?,
            rest: adamw.build(rest, threads, kind)?,
        }))
    }
}

/// A parameter that is stepped as a matrix.
struct Matrix {
    parameter: Parameter,
    /// The mean of its gradients, in its shape.
    mean: Tensor,
    /// Frozen for the time being.
    is_frozen: bool,
}

struct Stepper {
    muon: Muon,
    /// In which matrices are multiplied.
    kind: Kind,
    /// Of each parameter, in order, whether it is among the matrices.
    places: Vec<bool>,
    matrices: Vec<Matrix>,
    rest: Box<dyn Optimizer>,
}

impl Optimizer for Stepper {
    fn step(&mut self, gradients: &[Option<Tensor>], scale: f64, learning_rate: f64) -> Result<(), TchError> {
        let _guard = no_grad_guard();
        if gradients.len() != self.places.len() {
            let problem = format!("{} gradients for {} parameters", gradients.len(), self.places.len());
            return Err(TchError::Shape(problem));
        }
        let (mut matrices, mut rest) = (self.matrices.iter_mut(), Vec::new());
        for (gradient, is_matrix) in gradients.iter().zip(&self.places) {
            if *is_matrix {
                let matrix = matrices.next().filter(|one| !one.is_frozen && !one.parameter.frozen);
                matrix.map_or(Ok(()), |matrix| {
                    matrix.step(&self.muon, self.kind, gradient.as_ref(), scale, learning_rate)
                })?;
            } else {
                rest.push(gradient.as_ref().map(Tensor::shallow_clone));
            }
        }
        self.rest.step(&rest, scale, learning_rate)
    }

    fn state(&self) -> Vec<(String, Tensor)> {
        let trained = self.matrices.iter().filter(|matrix| !matrix.parameter.frozen);
        let means = trained.map(|matrix| (format!("{}.mean", matrix.parameter.name), matrix.mean.shallow_clone()));
        let mut state: Vec<_> = means.chain(self.rest.state()).collect();
        state.sort_by(|a, b| a.0.cmp(&b.0));
        state
    }

    fn freeze(&mut self, is_frozen: &dyn Fn(&str) -> bool) -> Result<(), TchError> {
        for matrix in &mut self.matrices {
            matrix.is_frozen = is_frozen(&matrix.parameter.name);
        }
        self.rest.freeze(is_frozen)
    }
}

impl Matrix {
    fn step(
        &mut self,
        muon: &Muon,
        kind: Kind,
        gradient: Option<&Tensor>,
        scale: f64,
        learning_rate: f64,
    ) -> Result<(), TchError> {
        let Self { parameter, mean, .. } = self;
        let gradient = match gradient {
            Some(gradient) => gradient.f_mul_scalar(scale)?,
            None => mean.f_zeros_like()?,
        };
        let _ = mean.f_lerp_(&gradient, 1.0 - muon.momentum)?;
        let direction = if muon.nesterov { gradient.f_lerp(mean, muon.momentum)? } else { mean.shallow_clone() };
        let rows = direction.size()[0];
        let direction = direction.f_reshape([rows, -1])?;
        let columns = direction.size()[1];
        let learning_rate = learning_rate * parameter.learning_rate_scale;
        let step = muon.scaling.of(rows, columns) * learning_rate;
        let change = near_orthogonal(&direction, muon.iterations, kind)?.f_view_as(&parameter.tensor)?;
        let _ = parameter.tensor.f_mul_scalar_(1.0 - learning_rate * parameter.weight_decay)?;
        let _ = parameter.tensor.f_sub_(&change.f_mul_scalar(step)?)?;
        Ok(())
    }
}

impl Scaling {
    fn of(self, rows: i64, columns: i64) -> f64 {
        let (rows, columns) = (rows as f64, columns as f64);
        match self {
            Self::Rms => 0.2 * rows.max(columns).sqrt(),
            Self::Original => (rows / columns).max(1.0).sqrt(),
        }
    }
}

/// A matrix with the singular vectors of this one and singular values near 1, multiplied in this type; PyTorch does so in bfloat16.
fn near_orthogonal(matrix: &Tensor, iterations: usize, kind: Kind) -> Result<Tensor, TchError> {
    let is_tall = matrix.size()[0] > matrix.size()[1];
    let wide = if is_tall { matrix.f_tr()? } else { matrix.shallow_clone() };
    // So that no singular value is above 1.
    let mut x = wide.f_div(&wide.f_norm()?.f_clamp_min(LEAST_NORM)?)?.f_to_kind(kind)?;
    let [a, b, c] = COEFFICIENTS;
    for _ in 0..iterations {
        let gram = x.f_matmul(&x.f_tr()?)?;
        let factor = gram.f_mul_scalar(b)?.f_add(&gram.f_matmul(&gram)?.f_mul_scalar(c)?)?;
        x = x.f_mul_scalar(a)?.f_add(&factor.f_matmul(&x)?)?;
    }
    let x = x.f_to_kind(matrix.kind())?;
    if is_tall { x.f_tr()?.f_contiguous() } else { Ok(x) }
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    fn values(shape: &[i64]) -> Tensor {
        let count = shape.iter().product::<i64>();
        (Tensor::arange(count, (Kind::Float, Device::Cpu)).square() * 1.37).sin().view(shape)
    }

    #[test]
    fn singular_values_come_near_one() {
        let shapes = [[6, 40], [40, 6], [5, 5]];
        for (shape, kind) in shapes.iter().flat_map(|shape| [(shape, Kind::Float), (shape, Kind::BFloat16)]) {
            let (_, before, _) = values(shape).svd(true, false);
            let near = near_orthogonal(&values(shape), 5, kind).unwrap();
            assert_eq!(near.kind(), Kind::Float);
            let is_rounded = near == near.to_kind(Kind::BFloat16).to_kind(Kind::Float);
            assert_eq!(is_rounded, kind == Kind::BFloat16);
            let (_, after, _) = near.svd(true, false);
            assert!(before.max().double_value(&[]) / before.min().double_value(&[]) > 1.3);
            let inside = after.ge(0.3).logical_and(&after.le(1.3)).all();
            assert!(bool::try_from(inside).unwrap(), "{shape:?} in {kind:?}: {after}");
        }
    }

    #[test]
    fn filters_are_stepped_as_matrices_and_heads_are_not() {
        let parameter = |name: &str, shape: &[i64]| Parameter::plain(name, &values(shape), 0.0);
        let parameters = [
            parameter("backbone.conv.weight", &[4, 3, 3, 3]),
            parameter("backbone.norm.weight", &[4]),
            parameter("heads.a.weight", &[2, 4]),
        ];
        let tensors = parameters.each_ref().map(|one| one.tensor.shallow_clone());
        let before = tensors.each_ref().map(Tensor::copy);
        let mut optimizer = Muon::default().build(parameters.into(), 1, Kind::BFloat16).unwrap();
        let names: Vec<_> = optimizer.state().into_iter().map(|(name, _)| name).collect();
        assert!(names.contains(&"backbone.conv.weight.mean".to_owned()));
        assert!(!names.contains(&"backbone.conv.weight.square".to_owned()));
        assert!(names.contains(&"heads.a.weight.square".to_owned()));
        let gradients: Vec<_> = tensors.iter().map(|tensor| Some(tensor.cos())).collect();
        optimizer.step(&gradients, 1.0, 1e-2).unwrap();
        // A step is about as large for every parameter.
        for (tensor, before) in tensors.iter().zip(&before) {
            let rms = (tensor - before).square().mean(Kind::Float).sqrt().double_value(&[]);
            assert!((1e-3..2e-2).contains(&rms), "{rms}");
        }
        let error = optimizer.step(&[None], 1.0, 1e-2).unwrap_err().to_string();
        assert!(error.contains("1 gradients for 3 parameters"), "{error}");
    }
}
