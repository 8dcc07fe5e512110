//! Agreement with torchvision, torch and Pillow on the fixtures of `scripts/fixtures/augment_torchvision.py`.

use std::collections::{BTreeMap, BTreeSet};

use medley_core::ImageShape;
use serde::Deserialize;
use serde_json::Value;

use crate::geometry::Axis;
use crate::kernel::histogram;
use crate::kernel::resample::to_units;
use crate::planes::Scratch;
use crate::resize::{ResizeMethod, Resizer};
use crate::transforms::{blur, brighten, contrast, saturation, sharpness, turn};
use crate::{Filter, ImagePlanes, Map, Padding, Plan, Rendered, Renderer};

/// Fixtures are rounded to five digits; f32 against f32 in another order leaves less.
const TOLERANCE: f64 = 2e-5;
/// Pillow resizes in fixed point, so that a tie may round the other way.
const LEVEL: f64 = 1.01 / 255.0;

#[derive(Deserialize)]
struct Fixtures {
    images: BTreeMap<String, Image>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Image {
    height: usize,
    width: usize,
    channels: usize,
    bytes: Vec<u8>,
}

#[derive(Deserialize)]
struct Case {
    operation: String,
    image: String,
    parameters: BTreeMap<String, Value>,
    shape: [usize; 2],
    values: Vec<f64>,
}

impl Image {
    fn shape(&self) -> ImageShape {
        ImageShape::flat(self.height, self.width, self.channels)
    }
}

impl Case {
    fn number(&self, key: &str) -> f64 {
        self.parameters[key].as_f64().unwrap()
    }

    fn read<T: for<'de> Deserialize<'de>>(&self, key: &str) -> T {
        serde_json::from_value(self.parameters[key].clone()).unwrap()
    }

    /// What this crate makes of it, `[H, W, C]`.
    fn run(&self, image: &Image) -> Vec<f32> {
        let shift = |down: f64, right: f64| Map::shift([0.0, down, right]);
        let clockwise = Map::transpose(Axis::Height, Axis::Width).then(Map::flip(Axis::Width));
        match self.operation.as_str() {
            "horizontal_flip" => self.warp(image, Map::flip(Axis::Width)),
            "vertical_flip" => self.warp(image, Map::flip(Axis::Height)),
            "transpose" => self.warp(image, Map::transpose(Axis::Height, Axis::Width)),
            "quarter_turns" => {
                let turns = (0..self.number("turns") as usize).map(|_| clockwise);
                self.warp(image, turns.fold(Map::IDENTITY, Map::then))
            }
            "shift" => self.warp(image, shift(self.number("down"), self.number("right"))),
            "affine" => {
                let by = [self.number("down"), self.number("right")];
                let shear = [self.number("shear_x"), self.number("shear_y")];
                self.warp(image, Map::affine(self.number("degrees"), by, self.number("scale"), shear))
            }
            "matrix" => self.warp(image, Map::in_plane(self.read("matrix"), self.read("offset"))),
            "resize_pillow" | "resize_torch" => {
                let to = ImageShape::flat(self.shape[0], self.shape[1], image.channels);
                let resizer = Resizer::new(image.shape(), to, self.read::<ResizeMethod>("method")).unwrap();
                if self.operation == "resize_torch" {
                    return resizer.resize_unrounded(&image.bytes);
                }
                let mut bytes = vec![0; to.len()];
                resizer.resize(&image.bytes, &mut bytes);
                bytes.iter().map(|&byte| f32::from(byte) / 255.0).collect()
            }
            _ => self.paint(image),
        }
    }

    fn warp(&self, image: &Image, map: Map) -> Vec<f32> {
        let padding = if self.parameters.contains_key("padding") { self.read("padding") } else { Padding::Reflect };
        let filter = if self.parameters.contains_key("filter") { self.read("filter") } else { Filter::Bilinear };
        let mut plan = Plan::new(image.shape());
        plan.warp(map);
        let mut renderer = Renderer::default();
        match renderer.render(&plan, filter, padding, &image.bytes) {
            Rendered::Bytes(bytes) => bytes.iter().map(|&byte| f32::from(byte) / 255.0).collect(),
            Rendered::Planes(planes) => interleave(planes, image.channels),
        }
    }

    fn paint(&self, image: &Image) -> Vec<f32> {
        let (shape, mut scratch) = (image.shape(), Scratch::default());
        let mut values = vec![0.0; shape.len()];
        to_units(&image.bytes, &mut values);
        let mut planes: Vec<f32> =
            (0..image.channels).flat_map(|c| values.iter().copied().skip(c).step_by(image.channels)).collect();
        let mut planes = ImagePlanes::new(shape, &mut planes, &mut scratch);
        let factor = || self.number("factor") as f32;
        match self.operation.as_str() {
            "brightness" => brighten(&mut planes, factor()),
            "contrast" => contrast(&mut planes, factor()),
            "saturation" => saturation(&mut planes, factor()),
            "hue" => turn(&mut planes, factor()),
            "sharpness" => sharpness(&mut planes, factor()),
            "gaussian_blur" => blur(&mut planes, factor()),
            "gamma" => crate::kernel::tone::power(planes.pixels_mut(), factor()),
            "autocontrast" => planes.planes_mut().for_each(histogram::autocontrast),
            "equalize" => planes.planes_mut().for_each(histogram::equalize),
            "posterize" => histogram::posterize(planes.pixels_mut(), factor() as u32),
            "solarize" => histogram::solarize(planes.pixels_mut(), factor()),
            other => panic!("no such operation: {other}"),
        }
        interleave(planes.pixels(), image.channels)
    }
}

fn interleave(planes: &[f32], channels: usize) -> Vec<f32> {
    let area = planes.len() / channels;
    (0..planes.len()).map(|place| planes[place % channels * area + place / channels]).collect()
}

#[test]
fn results_agree_with_torchvision_torch_and_pillow() {
    let fixtures: Fixtures = serde_json::from_str(include_str!("../tests/fixtures/torchvision.json")).unwrap();
    let mut seen = BTreeSet::new();
    for case in &fixtures.cases {
        let found = case.run(&fixtures.images[&case.image]);
        let tolerance = if case.operation == "resize_pillow" { LEVEL } else { TOLERANCE };
        assert_eq!(found.len(), case.values.len());
        let pairs = found.iter().zip(&case.values);
        let (place, off) = pairs
            .map(|(found, wanted)| (f64::from(*found) - wanted).abs())
            .enumerate()
            .fold((0, 0.0), |worst, next| if next.1 > worst.1 || next.1.is_nan() { next } else { worst });
        assert!(
            off <= tolerance,
            "{} on {} with {:?}: value {place} is {}, but should be {}",
            case.operation,
            case.image,
            case.parameters,
            found[place],
            case.values[place]
        );
        seen.insert(case.operation.as_str());
    }
    assert_eq!(seen.len(), 20, "{seen:?}");
}
