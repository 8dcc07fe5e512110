//! MixUp and CutMix: images of a batch mixed in pairs, and their labels with them.
//!
//! Both act on finished batches, after normalisation. Mixing is within a task, as labels of different tasks have nothing in
//! common; an image that is alone of its task stays as it is.
//!
//! ```
//! use medley_augment::mix::{MixConfig, Mixer, mix_targets};
//! # use std::sync::Arc;
//! # use medley_augment::{AssemblerOptions, BatchAssembler, BatchRequest, Normalisation, PolicyConfig, SampleRef, TaskSource};
//! # use medley_core::{ImageShape, Images};
//! # let images = Arc::new(Images::new(ImageShape::flat(4, 4, 1), 2, (0..32).collect())?);
//! # let source = TaskSource { images, policy: PolicyConfig::none(), normalisation: Normalisation::half(1) };
//! # let options = AssemblerOptions { seed: 0, workers: 0, prefetch: 1, channels: 1 };
//! # let request = BatchRequest { epoch: 0, samples: vec![SampleRef { task: 0, index: 0 }, SampleRef { task: 0, index: 1 }] };
//! # let mut batch = BatchAssembler::new(vec![source], options)?.stream(vec![request], false).next().unwrap();
//! let mut mixer = Mixer::new(&MixConfig { mixup_alpha: 0.2, ..MixConfig::default() }, 7)?;
//! let pairs = mixer.mix(&mut batch, 0);
//! let mut targets = vec![1.0, 0.0, /* second image */ 0.0, 1.0];
//! mix_targets(&mut targets, 2, &pairs);
//! assert_eq!(targets[0], pairs[0].share);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use medley_core::ImageShape;
use medley_core::keys::Table as _;

use crate::kernel::blur::add_scaled;
use crate::{AugmentError, Batch, Random};

medley_core::keys! {
    /// How to mix.
    pub struct MixConfig {
        /// MixUp (Zhang et al., 2018): the shares of two blended images are Beta(alpha, alpha). 0 is none of it.
        mixup_alpha: f32 = 0.0, in 0.0..=10.0;
        /// CutMix (Yun et al., 2019): one image has a box of another, whose share of the area is Beta(alpha, alpha). 0 is none of it. With
        /// both, each image draws one of the two.
        cutmix_alpha: f32 = 0.0, in 0.0..=10.0;
        /// Share of images that are mixed.
        probability: f32 = 1.0, in 0.0..=1.0;
    }
}

/// How one image of a batch was mixed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mixed {
    /// Row of the image it was mixed with; its own if it was not.
    pub partner: usize,
    /// Share of the image's own pixels, and so of its own label: 0-1. The partner's is the rest.
    pub share: f32,
}

/// Mixes batches; holds the memory that takes.
#[derive(Debug)]
pub struct Mixer {
    config: MixConfig,
    seed: u64,
    original: Vec<f32>,
    /// Whether images of a task are mixed; all are if it is empty.
    tasks: Vec<bool>,
}

impl Mixer {
    /// Checks the parameters.
    ///
    /// # Errors
    /// [`AugmentError::OutOfRange`] with the key.
    pub fn new(config: &MixConfig, seed: u64) -> Result<Self, AugmentError> {
        config.check("")?;
        Ok(Self { config: config.clone(), seed, original: Vec::new(), tasks: Vec::new() })
    }

    /// Leaves the images of those tasks as they are whose entry is `false`.
    #[must_use]
    pub fn only_of(self, tasks: Vec<bool>) -> Self {
        Self { tasks, ..self }
    }

    /// Mixes the images of a batch in place and says how, row by row. The draw depends on (seed, epoch, `number`) and on which
    /// rows are of which task; `number` is the batch's in its epoch.
    pub fn mix(&mut self, batch: &mut Batch, number: u64) -> Vec<Mixed> {
        let rows = batch.request.samples.len();
        let mut mixed: Vec<_> = (0..rows).map(|row| Mixed { partner: row, share: 1.0 }).collect();
        if self.config.mixup_alpha == 0.0 && self.config.cutmix_alpha == 0.0 {
            return mixed;
        }
        let mut random = Random::for_batch(self.seed, batch.request.epoch, number);
        let size = batch.shape.len();
        self.original.clear();
        self.original.extend_from_slice(&batch.pixels);
        for (row, partner) in partners(batch, &mut random) {
            // Every row takes the same numbers, mixed or not, so that one row's chance does not move the next one's.
            let chosen = random.chance(self.config.probability);
            let cut = random.chance(self.cut_chance());
            let alpha = if cut { self.config.cutmix_alpha } else { self.config.mixup_alpha };
            let share = random.beta(f64::from(alpha)) as f32;
            let places = [random.unit(), random.unit(), random.unit()];
            let is_wanted = self.tasks.get(batch.request.samples[row].task).is_none_or(|&wanted| wanted);
            if !chosen || !is_wanted || partner == row {
                continue;
            }
            let own = &mut batch.pixels[row * size..][..size];
            let other = &self.original[partner * size..][..size];
            let share = if cut { cut_in(own, other, batch.shape, share, places) } else { blend(own, other, share) };
            mixed[row] = Mixed { partner, share };
        }
        mixed
    }

    fn cut_chance(&self) -> f32 {
        match (self.config.mixup_alpha > 0.0, self.config.cutmix_alpha > 0.0) {
            (true, true) => 0.5,
            (_, cut) => f32::from(u8::from(cut)),
        }
    }
}

/// Every row with another of its task: the next one in a random order of them, round in a circle. In row order.
fn partners(batch: &Batch, random: &mut Random) -> Vec<(usize, usize)> {
    let samples = &batch.request.samples;
    let mut order: Vec<usize> = (0..samples.len()).collect();
    for last in (1..order.len()).rev() {
        order.swap(last, random.below(last as u32 + 1) as usize);
    }
    order.sort_by_key(|&row| samples[row].task);
    let mut pairs: Vec<(usize, usize)> = order
        .chunk_by(|&a, &b| samples[a].task == samples[b].task)
        .flat_map(|group| (0..group.len()).map(|place| (group[place], group[(place + 1) % group.len()])))
        .collect();
    pairs.sort_unstable();
    pairs
}

fn blend(own: &mut [f32], other: &[f32], share: f32) -> f32 {
    for value in own.iter_mut() {
        *value *= share;
    }
    add_scaled(own, other, 1.0 - share);
    share
}

/// Copies a box of the other image and returns the share of pixels that are left.
fn cut_in(own: &mut [f32], other: &[f32], shape: ImageShape, kept: f32, places: [f32; 3]) -> f32 {
    let lengths = [shape.depth.unwrap_or(1), shape.height, shape.width];
    let dimensions = if shape.depth.is_some() { 3.0 } else { 2.0 };
    let side = libm::powf(1.0 - kept, 1.0 / dimensions);
    let spans: [[usize; 2]; 3] = std::array::from_fn(|axis| {
        let length = lengths[axis];
        if axis == 0 && shape.depth.is_none() {
            return [0, 1];
        }
        // Around a centre anywhere in the image; what lies outside is lost, and the share follows.
        let centre = (places[axis] * length as f32) as i64;
        let half = (side * length as f32 / 2.0).round() as i64;
        [(centre - half).max(0) as usize, ((centre + half).max(0) as usize).min(length)]
    });
    let [[front, back], [top, bottom], [left, right]] = spans;
    let channels = shape.channels;
    for z in front..back {
        for y in top..bottom {
            let row = (z * lengths[1] + y) * lengths[2];
            let range = (row + left) * channels..(row + right) * channels;
            own[range.clone()].copy_from_slice(&other[range]);
        }
    }
    let cut: usize = spans.iter().map(|[start, end]| end - start).product();
    1.0 - cut as f32 / lengths.iter().product::<usize>() as f32
}

/// Mixes rows of `width` targets (one-hot, smoothed or multi-label) as their images were: rows that summed to one still do.
///
/// # Panics
/// If `targets` has fewer rows than `mixed`.
pub fn mix_targets(targets: &mut [f32], width: usize, mixed: &[Mixed]) {
    let original = targets.to_vec();
    for (row, Mixed { partner, share }) in mixed.iter().enumerate() {
        for class in 0..width {
            let (own, other) = (original[row * width + class], original[partner * width + class]);
            targets[row * width + class] = own * share + other * (1.0 - share);
        }
    }
}
