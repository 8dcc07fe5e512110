//! One generator per set, each in the file of its modality.
//!
//! A generator gets what the picture must show and a stream of numbers; it varies place, size, turn, brightness, colour and noise, so
//! that no fixed pixel tells the class: what does is texture, shape and count. The quantities that tell overlap between
//! classes as far as they do in the real sets, so that no model can be perfect.

#![allow(clippy::similar_names, reason = "side and size, fine and line: whole words that happen to be alike")]

mod blood;
mod chest;
mod dermatoscope;
mod fundus;
mod kidney;
mod oct;
mod organ;
mod pathology;
mod ultrasound;
mod volumes;

use medley_core::Split;

use crate::draws::Draws;
use crate::raster::Raster;
use crate::volume::Volume;

/// What a picture must show.
#[derive(Debug, Clone, Copy)]
pub(super) struct Content<'a> {
    /// Class index; the number of findings for multi-label sets.
    pub(super) class: usize,
    /// The label row, 0/1 per finding for multi-label sets.
    pub(super) labels: &'a [u16],
    /// Edge length in pixels.
    pub(super) size: usize,
}

/// How a set is generated.
#[derive(Clone, Copy)]
pub(super) enum Generator {
    Grey(fn(&Content<'_>, &mut Draws) -> Raster<1>),
    Colour(fn(&Content<'_>, &mut Draws) -> Raster<3>),
    Volume(fn(&Content<'_>, &mut Draws) -> Volume),
}

impl Generator {
    /// Draws one image into its bytes, `[H, W, C]` or `[D, H, W, 1]`.
    pub(super) fn render(self, content: &Content<'_>, draws: &mut Draws, bytes: &mut [u8]) {
        match self {
            Self::Grey(render) => render(content, draws).store(bytes),
            Self::Colour(render) => render(content, draws).store(bytes),
            Self::Volume(render) => render(content, draws).store(bytes),
        }
    }

    /// Channels of what it draws.
    pub(super) fn channels(self) -> usize {
        if matches!(self, Self::Colour(_)) { 3 } else { 1 }
    }

    /// Whether it generates volumes.
    pub(super) fn is_volume(self) -> bool {
        matches!(self, Self::Volume(_))
    }
}

/// A set that can be generated.
pub(super) struct Recipe {
    pub(super) name: &'static str,
    pub(super) generator: Generator,
    /// Relative frequencies of the classes (for multi-label sets: images out of 10,000 with the label), after the published
    /// files (roughly, for the volumetric ones).
    pub(super) priors: &'static [f64],
    /// Those of the test split where they differ.
    test_priors: Option<&'static [f64]>,
    /// Share of images that show another class than their label says.
    pub(super) label_noise: f32,
}

impl Recipe {
    pub(super) fn priors(&self, split: Split) -> &'static [f64] {
        self.test_priors.filter(|_| split == Split::Test).unwrap_or(self.priors)
    }
}

/// About `exp(-depth)`, in arithmetic that is the same everywhere: light through dye of this depth, at least 0.
fn decay(depth: f32) -> f32 {
    1.0 / (1.0 + depth * (1.0 + depth * (0.5 + depth * (1.0 / 6.0 + depth / 24.0))))
}

/// Position and recipe of a set. The position is part of the random stream: never reorder, only append.
pub(super) fn find(name: &str) -> Option<(u64, &'static Recipe)> {
    RECIPES.iter().enumerate().find(|(_, recipe)| recipe.name == name).map(|(index, recipe)| (index as u64, recipe))
}

const fn recipe(name: &'static str, generator: Generator, priors: &'static [f64], label_noise: f32) -> Recipe {
    Recipe { name, generator, priors, test_priors: None, label_noise }
}

const RECIPES: [Recipe; 18] = [
    recipe(
        "pathmnist",
        Generator::Colour(pathology::render),
        &[11_745.0, 11_413.0, 11_851.0, 12_191.0, 9_931.0, 14_128.0, 9_504.0, 10_867.0, 15_550.0],
        0.02,
    ),
    recipe(
        "dermamnist",
        Generator::Colour(dermatoscope::render),
        &[327.0, 514.0, 1_099.0, 115.0, 1_113.0, 6_705.0, 142.0],
        0.04,
    ),
    Recipe {
        test_priors: Some(&[1.0, 1.0, 1.0, 1.0]),
        ..recipe("octmnist", Generator::Grey(oct::render), &[37_205.0, 11_348.0, 8_616.0, 51_140.0], 0.03)
    },
    Recipe {
        test_priors: Some(&[234.0, 390.0]),
        ..recipe("pneumoniamnist", Generator::Grey(chest::pneumonia), &[1_349.0, 3_883.0], 0.02)
    },
    recipe("retinamnist", Generator::Colour(fundus::render), &[714.0, 186.0, 326.0, 282.0, 92.0], 0.03),
    recipe("breastmnist", Generator::Grey(ultrasound::render), &[210.0, 570.0], 0.03),
    recipe(
        "bloodmnist",
        Generator::Colour(blood::render),
        &[1_218.0, 3_117.0, 1_551.0, 2_895.0, 1_214.0, 1_420.0, 3_329.0, 2_348.0],
        0.02,
    ),
    recipe(
        "tissuemnist",
        Generator::Grey(kidney::render),
        &[75_822.0, 11_164.0, 8_381.0, 22_009.0, 16_842.0, 11_008.0, 56_005.0, 35_155.0],
        0.04,
    ),
    recipe(
        "organamnist",
        Generator::Grey(organ::axial),
        &[1_956.0, 1_390.0, 1_357.0, 1_474.0, 3_963.0, 3_817.0, 6_164.0, 3_919.0, 3_929.0, 3_031.0, 3_561.0],
        0.02,
    ),
    recipe(
        "organcmnist",
        Generator::Grey(organ::coronal),
        &[2_147.0, 1_180.0, 1_157.0, 1_477.0, 1_976.0, 1_971.0, 5_797.0, 1_399.0, 1_517.0, 3_627.0, 2_737.0],
        0.02,
    ),
    recipe(
        "organsmnist",
        Generator::Grey(organ::sagittal),
        &[2_147.0, 1_180.0, 1_157.0, 1_477.0, 1_976.0, 1_971.0, 6_033.0, 1_399.0, 1_517.0, 3_627.0, 2_737.0],
        0.03,
    ),
    recipe(
        "chestmnist",
        Generator::Grey(chest::findings),
        &[1_031.0, 248.0, 1_188.0, 1_774.0, 516.0, 565.0, 128.0, 473.0, 416.0, 205.0, 224.0, 150.0, 302.0, 20.0],
        0.03,
    ),
    recipe(
        "organmnist3d",
        Generator::Volume(volumes::organ),
        &[123.0, 164.0, 164.0, 190.0, 190.0, 134.0, 134.0, 190.0, 190.0, 134.0, 134.0],
        0.02,
    ),
    recipe("nodulemnist3d", Generator::Volume(volumes::nodule), &[3.0, 1.0], 0.04),
    recipe("adrenalmnist3d", Generator::Volume(volumes::adrenal), &[1_227.0, 357.0], 0.03),
    recipe("fracturemnist3d", Generator::Volume(volumes::fracture), &[44.0, 41.0, 15.0], 0.04),
    recipe("vesselmnist3d", Generator::Volume(volumes::vessel), &[8.0, 1.0], 0.02),
    recipe("synapsemnist3d", Generator::Volume(volumes::synapse), &[27.0, 73.0], 0.04),
];
