//! Small moves.

use crate::{Map, Plan, Random, Transform};

medley_core::keys! {
    /// Moves the image by whole pixels along each axis: the same as padding it and cropping a window of the old size, as in
    /// torchvision's `RandomCrop(size, padding=pixels)`. What comes in at the border is the policy's `padding`. Exact.
    pub struct ShiftConfig {
        /// Most pixels along each axis (for volumes, across slices too), uniform in `-pixels..=pixels`.
        pixels: u32, in 0..=1024;
    }
}

impl ShiftConfig {
    pub(crate) fn build(&self) -> Box<dyn Transform> {
        Box::new(Shift { pixels: self.pixels })
    }
}

#[derive(Debug)]
struct Shift {
    pixels: u32,
}

impl Transform for Shift {
    fn draw<'t>(&'t self, random: &mut Random, plan: &mut Plan<'t>) {
        let mut draw = || f64::from(random.whole(self.pixels));
        let (down, right) = (draw(), draw());
        let deeper = if plan.shape().depth.is_some() { draw() } else { 0.0 };
        plan.warp(Map::shift([deeper, down, right]));
    }
}
