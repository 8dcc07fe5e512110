//! A rectangle of random size without content.

use crate::kernel::noise::uniforms;
use crate::plan::Params;
use crate::planes::mean;
use crate::{ImagePlanes, Plan, Random, Transform};

medley_core::choices! {
    /// What an erased region is filled with.
    #[derive(Default)]
    pub enum Fill {
        /// 0.
        #[default]
        Black = "black",
        /// The mean of each channel of this image.
        Mean = "mean",
        /// Uniform noise.
        Noise = "noise",
    }
}

medley_core::keys! {
    /// Fills a rectangle of random area and shape (Zhong et al., *Random erasing data augmentation*, 2020; drawn as torchvision's
    /// `RandomErasing`). In volumes it goes through all slices.
    pub struct RandomErasingConfig {
        /// Least and most area as a share of the image.
        area: [f32; 2] = [0.02, 0.33], in 0.0..=1.0;
        /// Least and most height over width.
        aspect: [f32; 2] = [0.3, 3.3], in 0.05..=20.0;
        /// What it is filled with.
        fill: Fill = Fill::Black;
        /// Share of images it is done to.
        probability: f32 = 0.5, in 0.0..=1.0;
    }
}

impl RandomErasingConfig {
    pub(crate) fn build(&self) -> Box<dyn Transform> {
        Box::new(RandomErasing(self.clone()))
    }
}

#[derive(Debug)]
struct RandomErasing(RandomErasingConfig);

impl Transform for RandomErasing {
    fn draw<'t>(&'t self, random: &mut Random, plan: &mut Plan<'t>) {
        let RandomErasingConfig { area, aspect, probability, .. } = self.0;
        if !random.chance(probability) {
            return;
        }
        let shape = plan.shape();
        let pixels = (shape.height * shape.width) as f32;
        // A shape that does not fit is drawn again, a few times.
        for _ in 0..10 {
            let area = pixels * random.between(area[0], area[1]);
            let aspect = random.between_ratios(aspect[0], aspect[1]);
            let height = (area * aspect).sqrt().round() as usize;
            let width = (area / aspect).sqrt().round() as usize;
            if height == 0 || width == 0 || height > shape.height || width > shape.width {
                continue;
            }
            let top = random.below((shape.height - height + 1) as u32) as usize;
            let left = random.below((shape.width - width + 1) as u32) as usize;
            let region = Box3 { spans: [[0, shape.depth.unwrap_or(1)], [top, top + height], [left, left + width]] };
            return plan.then(self, region.params().with_seed(random.bits()));
        }
    }

    fn apply(&self, params: &Params, image: &mut ImagePlanes<'_>) {
        erase(image, Box3::of(params), self.0.fill, params.seed);
    }
}

/// A box: first index and the one after the last, along depth, height and width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Box3 {
    pub(crate) spans: [[usize; 2]; 3],
}

impl Box3 {
    pub(crate) fn params(self) -> Params {
        let places = self.spans.as_flattened();
        let mut values = [0.0; 6];
        for (value, &place) in values.iter_mut().zip(places) {
            *value = place as f32;
        }
        Params::of(&values)
    }

    pub(crate) fn of(params: &Params) -> Self {
        let place = |index: usize| params.values[index] as usize;
        Self { spans: std::array::from_fn(|axis| [place(2 * axis), place(2 * axis + 1)]) }
    }
}

pub(crate) fn erase(image: &mut ImagePlanes<'_>, region: Box3, fill: Fill, seed: u64) {
    let [_, height, width] = image.lengths();
    let [[front, back], [top, bottom], [left, right]] = region.spans;
    let mut random = Random::from_seed(seed);
    for plane in image.planes_mut() {
        let value = if fill == Fill::Mean { mean(plane) } else { 0.0 };
        for z in front..back {
            for y in top..bottom {
                let row = &mut plane[(z * height + y) * width..][left..right];
                if fill == Fill::Noise {
                    uniforms(&mut random, row);
                } else {
                    row.fill(value);
                }
            }
        }
    }
}
