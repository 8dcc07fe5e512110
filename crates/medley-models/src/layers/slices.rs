//! Tensors of libtorch as slices of numbers, for kernels of our own.

use medley_kernels::{Convolution, Kernel, KernelError, Number, bf16};
use tch::{Device, Kind, TchError, Tensor};

/// Numbers of the kernels and of libtorch.
pub(super) trait Dtype: Number {
    const KIND: Kind;
}

impl Dtype for f32 {
    const KIND: Kind = Kind::Float;
}

impl Dtype for bf16 {
    const KIND: Kind = Kind::BFloat16;
}

/// Whether all channels of a pixel lie together, without gaps: `[N, C, H, W]` or `[N, C, D, H, W]`.
pub(super) fn is_channels_last(tensor: &Tensor) -> bool {
    let order: &[i64] = match tensor.dim() {
        4 => &[0, 2, 3, 1],
        5 => &[0, 2, 3, 4, 1],
        _ => return false,
    };
    tensor.f_permute(order).is_ok_and(|tensor| tensor.is_contiguous())
}

/// A tensor of this shape with channels last, to be filled. Not a view of another one: autograd would refuse to change it in place.
pub(super) fn channels_last<N: Dtype>(shape: &[i64]) -> Result<Tensor, TchError> {
    let mut strides = vec![1; shape.len()];
    let mut step = shape[1];
    for axis in (2..shape.len()).rev() {
        strides[axis] = step;
        step *= shape[axis];
    }
    strides[0] = step;
    Tensor::f_empty_strided(shape, strides.as_slice(), (N::KIND, Device::Cpu))
}

/// A weight in one of the two orders that the kernels read.
pub(super) fn kernel_order(weight: &Tensor) -> Result<Tensor, TchError> {
    if is_channels_last(weight) { Ok(weight.shallow_clone()) } else { weight.f_contiguous() }
}

/// A weight that is in such an order.
pub(super) fn kernel(weight: &Tensor) -> Result<Kernel<'_>, TchError> {
    let read = if weight.is_contiguous() { Kernel::contiguous } else { Kernel::channels_last };
    Ok(read(numbers(weight)?))
}

/// Whether the kernels take the channels of such a weight `[out, in, ..]`, multiples of sixteen.
pub(super) fn takes_weight(weight: &Tensor) -> bool {
    let (outputs, inputs) = (weight.size()[0] as usize, weight.size()[1] as usize);
    Convolution::takes(inputs, outputs)
}

/// Whether the kernels take so many channels.
pub(super) fn takes_channels(x: &Tensor) -> bool {
    let channels = x.size()[1] as usize;
    Convolution::takes(channels, channels)
}

/// The numbers of a tensor that has its memory without gaps, in either order.
pub(super) fn numbers<N: Dtype>(tensor: &Tensor) -> Result<&[N], TchError> {
    check::<N>(tensor)?;
    // SAFETY: `check` saw that so many numbers of this type lie there without gaps; the tensor owns them and is borrowed.
    #[allow(unsafe_code, reason = "memory of libtorch")]
    Ok(unsafe { std::slice::from_raw_parts(start(tensor), tensor.numel()) })
}

/// As [`numbers`], of a tensor that nobody else has.
pub(super) fn numbers_mut<N: Dtype>(tensor: &mut Tensor) -> Result<&mut [N], TchError> {
    check::<N>(tensor)?;
    // SAFETY: as above; the tensors that come here were made a moment ago, so nobody else has them. Their numbers are whatever lay there,
    // any bits of which are a number, and are written before they are read.
    #[allow(unsafe_code, reason = "memory of libtorch")]
    Ok(unsafe { std::slice::from_raw_parts_mut(start(tensor), tensor.numel()) })
}

/// A tensor without numbers may have no memory, and a slice may not begin nowhere.
fn start<N>(tensor: &Tensor) -> *mut N {
    if tensor.numel() == 0 { std::ptr::NonNull::dangling().as_ptr() } else { tensor.data_ptr().cast() }
}

fn check<N: Dtype>(tensor: &Tensor) -> Result<(), TchError> {
    let whole = tensor.is_contiguous() || is_channels_last(tensor);
    if whole && tensor.kind() == N::KIND && tensor.device() == Device::Cpu {
        return Ok(());
    }
    let found = format!("{:?} {:?} on {:?}", tensor.kind(), tensor.size(), tensor.device());
    Err(TchError::Kind(format!("the kernels take {:?} without gaps on the CPU, and got {found}", N::KIND)))
}

/// What the kernels say, as an error of libtorch.
pub(super) fn refused(error: KernelError) -> TchError {
    TchError::Shape(error.to_string())
}
