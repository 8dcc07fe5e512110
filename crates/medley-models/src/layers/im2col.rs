//! The gradient of a weight as one matrix product (im2col).
//!
//! libtorch's kernels for the gradient of a weight are made for large images. Of a deep layer on few pixels they reach a fraction of what the
//! processor multiplies: there it is faster to copy the patch of the input under each position of the filter into a row of a matrix, and to
//! multiply that with the gradient of the output. Output and gradient of the input stay libtorch's, to the bit.

use tch::{Kind, TchError, Tensor};

use crate::ModelError;

/// Positions of a filter up to which the product is made: those of 7x7 pixels.
const MOST_POSITIONS: i64 = 49;
/// Input channels from which on it is made: of fewer, copying takes longer than multiplying.
const LEAST_CHANNELS: i64 = 64;

/// How a filter moves over `[N, C, H, W]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    /// Height and width of the filter.
    pub(crate) kernel: [i64; 2],
    /// Step along both axes.
    pub(crate) stride: i64,
    /// Zeros around the input, above and below, left and right.
    pub(crate) padding: [i64; 2],
}

impl Window {
    /// Positions along height and width; below one where the filter is larger than the padded input.
    fn positions(self, [height, width]: [i64; 2]) -> [i64; 2] {
        let along = |side: i64, axis: usize| (side + 2 * self.padding[axis] - self.kernel[axis]) / self.stride + 1;
        [along(height, 0), along(width, 1)]
    }
}

/// Whether the product is worth it for this input.
pub(super) fn suits(x: &Tensor, window: Window) -> bool {
    let &[_, channels, height, width] = x.size().as_slice() else { return false };
    let [rows, columns] = window.positions([height, width]);
    // A filter of one pixel is a product in libtorch, too.
    let is_small = rows * columns <= MOST_POSITIONS && window.kernel != [1, 1];
    is_small && channels >= LEAST_CHANNELS && x.kind() == Kind::BFloat16
}

/// `[N, in, H, W]` to `[N, out, H', W']`, any dtype, of one group.
pub(super) fn convolve(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    window: Window,
) -> Result<Tensor, ModelError> {
    let Window { stride, padding, .. } = window;
    let fixed = bias.map(Tensor::f_detach).transpose()?;
    // libtorch records this for the gradient of the input.
    let y = x.f_conv2d(&weight.f_detach()?, fixed.as_ref(), [stride; 2], padding, [1, 1], 1)?;
    let inputs: Vec<&Tensor> = [&y, weight].into_iter().chain(bias).collect();
    let output = y.f_detach()?;
    Ok(medley_autograd::attach(output, &inputs, &[x], move |gradient, saved, wanted| {
        let weight = wanted[1].then(|| weight_gradient(&saved[0], &gradient, window)).transpose()?;
        let mut gradients = vec![wanted[0].then(|| gradient.shallow_clone()), weight];
        if let Some(&wanted) = wanted.get(2) {
            let sum = || gradient.f_sum_dim_intlist([0_i64, 2, 3].as_slice(), false, None::<Kind>);
            gradients.push(wanted.then(sum).transpose()?);
        }
        Ok(gradients)
    })?)
}

/// The gradient of a weight `[out, in, k, k]`, with channels last, from `[N, in, H, W]` and the gradient of `[N, out, H', W']`.
///
/// # Errors
/// What libtorch says of shapes that do not belong together.
pub(crate) fn weight_gradient(x: &Tensor, gradient: &Tensor, window: Window) -> Result<Tensor, TchError> {
    let Window { kernel: [high, wide], stride, padding: [above, left] } = window;
    let (images, inputs, height, width) = x.size4()?;
    let outputs = gradient.size4()?.1;
    let [rows, columns] = window.positions([height, width]);
    let pixels = x.f_permute([0, 2, 3, 1])?.f_constant_pad_nd([0, 0, left, left, above, above])?.f_contiguous()?;
    let line = (width + 2 * left) * inputs;
    let image = (height + 2 * above) * line;
    // Of each position the lines of its patch; in a line, pixels and their channels lie together.
    let patches = pixels.f_as_strided(
        [images, rows, columns, high, wide * inputs],
        [image, stride * line, stride * inputs, line, 1],
        None,
    )?;
    let patches = patches.f_reshape([images * rows * columns, high * wide * inputs])?;
    let gradient = gradient.f_permute([0, 2, 3, 1])?.f_reshape([images * rows * columns, outputs])?;
    let product = gradient.f_transpose(0, 1)?.f_matmul(&patches)?;
    product.f_view([outputs, high, wide, inputs])?.f_permute([0, 3, 1, 2])
}

#[cfg(test)]
mod tests {
    use super::super::passes::{self, passes};
    use super::*;
    use crate::MemoryLayout;
    use crate::scope::in_layout;

    /// Numbers without order, with channels last.
    fn noise(shape: &[i64], seed: i64) -> Tensor {
        in_layout(&passes::noise(shape, seed), MemoryLayout::ChannelsLast).unwrap()
    }

    fn difference(ours: &Tensor, theirs: &Tensor) -> f64 {
        let [ours, theirs] = [ours, theirs].map(|tensor| tensor.to_kind(Kind::Double));
        let norm = theirs.norm().double_value(&[]);
        (ours - theirs).norm().double_value(&[]) / norm.max(1e-12)
    }

    const SQUARE: Window = Window { kernel: [3, 3], stride: 1, padding: [1, 1] };

    #[test]
    fn gradients_are_those_of_libtorch() {
        let windows = [
            ([7, 7], SQUARE),
            ([6, 9], Window { stride: 2, ..SQUARE }),
            ([5, 3], Window { padding: [0, 0], ..SQUARE }),
            ([8, 5], Window { kernel: [5, 1], padding: [2, 0], stride: 3 }),
            ([1, 1], SQUARE),
            ([4, 4], Window { kernel: [1, 1], padding: [0, 0], stride: 2 }),
        ];
        for (images, ([height, width], window)) in windows.into_iter().enumerate() {
            let images = images as i64 % 3 + 1;
            let (x, shift) = (noise(&[images, 5, height, width], 1), noise(&[7, 1, 1, 1], 3).view([7]));
            let weight = noise(&[7, 5, window.kernel[0], window.kernel[1]], 2);
            for asked in 0..8_i64 {
                for (place, leaf) in [&x, &weight, &shift].iter().enumerate() {
                    let _ = leaf.set_requires_grad(asked >> place & 1 == 1);
                }
                for bias in [false, true] {
                    // In place, as the layers of a network do it.
                    let ours =
                        passes(|x, w, b| convolve(x, w, b, window).unwrap().relu_(), [&x, &weight, &shift], bias);
                    let Window { stride, padding, .. } = window;
                    let plain = |x: &Tensor, w: &Tensor, b: Option<&Tensor>| {
                        x.f_conv2d(w, b, [stride; 2], padding, [1, 1], 1).unwrap().relu_()
                    };
                    let theirs = passes(plain, [&x, &weight, &shift], bias);
                    assert_eq!(ours.len(), theirs.len(), "{window:?}, asked {asked:03b}, bias {bias}");
                    for (ours, theirs) in ours.iter().zip(&theirs) {
                        assert_eq!(ours.size(), theirs.size());
                        let difference = difference(ours, theirs);
                        assert!(difference < 1e-5, "{window:?}, asked {asked:03b}, bias {bias}: {difference}");
                    }
                }
            }
        }
    }

    #[test]
    fn in_bfloat16_the_error_is_no_larger_than_that_of_libtorch() {
        let (x, weight) = (noise(&[16, 64, 7, 7], 1), noise(&[64, 64, 3, 3], 2) * 0.05);
        let gradient = noise(&[16, 64, 7, 7], 5);
        // The numbers that bfloat16 has, so that only the sums differ.
        let [x, weight, gradient] = [x, weight, gradient].map(|tensor| tensor.to_kind(Kind::BFloat16));
        let of = |kind: Kind| {
            let leaf = weight.to_kind(kind).set_requires_grad(true);
            let y = x.to_kind(kind).conv2d(&leaf, None::<Tensor>, 1, 1, 1, 1);
            let loss = (y * gradient.to_kind(kind)).sum(kind);
            Tensor::run_backward(&[loss], &[&leaf], false, false).remove(0)
        };
        let (exact, theirs) = (of(Kind::Double), of(Kind::BFloat16));
        let ours = weight_gradient(&x, &gradient, SQUARE).unwrap();
        let (ours, theirs) = (difference(&ours, &exact), difference(&theirs, &exact));
        assert!(ours < 4e-3 && ours <= 1.5 * theirs, "{ours} and {theirs}");
    }

    #[test]
    fn no_rows_have_a_gradient_of_zero() {
        let gradient = weight_gradient(&noise(&[0, 8, 5, 5], 1), &noise(&[0, 6, 5, 5], 2), SQUARE).unwrap();
        assert_eq!((gradient.size(), gradient.abs().sum(Kind::Float).double_value(&[])), (vec![6, 8, 3, 3], 0.0));
    }

    #[test]
    fn small_deep_layers_suit() {
        let suits = |shape: [i64; 4], kind: Kind, window: Window| suits(&noise(&shape, 1).to_kind(kind), window);
        assert!(suits([1, 64, 7, 7], Kind::BFloat16, SQUARE));
        assert!(suits([1, 64, 14, 14], Kind::BFloat16, Window { stride: 2, ..SQUARE }));
        assert!(!suits([1, 64, 8, 7], Kind::BFloat16, SQUARE), "more than 49 positions");
        assert!(!suits([1, 48, 7, 7], Kind::BFloat16, SQUARE));
        assert!(!suits([1, 64, 7, 7], Kind::Float, SQUARE));
        assert!(!suits([1, 64, 7, 7], Kind::BFloat16, Window { kernel: [1, 1], padding: [0, 0], ..SQUARE }));
    }
}
