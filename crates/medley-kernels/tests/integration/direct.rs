//! Convolutions of any kernel, stride and padding against the sum as it is written, in 64 bits.

use medley_kernels::{DirectConvolution, Filters, Geometry, Kernel, KernelError, bf16};
use proptest::prelude::*;

use super::{BF16, error, numbers};

/// `sum` is given every triple of indices in `x`, `w` (contiguous) and `y` that meet in a product.
fn products(geometry: &Geometry, size: [usize; 3], mut sum: impl FnMut(usize, usize, usize)) {
    let Geometry { images, size: from, inputs, filters, stride, .. } = geometry;
    let outputs: usize = filters.iter().map(|filters| filters.outputs).sum();
    let indices = |[depth, height, width]: [usize; 3]| {
        (0..depth * height * width).map(move |place| [place / (height * width), place / width % height, place % width])
    };
    let mut first = 0;
    for Filters { outputs: own, kernel, padding } in filters {
        for image in 0..*images {
            for (place, at) in indices(size).enumerate() {
                for (tap, offset) in indices(*kernel).enumerate() {
                    let mut source = 0;
                    let is_inside = (0..3).all(|axis| {
                        let along = (at[axis] * stride + offset[axis]).checked_sub(padding[axis]);
                        source = source * from[axis] + along.unwrap_or(0);
                        along.is_some_and(|along| along < from[axis])
                    });
                    if !is_inside {
                        continue;
                    }
                    let x = (image * from.iter().product::<usize>() + source) * inputs;
                    let y = (image * size.iter().product::<usize>() + place) * outputs;
                    for output in first..first + own {
                        for input in 0..*inputs {
                            let taps = kernel.iter().product::<usize>();
                            sum(x + input, (output * inputs + input) * taps + tap, y + output);
                        }
                    }
                }
            }
        }
        first += own;
    }
}

fn of(values: Vec<f32>) -> Vec<bf16> {
    values.into_iter().map(bf16::from_f32).collect()
}

/// `[outputs, inputs, taps]` as `[outputs, taps, inputs]`.
fn channels_last<T: Copy>(w: &[T], inputs: usize) -> impl Fn(usize) -> Vec<T> + '_ {
    move |taps| {
        let at = |index: usize| w[(index / (taps * inputs) * inputs + index % inputs) * taps + index / inputs % taps];
        (0..w.len()).map(at).collect()
    }
}

/// What a layer is tried with.
struct Case {
    x: Vec<bf16>,
    dy: Vec<bf16>,
    w: Vec<f32>,
    bias: Vec<f32>,
    taps: usize,
    size: [usize; 3],
}

impl Case {
    fn new(geometry: &Geometry, seed: u64) -> Self {
        let size = DirectConvolution::new(geometry.clone()).unwrap().output_size();
        let outputs: usize = geometry.filters.iter().map(|filters| filters.outputs).sum();
        let taps = geometry.filters[0].kernel.iter().product();
        let places = |size: [usize; 3]| geometry.images * size.iter().product::<usize>();
        Self {
            x: of(numbers(places(geometry.size) * geometry.inputs, seed)),
            dy: of(numbers(places(size) * outputs, seed + 1)),
            w: numbers(outputs * geometry.inputs * taps, seed + 2),
            bias: numbers(outputs, seed + 3),
            taps,
            size,
        }
    }

    /// The output, the gradient of the input and that of the weight, as `[outputs, taps, inputs]`.
    fn results(&self, geometry: &Geometry, w: Kernel<'_>) -> (Vec<bf16>, Vec<bf16>, Vec<f32>) {
        let layer = DirectConvolution::new(geometry.clone()).unwrap();
        let [mut y, mut dx] = [&self.dy, &self.x].map(|like| vec![bf16::from_f32(7.0); like.len()]);
        let mut dw = vec![7.0; self.w.len()];
        layer.forward(&self.x, w, Some(&self.bias), &mut y).unwrap();
        layer.input_gradient(&self.dy, w, &mut dx).unwrap();
        layer.weight_gradient(&self.x, &self.dy, &mut dw).unwrap();
        (y, dx, dw)
    }
}

/// Errors of the output, the gradient of the input and that of the weight.
fn errors(geometry: &Geometry, seed: u64) -> [f64; 3] {
    let case = Case::new(geometry, seed);
    let Case { x, dy, w, bias, .. } = &case;
    let (y, dx, dw) = case.results(geometry, Kernel::contiguous(w));
    let outputs = bias.iter().map(|&value| f64::from(value)).cycle().take(y.len()).collect();
    let mut wanted = [outputs, vec![0.0; x.len()], vec![0.0; w.len()]];
    products(geometry, case.size, |at_x, at_w, at_y| {
        let (x, w, dy) = (x[at_x].to_f64(), f64::from(w[at_w]), dy[at_y].to_f64());
        wanted[0][at_y] += x * w;
        wanted[1][at_x] += w * dy;
        wanted[2][at_w] += x * dy;
    });
    let exact = |values: Vec<bf16>| values.into_iter().map(bf16::to_f64).collect::<Vec<_>>();
    let dw: Vec<f64> = dw.into_iter().map(f64::from).collect();
    let wanted_dw = channels_last(&wanted[2], geometry.inputs)(case.taps);
    [error(&exact(y), &wanted[0]), error(&exact(dx), &wanted[1]), error(&dw, &wanted_dw)]
}

fn flat(
    images: usize,
    [height, width]: [usize; 2],
    [inputs, outputs]: [usize; 2],
    kernel: usize,
    stride: usize,
) -> Geometry {
    let padding = kernel / 2;
    let filters = vec![Filters { outputs, kernel: [1, kernel, kernel], padding: [0, padding, padding] }];
    Geometry { images, size: [1, height, width], inputs, filters, stride, threads: 1 }
}

/// Filters in three planes, as many in each as there are.
fn planes(images: usize, size: [usize; 3], inputs: usize, outputs: [usize; 3], stride: usize) -> Geometry {
    let of = |plane: usize| {
        let (mut kernel, mut padding) = ([3; 3], [1; 3]);
        (kernel[plane], padding[plane]) = (1, 0);
        Filters { outputs: outputs[plane], kernel, padding }
    };
    Geometry { images, size, inputs, filters: (0..3).map(of).collect(), stride, threads: 1 }
}

#[test]
fn layers_of_real_networks_agree() {
    let cube = Filters { outputs: 32, kernel: [3; 3], padding: [1; 3] };
    for geometry in [
        flat(14, [28, 28], [16, 32], 3, 2),
        flat(3, [7, 7], [64, 80], 3, 2),
        flat(5, [14, 14], [32, 48], 1, 2),
        flat(29, [3, 3], [32, 32], 3, 1),
        flat(2, [9, 8], [16, 16], 5, 1),
        planes(5, [7, 6, 5], 16, [6, 5, 5], 1),
        planes(3, [8, 8, 8], 32, [11, 11, 10], 2),
        Geometry { filters: vec![cube], ..planes(2, [5, 4, 6], 16, [6, 5, 5], 1) },
        // More places than a block of sums, and slices of a volume that are added apart.
        flat(2, [40, 40], [16, 16], 3, 1),
        // More images than a matrix unit takes at a time, and parts of a batch that are added together.
        flat(70, [3, 3], [32, 48], 3, 1),
        flat(37, [12, 11], [32, 16], 3, 1),
        planes(33, [4, 5, 6], 48, [11, 11, 10], 1),
        planes(1, [5, 20, 20], 16, [6, 5, 5], 1),
    ] {
        for found in errors(&geometry, 7) {
            assert!(found < BF16, "{geometry:?}: {found:e}");
        }
    }
}

#[test]
fn any_number_of_images_agrees() {
    for images in [8, 11, 16, 17, 20, 23, 31, 33, 49, 64] {
        for outputs in [16, 32] {
            for found in errors(&flat(images, [5, 4], [16, outputs], 3, 2), 3) {
                assert!(found < BF16, "{images} images, {outputs} outputs: {found:e}");
            }
        }
    }
}

/// Any layer for which there is a place for the kernel.
fn any_geometry() -> impl Strategy<Value = Geometry> {
    let sides = || [1_usize..3, 1..4, 1..4].map(|side| side).prop_map(|[a, b, c]| [a, b, c]);
    let filters = prop_oneof![
        (Just(false), sides(), [0_usize..2, 0..3, 0..3]).boxed(),
        (Just(true), Just([3; 3]), [Just(1), Just(1), Just(1)]).boxed(),
    ];
    let size = [1_usize..5, 1..8, 1..8];
    ((1_usize..5, size, 1_usize..3, 1_usize..3), filters, 1_usize..4).prop_filter_map(
        "the kernel is larger than the image",
        |((images, size, inputs, outputs), (is_planes, kernel, padding), stride)| {
            let (inputs, outputs) = (16 * inputs, 16 * outputs);
            let geometry = if is_planes {
                let third = outputs / 3;
                planes(images, size, inputs, [outputs - 2 * third, third, third], stride)
            } else {
                Geometry {
                    images,
                    size,
                    inputs,
                    filters: vec![Filters { outputs, kernel, padding }],
                    stride,
                    threads: 1,
                }
            };
            DirectConvolution::new(geometry.clone()).is_ok().then_some(geometry)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn any_layer_agrees(geometry in any_geometry(), seed in 0_u64..1000) {
        for error in errors(&geometry, seed) {
            prop_assert!(error < 2.0 * BF16, "{:?}: {:e}", geometry, error);
        }
    }

    #[test]
    fn bits_do_not_depend_on_threads_nor_on_the_order_of_the_weight(geometry in any_geometry(), threads in 2_usize..5) {
        let case = Case::new(&geometry, 5);
        let last = channels_last(&case.w, geometry.inputs)(case.taps);
        let one = case.results(&geometry, Kernel::contiguous(&case.w));
        let many = case.results(&Geometry { threads, ..geometry }, Kernel::channels_last(&last));
        prop_assert!(one == many);
    }
}

#[test]
fn without_images_the_gradient_is_zero() {
    let layer = DirectConvolution::new(flat(0, [4, 4], [16, 16], 3, 2)).unwrap();
    let (w, mut dw) = (vec![1.0; 16 * 16 * 9], vec![1.0; 16 * 16 * 9]);
    layer.forward(&[], Kernel::contiguous(&w), None, &mut []).unwrap();
    layer.input_gradient(&[], Kernel::contiguous(&w), &mut []).unwrap();
    layer.weight_gradient(&[], &[], &mut dw).unwrap();
    assert!(dw.iter().all(|&value| value == 0.0));
}

#[test]
fn an_axis_without_places_may_have_a_border() {
    let geometry = flat(3, [0, 4], [16, 16], 3, 1);
    let layer = DirectConvolution::new(Geometry {
        filters: vec![Filters { outputs: 16, kernel: [1, 1, 3], padding: [0, 1, 1] }],
        ..geometry
    });
    let (w, mut y, mut dw) = (vec![1.0; 16 * 16 * 3], vec![bf16::ONE; 3 * 2 * 4 * 16], vec![1.0; 16 * 16 * 3]);
    let (layer, bias) = (layer.unwrap(), vec![2.0; 16]);
    layer.forward(&[], Kernel::contiguous(&w), Some(&bias), &mut y).unwrap();
    assert!(y.iter().all(|&value| value == bf16::from_f32(2.0)));
    layer.weight_gradient(&[], &y, &mut dw).unwrap();
    assert!(dw.iter().all(|&value| value == 0.0));
}

#[test]
fn what_is_no_number_reaches_the_output() {
    let layer = DirectConvolution::new(flat(1, [5, 5], [16, 16], 3, 2)).unwrap();
    let (w, mut y) = (numbers(16 * 16 * 9, 1), vec![bf16::ZERO; 9 * 16]);
    let mut x = of(numbers(25 * 16, 2));
    x[12 * 16] = bf16::NAN;
    layer.forward(&x, Kernel::contiguous(&w), None, &mut y).unwrap();
    assert!(y[4 * 16].is_nan() && !y[0].is_nan());
}

#[test]
fn what_does_not_fit_is_refused() {
    let refused = |geometry: Geometry| DirectConvolution::new(geometry).unwrap_err();
    let channels = |what, channels| KernelError::Channels { what, channels };
    assert_eq!(refused(flat(1, [4, 4], [12, 16], 3, 1)), channels("an input", 12));
    assert_eq!(refused(Geometry { filters: Vec::new(), ..flat(1, [4, 4], [16, 16], 3, 1) }), channels("an output", 0));
    for impossible in [
        flat(1, [4, 4], [16, 16], 3, 0),
        flat(1, [4, 4], [16, 16], 0, 1),
        // Lengths that wrap round to those of a few numbers.
        flat(22, [104_811_045_873_349_726, 1], [16, 16], 1, 1),
        flat(0, [usize::MAX / 16, 1], [16, 16], 1, 1),
        Geometry {
            filters: vec![Filters { outputs: 16, kernel: [1, 3, 3], padding: [usize::MAX / 2 + 1, 0, 0] }],
            ..flat(1, [4, 4], [16, 16], 3, 1)
        },
        Geometry { size: [1, 0, 4], ..flat(1, [4, 4], [16, 16], 1, 1) },
        Geometry {
            filters: vec![Filters { outputs: 16, kernel: [1, 7, 7], padding: [0; 3] }],
            ..flat(1, [4, 4], [16, 16], 3, 1)
        },
        Geometry {
            filters: [[1, 3, 3], [1, 1, 1]].map(|kernel| Filters { outputs: 8, kernel, padding: [0; 3] }).to_vec(),
            ..flat(1, [4, 4], [16, 16], 3, 1)
        },
    ] {
        assert!(matches!(refused(impossible), KernelError::Geometry(_)));
    }
    let layer = DirectConvolution::new(flat(1, [4, 4], [16, 16], 3, 2)).unwrap();
    let w = vec![0.0; 16 * 16 * 9];
    let error = layer.forward(&vec![bf16::ZERO; 255], Kernel::contiguous(&w), None, &mut [bf16::ZERO; 64]);
    assert_eq!(error.unwrap_err().to_string(), "the input has 255 numbers where its shape says 256");
}
