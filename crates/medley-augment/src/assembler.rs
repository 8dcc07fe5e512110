//! Batches from images, policies and positions.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use medley_core::keys::check_range;
use medley_core::{ImageShape, ImageSource};

use crate::normalise::Normaliser;
use crate::{
    AugmentError, BatchStream, Normalisation, Plan, Policy, PolicyConfig, Random, Rendered, Renderer, TestTimeView,
};

/// The images of one task and what becomes of them.
#[derive(Clone)]
pub struct TaskSource {
    /// The images. All sources of an assembler have the same size; channels may differ.
    pub images: Arc<dyn ImageSource>,
    /// How they vary in training.
    pub policy: PolicyConfig,
    /// What they are normalised by, one entry per channel of the images.
    pub normalisation: Normalisation,
}

/// One image of one task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SampleRef {
    /// Index of the source.
    pub task: usize,
    /// Index of the image in it.
    pub index: usize,
}

/// What one batch shall hold: any mix of tasks, in any order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchRequest {
    /// The same image varies from epoch to epoch.
    pub epoch: u64,
    /// The images in order. Of one that stands there several times, each copy varies on its own.
    pub samples: Vec<SampleRef>,
}

/// A batch, filled.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// What was asked for.
    pub request: BatchRequest,
    /// Shape of one image, with the channels of the batch.
    pub shape: ImageShape,
    /// `[N, H, W, C]` or `[N, D, H, W, C]`, normalised.
    pub pixels: Vec<f32>,
}

/// How to assemble.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssemblerOptions {
    /// Seed of all draws.
    pub seed: u64,
    /// Threads of a stream; 0 assembles in the thread that asks. At most 256. Never changes a bit of the result.
    pub workers: usize,
    /// Batches of a stream that are assembled ahead of time, 1-1024; without workers, none are.
    pub prefetch: usize,
    /// Channels of the batch. Grey images are replicated after normalisation; other images must have just as many.
    pub channels: usize,
}

/// Fills batches. See the [crate] for an example.
pub struct BatchAssembler {
    shared: Arc<Shared>,
    options: AssemblerOptions,
}

impl BatchAssembler {
    /// Checks policies, normalisations and sizes.
    ///
    /// # Errors
    /// What does not fit; keys of policies are relative to the policy.
    pub fn new(sources: Vec<TaskSource>, options: AssemblerOptions) -> Result<Self, AugmentError> {
        check_range("", "workers", &options.workers, &(0..=256))?;
        check_range("", "prefetch", &options.prefetch, &(1..=1024))?;
        check_range("", "channels", &options.channels, &(1..=4096))?;
        let first = sources.first().ok_or(AugmentError::NoSources)?.images.shape();
        let sources = (sources.into_iter().enumerate())
            .map(|(index, source)| Source::new(index, source, first, options.channels))
            .collect::<Result<Vec<_>, _>>()?;
        let shared = Shared {
            sources,
            seed: options.seed,
            shape: first.with_channels(options.channels),
            renderers: Mutex::new(Vec::new()),
        };
        Ok(Self { shared: Arc::new(shared), options })
    }

    /// Shape of one image of a batch.
    pub fn shape(&self) -> ImageShape {
        self.shared.shape
    }

    /// Fills `pixels` with one batch, `[N, H, W, C]` or `[N, D, H, W, C]`, in this thread. With `augment`, every image is
    /// varied by its policy; the draw depends on (seed, epoch, task, index) alone.
    ///
    /// # Panics
    /// If the request names a task or an image that is not there, like indexing a slice.
    pub fn assemble(&self, request: &BatchRequest, augment: bool, pixels: &mut Vec<f32>) {
        self.shared.assemble(request, Mode::of(augment), pixels);
    }

    /// As [`Self::assemble`], with every image seen in one test-time view instead of its policy.
    ///
    /// # Errors
    /// [`AugmentError::View`] if the images cannot be seen so.
    ///
    /// # Panics
    /// As [`Self::assemble`].
    pub fn assemble_view(
        &self,
        request: &BatchRequest,
        view: TestTimeView,
        pixels: &mut Vec<f32>,
    ) -> Result<(), AugmentError> {
        view.check(self.shared.shape)?;
        self.shared.assemble(request, Mode::View(view), pixels);
        Ok(())
    }

    /// Batches in the order of the requests. With workers, threads assemble them ahead of time.
    ///
    /// # Panics
    /// The stream panics where [`Self::assemble`] would.
    pub fn stream<I>(&self, requests: I, augment: bool) -> BatchStream
    where
        I: IntoIterator<Item = BatchRequest>,
        I::IntoIter: Send + 'static,
    {
        self.start(requests, Mode::of(augment))
    }

    /// As [`Self::stream`], with every image seen in one test-time view instead of its policy.
    ///
    /// # Errors
    /// [`AugmentError::View`] if the images cannot be seen so.
    pub fn stream_view<I>(&self, requests: I, view: TestTimeView) -> Result<BatchStream, AugmentError>
    where
        I: IntoIterator<Item = BatchRequest>,
        I::IntoIter: Send + 'static,
    {
        view.check(self.shared.shape)?;
        Ok(self.start(requests, Mode::View(view)))
    }

    fn start<I>(&self, requests: I, mode: Mode) -> BatchStream
    where
        I: IntoIterator<Item = BatchRequest>,
        I::IntoIter: Send + 'static,
    {
        let requests = Box::new(requests.into_iter());
        BatchStream::start(Arc::clone(&self.shared), requests, mode, self.options.workers, self.options.prefetch)
    }
}

/// What becomes of images on their way into a batch.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Mode {
    Plain,
    Augment,
    View(TestTimeView),
}

impl Mode {
    fn of(augment: bool) -> Self {
        if augment { Self::Augment } else { Self::Plain }
    }
}

/// What the threads of an assembler share.
pub(crate) struct Shared {
    sources: Vec<Source>,
    seed: u64,
    shape: ImageShape,
    /// Working memory that no thread is using.
    renderers: Mutex<Vec<Renderer>>,
}

impl Shared {
    pub(crate) fn shape(&self) -> ImageShape {
        self.shape
    }

    pub(crate) fn assemble(&self, request: &BatchRequest, mode: Mode, pixels: &mut Vec<f32>) {
        let size = self.shape.len();
        pixels.resize(request.samples.len() * size, 0.0);
        let mut renderer = self.renderers.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        let mut plan = Plan::new(self.shape);
        let mut seen: HashMap<SampleRef, u64> = HashMap::with_capacity(request.samples.len());
        for (sample, out) in request.samples.iter().zip(pixels.chunks_exact_mut(size)) {
            // A small set is seen several times in a large batch: each time is drawn anew.
            let times = seen.entry(*sample).or_default();
            let copy = *times;
            *times += 1;
            let source = &self.sources[sample.task];
            let image = source.images.image(sample.index);
            plan.clear(source.shape);
            match mode {
                Mode::Plain => {}
                Mode::View(view) => plan.warp(view.map()),
                Mode::Augment => {
                    let mut random = Random::for_copy(self.seed, request.epoch, sample.task, sample.index, copy);
                    source.policy.draw(&mut random, &mut plan);
                }
            }
            match renderer.render(&plan, source.policy.filter(), source.policy.padding(), image) {
                Rendered::Bytes(bytes) => source.normaliser.bytes(bytes, out, self.shape.channels),
                Rendered::Planes(planes) => source.normaliser.planes(planes, out, self.shape.channels),
            }
        }
        self.renderers.lock().unwrap_or_else(PoisonError::into_inner).push(renderer);
    }
}

struct Source {
    images: Arc<dyn ImageSource>,
    shape: ImageShape,
    policy: Policy,
    normaliser: Normaliser,
}

impl Source {
    fn new(source_index: usize, source: TaskSource, first: ImageShape, channels: usize) -> Result<Self, AugmentError> {
        let shape = source.images.shape();
        let size = |shape: ImageShape| {
            let text = shape.with_channels(0).to_string();
            text.strip_suffix("x0").map_or_else(|| text.clone(), str::to_owned)
        };
        if shape.with_channels(1) != first.with_channels(1) {
            return Err(AugmentError::SizeMismatch { source_index, actual: size(shape), expected: size(first) });
        }
        if !fits(shape) || !fits(shape.with_channels(channels)) {
            return Err(AugmentError::ImageSize { source_index, shape: shape.to_string() });
        }
        if shape.channels != channels && shape.channels != 1 {
            return Err(AugmentError::ChannelMismatch { source_index, actual: shape.channels, expected: channels });
        }
        let normaliser = Normaliser::new(&source.normalisation, shape.channels)
            .map_err(|problem| AugmentError::Normalisation { source_index, channels: shape.channels, problem })?;
        Ok(Self { shape, policy: Policy::new(&source.policy)?, normaliser, images: source.images })
    }
}

/// Whether an image has values, and few enough that offsets into it, margins included, fit 31 bits.
fn fits(shape: ImageShape) -> bool {
    let framed = |length: usize| length.checked_add(8);
    let with_margins = || {
        ImageShape {
            depth: shape.depth.map_or(Some(8), framed),
            height: framed(shape.height)?,
            width: framed(shape.width)?,
            channels: shape.channels,
        }
        .checked_len()
    };
    !shape.is_empty() && with_margins().is_some_and(|len| len < 1 << 31)
}
