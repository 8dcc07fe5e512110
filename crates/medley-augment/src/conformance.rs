//! What every transform must keep, as a test for whoever writes one.
//!
//! ```
//! use medley_augment::{TransformConfig, conformance::check_transform};
//!
//! let config: TransformConfig = toml::from_str("type = 'affine'\ndegrees = 10.0")?;
//! check_transform(config.build()?.as_ref());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use medley_core::ImageShape;

use crate::{Filter, Padding, Plan, Random, Rendered, Renderer, Transform};

/// Flat and deep, square and not, down to one pixel, with one to four channels.
pub const SHAPES: [ImageShape; 9] = [
    ImageShape::flat(28, 28, 3),
    ImageShape::flat(28, 28, 1),
    ImageShape::flat(9, 17, 3),
    ImageShape::flat(6, 5, 4),
    ImageShape::flat(1, 1, 1),
    ImageShape::flat(1, 7, 3),
    ImageShape::volume(6, 6, 6, 1),
    ImageShape::volume(3, 5, 4, 2),
    ImageShape::volume(1, 4, 4, 3),
];

const SAMPLINGS: [(Filter, Padding); 6] = [
    (Filter::Bilinear, Padding::Reflect),
    (Filter::Bilinear, Padding::Edge),
    (Filter::Bilinear, Padding::Zero),
    (Filter::Bicubic, Padding::Reflect),
    (Filter::Bicubic, Padding::Edge),
    (Filter::Bicubic, Padding::Zero),
];

/// Draws and carries out the transform on images of many shapes.
///
/// # Panics
/// If a draw or a result is not a function of its stream and its image; if a result has another size, a value that is not within
/// 0-1, or bits that depend on what the memory was used for before; or if a constant image does not stay constant under
/// geometry alone (with zero padding excepted).
pub fn check_transform(transform: &dyn Transform) {
    let mut used = Renderer::default();
    for shape in SHAPES {
        for (number, image) in images(shape).iter().enumerate() {
            for (seed, &(filter, padding)) in (0..12).zip(SAMPLINGS.iter().cycle()) {
                let place =
                    || format!("{transform:?} on image {number} of {shape}, seed {seed}, {filter:?}, {padding:?}");
                let plan = draw(transform, shape, seed, &place);
                let first = values(used.render(&plan, filter, padding, image), shape);
                let mut fresh = Renderer::default();
                let second = values(fresh.render(&plan, filter, padding, image), shape);
                assert!(first == second, "{}: other bits in fresh memory", place());
                assert_eq!(first.len(), shape.len(), "{}: another size", place());
                if let Some(bad) = first.iter().find(|value| !(0.0..=1.0).contains(*value)) {
                    panic!("{}: {bad} is not within 0-1", place());
                }
                let constant = image.iter().all(|byte| *byte == image[0]);
                if constant && plan.steps().is_empty() && padding != Padding::Zero {
                    let wanted = f32::from(image[0]) / 255.0;
                    let tolerance = if filter == Filter::Bilinear { 1e-7 } else { 5e-6 };
                    let kept = first.iter().all(|value| (value - wanted).abs() <= tolerance);
                    assert!(kept, "{}: a constant image must stay constant", place());
                }
            }
        }
    }
}

/// Draws twice; the draws and the streams after them must be equal.
fn draw<'t>(transform: &'t dyn Transform, shape: ImageShape, seed: u64, place: &dyn Fn() -> String) -> Plan<'t> {
    let mut streams = [Random::for_sample(seed, 1, 2, 3), Random::for_sample(seed, 1, 2, 3)];
    let plans = streams.each_mut().map(|random| {
        let mut plan = Plan::new(shape);
        transform.draw(random, &mut plan);
        plan
    });
    let [plan, again] = plans;
    assert!(plan == again, "{}: two draws from one stream differ", place());
    let [first, second] = streams.each_mut().map(Random::bits);
    assert_eq!(first, second, "{}: two draws took a different number of random numbers", place());
    plan
}

/// Black, white, grey, a ramp and noise.
fn images(shape: ImageShape) -> [Vec<u8>; 5] {
    let noise = |index: usize| (Random::from_seed(index as u64).bits() >> 56) as u8;
    [
        vec![0; shape.len()],
        vec![255; shape.len()],
        vec![100; shape.len()],
        (0..shape.len()).map(|index| (index * 255 / shape.len()) as u8).collect(),
        (0..shape.len()).map(noise).collect(),
    ]
}

fn values(rendered: Rendered<'_>, shape: ImageShape) -> Vec<f32> {
    match rendered {
        Rendered::Planes(planes) => planes.to_vec(),
        Rendered::Bytes(bytes) => {
            let (channels, area) = (shape.channels, shape.len() / shape.channels);
            (0..bytes.len()).map(|at| f32::from(bytes[at % area * channels + at / area]) / 255.0).collect()
        }
    }
}
