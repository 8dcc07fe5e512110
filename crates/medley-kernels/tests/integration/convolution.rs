//! Every result against the sum as it is written, in 64 bits.

use medley_kernels::{Convolution, Kernel, KernelError, Number, TransformedKernel, bf16};
use proptest::prelude::*;

use super::{BF16, error, numbers};

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

/// A number of either kind, from fp32 and to 64 bits.
trait Both: Number {
    fn of(value: f32) -> Self;
    fn exact(self) -> f64;
}

impl Both for f32 {
    fn of(value: f32) -> Self {
        value
    }

    fn exact(self) -> f64 {
        f64::from(self)
    }
}

impl Both for bf16 {
    fn of(value: f32) -> Self {
        bf16::from_f32(value)
    }

    fn exact(self) -> f64 {
        self.to_f64()
    }
}

fn of<N: Both>(values: Vec<f32>) -> Vec<N> {
    values.into_iter().map(N::of).collect()
}

/// The output, the gradient of the input and that of the weight, from `x`, `dy`, `w` and a bias.
fn results<N: Both>(layer: &Convolution, x: &[N], dy: &[N], w: Kernel<'_>, bias: Option<&[f32]>) -> [Vec<f64>; 3] {
    let (mut y, mut dx) = (vec![N::of(7.0); dy.len()], vec![N::of(7.0); x.len()]);
    let mut dw = vec![7.0; layer.inputs * layer.outputs * 9];
    layer.forward(x, w, bias, &mut y).unwrap();
    layer.input_gradient(dy, w, &mut dx).unwrap();
    layer.weight_gradient(x, dy, &mut dw).unwrap();
    let exact = |values: Vec<N>| values.into_iter().map(N::exact).collect();
    [exact(y), exact(dx), dw.into_iter().map(f64::from).collect()]
}

/// Errors of the output, the gradient of the input and that of the weight.
fn errors<N: Both>(layer: &Convolution, seed: u64) -> [f64; 3] {
    let pixels = layer.images * layer.height * layer.width;
    let (x, dy) = (numbers(pixels * layer.inputs, seed), numbers(pixels * layer.outputs, seed + 1));
    let (x, dy) = (of::<N>(x), of::<N>(dy));
    let w = numbers(layer.inputs * layer.outputs * 9, seed + 2);
    let bias = numbers(layer.outputs, seed + 3);
    let [y, dx, dw] = results(layer, &x, &dy, Kernel::contiguous(&w), Some(&bias));
    let outputs: Vec<f64> = bias.iter().map(|&value| f64::from(value)).cycle().take(y.len()).collect();
    let mut wanted = [outputs, vec![0.0; x.len()], vec![0.0; w.len()]];
    products(layer, |at_x, at_w, at_y| {
        let (x, w, dy) = (x[at_x].exact(), f64::from(w[at_w]), dy[at_y].exact());
        wanted[0][at_y] += x * w;
        wanted[1][at_x] += w * dy;
        let (channels, tap) = (at_w / 9, at_w % 9);
        wanted[2][(channels / layer.inputs * 9 + tap) * layer.inputs + channels % layer.inputs] += x * dy;
    });
    [error(&y, &wanted[0]), error(&dx, &wanted[1]), error(&dw, &wanted[2])]
}

/// The most that fp32 may be off.
const FP32: f64 = 5e-6;

fn layer(images: usize, height: usize, width: usize, inputs: usize, outputs: usize) -> Convolution {
    Convolution { images, height, width, inputs, outputs, threads: 1 }
}

fn agree(layers: &[Convolution], seed: u64) {
    for layer in layers {
        for (found, most) in errors::<f32>(layer, seed)
            .map(|error| (error, FP32))
            .into_iter()
            .chain(errors::<bf16>(layer, seed).map(|error| (error, BF16)))
        {
            assert!(found < most, "{layer:?}: {found:e}");
        }
    }
}

#[test]
fn layers_of_real_networks_agree() {
    agree(&[layer(6, 28, 28, 16, 32), layer(3, 14, 14, 64, 64), layer(8, 7, 7, 48, 16), layer(26, 4, 4, 32, 80)], 7);
}

#[test]
fn products_deeper_than_a_block_agree() {
    agree(&[layer(1, 4, 4, 528, 16), layer(1, 5, 3, 16, 528)], 3);
}

#[test]
fn more_tiles_than_a_block_agree() {
    agree(&[layer(3, 31, 29, 16, 16), layer(140, 3, 4, 16, 16)], 5);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_size_agrees(
        images in 1_usize..5, height in 1_usize..14, width in 1_usize..14, inputs in 1_usize..4, outputs in 1_usize..4, seed in 0_u64..1000,
    ) {
        let layer = layer(images, height, width, inputs * 16, outputs * 16);
        for error in errors::<f32>(&layer, seed) {
            prop_assert!(error < 2.0 * FP32, "{:?}: {:e}", layer, error);
        }
        for error in errors::<bf16>(&layer, seed) {
            prop_assert!(error < 2.0 * BF16, "{:?}: {:e}", layer, error);
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
        let orders = [(one, Kernel::contiguous(&w)), (many, Kernel::channels_last(&last))];
        let [ours, others] = orders.map(|(layer, w)| results::<f32>(&layer, &x, &dy, w, None));
        prop_assert!(ours == others);
        let (x, dy) = (of::<bf16>(x), of::<bf16>(dy));
        let [ours, others] = orders.map(|(layer, w)| results(&layer, &x, &dy, w, None));
        prop_assert!(ours == others);
    }
}

#[test]
fn a_weight_that_was_transformed_gives_the_same_bits() {
    let layer = layer(2, 5, 4, 32, 48);
    let (x, w, bias) = (of::<bf16>(numbers(2 * 5 * 4 * 32, 1)), numbers(32 * 48 * 9, 2), numbers(48, 3));
    let kernel = Kernel::contiguous(&w);
    let [mut plain, mut transformed] = [0, 1].map(|_| vec![bf16::ZERO; 2 * 5 * 4 * 48]);
    layer.forward(&x, kernel, Some(&bias), &mut plain).unwrap();
    let kept = TransformedKernel::new(kernel, 32, 48).unwrap();
    layer.forward_transformed(&x, &kept, Some(&bias), &mut transformed).unwrap();
    assert_eq!(plain, transformed);
}

#[test]
fn what_is_no_number_reaches_the_output() {
    let layer = layer(1, 4, 4, 16, 16);
    let w = numbers(16 * 16 * 9, 1);
    for bad in [f32::NAN, f32::INFINITY] {
        let mut x = of::<bf16>(numbers(4 * 4 * 16, 2));
        x[5 * 16] = bf16::from_f32(bad);
        let mut y = vec![bf16::ZERO; x.len()];
        layer.forward(&x, Kernel::contiguous(&w), None, &mut y).unwrap();
        assert!(!y[0].is_finite() && !y[5 * 16].is_finite());
    }
}

#[test]
fn without_images_the_gradient_is_zero() {
    let (w, mut dw) = (vec![1.0; 16 * 16 * 9], vec![1.0; 16 * 16 * 9]);
    for empty in [layer(0, 4, 4, 16, 16), layer(2, 0, 4, 16, 16)] {
        empty.forward::<f32>(&[], Kernel::contiguous(&w), None, &mut []).unwrap();
        empty.forward::<bf16>(&[], Kernel::contiguous(&w), None, &mut []).unwrap();
        empty.weight_gradient::<bf16>(&[], &[], &mut dw).unwrap();
        assert!(dw.iter().all(|&value| value == 0.0));
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let w = vec![0.0; 16 * 16 * 9];
    let forward = |layer: Convolution, x: usize, y: usize| {
        layer.forward(&vec![0.0; x], Kernel::contiguous(&w), None, &mut vec![0.0; y]).unwrap_err()
    };
    assert_eq!(forward(layer(1, 1, 1, 12, 16), 12, 16), KernelError::Channels { what: "an input", channels: 12 });
    assert_eq!(forward(layer(1, 1, 1, 16, 0), 16, 0), KernelError::Channels { what: "an output", channels: 0 });
    let error = forward(layer(1, 2, 2, 16, 16), 63, 64);
    assert_eq!(error.to_string(), "the input has 63 numbers where its shape says 64");
    assert!(matches!(forward(layer(1, 2, 2, 16, 32), 64, 128), KernelError::Length { what: "the weight", .. }));
}
