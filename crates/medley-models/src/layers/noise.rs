//! Dropout whose draws are a function of the pass, the layer and the row: the same for any number of replicas, and
//! independent of libtorch's global generator.

use rand::Rng as _;
use tch::Tensor;

use crate::{Activation, Context, ModelError, Scope};

/// `torch.nn.Dropout` on features `[N, F]` (Srivastava et al. 2014).
#[derive(Debug)]
pub struct Dropout {
    layer: u64,
    probability: f64,
}

impl Dropout {
    /// Zeroes a value with this probability, and scales the others to keep the mean.
    pub fn new(scope: &Scope, probability: f64) -> Self {
        Self { layer: scope.next_layer(), probability }
    }

    /// `[N, F]` to the same shape; nothing is done in evaluation.
    ///
    /// # Errors
    /// [`ModelError::Torch`] when memory runs out.
    pub fn forward(&self, x: Activation, context: &Context<'_>) -> Result<Activation, ModelError> {
        drop_values(x, self.probability, context, self.layer, false)
    }
}

/// `torchvision.ops.StochasticDepth` in `row` mode (Huang et al. 2016): a residual branch is left out for an image, or scaled
/// to keep the mean.
#[derive(Debug)]
pub struct StochasticDepth {
    layer: u64,
    probability: f64,
}

impl StochasticDepth {
    /// Leaves the branch out with this probability.
    pub fn new(scope: &Scope, probability: f64) -> Self {
        Self { layer: scope.next_layer(), probability }
    }

    /// `[N, ..]` to the same shape; nothing is done in evaluation.
    ///
    /// # Errors
    /// [`ModelError::Torch`] when memory runs out.
    pub fn forward(&self, x: Activation, context: &Context<'_>) -> Result<Activation, ModelError> {
        drop_values(x, self.probability, context, self.layer, true)
    }
}

/// A graph has the function of evaluation.
fn drop_values(
    x: Activation,
    probability: f64,
    context: &Context<'_>,
    layer: u64,
    whole_rows: bool,
) -> Result<Activation, ModelError> {
    if !context.train || probability <= 0.0 {
        return Ok(x);
    }
    let x = x.into_tensor()?;
    let size = x.size();
    let width = if whole_rows { 1 } else { size[1..].iter().product::<i64>() as usize };
    let kept = (1.0 / (1.0 - probability)) as f32;
    let threshold = (probability * f64::from(u32::MAX)) as u32;
    let mut mask = Vec::with_capacity(size[0] as usize * width);
    for mut rng in context.rows.generators(context.noise, layer) {
        mask.extend((0..width).map(|_| if rng.next_u32() < threshold { 0.0 } else { kept }));
    }
    let mut shape = if whole_rows { vec![1; size.len()] } else { size };
    shape[0] = x.size()[0];
    let mask = Tensor::f_from_slice(&mask)?.f_view(shape.as_slice())?.f_to_device(x.device())?.f_to_kind(x.kind())?;
    Ok(x.f_mul(&mask)?.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Rows;
    use crate::scope::Filling;
    use crate::{BuildOptions, NetConfig, Segment};
    use tch::{Device, Kind};

    fn values(activation: Result<Activation, ModelError>) -> Tensor {
        activation.and_then(Activation::into_tensor).unwrap()
    }

    fn rows(numbers: Vec<u64>) -> Rows {
        Rows::new(&[Segment { task: 0, start: 0, len: numbers.len() as i64 }], numbers, Device::Cpu).unwrap()
    }

    #[test]
    fn draws_belong_to_the_row() {
        let scope = Scope::root(&NetConfig::default(), vec![], &BuildOptions::default(), Filling::Initialised).unwrap();
        let (first, second) = (Dropout::new(&scope, 0.25), Dropout::new(&scope, 0.25));
        let ones = |n: i64| Tensor::ones([n, 4096], (Kind::Float, Device::Cpu));
        let all = rows((0..4).collect());
        let y = values(first.forward(ones(4).into(), &Context::new(true, Kind::Float, &all, 9)));
        let mean = y.mean(Kind::Float).double_value(&[]);
        assert!((mean - 1.0).abs() < 0.02, "{mean}");
        assert!((y.eq(0.0).to_kind(Kind::Float).mean(Kind::Float).double_value(&[]) - 0.25).abs() < 0.02);

        let part = rows(vec![1, 3]);
        let z = values(first.forward(ones(2).into(), &Context::new(true, Kind::Float, &part, 9)));
        assert!(z.equal(&y.index_select(0, &Tensor::from_slice(&[1_i64, 3]))));
        assert!(!values(second.forward(ones(4).into(), &Context::new(true, Kind::Float, &all, 9))).equal(&y));
        assert!(!values(first.forward(ones(4).into(), &Context::new(true, Kind::Float, &all, 8))).equal(&y));
        assert!(values(first.forward(ones(4).into(), &Context::new(false, Kind::Float, &all, 9))).equal(&ones(4)));
    }

    #[test]
    fn stochastic_depth_drops_whole_rows() {
        let scope = Scope::root(&NetConfig::default(), vec![], &BuildOptions::default(), Filling::Initialised).unwrap();
        let layer = StochasticDepth::new(&scope, 0.5);
        let all = rows((0..64).collect());
        let x = Tensor::ones([64, 2, 3, 3], (Kind::Float, Device::Cpu));
        let y = values(layer.forward(x.into(), &Context::new(true, Kind::Float, &all, 1))).view([64, 18]);
        assert!(y.amax([1], false).equal(&y.amin([1], false)));
        let kept = y.select(1, 0).sum(Kind::Float).double_value(&[]) / 2.0;
        assert!((20.0..44.0).contains(&kept), "{kept}");
    }
}
