//! Parameters as plain memory: one pass over a parameter, its gradient and its state in place of a dozen operations.
//!
//! An optimizer written on tensor operations reads and writes every parameter and its state a dozen times, and makes temporary
//! copies: for a network of eleven million parameters that is a tenth of a step. What is done to one value depends on no
//! other, so the memory of all tensors can be walked in any order, in chunks, by any number of threads, to the same bits.

use std::sync::Mutex;

use tch::{Device, Kind, TchError, Tensor};

/// A parameter, what its optimizer keeps for it, and its gradient: the same places in memory of each.
pub(super) struct ParameterChunk<'a, const STATES: usize, C> {
    pub(super) parameter: &'a mut [f32],
    pub(super) states: [&'a mut [f32]; STATES],
    /// `None` is zero everywhere.
    pub(super) gradient: Option<&'a [f32]>,
    /// Of the rule, for this parameter.
    pub(super) constants: C,
}

impl<'a, const STATES: usize, C: Copy> ParameterChunk<'a, STATES, C> {
    /// The chunk of a whole parameter; `None` unless [`fits`].
    pub(super) fn new(
        parameter: &'a mut Tensor,
        states: &'a mut [Tensor; STATES],
        gradient: Option<&'a Tensor>,
        constants: C,
    ) -> Option<Self> {
        if !fits(parameter, states, gradient) {
            return None;
        }
        let states = states.each_mut().map(|state| values_mut(state).unwrap_or_default());
        Some(Self { parameter: values_mut(parameter)?, states, gradient: gradient.and_then(values), constants })
    }

    fn split_at(self, middle: usize) -> (Self, Self) {
        let (left, right) = self.parameter.split_at_mut(middle);
        let mut rights = [const { None }; STATES];
        let mut states = self.states.into_iter();
        let lefts = std::array::from_fn(|index| {
            let (left, right) = states.next().unwrap_or_default().split_at_mut(middle);
            rights[index] = Some(right);
            left
        });
        let (left_gradient, right_gradient) = self.gradient.map(|gradient| gradient.split_at(middle)).unzip();
        let constants = self.constants;
        (
            Self { parameter: left, states: lefts, gradient: left_gradient, constants },
            Self {
                parameter: right,
                states: rights.map(Option::unwrap_or_default),
                gradient: right_gradient,
                constants,
            },
        )
    }
}

/// Whether all tensors of a parameter are fp32 on the CPU, without gaps and in one order. Others have to be changed by tensor
/// operations.
pub(super) fn fits(parameter: &Tensor, states: &[Tensor], gradient: Option<&Tensor>) -> bool {
    let (sizes, strides) = (parameter.size(), parameter.stride());
    states.iter().chain(gradient).chain([parameter]).all(|tensor| {
        place(tensor).is_some() && tensor.size() == sizes && same_order(&sizes, &tensor.stride(), &strides)
    })
}

/// Fewer values than this per thread are done before another thread has started.
const LEAST_PER_THREAD: usize = 1 << 17;

/// Applies a function to all chunks, in at most `threads` threads, each with as many values as the others.
pub(super) fn for_all<const STATES: usize, C: Copy + Send>(
    chunks: Vec<ParameterChunk<'_, STATES, C>>,
    threads: usize,
    work: impl Fn(ParameterChunk<'_, STATES, C>) + Sync,
) {
    let total: usize = chunks.iter().map(|chunk| chunk.parameter.len()).sum();
    let threads = threads.min(total / LEAST_PER_THREAD).max(1);
    let shares: Vec<_> =
        distribute(chunks, total.div_ceil(threads)).into_iter().map(|share| Mutex::new(Some(share))).collect();
    let do_share = |share: &Mutex<Option<Vec<ParameterChunk<'_, STATES, C>>>>| {
        let share = share.lock().ok().and_then(|mut share| share.take());
        share.into_iter().flatten().for_each(&work);
    };
    std::thread::scope(|scope| {
        let Some((own, others)) = shares.split_first() else { return };
        for share in others {
            // Where the system gives no thread, the share is done here.
            if std::thread::Builder::new().spawn_scoped(scope, || do_share(share)).is_err() {
                do_share(share);
            }
        }
        do_share(own);
    });
}

/// Cuts chunks into shares of `each` values; the last may have fewer.
fn distribute<const STATES: usize, C: Copy>(
    chunks: Vec<ParameterChunk<'_, STATES, C>>,
    each: usize,
) -> Vec<Vec<ParameterChunk<'_, STATES, C>>> {
    let mut shares = Vec::new();
    let (mut share, mut room) = (Vec::new(), each);
    for mut chunk in chunks {
        while chunk.parameter.len() > room {
            let (fits, rest) = chunk.split_at(room);
            share.push(fits);
            shares.push(std::mem::take(&mut share));
            (chunk, room) = (rest, each);
        }
        room -= chunk.parameter.len();
        share.push(chunk);
    }
    shares.push(share);
    shares
}

/// The gradient with its values where the parameter has its own: itself, or a copy.
pub(super) fn in_order_of(gradient: &Tensor, parameter: &Tensor) -> Result<Tensor, TchError> {
    if gradient.kind() == parameter.kind() && same_order(&parameter.size(), &gradient.stride(), &parameter.stride()) {
        return Ok(gradient.shallow_clone());
    }
    let mut copy = parameter.f_detach()?.f_empty_like()?;
    copy.f_copy_(gradient)?;
    Ok(copy)
}

/// Strides along axes of one value say nothing.
fn same_order(sizes: &[i64], left: &[i64], right: &[i64]) -> bool {
    left.len() == right.len()
        && sizes.iter().zip(left.iter().zip(right)).all(|(&size, (left, right))| size == 1 || left == right)
}

/// Whether the values fill a stretch of memory, each place once.
fn without_gaps(tensor: &Tensor) -> bool {
    let mut axes: Vec<(i64, i64)> =
        tensor.stride().into_iter().zip(tensor.size()).filter(|&(_, size)| size != 1).collect();
    axes.sort_unstable();
    let mut next = 1;
    axes.into_iter().all(|(stride, size)| {
        let expected = next;
        next *= size;
        stride == expected
    })
}

fn values(tensor: &Tensor) -> Option<&[f32]> {
    let pointer = place(tensor)?;
    // SAFETY: `place` found as many fp32 values from there on, which the tensor keeps alive. The caller's thread owns all tensors,
    // and a gradient is a value of its own: nothing changes it while it is borrowed.
    #[allow(unsafe_code, reason = "tch gives no view of a tensor's memory")]
    Some(unsafe { std::slice::from_raw_parts(pointer, tensor.numel()) })
}

fn values_mut(tensor: &mut Tensor) -> Option<&mut [f32]> {
    let pointer = place(tensor)?;
    // SAFETY: as for `values`. Parameters share their memory with the network and its replicas, state with nobody; between a
    // backward pass and the next forward pass, when an optimizer is called, none of them reads or writes it. That each has memory of its own
    // is checked before (`step::are_apart`).
    #[allow(unsafe_code, reason = "tch gives no view of a tensor's memory")]
    Some(unsafe { std::slice::from_raw_parts_mut(pointer, tensor.numel()) })
}

/// Where a tensor's values begin, if they are fp32, on the CPU and without gaps.
fn place(tensor: &Tensor) -> Option<*mut f32> {
    let plain = tensor.device() == Device::Cpu && tensor.f_kind().ok()? == Kind::Float && without_gaps(tensor);
    let pointer = tensor.data_ptr().cast::<f32>();
    (plain && !pointer.is_null()).then_some(pointer)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ramp(shape: &[i64]) -> Tensor {
        Tensor::arange(shape.iter().product::<i64>(), (Kind::Float, Device::Cpu)).view(shape)
    }

    #[test]
    fn only_what_lies_alike_is_taken_as_memory() {
        let chunk = |parameter: &mut Tensor, gradient: &Tensor| {
            let mut state = [parameter.zeros_like()];
            ParameterChunk::new(parameter, &mut state, Some(gradient), ()).is_some()
        };
        let mut plain = ramp(&[2, 3, 4, 5]);
        let last = plain.permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2]);
        assert!(chunk(&mut plain, &ramp(&[2, 3, 4, 5])));
        assert!(chunk(&mut last.copy(), &last));
        assert!(!chunk(&mut plain, &last), "another order");
        assert!(!chunk(&mut plain, &ramp(&[2, 3, 5, 4])), "another shape");
        assert!(!chunk(&mut plain, &ramp(&[2, 3, 4, 5]).to_kind(Kind::BFloat16)), "another dtype");
        assert!(!chunk(&mut ramp(&[4, 6]).narrow(1, 0, 3), &ramp(&[4, 3])), "gaps");
        let spread = Tensor::ones([1, 1], (Kind::Float, Device::Cpu)).expand([4, 3], false);
        assert!(!chunk(&mut spread.copy(), &spread), "one place for many values");
        assert!(chunk(&mut ramp(&[4, 1]), &ramp(&[1, 4]).tr()), "axes of one value have no order");
    }

    #[test]
    fn a_gradient_in_another_order_is_copied_into_place() {
        let parameter = ramp(&[2, 3, 4, 5]).permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2]);
        let gradient = ramp(&[2, 3, 4, 5]);
        let moved = in_order_of(&gradient, &parameter).unwrap();
        assert!(moved.equal(&gradient) && moved.stride() == parameter.stride());
        assert_eq!(in_order_of(&moved, &parameter).unwrap().data_ptr(), moved.data_ptr());
    }

    proptest! {
        #[test]
        fn every_value_is_distributed_once_with_its_state_and_gradient(
            lens in prop::collection::vec(0_usize..40, 1..12), each in 1_usize..50, without in 0_usize..12,
        ) {
            let mut memory: Vec<[Vec<f32>; 3]> = (0..).zip(&lens).map(|(tensor, &len)| {
                let values = |part: usize| (0..len).map(|index| (tensor * 1000 + index * 3 + part) as f32).collect();
                [values(0), values(1), values(2)]
            }).collect();
            let chunks = memory.iter_mut().enumerate().map(|(index, [parameter, state, gradient])| ParameterChunk {
                parameter, states: [state], gradient: (index != without).then_some(gradient.as_slice()), constants: index,
            }).collect();
            let shares = distribute(chunks, each);
            for (index, share) in shares.iter().enumerate() {
                let len: usize = share.iter().map(|chunk| chunk.parameter.len()).sum();
                prop_assert!(len == each || (index + 1 == shares.len() && len <= each));
            }
            let mut seen = Vec::new();
            for chunk in shares.into_iter().flatten() {
                for (index, &value) in chunk.parameter.iter().enumerate() {
                    prop_assert_eq!(chunk.states[0][index], value + 1.0);
                    prop_assert_eq!(chunk.gradient.is_none(), chunk.constants == without);
                    if let Some(gradient) = chunk.gradient {
                        prop_assert_eq!(gradient[index], value + 2.0);
                    }
                    seen.push(value);
                }
            }
            prop_assert_eq!(seen.len(), lens.iter().sum::<usize>());
            prop_assert!(seen.is_sorted_by(|left, right| left < right));
        }
    }
}
