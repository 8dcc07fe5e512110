//! Every result against the sum as it is written, in 64 bits.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test")]

use medley_kernels::{Convolution, Kernel, KernelError};
use proptest::prelude::*;

/// Numbers without order, of mean zero and variance one.
fn numbers(len: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut uniform = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f64 / (1_u64 << 24) as f64 - 0.5
    };
    (0..len).map(|_| ((0..4).map(|_| uniform()).sum::<f64>() * 3.0_f64.sqrt()) as f32).collect()
}

/// `sum` is given every triple of indices in `x`, `w` (contiguous) and `y` that meet in a product.
fn products(layer: &Convolution, mut sum: impl FnMut(usize, usize, usize)) {
    let Convolution { images, height, width, inputs, outputs, .. } = *layer;
    for (n, y, x) in (0..images * height * width).map(|p| (p / (height * width), p / width % height, p % width)) {
        for tap in 0..9 {
            let (from_y, from_x) = (y + tap / 3, x + tap % 3);
            if from_y == 0 || from_x == 0 || from_y > height || from_x > width {
                continue;
            }
            let from = ((n * height + from_y - 1) * width + from_x - 1) * inputs;
            let to = ((n * height + y) * width + x) * outputs;
            for output in 0..outputs {
                for input in 0..inputs {
                    sum(from + input, (output * inputs + input) * 9 + tap, to + output);
                }
            }
        }
    }
}

/// Norm of the difference as a share of the norm.
fn error(found: &[f32], wanted: &[f64]) -> f64 {
    let difference: f64 = found.iter().zip(wanted).map(|(&a, b)| (f64::from(a) - b).powi(2)).sum();
    let norm: f64 = wanted.iter().map(|value| value * value).sum();
    (difference / norm.max(f64::MIN_POSITIVE)).sqrt()
}

/// Errors of the output, the gradient of the input and that of the weight.
fn errors(layer: &Convolution, seed: u64) -> [f64; 3] {
    let pixels = layer.images * layer.height * layer.width;
    let (x, dy) = (numbers(pixels * layer.inputs, seed), numbers(pixels * layer.outputs, seed + 1));
    let w = numbers(layer.inputs * layer.outputs * 9, seed + 2);
    let bias = numbers(layer.outputs, seed + 3);
    let (mut y, mut dx, mut dw) = (vec![0.0; dy.len()], vec![0.0; x.len()], vec![0.0; w.len()]);
    layer.forward(&x, Kernel::contiguous(&w, layer.inputs), Some(&bias), &mut y).unwrap();
    layer.input_gradient(&dy, Kernel::contiguous(&w, layer.inputs), &mut dx).unwrap();
    layer.weight_gradient(&x, &dy, &mut dw).unwrap();
    let outputs: Vec<f64> = bias.iter().map(|&value| f64::from(value)).cycle().take(y.len()).collect();
    let mut wanted = [outputs, vec![0.0; x.len()], vec![0.0; w.len()]];
    products(layer, |at_x, at_w, at_y| {
        let (x, w, dy) = (f64::from(x[at_x]), f64::from(w[at_w]), f64::from(dy[at_y]));
        wanted[0][at_y] += x * w;
        wanted[1][at_x] += w * dy;
        wanted[2][at_w] += x * dy;
    });
    [error(&y, &wanted[0]), error(&dx, &wanted[1]), error(&dw, &wanted[2])]
}

fn layer(images: usize, height: usize, width: usize, inputs: usize, outputs: usize) -> Convolution {
    Convolution { images, height, width, inputs, outputs, threads: 1 }
}

#[test]
fn layers_of_real_networks_agree() {
    for layer in [layer(6, 28, 28, 16, 32), layer(3, 14, 14, 64, 64), layer(8, 7, 7, 48, 16), layer(26, 4, 4, 32, 80)] {
        for error in errors(&layer, 7) {
            assert!(error < 5e-6, "{layer:?}: {error:e}");
        }
    }
}

#[test]
fn products_deeper_than_a_block_agree() {
    for layer in [layer(1, 4, 4, 528, 16), layer(1, 5, 3, 16, 528)] {
        for error in errors(&layer, 3) {
            assert!(error < 5e-6, "{layer:?}: {error:e}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_size_agrees(
        images in 1_usize..5, height in 1_usize..14, width in 1_usize..14, inputs in 1_usize..4, outputs in 1_usize..4, seed in 0_u64..1000,
    ) {
        let layer = layer(images, height, width, inputs * 16, outputs * 16);
        for error in errors(&layer, seed) {
            prop_assert!(error < 1e-5, "{:?}: {:e}", layer, error);
        }
    }

    #[test]
    fn bits_do_not_depend_on_threads_nor_on_the_order_of_the_weight(images in 1_usize..40, side in 1_usize..12, threads in 2_usize..5) {
        let one = layer(images, side, side, 32, 16);
        let many = Convolution { threads, ..one };
        let (x, dy) = (numbers(images * side * side * 32, 1), numbers(images * side * side * 16, 2));
        let w = numbers(32 * 16 * 9, 3);
        let mut last = vec![0.0; w.len()];
        for (index, &value) in w.iter().enumerate() {
            last[index / (32 * 9) * 32 * 9 + index % 9 * 32 + index / 9 % 32] = value;
        }
        let results = [(one, Kernel::contiguous(&w, 32)), (many, Kernel::channels_last(&last, 32))].map(|(layer, w)| {
            let (mut y, mut dx, mut dw) = (vec![0.0; dy.len()], vec![0.0; x.len()], vec![0.0; 32 * 16 * 9]);
            layer.forward(&x, w, None, &mut y).unwrap();
            layer.input_gradient(&dy, w, &mut dx).unwrap();
            layer.weight_gradient(&x, &dy, &mut dw).unwrap();
            [y, dx, dw].concat().iter().map(|value| value.to_bits()).collect::<Vec<_>>()
        });
        prop_assert!(results[0] == results[1]);
    }
}

#[test]
fn without_images_the_gradient_is_zero() {
    let (w, mut dw) = (vec![1.0; 16 * 16 * 9], vec![1.0; 16 * 16 * 9]);
    for empty in [layer(0, 4, 4, 16, 16), layer(2, 0, 4, 16, 16)] {
        empty.forward(&[], Kernel::contiguous(&w, 16), None, &mut []).unwrap();
        empty.weight_gradient(&[], &[], &mut dw).unwrap();
        assert!(dw.iter().all(|&value| value == 0.0));
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let w = vec![0.0; 16 * 16 * 9];
    let forward = |layer: Convolution, x: usize, y: usize| {
        layer.forward(&vec![0.0; x], Kernel::contiguous(&w, layer.inputs), None, &mut vec![0.0; y]).unwrap_err()
    };
    assert_eq!(forward(layer(1, 1, 1, 12, 16), 12, 16), KernelError::Channels { what: "an input", channels: 12 });
    assert_eq!(forward(layer(1, 1, 1, 16, 0), 16, 0), KernelError::Channels { what: "an output", channels: 0 });
    let error = forward(layer(1, 2, 2, 16, 16), 63, 64);
    assert_eq!(error.to_string(), "the input has 63 numbers where its shape says 64");
    assert!(matches!(forward(layer(1, 2, 2, 16, 32), 64, 128), KernelError::Length { what: "the weight", .. }));
}
