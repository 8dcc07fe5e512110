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
    let mut pieces = Vec::with_capacity(slots.len());
    for (slot, gradient) in slots.iter_mut().zip(&gradients) {
        let gradient = gradient.as_ref();
        if fits(&slot.parameter, &slot.states, gradient) {
            pieces.extend(Piece::new(&mut slot.parameter, &mut slot.states, gradient, slot.weight_decay));
        } else {
            rule.apply_by_tensors(slot, gradient)?;
        }
    }
    for_all(pieces, threads, |piece| rule.apply(piece));
    Ok(())
}
