//! Functions of tensors whose backward pass is written in Rust.
//!
//! libtorch records what was computed in a graph of nodes and goes through it in reverse. Where a layer has faster kernels than
//! libtorch's, it computes its output by itself and attaches it to the graph with a function for the backward pass: `attach` is PyTorch's
//! `torch.autograd.Function` for tch, which has none. Order, accumulation and memory stay libtorch's: a gradient is freed when it has been
//! used, and so are the tensors that a function keeps.
//!
//! ```
//! use medley_autograd::attach;
//! use tch::{Kind, Tensor};
//!
//! // A cube that knows its derivative.
//! let x = Tensor::from_slice(&[2.0_f32]).set_requires_grad(true);
//! let cube = tch::no_grad(|| x.pow_tensor_scalar(3));
//! let cube = attach(cube, &[&x], &[&x], |gradient, saved, _wanted| {
//!     Ok(vec![Some(gradient.f_mul(&saved[0].f_square()?.f_mul_scalar(3.0)?)?)])
//! })?;
//! cube.sum(Kind::Float).backward();
//! assert_eq!(x.grad().double_value(&[0]), 12.0);
//! # Ok::<(), tch::TchError>(())
//! ```

use std::ffi::{CStr, CString, c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

use tch::{TchError, Tensor};
use torch_sys::C_tensor;

/// The gradients of the inputs, in order. Where the third argument is false, none is asked for.
type Backward = dyn Fn(Tensor, &[Tensor], &[bool]) -> Result<Vec<Option<Tensor>>, TchError> + Send;

/// What the node of the graph holds.
struct State {
    backward: Box<Backward>,
    inputs: usize,
    saved: usize,
}

type BackwardOfC =
    extern "C" fn(*mut c_void, *mut C_tensor, *mut *mut C_tensor, *const bool, *mut *mut C_tensor) -> *mut c_char;

#[allow(unsafe_code, reason = "the node of the graph is C++")]
unsafe extern "C" {
    fn medley_attach(
        output: *mut C_tensor,
        inputs: *const *const C_tensor,
        inputs_len: usize,
        saved: *const *const C_tensor,
        saved_len: usize,
        state: *mut c_void,
        backward: BackwardOfC,
        drop: extern "C" fn(*mut c_void),
        release: extern "C" fn(*mut c_char),
    ) -> *mut c_char;
}

/// Makes `output`, computed from `inputs` without a record (under `tch::no_grad`), a part of the graph.
///
/// `backward` is given the gradient of the output, the tensors of `saved` (libtorch's check that none of them was changed in between
/// included) and, for each input, whether its gradient is wanted; it returns one gradient per input, of its shape, or `None`. It runs in
/// the thread that asks for gradients, without a record: there are no second derivatives. Where nothing asks for gradients, `output`
/// comes back as it is.
///
/// # Errors
/// What libtorch says of a tensor that cannot be attached. Errors of `backward`, and its panics, are errors of the backward pass.
pub fn attach(
    mut output: Tensor,
    inputs: &[&Tensor],
    saved: &[&Tensor],
    backward: impl Fn(Tensor, &[Tensor], &[bool]) -> Result<Vec<Option<Tensor>>, TchError> + Send + 'static,
) -> Result<Tensor, TchError> {
    let state = Box::new(State { backward: Box::new(backward), inputs: inputs.len(), saved: saved.len() });
    let pointers = |tensors: &[&Tensor]| tensors.iter().map(|tensor| tensor.as_ptr()).collect::<Vec<_>>();
    let (from, kept) = (pointers(inputs), pointers(saved));
    // SAFETY: all tensors live during the call, which takes the state over whatever happens.
    #[allow(unsafe_code, reason = "the node of the graph is C++")]
    let message = unsafe {
        medley_attach(
            output.as_mut_ptr(),
            from.as_ptr(),
            from.len(),
            kept.as_ptr(),
            kept.len(),
            Box::into_raw(state).cast(),
            run_backward,
            drop_state,
            release_message,
        )
    };
    if message.is_null() {
        return Ok(output);
    }
    // SAFETY: a message is a C string that the other side made with `strdup`.
    #[allow(unsafe_code, reason = "a string of C++")]
    let text = unsafe {
        let text = CStr::from_ptr(message).to_string_lossy().into_owned();
        libc::free(message.cast());
        text
    };
    Err(TchError::Torch(text))
}

/// The backward pass of one node, called by libtorch's engine.
extern "C" fn run_backward(
    state: *mut c_void,
    gradient: *mut C_tensor,
    saved: *mut *mut C_tensor,
    wanted: *const bool,
    gradients: *mut *mut C_tensor,
) -> *mut c_char {
    // SAFETY: the node hands over what it promises: its state, a tensor of ours to keep, and as many tensors and places as the state says.
    #[allow(unsafe_code, reason = "called by C++")]
    let (state, gradient, saved, wanted, gradients) = unsafe {
        let state = &*state.cast::<State>();
        let saved = slice(saved, state.saved).iter().map(|&tensor| Tensor::from_ptr(tensor)).collect::<Vec<_>>();
        let wanted = slice(wanted.cast_mut(), state.inputs);
        (state, Tensor::from_ptr(gradient), saved, wanted, slice(gradients, state.inputs))
    };
    let result = catch_unwind(AssertUnwindSafe(|| tch::no_grad(|| (state.backward)(gradient, &saved, wanted))));
    let message = match result {
        Ok(Ok(results)) if results.len() == state.inputs => {
            for (place, result) in gradients.iter_mut().zip(results) {
                if let Some(result) = result {
                    let mut result = std::mem::ManuallyDrop::new(result);
                    *place = result.as_mut_ptr();
                }
            }
            return std::ptr::null_mut();
        }
        Ok(Ok(results)) => format!("a backward pass gave {} gradients for {} inputs", results.len(), state.inputs),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "a backward pass panicked".to_owned(),
    };
    CString::new(message.replace('\0', " ")).unwrap_or_default().into_raw()
}

/// # Safety
/// There are `len` elements at `start`, nobody else uses them, and they outlive the use; with none, the pointer may be null.
#[allow(unsafe_code, reason = "called with what C++ hands over")]
unsafe fn slice<'a, T>(start: *mut T, len: usize) -> &'a mut [T] {
    if len == 0 {
        return &mut [];
    }
    // SAFETY: as the caller promises.
    unsafe { std::slice::from_raw_parts_mut(start, len) }
}

extern "C" fn drop_state(state: *mut c_void) {
    // SAFETY: the node gives back the box that `attach` made, once. A panic of a destructor ends the program.
    #[allow(unsafe_code, reason = "called by C++")]
    drop(unsafe { Box::from_raw(state.cast::<State>()) });
}

extern "C" fn release_message(message: *mut c_char) {
    // SAFETY: the node gives back what `run_backward` returned, once.
    #[allow(unsafe_code, reason = "called by C++")]
    drop(unsafe { CString::from_raw(message) });
}
