//! Kernels for training small residual networks on the CPU: convolutions, by Winograd's algorithm where they are 3x3, and what lies between them.
//!
//! Nearly all the work of a ResNet is in 3x3 convolutions of stride 1. Computed tile by tile in another basis, fewer multiplications give
//! the same outputs (Lavin and Gray, *Fast Algorithms for Convolutional Neural Networks*, 2016); the gradients of the input and of the
//! weight are products of the same kind. libtorch has no such kernels for training. Here all three are, for images with channels last and
//! channels in multiples of sixteen: a tile is transformed for sixteen channels at a time, and what the transforms write is what the
//! products read.
//!
//! | images | algorithm | multiplications saved | error, as a share of the norm |
//! |---|---|---|---|
//! | `f32` | F(4x4, 3x3) | 4 times fewer | 0.000005 |
//! | [`bf16`] | F(2x2, 3x3), sums in fp32 | 2.25 times fewer | 0.006, of which 0.0017 is the rounding of the result |
//!
//! Larger tiles have points other than 0 and 1, which magnify rounding: too much for the eight bits of bfloat16. Weights and their gradients
//! are fp32 in either, and results do not depend on the number of threads (the tests of this crate hold it to these errors). In
//! bfloat16 they depend on whether the processor multiplies pairs in one instruction, or matrices: [`is_bf16_fast_here`].
//!
//! A matrix unit (AMX of Intel's server processors) multiplies bfloat16 so much faster that transforms would take most of the time. With
//! one, [`Convolution`] computes [`bf16`] as it is written, too, to the rounding of the result: [`has_matrix_unit`].
//!
//! A weight that stays as it is may be transformed once: [`TransformedKernel`].
//!
//! [`DirectConvolution`] computes all others in [`bf16`], as they are written: any kernel, stride and padding, images and volumes, filters that
//! lie in different planes. libtorch's are as fast forward; what is gained is the gradient of the weight, and the products with
//! the border, which are left out, as are in gradients those with taps that a filter does not have. [`BatchNorm`] normalises a batch by its own statistics, adds and
//! rectifies in the same pass, and goes back in two; [`MaxPoolRelu`] pools 2x2 pixels and rectifies, and goes back without indices.
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
//! convolution.forward(&image, Kernel::contiguous(&weight), None, &mut result)?;
//! assert!(image.iter().zip(&result).all(|(a, b)| (a - b).abs() < 1e-3));
//! # Ok::<(), medley_kernels::KernelError>(())
//! ```

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod amx;
mod arithmetic;
mod bfloat16;
mod convolution;
mod direct;
mod error;
mod f2x2;
mod f4x4;
mod grid;
mod lanes;
mod normalisation;
mod number;
mod pool;
mod processor;
mod shared;
mod weights;

pub use convolution::{Convolution, TransformedKernel};
pub use direct::{DirectConvolution, Filters, Geometry};
pub use error::KernelError;
pub use half::bf16;
pub use normalisation::{Affine, BatchNorm, Statistics};
pub use number::Number;
pub use pool::MaxPoolRelu;
pub use weights::Kernel;

/// Whether this processor multiplies pairs of bfloat16 in one instruction, without which the kernels of [`bf16`] are slow.
pub fn is_bf16_fast_here() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        processor::processor() == processor::Processor::Avx512Bf16
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}

/// The instructions that kernels use here, by which the last bits of their results differ: `AMX`, `AVX512_BF16`, `AVX512`, `AVX2`, or `DEFAULT`
/// for what every processor of the platform has.
pub fn instructions() -> &'static str {
    if has_matrix_unit() { "AMX" } else { processor::processor().name() }
}

/// Whether convolutions in [`bf16`] use a matrix unit: AMX of Intel's server processors, where Linux lets this process use it.
pub fn has_matrix_unit() -> bool {
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    {
        amx::is_here()
    }
    #[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
    {
        false
    }
}

/// Whether this processor has instructions for which these kernels were written. They work on any other too, but slowly.
pub fn is_fast_here() -> bool {
    cfg!(target_arch = "aarch64") || processor::processor() != processor::Processor::Any
}
