//! The image that steps on pixels work on.

use medley_core::ImageShape;

/// One image or volume in work: planes `[C, H, W]` or `[C, D, H, W]`, values 0-1.
///
/// Planes rather than interleaved channels, because nearly every loop over one plane is one over contiguous memory.
#[derive(Debug)]
pub struct Canvas<'a> {
    shape: ImageShape,
    pixels: &'a mut [f32],
}

impl<'a> Canvas<'a> {
    /// Wraps `[C, H, W]` or `[C, D, H, W]` values.
    ///
    /// # Panics
    /// If `pixels` is not of the size that `shape` says.
    pub fn new(shape: ImageShape, pixels: &'a mut [f32]) -> Self {
        assert_eq!(shape.checked_len(), Some(pixels.len()), "a canvas of {shape} needs as many values");
        Self { shape, pixels }
    }

    /// Its shape.
    pub fn shape(&self) -> ImageShape {
        self.shape
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
        let area = self.area().max(1);
        let means = self.pixels.chunks_exact(area).map(mean);
        if self.shape.channels == 3 {
            means.zip(LUMA).map(|(mean, weight)| mean * weight).sum()
        } else {
            means.sum::<f32>() / self.shape.channels.max(1) as f32
        }
    }
}

/// Weights of red, green and blue in grey, as torchvision has them.
pub(crate) const LUMA: [f32; 3] = [0.2989, 0.587, 0.114];

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
