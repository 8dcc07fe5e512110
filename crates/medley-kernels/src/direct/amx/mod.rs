//! The same sums by the matrix unit of Intel's server processors.

mod bands;
mod outputs;
mod weight_gradient;

pub(super) use outputs::{products, step_of};
pub(super) use weight_gradient::weight_gradient;
