//! The image that steps on pixels work on.

use medley_core::ImageShape;

use crate::kernel::resample::{Input, Resampler, Sampling};
use crate::{Filter, Map, Padding};

/// Weights of red, green and blue in grey, as torchvision has them (ITU-R BT.601).
pub(crate) const LUMA: [f32; 3] = [0.2989, 0.587, 0.114];

/// One image or volume in work: planes `[C, H, W]` or `[C, D, H, W]`, values 0-1.
///
/// Planes rather than interleaved channels, because nearly every loop over one plane is one over contiguous memory.
#[derive(Debug)]
pub struct ImagePlanes<'a> {
    shape: ImageShape,
    sampling: Sampling,
    pixels: &'a mut [f32],
    scratch: &'a mut Scratch,
}

/// Memory that transforms work in, kept from image to image so that none is allocated in the steady state.
#[derive(Debug, Default)]
pub struct Scratch {
    /// For a copy of a plane or two. Whoever uses it sets its size, and finds anything in it.
    pub floats: Vec<f32>,
    /// For weights of a convolution, and the like.
    pub kernel: Vec<f32>,
    pub(crate) copies: [Vec<f32>; 3],
    pub(crate) resampler: Resampler,
}

impl<'a> ImagePlanes<'a> {
    /// Wraps `[C, H, W]` or `[C, D, H, W]` values.
    ///
    /// # Panics
    /// If `pixels` is not of the size that `shape` says.
    pub fn new(shape: ImageShape, pixels: &'a mut [f32], scratch: &'a mut Scratch) -> Self {
        assert_eq!(shape.checked_len(), Some(pixels.len()), "an image of {shape} needs as many values");
        let sampling = Sampling { filter: Filter::default(), padding: Padding::default() };
        Self { shape, sampling, pixels, scratch }
    }

    /// The same with the filter and padding that [`Self::warp`] uses.
    #[must_use]
    pub fn with_sampling(mut self, filter: Filter, padding: Padding) -> Self {
        self.sampling = Sampling { filter, padding };
        self
    }

    /// Its shape.
    pub fn shape(&self) -> ImageShape {
        self.shape
    }

    /// Depth (1 for flat images), height and width.
    pub fn lengths(&self) -> [usize; 3] {
        [self.shape.depth.unwrap_or(1), self.shape.height, self.shape.width]
    }

    /// Values of one plane.
    pub fn area(&self) -> usize {
        self.pixels.len() / self.shape.channels.max(1)
    }

    /// All values, plane after plane.
    pub fn pixels(&self) -> &[f32] {
        self.pixels
    }

    /// All values, plane after plane.
    pub fn pixels_mut(&mut self) -> &mut [f32] {
        self.pixels
    }

    /// All values, and memory to work in.
    pub fn with_scratch(&mut self) -> (&mut [f32], &mut Scratch) {
        (self.pixels, self.scratch)
    }

    /// The planes one by one.
    pub fn planes_mut(&mut self) -> impl Iterator<Item = &mut [f32]> {
        let area = self.area().max(1);
        self.pixels.chunks_exact_mut(area)
    }

    /// The red, green and blue planes, if there are three.
    pub fn rgb_mut(&mut self) -> Option<[&mut [f32]; 3]> {
        if self.shape.channels != 3 {
            return None;
        }
        let area = self.area();
        let (red, rest) = self.pixels.split_at_mut(area);
        let (green, blue) = rest.split_at_mut(area);
        Some([red, green, blue])
    }

    /// Mean of the luma of ITU-R BT.601 (0.2989, 0.587, 0.114) over all pixels; without three channels, of all values.
    pub fn mean_grey(&self) -> f32 {
        let means = self.pixels.chunks_exact(self.area().max(1)).map(mean);
        if self.shape.channels == 3 {
            means.zip(LUMA).map(|(mean, weight)| mean * weight).sum()
        } else {
            means.sum::<f32>() / self.shape.channels.max(1) as f32
        }
    }

    /// Resamples the image. Only for transforms that cannot note their geometry in the plan, as this is a second interpolation.
    pub fn warp(&mut self, map: &Map) {
        if *map == Map::IDENTITY {
            return;
        }
        let Scratch { floats, resampler, .. } = &mut *self.scratch;
        floats.clear();
        floats.extend_from_slice(self.pixels);
        resampler.resample(map, None, self.sampling, self.shape, Input::Planes(floats), self.pixels);
    }

    /// An image of the same kind on other pixels, with its scratch.
    pub(crate) fn beside<'b>(&self, pixels: &'b mut [f32], scratch: &'b mut Scratch) -> ImagePlanes<'b> {
        ImagePlanes { shape: self.shape, sampling: self.sampling, pixels, scratch }
    }
}

/// Mean in 16 interleaved sums: vector registers can hold them, and the order of additions is fixed.
pub(crate) fn mean(values: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 16];
    let mut chunks = values.chunks_exact(16);
    for chunk in &mut chunks {
        for (sum, value) in sums.iter_mut().zip(chunk) {
            *sum += value;
        }
    }
    let rest: f32 = chunks.remainder().iter().sum();
    (sums.iter().sum::<f32>() + rest) / values.len().max(1) as f32
}
