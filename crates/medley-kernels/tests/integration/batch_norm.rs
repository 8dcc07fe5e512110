//! Batch normalisation against its definition, in 64 bits.

use medley_kernels::{BatchNorm, KernelError, Number, bf16};
use proptest::prelude::*;

const EPSILON: f64 = 1e-5;

fn numbers(len: usize, seed: u64) -> Vec<f32> {
    (0..len).map(|index| ((index as f32 + seed as f32) * 78.233).sin() * 43758.547 % 1.0).collect()
}

struct Case {
    layer: BatchNorm,
    x: Vec<f32>,
    dy: Vec<f32>,
    added: Vec<f32>,
    weight: Vec<f32>,
    bias: Vec<f32>,
}

fn case(pixels: usize, channels: usize, threads: usize) -> Case {
    let len = pixels * channels;
    // Channels far from zero are what fp32 finds hard.
    let x = numbers(len, 1).iter().enumerate().map(|(at, value)| value + (at % channels) as f32 * 3.0).collect();
    Case {
        layer: BatchNorm { pixels, channels, threads },
        x,
        dy: numbers(len, 2),
        added: numbers(len, 3),
        weight: numbers(channels, 4),
        bias: numbers(channels, 5),
    }
}

/// `y`, and the gradients of `x`, weight and bias of the sum of `dy y`, by definition.
fn definition(case: &Case, added: bool, rectified: bool) -> [Vec<f64>; 4] {
    let BatchNorm { pixels, channels, .. } = case.layer;
    let [mut y, mut dx] = [vec![0.0; pixels * channels], vec![0.0; pixels * channels]];
    let [mut dw, mut db] = [vec![0.0; channels], vec![0.0; channels]];
    for channel in 0..channels {
        let at = |pixel: usize| pixel * channels + channel;
        let mean = |f: &dyn Fn(usize) -> f64| (0..pixels).map(f).sum::<f64>() / pixels as f64;
        let x = |pixel: usize| f64::from(case.x[at(pixel)]);
        let center = mean(&x);
        let deviation = (mean(&|pixel| (x(pixel) - center).powi(2)) + EPSILON).sqrt();
        let normal = |pixel: usize| (x(pixel) - center) / deviation;
        let (weight, bias) = (f64::from(case.weight[channel]), f64::from(case.bias[channel]));
        let value =
            |pixel: usize| weight * normal(pixel) + bias + if added { f64::from(case.added[at(pixel)]) } else { 0.0 };
        let gradient =
            |pixel: usize| if rectified && value(pixel) <= 0.0 { 0.0 } else { f64::from(case.dy[at(pixel)]) };
        let (of_sum, of_products) = (mean(&gradient), mean(&|pixel| gradient(pixel) * normal(pixel)));
        for pixel in 0..pixels {
            y[at(pixel)] = if rectified { value(pixel).max(0.0) } else { value(pixel) };
            dx[at(pixel)] = weight / deviation * (gradient(pixel) - of_sum - normal(pixel) * of_products);
        }
        (dw[channel], db[channel]) = (of_products * pixels as f64, of_sum * pixels as f64);
    }
    [y, dx, dw, db]
}

fn computed<N: Number + Default>(case: &Case, added: bool, rectified: bool, number: impl Fn(f32) -> N) -> [Vec<N>; 2] {
    let images = |values: &[f32]| values.iter().map(|&value| number(value)).collect::<Vec<_>>();
    let (x, dy) = (images(&case.x), images(&case.dy));
    let affine = case.layer.statistics(&x).unwrap().affine(&case.weight, &case.bias, EPSILON).unwrap();
    let [mut y, mut dx] = [0, 1].map(|_| vec![N::default(); x.len()]);
    let sum = added.then(|| images(&case.added));
    case.layer.forward(&x, &affine, sum.as_deref(), rectified, &mut y).unwrap();
    case.layer.backward(&dy, &x, &affine, rectified && !added, &mut dx).unwrap();
    [y, dx]
}

/// The largest difference, as a share of the largest number.
fn error(found: impl IntoIterator<Item = f64>, wanted: &[f64]) -> f64 {
    let largest = wanted.iter().fold(1e-30_f64, |most, value| most.max(value.abs()));
    found.into_iter().zip(wanted).map(|(a, b)| (a - b).abs() / largest).fold(0.0, f64::max)
}

fn agrees(case: &Case) {
    for (added, rectified) in [(false, false), (false, true), (true, false), (true, true)] {
        let [y, dx, dw, db] = definition(case, added, rectified);
        let [found, found_dx] = computed(case, added, rectified, |value| value);
        assert!(error(found.into_iter().map(f64::from), &y) < 1e-4);
        // The gradient of a rectified sum comes in with what was below zero left out already.
        if !(added && rectified) {
            assert!(error(found_dx.into_iter().map(f64::from), &dx) < 1e-4);
            let affine = case.layer.statistics(&case.x).unwrap().affine(&case.weight, &case.bias, EPSILON).unwrap();
            let mut to = vec![0.0; case.x.len()];
            let own = case.layer.backward(&case.dy, &case.x, &affine, rectified, &mut to).unwrap();
            let [weight, bias] = own.map(|values| values.into_iter().map(f64::from).collect::<Vec<_>>());
            assert!(error(weight, &dw) < 1e-4 && error(bias, &db) < 1e-4);
        }
    }
}

#[test]
fn values_and_gradients_are_those_of_the_definition() {
    for (pixels, channels) in [(20, 16), (1500, 16), (700, 80), (49, 96)] {
        agrees(&case(pixels, channels, 1));
    }
}

#[test]
fn in_bfloat16_only_rounding_differs() {
    let mut case = case(600, 32, 1);
    for values in [&mut case.x, &mut case.dy, &mut case.added] {
        for value in values.iter_mut() {
            *value = bf16::from_f32(*value).to_f32();
        }
    }
    for (added, rectified) in [(false, false), (false, true), (true, true)] {
        let exact = computed(&case, added, rectified, |value| value);
        let rounded = computed(&case, added, rectified, bf16::from_f32);
        for (exact, rounded) in exact.into_iter().zip(rounded) {
            let exact: Vec<bf16> = exact.into_iter().map(bf16::from_f32).collect();
            assert_eq!(exact, rounded);
        }
    }
}

#[test]
fn the_statistics_of_numbers_far_from_zero_are_exact() {
    let layer = BatchNorm { pixels: 4, channels: 16, threads: 1 };
    let x: Vec<f32> = [1000.0, 1001.0, 1002.0, 1003.0].into_iter().flat_map(|value| [value; 16]).collect();
    let statistics = layer.statistics(&x).unwrap();
    assert!(statistics.mean.iter().all(|&mean| mean == 1001.5));
    assert!(statistics.variance.iter().all(|&variance| variance == 1.25));
}

#[test]
fn one_pixel_far_from_all_others_does_no_harm() {
    let layer = BatchNorm { pixels: 10_000, channels: 16, threads: 1 };
    let mut x: Vec<f32> = numbers(160_000, 1);
    x[..16].fill(100.0);
    let statistics = layer.statistics(&x).unwrap();
    for channel in 0..16 {
        let values = || x.iter().skip(channel).step_by(16).map(|&value| f64::from(value));
        let mean = values().sum::<f64>() / 10_000.0;
        let variance = values().map(|value| (value - mean).powi(2)).sum::<f64>() / 10_000.0;
        assert!(
            (statistics.mean[channel] - mean).abs() < 1e-6 && (statistics.variance[channel] - variance).abs() < 1e-5
        );
    }
}

#[test]
fn nan_reaches_the_statistics() {
    let layer = BatchNorm { pixels: 40, channels: 16, threads: 1 };
    for bad in [f32::NAN, f32::INFINITY] {
        let mut x: Vec<f32> = numbers(640, 1);
        x[35 * 16 + 3] = bad;
        let statistics = layer.statistics(&x).unwrap();
        assert!(!statistics.mean[3].is_finite() && !statistics.variance[3].is_finite(), "{statistics:?}");
        assert!(statistics.mean[2].is_finite() && statistics.variance[2].is_finite());
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let layer = BatchNorm { pixels: 2, channels: 16, threads: 1 };
    let affine = layer.statistics(&[1.0_f32; 32]).unwrap().affine(&[1.0; 16], &[0.0; 16], EPSILON).unwrap();
    assert!(matches!(layer.statistics(&[1.0_f32; 31]), Err(KernelError::Length { what: "the input", .. })));
    let empty = BatchNorm { pixels: 0, ..layer };
    assert_eq!(empty.statistics(&[1.0_f32; 16]).unwrap_err(), KernelError::Empty);
    let odd = BatchNorm { channels: 15, ..layer };
    assert!(matches!(odd.statistics(&[1.0_f32; 30]), Err(KernelError::Channels { channels: 15, .. })));
    let wide = BatchNorm { pixels: 1, channels: 32, threads: 1 };
    let mut y = [0.0; 32];
    assert!(matches!(wide.forward(&[1.0; 32], &affine, None, false, &mut y), Err(KernelError::Length { .. })));
    let other = layer.statistics(&[1.0_f32; 32]).unwrap().affine(&[1.0; 15], &[0.0; 16], EPSILON);
    assert!(matches!(other, Err(KernelError::Length { what: "a weight", .. })));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn bits_do_not_depend_on_threads(pixels in 1_usize..3000, groups in 1_usize..7, threads in 2_usize..5, rectified: bool) {
        let (one, many) = (case(pixels, groups * 16, 1), case(pixels, groups * 16, threads));
        prop_assert!(computed(&one, false, rectified, |value| value) == computed(&many, false, rectified, |value| value));
    }
}
