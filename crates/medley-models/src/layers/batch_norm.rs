use tch::Tensor;

use super::batch_norm_kernel::{self, Group};
use super::film::Film;
use super::{After, relu};
use crate::context::per_segment;
use crate::init::Init;
use crate::scope::Part;
use crate::trace::Traced;
use crate::{Activation, Context, ModelError, Scope, Segment};

const MOMENTUM: f64 = 0.1;

/// `torch.nn.BatchNorm2d` (Ioffe and Szegedy 2015) over any number of axes, with statistics and affine map shared by all
/// tasks or one per task.
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
    film: Option<Film>,
}

impl BatchNorm {
    /// Registers the tensors of a layer over `channels` with PyTorch's epsilon of 1e-5.
    ///
    /// # Errors
    /// As [`Scope::parameter`].
    pub fn new(scope: &Scope, channels: i64) -> Result<Self, ModelError> {
        let scopes = |own: bool| if own { scope.per_task(Part::TaskNormalisation) } else { vec![scope.clone()] };
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
        Ok(Self {
            name: scope.path().to_owned(),
            tasks: scope.tasks().to_vec(),
            epsilon: 1e-5,
            statistics,
            affine,
            film: Film::new(scope, channels)?,
        })
    }

    /// `[N, C, ..]` to the same shape. In training, the running statistics move by a tenth towards those of the batch.
    ///
    /// # Errors
    /// [`ModelError::OneValuePerChannel`] in training; [`ModelError::Torch`]; [`ModelError::Onnx`] when a graph is written.
    pub fn forward(&self, x: &Activation, context: &Context<'_>) -> Result<Activation, ModelError> {
        match x {
            Activation::Tensor(x) => Ok(self.compute(x, context, After::Nothing)?.into()),
            Activation::Traced(x) => self.trace(x, context.rows.first_task()),
        }
    }

    /// `ReLU` of [`Self::forward`].
    ///
    /// # Errors
    /// As [`Self::forward`].
    pub fn forward_relu(&self, x: &Activation, context: &Context<'_>) -> Result<Activation, ModelError> {
        match x {
            Activation::Tensor(x) => Ok(self.compute(x, context, After::Relu)?.into()),
            Activation::Traced(_) => relu(self.forward(x, context)?, context),
        }
    }

    /// As [`Self::forward`], and what follows it.
    pub(super) fn compute(&self, x: &Tensor, context: &Context<'_>, after: After<'_>) -> Result<Tensor, ModelError> {
        if let Some(recorder) = context.recorder {
            recorder.keep(x);
        }
        if let [statistics] = &self.statistics[..]
            && self.depends_on_task()
        {
            let (weights, biases) = self.tables()?;
            let normal = self.normalise(x, statistics, None, context, None)?;
            let mut shape = vec![1; x.dim()];
            (shape[0], shape[1]) = (-1, x.size()[1]);
            let lines = |table: &Tensor| -> Result<Tensor, ModelError> {
                Ok(context.rows.lines_of(table)?.f_view(shape.as_slice())?.f_to_kind(x.kind())?)
            };
            return after.apply(lines(&biases)?.f_addcmul(&normal, &lines(&weights)?)?, context);
        }
        if context.train && context.uses_own_kernels() && batch_norm_kernel::takes(x, after) {
            return self.by_kernels(x, context, after);
        }
        if !self.depends_on_task() {
            let y = self.normalise(x, &self.statistics[0], Some(&self.affine[0]), context, None)?;
            return after.apply(y, context);
        }
        let affine = self.affine_by_task()?;
        let y = per_segment(x, context.rows.segments(), |rows, segment| {
            let task = segment.task;
            self.normalise(rows, &self.statistics[task], Some(&affine(task)?), context, Some(task))
        })?;
        after.apply(y, context)
    }

    /// By the kernels, which take the rows of each task where they lie.
    fn by_kernels(&self, x: &Tensor, context: &Context<'_>, after: After<'_>) -> Result<Tensor, ModelError> {
        let all = [Segment { task: 0, start: 0, len: x.size()[0] }];
        let has_tasks = self.depends_on_task();
        let segments = if has_tasks { context.rows.segments() } else { &all };
        let affine = self.affine_by_task()?;
        let group = |segment: &Segment| {
            let task = segment.task;
            self.check_values(x, segment.len, has_tasks.then_some(task))?;
            let (weight, bias) = affine(task)?;
            let (running_mean, running_variance) = &self.statistics[task];
            let rows = segment.len as usize;
            let (epsilon, momentum) = (self.epsilon, MOMENTUM);
            Ok(Group { rows, weight, bias, running_mean, running_variance, epsilon, momentum })
        };
        let groups = segments.iter().map(group).collect::<Result<Vec<_>, ModelError>>()?;
        batch_norm_kernel::normalise(x, &groups, after)
    }

    /// Weight and bias of each task.
    fn affine_by_task(&self) -> Result<impl Fn(usize) -> Result<(Tensor, Tensor), ModelError> + '_, ModelError> {
        let modulated = self.film.is_some().then(|| self.tables()).transpose()?;
        Ok(move |task: usize| match &modulated {
            None => {
                let (weight, bias) = self.affine.get(task).unwrap_or(&self.affine[0]);
                Ok((weight.shallow_clone(), bias.shallow_clone()))
            }
            Some((weights, biases)) => Ok((weights.f_select(0, task as i64)?, biases.f_select(0, task as i64)?)),
        })
    }

    /// As a node of a graph, with the numbers of one task.
    fn trace(&self, x: &Traced, task: usize) -> Result<Activation, ModelError> {
        let names = x.layer(&self.affine[0].0, self.depends_on_task().then_some(task));
        let (weights, biases) = self.tables()?;
        let (mean, variance) = self.statistics.get(task).unwrap_or(&self.statistics[0]);
        let scale = x.constant(&names.part("weight"), &weights.f_select(0, task as i64)?)?;
        let shift = x.constant(&names.part("bias"), &biases.f_select(0, task as i64)?)?;
        let mean = x.constant(&names.part("running_mean"), mean)?;
        let variance = x.constant(&names.part("running_var"), variance)?;
        x.then(|graph, x| graph.batch_normalization(x, [&scale, &shift, &mean, &variance], self.epsilon as f32))
    }

    /// Whether two tasks can see another function.
    pub(super) fn depends_on_task(&self) -> bool {
        self.statistics.len() > 1 || self.affine.len() > 1 || self.film.is_some()
    }

    /// Scale and shift `[C]` that this layer amounts to in evaluation, for one task.
    pub(super) fn line(&self, task: usize) -> Result<(Tensor, Tensor), ModelError> {
        let _guard = tch::no_grad_guard();
        let (weights, biases) = self.tables()?;
        let (mean, variance) = self.statistics.get(task).unwrap_or(&self.statistics[0]);
        let scale = weights.f_select(0, task as i64)?.f_mul(&variance.f_add_scalar(self.epsilon)?.f_rsqrt()?)?;
        let shift = biases.f_select(0, task as i64)?.f_sub(&mean.f_mul(&scale)?)?;
        Ok((scale, shift))
    }

    /// Scales and shifts of all tasks, `[tasks, C]` each.
    fn tables(&self) -> Result<(Tensor, Tensor), ModelError> {
        let stack = |part: fn(&(Tensor, Tensor)) -> &Tensor| -> Result<Tensor, ModelError> {
            let lines: Vec<&Tensor> = self.affine.iter().map(part).collect();
            let table = Tensor::f_stack(&lines, 0)?;
            let channels = table.size()[1];
            Ok(table.f_expand([self.tasks.len() as i64, channels], false)?)
        };
        let (weights, biases) = (stack(|affine| &affine.0)?, stack(|affine| &affine.1)?);
        match &self.film {
            None => Ok((weights, biases)),
            Some(film) => {
                let (scales, shifts) = film.tables()?;
                Ok((weights.f_mul(&scales)?, shifts.f_addcmul(&biases, &scales)?))
            }
        }
    }

    fn normalise(
        &self,
        x: &Tensor,
        (mean, variance): &(Tensor, Tensor),
        affine: Option<&(Tensor, Tensor)>,
        context: &Context<'_>,
        task: Option<usize>,
    ) -> Result<Tensor, ModelError> {
        if context.train {
            self.check_values(x, x.size()[0], task)?;
        }
        let (weight, bias) = affine.map_or((None, None), |(weight, bias)| (Some(weight), Some(bias)));
        Ok(x.f_batch_norm(weight, bias, Some(mean), Some(variance), context.train, MOMENTUM, self.epsilon, true)?)
    }

    /// libtorch would divide by zero and leave NaN in the running variance.
    fn check_values(&self, x: &Tensor, rows: i64, task: Option<usize>) -> Result<(), ModelError> {
        if rows * x.size()[2..].iter().product::<i64>() == 1 {
            let of = task.map(|task| format!(" of task `{}`", self.tasks[task])).unwrap_or_default();
            return Err(ModelError::OneValuePerChannel { layer: self.name.clone(), of });
        }
        Ok(())
    }
}
