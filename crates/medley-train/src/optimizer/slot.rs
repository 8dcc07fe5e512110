//! What optimizers have in common: a parameter with its state, and a step over all of them.

use tch::{TchError, Tensor, no_grad_guard};

use super::memory::{Piece, fits, for_all, in_order_of};

/// A parameter and the tensors that its optimizer keeps for it, of the same shape.
pub(super) struct Slot<const STATES: usize> {
    name: String,
    pub(super) parameter: Tensor,
    pub(super) states: [Tensor; STATES],
    pub(super) weight_decay: f64,
}

/// What an optimizer does to one parameter in one step, in two ways to write it. Both agree to within rounding, and the first
/// is chosen wherever it can be.
pub(super) trait Rule<const STATES: usize>: Sync {
    /// To its values in memory.
    fn apply(&self, piece: Piece<'_, STATES>);

    /// By tensor operations, for parameters on a GPU.
    fn apply_by_tensors(&self, slot: &mut Slot<STATES>, gradient: Option<&Tensor>) -> Result<(), TchError>;
}

impl<const STATES: usize> Slot<STATES> {
    /// Slots for named parameters, their state zero.
    ///
    /// # Errors
    /// What libtorch says.
    pub(super) fn for_all(parameters: &[(String, Tensor)], weight_decay: f64) -> Result<Vec<Self>, TchError> {
        let _guard = no_grad_guard();
        let mut slots = Vec::with_capacity(parameters.len());
        for (name, parameter) in parameters {
            let states = zeros_like(parameter)?;
            // Biases and the scales of normalisations have one dimension and are not decayed.
            let weight_decay = if parameter.dim() > 1 { weight_decay } else { 0.0 };
            slots.push(Self { name: name.clone(), parameter: parameter.shallow_clone(), states, weight_decay });
        }
        Ok(slots)
    }

    /// The state under `parameter.STATE`, sharing memory.
    pub(super) fn named(&self, names: [&str; STATES]) -> impl Iterator<Item = (String, Tensor)> {
        let states = names.into_iter().zip(&self.states);
        states.map(|(state, tensor)| (format!("{}.{state}", self.name), tensor.shallow_clone()))
    }
}

fn zeros_like<const COUNT: usize>(tensor: &Tensor) -> Result<[Tensor; COUNT], TchError> {
    let mut failed = None;
    let zeros = [(); COUNT].map(|()| {
        tensor.f_zeros_like().unwrap_or_else(|error| {
            failed = Some(error);
            Tensor::new()
        })
    });
    failed.map_or(Ok(zeros), Err)
}

/// Whether no parameter and no state shares memory with another tensor. Gradients may share it among themselves.
fn are_apart<const STATES: usize>(slots: &[Slot<STATES>], gradients: &[Option<Tensor>]) -> bool {
    let extent = |tensor: &Tensor| {
        let start = tensor.data_ptr() as usize;
        start..start + tensor.numel() * size_of::<f32>()
    };
    let written =
        slots.iter().flat_map(|slot| slot.states.iter().chain([&slot.parameter])).map(|one| (extent(one), true));
    let read = gradients.iter().flatten().map(|gradient| (extent(gradient), false));
    let mut extents: Vec<_> = written.chain(read).filter(|(extent, _)| !extent.is_empty()).collect();
    extents.sort_unstable_by_key(|(extent, _)| (extent.start, extent.end));
    let (mut end_of_written, mut end_of_read) = (0, 0);
    extents.into_iter().all(|(extent, is_written)| {
        let apart = extent.start >= end_of_written && !(is_written && extent.start < end_of_read);
        let end = if is_written { &mut end_of_written } else { &mut end_of_read };
        *end = extent.end.max(*end);
        apart
    })
}

/// Applies a rule to every slot; `threads` share the work. Gradients are in the order of the slots, and one that is missing is
/// zero.
pub(super) fn step<const STATES: usize>(
    slots: &mut [Slot<STATES>],
    gradients: &[Option<Tensor>],
    threads: usize,
    rule: &impl Rule<STATES>,
) -> Result<(), TchError> {
    let _guard = no_grad_guard();
    let ordered = slots
        .iter()
        .zip(gradients)
        .map(|(slot, gradient)| gradient.as_ref().map(|gradient| in_order_of(gradient, &slot.parameter)).transpose());
    let gradients = ordered.collect::<Result<Vec<_>, _>>()?;
    if gradients.len() != slots.len() {
        let problem = format!("{} gradients for {} parameters", gradients.len(), slots.len());
        return Err(TchError::Shape(problem));
    }
    let apart = are_apart(slots, &gradients);
    let mut pieces = Vec::with_capacity(slots.len());
    for (slot, gradient) in slots.iter_mut().zip(&gradients) {
        let gradient = gradient.as_ref();
        if apart && fits(&slot.parameter, &slot.states, gradient) {
            pieces.extend(Piece::new(&mut slot.parameter, &mut slot.states, gradient, slot.weight_decay));
        } else {
            rule.apply_by_tensors(slot, gradient)?;
        }
    }
    for_all(pieces, threads, |piece| rule.apply(piece));
    Ok(())
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    fn slots(parameters: &[Tensor]) -> Vec<Slot<1>> {
        let named: Vec<_> = parameters.iter().map(|tensor| ("w".to_owned(), tensor.shallow_clone())).collect();
        Slot::for_all(&named, 0.0).unwrap()
    }

    #[test]
    fn tensors_that_share_memory_are_seen() {
        let tensor = || Tensor::zeros([6], (Kind::Float, Device::Cpu));
        let (one, other, gradient) = (tensor(), tensor(), Some(tensor()));
        let two = slots(&[one.shallow_clone(), other.shallow_clone()]);
        let shared = || gradient.as_ref().map(Tensor::shallow_clone);
        assert!(are_apart(&two, &[shared(), shared()]), "gradients may be one tensor");
        assert!(are_apart(&two, &[None, shared()]));
        assert!(!are_apart(&two, &[Some(one.shallow_clone()), None]), "a gradient that is a parameter");
        assert!(!are_apart(&two, &[shared(), Some(other.narrow(0, 2, 2))]), "and a part of one");
        assert!(!are_apart(&slots(&[one.shallow_clone(), one.narrow(0, 3, 3)]), &[None, None]), "tied parameters");
    }

    struct Subtract;

    impl Rule<1> for Subtract {
        fn apply(&self, piece: Piece<'_, 1>) {
            piece.parameter.iter_mut().for_each(|value| *value -= 1.0);
        }

        fn apply_by_tensors(&self, slot: &mut Slot<1>, _gradient: Option<&Tensor>) -> Result<(), TchError> {
            slot.parameter.f_sub_scalar_(1.0).map(drop)
        }
    }

    #[test]
    fn tied_parameters_are_stepped_one_after_another() {
        let tied = Tensor::zeros([4], (Kind::Float, Device::Cpu));
        let mut slots = slots(&[tied.shallow_clone(), tied.shallow_clone()]);
        step(&mut slots, &[None, None], 2, &Subtract).unwrap();
        assert_eq!(Vec::<f32>::try_from(&tied).unwrap(), [-2.0; 4]);
        let error = step(&mut slots, &[None], 2, &Subtract).unwrap_err().to_string();
        assert!(error.contains("1 gradients for 2 parameters"), "{error}");
    }
}
