//! Copies of named tensors, and what a bad step must not spoil taken back from them.

use tch::{TchError, Tensor};

/// Copies with memory of their own.
pub(crate) fn copies(tensors: &[(String, Tensor)]) -> Result<Vec<(String, Tensor)>, TchError> {
    let _guard = tch::no_grad_guard();
    tensors.iter().map(|(name, tensor)| Ok((name.clone(), copied(tensor)?))).collect()
}

/// A copy with memory of its own, without gradients where the caller records none.
pub(crate) fn copied(tensor: &Tensor) -> Result<Tensor, TchError> {
    let mut copy = tensor.f_empty_like()?;
    copy.f_copy_(tensor).map(|()| copy)
}

/// Copies values over tensors, in order.
pub(crate) fn copy_over(tensors: &[(String, Tensor)], from: &[(String, Tensor)]) -> Result<(), TchError> {
    let _guard = tch::no_grad_guard();
    tensors.iter().zip(from).try_for_each(|((_, tensor), (_, value))| tensor.shallow_clone().f_copy_(value))
}

/// Copies values over those tensors that hold one that is not finite.
pub(crate) fn restore_finite(tensors: &[(String, Tensor)], from: &[(String, Tensor)]) -> Result<(), TchError> {
    let _guard = tch::no_grad_guard();
    for ((_, tensor), (_, finite)) in tensors.iter().zip(from) {
        if tensor.f_isfinite()?.f_all()?.f_int64_value(&[])? == 0 {
            tensor.shallow_clone().f_copy_(finite)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_not_finite_is_taken_back() {
        let state = |values: [[f32; 2]; 2]| -> Vec<(String, Tensor)> {
            values.iter().zip(["mean", "var"]).map(|(row, name)| (name.to_owned(), Tensor::from_slice(row))).collect()
        };
        let live = state([[1.0, 2.0], [3.0, 4.0]]);
        let before = copies(&live).unwrap();
        let _ = live[0].1.shallow_clone().fill_(5.0);
        live[1].1.shallow_clone().copy_(&Tensor::from_slice(&[f32::INFINITY, 6.0]));
        restore_finite(&live, &before).unwrap();
        let values: Vec<Vec<f32>> = live.iter().map(|(_, tensor)| Vec::try_from(tensor).unwrap()).collect();
        assert_eq!(values, [[5.0, 5.0], [3.0, 4.0]]);
    }
}
