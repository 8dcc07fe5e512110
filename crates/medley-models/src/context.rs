//! What travels through a network beside the activations.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use medley_core::seed::{ChaCha8Rng, Purpose, stream};
use tch::{Device, Kind, Tensor};

use crate::layers::Transformed;
use crate::options::Segment;
use crate::{Activation, Convolutions, ModelError};

/// What a layer needs to know of the batch it is computing.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Batch statistics and dropout, or running statistics and none.
    pub train: bool,
    /// Dtype of activations and of the weights of products.
    pub kind: Kind,
    /// What computes convolutions, and with Winograd's what lies between them.
    pub convolutions: Convolutions,
    /// Which row belongs to which task.
    pub rows: &'a Rows,
    /// Names the draws of this pass; dropout is a function of it, the layer and the row.
    pub(crate) noise: u64,
    /// Weights prepared for inference.
    pub(crate) prepared: Option<&'a Prepared>,
    /// Counts work, when someone asks.
    pub(crate) recorder: Option<&'a Recorder>,
    /// Keeps the last feature map, when someone asks.
    pub(crate) feature_map: Option<&'a FeatureMap>,
    /// Keeps what a network sees on its way, when someone asks.
    pub(crate) levels: Option<&'a Levels>,
}

impl<'a> Context<'a> {
    pub(crate) fn new(train: bool, kind: Kind, rows: &'a Rows, noise: u64) -> Self {
        let convolutions = Convolutions::default();
        let (prepared, recorder, feature_map, levels) = (None, None, None, None);
        Self { train, kind, convolutions, rows, noise, prepared, recorder, feature_map, levels }
    }

    /// Whether layers are computed by kernels of our own where these take their input: with Winograd's convolutions come normalisation and
    /// pooling. What is only counted is computed by nothing.
    pub(crate) fn uses_own_kernels(&self) -> bool {
        self.convolutions == Convolutions::Winograd && self.recorder.is_none()
    }

    /// What goes into the pool over space at the end of a trunk, for those who ask where in an image a network looks.
    pub(crate) fn keep_feature_map(&self, x: &Activation) {
        if let (Some(kept), Activation::Tensor(x)) = (self.feature_map, x) {
            kept.0.replace(Some(x.shallow_clone()));
        }
    }

    /// What a layer has made with a step of `stride`: where it is above 1, a level of the network ends.
    pub(crate) fn keep_level(&self, y: &Tensor, stride: i64) -> Result<(), ModelError> {
        match self.levels {
            Some(levels) if stride > 1 => levels.keep(y),
            _ => Ok(()),
        }
    }
}

/// The rows of a batch: their tasks, and their numbers in the batch that the caller sees.
#[derive(Debug)]
pub struct Rows {
    segments: Vec<Segment>,
    /// Task of each row, i64.
    tasks: Tensor,
    /// A replica computes some rows of a batch; the random numbers of a row must not depend on which.
    numbers: Vec<u64>,
}

impl Rows {
    /// # Errors
    /// [`ModelError::Torch`] when memory runs out.
    pub(crate) fn new(segments: &[Segment], numbers: Vec<u64>, device: Device) -> Result<Self, ModelError> {
        let tasks: Vec<i64> = segments
            .iter()
            .flat_map(|segment| std::iter::repeat_n(segment.task as i64, segment.len as usize))
            .collect();
        let tasks = Tensor::f_from_slice(&tasks)?.f_to_device(device)?;
        Ok(Self { segments: segments.to_vec(), tasks, numbers })
    }

    /// The tasks of the batch, in order, covering it.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The task of the first row: of all rows, where a graph is written.
    pub(crate) fn first_task(&self) -> usize {
        self.segments.first().map_or(0, |segment| segment.task)
    }

    /// From a table `[tasks, C]` the line of each row, `[N, C]`.
    pub(crate) fn lines_of(&self, table: &Tensor) -> Result<Tensor, ModelError> {
        Ok(table.f_index_select(0, &self.tasks)?)
    }

    /// A generator for each row, for the draws of one layer in one pass.
    pub(crate) fn generators(&self, noise: u64, layer: u64) -> impl Iterator<Item = ChaCha8Rng> + '_ {
        self.numbers.iter().map(move |&row| stream(noise, Purpose::Network, &[layer, row]))
    }
}

/// Applies a function to the rows of each task and joins the results. The rows are parted in one operation, because its
/// backward pass is one copy: that of a slice fills a tensor of the whole batch for every task.
pub(crate) fn per_segment(
    x: &Tensor,
    segments: &[Segment],
    f: impl Fn(&Tensor, &Segment) -> Result<Tensor, ModelError>,
) -> Result<Tensor, ModelError> {
    if let [segment] = segments {
        return f(x, segment);
    }
    let lens: Vec<i64> = segments.iter().map(|segment| segment.len).collect();
    let parts: Vec<Tensor> = x
        .f_split_with_sizes(lens.as_slice(), 0)?
        .iter()
        .zip(segments)
        .map(|(rows, segment)| f(rows, segment))
        .collect::<Result<_, _>>()?;
    Ok(Tensor::f_cat(&parts, 0)?)
}

/// What a product needs.
pub(crate) type WeightAndBias = (Tensor, Option<Tensor>);

/// Weights that inference computes once: cast, and with `BatchNorm` folded in. Filled by the first pass that needs them.
#[derive(Debug, Default)]
pub(crate) struct Prepared {
    weights: RefCell<BTreeMap<(u64, usize), WeightAndBias>>,
    transformed: RefCell<BTreeMap<(u64, usize), Arc<Transformed>>>,
}

impl Prepared {
    /// The weight and bias kept for a layer (and a task, if they depend on it), made by `make` the first time.
    pub(crate) fn get(
        &self,
        layer: u64,
        task: usize,
        make: impl FnOnce() -> Result<WeightAndBias, ModelError>,
    ) -> Result<WeightAndBias, ModelError> {
        let clone = |(weight, bias): &WeightAndBias| (weight.shallow_clone(), bias.as_ref().map(Tensor::shallow_clone));
        if let Some(found) = self.weights.borrow().get(&(layer, task)) {
            return Ok(clone(found));
        }
        let fresh = make()?;
        let result = clone(&fresh);
        self.weights.borrow_mut().insert((layer, task), fresh);
        Ok(result)
    }

    /// The same weight as Winograd's algorithm takes it.
    pub(crate) fn transformed(
        &self,
        layer: u64,
        task: usize,
        make: impl FnOnce() -> Result<Transformed, ModelError>,
    ) -> Result<Arc<Transformed>, ModelError> {
        if let Some(found) = self.transformed.borrow().get(&(layer, task)) {
            return Ok(Arc::clone(found));
        }
        let fresh = Arc::new(make()?);
        self.transformed.borrow_mut().insert((layer, task), Arc::clone(&fresh));
        Ok(fresh)
    }
}

/// The last activation of a trunk that has places, with its graph.
#[derive(Debug, Default)]
pub(crate) struct FeatureMap(RefCell<Option<Tensor>>);

impl FeatureMap {
    pub(crate) fn into_inner(self) -> Option<Tensor> {
        self.0.into_inner()
    }
}

/// The mean over space of each activation whose sides a layer has made shorter: what a network sees, from edges to shapes.
#[derive(Debug, Default)]
pub(crate) struct Levels(RefCell<Vec<Tensor>>);

impl Levels {
    /// The most features of all levels together: a covariance of them is to stay small.
    const WIDEST: i64 = 256;

    fn keep(&self, y: &Tensor) -> Result<(), ModelError> {
        let space: Vec<i64> = (2..y.dim() as i64).collect();
        if !space.is_empty() {
            self.0.borrow_mut().push(y.f_mean_dim(space.as_slice(), false, Kind::Float)?);
        }
        Ok(())
    }

    /// Those of the first levels that fit, `[N, features]`; `None` if none does.
    pub(crate) fn joined(self) -> Result<Option<Tensor>, ModelError> {
        let mut width = 0;
        let fits = |level: &Tensor| {
            width += level.size()[1];
            width <= Self::WIDEST
        };
        let levels: Vec<Tensor> = self.0.into_inner().into_iter().take_while(fits).collect();
        if levels.is_empty() { Ok(None) } else { Ok(Some(Tensor::f_cat(&levels, 1)?)) }
    }
}

/// Adds up the work of one image as it passes.
#[derive(Debug)]
pub(crate) struct Recorder {
    totals: RefCell<Work>,
    /// How many input pixels one step is worth, by the side of the activation.
    jumps: RefCell<BTreeMap<i64, i64>>,
}

/// What one image costs from its pixels to the logits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Work {
    /// Multiplications with accumulation in convolutions, linear layers and attention. Training takes about three times as
    /// many.
    pub macs: u64,
    /// Activations that training keeps for the backward pass, in values: times two bytes in bfloat16, four in fp32. An estimate.
    pub kept_activations: u64,
    /// Values of the largest activation: prediction keeps a few of this size at once.
    pub largest_activation: u64,
    /// Pixels a side of the window of the input that one position of the last feature map depends on; `None` is all of them.
    pub receptive_field: Option<i64>,
}

impl Recorder {
    pub(crate) fn new(input_size: i64) -> Self {
        let totals = Work { receptive_field: Some(1), ..Work::default() };
        Self { totals: RefCell::new(totals), jumps: RefCell::new(BTreeMap::from([(input_size, 1)])) }
    }

    /// A product of `macs_per_output` multiplications per value of `output`, for one image.
    pub(crate) fn product(&self, output: &Tensor, macs_per_output: i64) {
        let mut totals = self.totals.borrow_mut();
        totals.macs += per_image(output) * macs_per_output as u64;
        totals.largest_activation = totals.largest_activation.max(per_image(output));
    }

    /// A window that slid over `input`, sides as in the last dimension. Branches that run beside each other must not both
    /// have windows larger than one pixel.
    pub(crate) fn window(&self, input: &Tensor, output: &Tensor, kernel: i64, stride: i64) {
        let side = |tensor: &Tensor| tensor.size().last().copied().unwrap_or(1);
        let mut totals = self.totals.borrow_mut();
        let mut jumps = self.jumps.borrow_mut();
        let jump = jumps.get(&side(input)).copied().unwrap_or(1);
        totals.receptive_field = totals.receptive_field.map(|field| field + (kernel - 1) * jump);
        jumps.insert(side(output), jump * stride);
    }

    /// Every feature depends on every pixel from here on.
    pub(crate) fn everything(&self) {
        self.totals.borrow_mut().receptive_field = None;
    }

    /// An activation that is kept for the backward pass.
    pub(crate) fn keep(&self, activation: &Tensor) {
        let mut totals = self.totals.borrow_mut();
        totals.kept_activations += per_image(activation);
        totals.largest_activation = totals.largest_activation.max(per_image(activation));
    }

    pub(crate) fn into_work(self) -> Work {
        self.totals.into_inner()
    }
}

fn per_image(tensor: &Tensor) -> u64 {
    (tensor.numel() as i64 / tensor.size()[0].max(1)) as u64
}
