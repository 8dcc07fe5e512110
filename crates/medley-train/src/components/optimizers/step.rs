//! What optimizers have in common: parameters with their state, and a step over all of them.

use tch::{TchError, Tensor, no_grad_guard};

use super::memory::{ParameterChunk, fits, for_all, in_order_of};
use super::number::{Number, Traced};
use super::{Optimizer, Parameter};

/// One step, as a rule sees it for one parameter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// Counted from 1.
    pub number: f64,
    /// Of this step and parameter.
    pub learning_rate: f64,
    /// Of the parameter.
    pub weight_decay: f64,
}

/// What an optimizer does to one value of a parameter in one step. It keeps `COUNT` numbers beside each value, zero at first.
pub trait Rule<const COUNT: usize> {
    /// What the numbers that it keeps are called in checkpoints.
    const STATES: [&'static str; COUNT];

    /// Whether the number of a step is used, so that it has to be saved.
    const COUNTS_STEPS: bool = true;

    /// What [`Self::update`] needs of a step, computed once for each parameter.
    type Constants: Copy + Send + Sync;

    /// Computed in 64 bits, to be used in 32.
    fn constants(&self, step: &Step) -> Self::Constants;

    /// The value after the step, and what is kept for the next.
    fn update<N: Number>(constants: &Self::Constants, value: N, states: [N; COUNT], gradient: N) -> (N, [N; COUNT]);
}

/// A parameter and the tensors that its optimizer keeps for it, of the same shape.
struct Slot<const COUNT: usize> {
    parameter: Parameter,
    states: [Tensor; COUNT],
    /// Frozen for the time being.
    is_frozen: bool,
    /// Steps of one that was ever frozen, `[1]` i64; `None` for one that has made all.
    own_steps: Option<Tensor>,
}

/// An optimizer made of a rule.
pub(super) struct Stepper<R, const COUNT: usize> {
    rule: R,
    slots: Vec<Slot<COUNT>>,
    threads: usize,
    /// Steps done, `[1]` i64: a tensor, so that it is saved with the rest.
    steps: Tensor,
}

impl<R: Rule<COUNT> + 'static, const COUNT: usize> Stepper<R, COUNT> {
    /// State for each parameter, zero. `threads` share the work of a step.
    ///
    /// # Errors
    /// What libtorch says.
    pub(super) fn boxed(rule: R, parameters: Vec<Parameter>, threads: usize) -> Result<Box<dyn Optimizer>, TchError> {
        let _guard = no_grad_guard();
        let slots = parameters.into_iter().map(|parameter| {
            let states = zeros_like(&parameter.tensor)?;
            Ok(Slot { parameter, states, is_frozen: false, own_steps: None })
        });
        let slots = slots.collect::<Result<_, TchError>>()?;
        Ok(Box::new(Self { rule, slots, threads, steps: Tensor::f_from_slice(&[0_i64])? }))
    }
}

impl<R: Rule<COUNT>, const COUNT: usize> Optimizer for Stepper<R, COUNT> {
    fn step(&mut self, gradients: &[Option<Tensor>], scale: f64, learning_rate: f64) -> Result<(), TchError> {
        let _guard = no_grad_guard();
        if gradients.len() != self.slots.len() {
            let problem = format!("{} gradients for {} parameters", gradients.len(), self.slots.len());
            return Err(TchError::Shape(problem));
        }
        let all_steps = count(&mut self.steps)?;
        let gradients = (self.slots.iter().zip(gradients))
            .map(|(slot, gradient)| {
                gradient.as_ref().map(|gradient| in_order_of(gradient, &slot.parameter.tensor)).transpose()
            })
            .collect::<Result<Vec<_>, _>>()?;
        let apart = are_apart(&self.slots, &gradients);
        let mut chunks = Vec::with_capacity(self.slots.len());
        for (slot, gradient) in self.slots.iter_mut().zip(&gradients) {
            let Slot { parameter, states, is_frozen, own_steps } = slot;
            if parameter.frozen || *is_frozen {
                continue;
            }
            let number = own_steps.as_mut().map_or(Ok(all_steps), count)?;
            let learning_rate = learning_rate * parameter.learning_rate_scale;
            let step = Step { number, learning_rate, weight_decay: parameter.weight_decay };
            let constants = self.rule.constants(&step);
            let gradient = gradient.as_ref();
            if apart && fits(&parameter.tensor, states, gradient) {
                chunks.extend(ParameterChunk::new(&mut parameter.tensor, states, gradient, constants));
            } else {
                update_tensors::<R, COUNT>(&constants, &mut parameter.tensor, states, gradient, scale)?;
            }
        }
        for_all(chunks, self.threads, |chunk| update_memory::<R, COUNT>(chunk, scale as f32));
        Ok(())
    }

    fn state(&self) -> Vec<(String, Tensor)> {
        let steps = R::COUNTS_STEPS.then(|| ("steps".to_owned(), self.steps.shallow_clone()));
        let mut state = Vec::from_iter(steps);
        for Slot { parameter, states, own_steps, .. } in self.slots.iter().filter(|slot| !slot.parameter.frozen) {
            let own_steps = own_steps.iter().filter(|_| R::COUNTS_STEPS).map(|steps| ("steps", steps));
            let named = R::STATES.into_iter().zip(states).chain(own_steps);
            state.extend(named.map(|(name, tensor)| (format!("{}.{name}", parameter.name), tensor.shallow_clone())));
        }
        state.sort_by(|a, b| a.0.cmp(&b.0));
        state
    }

    fn freeze(&mut self, is_frozen: &dyn Fn(&str) -> bool) -> Result<(), TchError> {
        let _guard = no_grad_guard();
        for slot in &mut self.slots {
            slot.is_frozen = is_frozen(&slot.parameter.name);
            if slot.is_frozen && slot.own_steps.is_none() {
                slot.own_steps = Some(Tensor::f_from_slice(&[self.steps.f_int64_value(&[0])?])?);
            }
        }
        Ok(())
    }
}

/// One more step; which one it is, from 1.
fn count(steps: &mut Tensor) -> Result<f64, TchError> {
    let _ = steps.f_add_scalar_(1)?;
    Ok(steps.f_int64_value(&[0])? as f64)
}

/// One pass over memory.
fn update_memory<R: Rule<COUNT>, const COUNT: usize>(chunk: ParameterChunk<'_, COUNT, R::Constants>, scale: f32) {
    let ParameterChunk { parameter, mut states, gradient, constants } = chunk;
    // Of one length, so that the loop below checks no index.
    let len = parameter.len();
    let mut states = states.each_mut().map(|state| &mut state[..len]);
    let mut update = |index: usize, parameter: &mut f32, gradient: f32| {
        let kept = states.each_ref().map(|state| state[index]);
        let (value, next) = R::update(&constants, *parameter, kept, gradient);
        *parameter = value;
        for (state, next) in states.iter_mut().zip(next) {
            state[index] = next;
        }
    };
    match gradient {
        Some(gradient) => {
            for (index, (parameter, &gradient)) in parameter.iter_mut().zip(gradient).enumerate() {
                update(index, parameter, scale * gradient);
            }
        }
        None => parameter.iter_mut().enumerate().for_each(|(index, parameter)| update(index, parameter, 0.0)),
    }
}

/// The same by operations on whole tensors, for parameters on a GPU.
fn update_tensors<R: Rule<COUNT>, const COUNT: usize>(
    constants: &R::Constants,
    parameter: &mut Tensor,
    states: &mut [Tensor; COUNT],
    gradient: Option<&Tensor>,
    scale: f64,
) -> Result<(), TchError> {
    let gradient = match gradient {
        Some(gradient) => gradient.f_mul_scalar(scale)?,
        None => parameter.f_zeros_like()?,
    };
    let kept = states.each_ref().map(|state| Traced::new(state.shallow_clone()));
    let value = Traced::new(parameter.shallow_clone());
    let (value, next) = R::update(constants, value, kept, Traced::new(gradient));
    parameter.f_copy_(value.get()?)?;
    for (state, next) in states.iter_mut().zip(&next) {
        state.f_copy_(next.get()?)?;
    }
    Ok(())
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
fn are_apart<const COUNT: usize>(slots: &[Slot<COUNT>], gradients: &[Option<Tensor>]) -> bool {
    let extent = |tensor: &Tensor| {
        let start = tensor.data_ptr() as usize;
        start..start + tensor.numel() * size_of::<f32>()
    };
    let written =
        slots.iter().flat_map(|slot| slot.states.iter().chain([&slot.parameter.tensor])).map(|one| (extent(one), true));
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

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    struct Subtract;

    impl Rule<1> for Subtract {
        const STATES: [&'static str; 1] = ["none"];

        type Constants = ();

        fn constants(&self, _step: &Step) {}

        fn update<N: Number>(_constants: &(), value: N, states: [N; 1], _gradient: N) -> (N, [N; 1]) {
            (value + -1.0, states)
        }
    }

    fn parameters(tensors: &[Tensor]) -> Vec<Parameter> {
        tensors.iter().map(|tensor| Parameter::plain("w", tensor, 0.0)).collect()
    }

    fn slots(tensors: &[Tensor]) -> Vec<Slot<1>> {
        let slot = |parameter: Parameter| {
            let states = zeros_like(&parameter.tensor).unwrap();
            Slot { parameter, states, is_frozen: false, own_steps: None }
        };
        parameters(tensors).into_iter().map(slot).collect()
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

    #[test]
    fn tied_parameters_are_stepped_one_after_another() {
        let tied = Tensor::zeros([4], (Kind::Float, Device::Cpu));
        let tensors = [tied.shallow_clone(), tied.shallow_clone()];
        let mut optimizer = Stepper::boxed(Subtract, parameters(&tensors), 2).unwrap();
        optimizer.step(&[None, None], 1.0, 1.0).unwrap();
        assert_eq!(Vec::<f32>::try_from(&tied).unwrap(), [-2.0; 4]);
        let error = optimizer.step(&[None], 1.0, 1.0).unwrap_err().to_string();
        assert!(error.contains("1 gradients for 2 parameters"), "{error}");
    }
}
