//! 3x3 convolutions on the CPU by Winograd's algorithm.
//!
//! Nearly all the work of a ResNet is in 3x3 convolutions of stride 1. Computed tile by tile in another basis, four times fewer
//! multiplications give sixteen outputs (Lavin and Gray, *Fast Algorithms for Convolutional Neural Networks*, 2016); the gradients of the
//! input and of the weight are products of the same kind. libtorch has no such kernels for training. Here all three are, for images with
//! channels last and channels in multiples of sixteen: a tile is transformed for sixteen channels at a time, and what the transforms write
//! is what the products read.
//!
//! Where a convolution is followed by max-pooling and `ReLU`, [`halve`] computes both. A weight that stays as it is may be transformed
//! once: [`TransformedKernel`].
//!
//! Numbers are fp32. Results differ from those of the sum as it is written by some 1e-6 of their norm, as other points than
//! 0 and 1 magnify rounding (measured in the tests of this crate). They do not depend on the number of threads.
//!
//! ```
//! use medley_kernels::{Convolution, Kernel};
//!
//! // One image of 4x4 pixels, 16 channels to 16: a kernel whose middle is the identity changes nothing.
//! let convolution = Convolution { images: 1, height: 4, width: 4, inputs: 16, outputs: 16, threads: 1 };
//! let image: Vec<f32> = (0..4 * 4 * 16).map(|value| value as f32).collect();
//! let mut weight = vec![0.0; 16 * 16 * 9];
//! for channel in 0..16 {
//!     weight[(channel * 16 + channel) * 9 + 4] = 1.0;
//! }
//! let mut result = vec![0.0; image.len()];
//! convolution.forward(&image, Kernel::contiguous(&weight, 16), None, &mut result)?;
//! assert!(image.iter().zip(&result).all(|(a, b)| (a - b).abs() < 1e-3));
//! # Ok::<(), medley_kernels::KernelError>(())
//! ```

mod convolution;
mod lanes;
mod pool;
mod processor;
mod product;
mod shared;
mod tiles;
mod transforms;

pub use convolution::{Convolution, Kernel, KernelError, TransformedKernel};
pub use pool::halve;

/// Whether this processor has instructions for which these kernels were written. They work on any other too, but slowly.
pub fn is_fast_here() -> bool {
    cfg!(target_arch = "aarch64") || processor::processor() != processor::Processor::Any
}
