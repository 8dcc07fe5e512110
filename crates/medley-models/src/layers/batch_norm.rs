use tch::Tensor;

use crate::init::Init;
use crate::options::Segment;
use crate::{Context, ModelError, Scope};

const MOMENTUM: f64 = 0.1;

/// `torch.nn.BatchNorm2d` (Ioffe and Szegedy 2015), with statistics and affine map shared by all tasks or one per task.
///
/// Shared tensors are called `weight`, `bias`, `running_mean`, `running_var` as in PyTorch; those of a task have the task's
/// name in between: `bn1.pathmnist.weight`. All four are fp32 in either precision.
#[derive(Debug)]
pub struct BatchNorm {
    name: String,
    tasks: Vec<String>,
    epsilon: f64,
    /// `(running_mean, running_var)`, one or one per task.
    statistics: Vec<(Tensor, Tensor)>,
    /// `(weight, bias)`, one or one per task.
    affine: Vec<(Tensor, Tensor)>,
}

impl BatchNorm {
    /// Registers the tensors of a layer over `channels` with PyTorch's epsilon of 1e-5.
    ///
    /// # Errors
    /// As [`Scope::parameter`].
    pub fn new(scope: &Scope, channels: i64) -> Result<Self, ModelError> {
        Self::with_epsilon(scope, channels, 1e-5)
    }

    /// As [`Self::new`], with another epsilon.
    ///
    /// # Errors
    /// As [`Scope::parameter`].
    pub fn with_epsilon(scope: &Scope, channels: i64, epsilon: f64) -> Result<Self, ModelError> {
        let scopes = |own: bool| -> Vec<Scope> {
            if own { scope.tasks().iter().map(|task| scope.enter(task)).collect() } else { vec![scope.clone()] }
        };
        let affine = scopes(scope.batch_norm().own_affine())
            .iter()
            .map(|scope| {
                let weight = scope.parameter("weight", &[channels], Init::Constant(1.0))?;
                Ok((weight, scope.parameter("bias", &[channels], Init::Constant(0.0))?))
            })
            .collect::<Result<_, ModelError>>()?;
        let statistics = scopes(scope.batch_norm().own_statistics())
            .iter()
            .map(|scope| {
                Ok((scope.buffer("running_mean", &[channels], 0.0)?, scope.buffer("running_var", &[channels], 1.0)?))
            })
            .collect::<Result<_, ModelError>>()?;
        Ok(Self { name: scope.path().to_owned(), tasks: scope.tasks().to_vec(), epsilon, statistics, affine })
    }

    /// `[N, C, ..]` to the same shape. In training, the running statistics move by a tenth towards those of the batch.
    ///
    /// # Errors
    /// [`ModelError::OneValuePerChannel`] in training; [`ModelError::Torch`].
    pub fn forward(&self, x: &Tensor, context: &Context<'_>) -> Result<Tensor, ModelError> {
        match (&self.statistics[..], &self.affine[..]) {
            ([statistics], [affine]) => self.normalise(x, statistics, Some(affine), context.train, None),
            ([statistics], affine) => {
                let normal = self.normalise(x, statistics, None, context.train, None)?;
                per_segment(&normal, context.segments, |rows, segment| scale(rows, &affine[segment.task]))
            }
            (statistics, affine) => per_segment(x, context.segments, |rows, segment| {
                let affine = affine.get(segment.task).or_else(|| affine.first());
                self.normalise(rows, &statistics[segment.task], affine, context.train, Some(segment.task))
            }),
        }
    }

    fn normalise(
        &self,
        x: &Tensor,
        (mean, variance): &(Tensor, Tensor),
        affine: Option<&(Tensor, Tensor)>,
        train: bool,
        task: Option<usize>,
    ) -> Result<Tensor, ModelError> {
        let size = x.size();
        // libtorch would divide by zero and leave NaN in the running variance.
        if train && size[0] * size[2..].iter().product::<i64>() == 1 {
            let of = task.map(|task| format!(" of task `{}`", self.tasks[task])).unwrap_or_default();
            return Err(ModelError::OneValuePerChannel { layer: self.name.clone(), of });
        }
        let (weight, bias) = affine.map_or((None, None), |(weight, bias)| (Some(weight), Some(bias)));
        Ok(x.f_batch_norm(weight, bias, Some(mean), Some(variance), train, MOMENTUM, self.epsilon, true)?)
    }
}

/// Applies a function to the rows of each task and joins the results.
fn per_segment(
    x: &Tensor,
    segments: &[Segment],
    f: impl Fn(&Tensor, &Segment) -> Result<Tensor, ModelError>,
) -> Result<Tensor, ModelError> {
    if let [segment] = segments {
        return f(x, segment);
    }
    let parts: Vec<Tensor> = segments
        .iter()
        .map(|segment| f(&x.f_narrow(0, segment.start, segment.len)?, segment))
        .collect::<Result<_, _>>()?;
    Ok(Tensor::f_cat(&parts, 0)?)
}

fn scale(x: &Tensor, (weight, bias): &(Tensor, Tensor)) -> Result<Tensor, ModelError> {
    let mut shape = vec![1; x.dim()];
    shape[1] = -1;
    let weight = weight.f_view(shape.as_slice())?.f_to_kind(x.kind())?;
    let bias = bias.f_view(shape.as_slice())?.f_to_kind(x.kind())?;
    Ok(bias.f_addcmul(x, &weight)?)
}
