//! Numbers that a rule computes with.

use std::ops::{Add, Div, Mul, Sub};
use std::rc::Rc;

use tch::{TchError, Tensor};

/// A value of a parameter, or of all parameters of a group at once: a rule that is written for numbers works on memory, value by
/// value, and on tensors. Constants are `f32`.
pub trait Number:
    Clone
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Add<f32, Output = Self>
    + Mul<f32, Output = Self>
{
    /// The square root.
    #[must_use]
    fn sqrt(self) -> Self;
}

impl Number for f32 {
    fn sqrt(self) -> Self {
        f32::sqrt(self)
    }
}

/// A tensor, or the first error on the way to it: operators cannot return a `Result`.
#[derive(Debug, Clone)]
pub(super) struct Traced(Result<Rc<Tensor>, Rc<TchError>>);

impl Traced {
    pub(super) fn new(tensor: Tensor) -> Self {
        Self(Ok(Rc::new(tensor)))
    }

    /// The tensor.
    ///
    /// # Errors
    /// What libtorch said on the way.
    pub(super) fn get(&self) -> Result<&Tensor, TchError> {
        self.0.as_deref().map_err(|error| TchError::Torch(error.to_string()))
    }

    fn map(self, function: impl FnOnce(&Tensor) -> Result<Tensor, TchError>) -> Self {
        Self(self.0.and_then(|tensor| function(&tensor).map(Rc::new).map_err(Rc::new)))
    }

    fn with(self, other: Self, function: impl FnOnce(&Tensor, &Tensor) -> Result<Tensor, TchError>) -> Self {
        match other.0 {
            Ok(other) => self.map(|tensor| function(tensor, &other)),
            Err(error) => Self(self.0.and(Err(error))),
        }
    }
}

impl Number for Traced {
    fn sqrt(self) -> Self {
        self.map(Tensor::f_sqrt)
    }
}

impl Add for Traced {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        self.with(other, Tensor::f_add)
    }
}

impl Sub for Traced {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self.with(other, Tensor::f_sub)
    }
}

impl Mul for Traced {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        self.with(other, Tensor::f_mul)
    }
}

impl Div for Traced {
    type Output = Self;

    fn div(self, other: Self) -> Self {
        self.with(other, Tensor::f_div)
    }
}

impl Add<f32> for Traced {
    type Output = Self;

    fn add(self, constant: f32) -> Self {
        self.map(|tensor| tensor.f_add_scalar(f64::from(constant)))
    }
}

impl Mul<f32> for Traced {
    type Output = Self;

    fn mul(self, constant: f32) -> Self {
        self.map(|tensor| tensor.f_mul_scalar(f64::from(constant)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_error_is_kept() {
        let [two, three] =
            [2_i64, 3].map(|len| Traced::new(Tensor::zeros([len], (tch::Kind::Float, tch::Device::Cpu))));
        let error = (two.clone() + (two.clone() * three).sqrt()).get().unwrap_err().to_string();
        assert!(error.contains("size of tensor a (2)"), "{error}");
        assert_eq!((two + 1.0).get().unwrap().double_value(&[0]), 1.0);
    }
}
