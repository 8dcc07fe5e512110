//! Value by value, and products of matrices.

use super::{check_floats, refuse};
use crate::graph::int;
use crate::shape::{broadcast, show};
use crate::{DataType, GraphBuilder, OnnxError, Value};

impl GraphBuilder {
    /// `max(x, 0)`.
    ///
    /// # Errors
    /// [`OnnxError::Operator`] for another type than floats; [`OnnxError::Foreign`].
    pub fn relu(&mut self, x: &Value) -> Result<Value, OnnxError> {
        self.same("Relu", x)
    }

    /// `1 / (1 + exp(-x))`.
    ///
    /// # Errors
    /// As [`Self::relu`].
    pub fn sigmoid(&mut self, x: &Value) -> Result<Value, OnnxError> {
        self.same("Sigmoid", x)
    }

    /// The error function.
    ///
    /// # Errors
    /// As [`Self::relu`].
    pub fn erf(&mut self, x: &Value) -> Result<Value, OnnxError> {
        self.same("Erf", x)
    }

    /// Softmax over the last axis.
    ///
    /// # Errors
    /// As [`Self::relu`], and for a value without axes.
    pub fn softmax(&mut self, x: &Value) -> Result<Value, OnnxError> {
        check_floats("Softmax", &[x])?;
        if x.shape().is_empty() {
            return Err(refuse("Softmax", "it needs an axis".into()));
        }
        self.node("Softmax", &[Some(x)], vec![int("axis", -1)], x.dtype(), x.shape().to_vec())
    }

    /// Sums, broadcast as in `NumPy`.
    ///
    /// # Errors
    /// [`OnnxError::Operator`] for shapes or types that do not go together; [`OnnxError::Foreign`].
    pub fn add(&mut self, left: &Value, right: &Value) -> Result<Value, OnnxError> {
        self.binary("Add", left, right)
    }

    /// Products value by value, broadcast as in `NumPy`.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub fn mul(&mut self, left: &Value, right: &Value) -> Result<Value, OnnxError> {
        self.binary("Mul", left, right)
    }

    fn binary(&mut self, operator: &'static str, left: &Value, right: &Value) -> Result<Value, OnnxError> {
        check_floats(operator, &[left, right])?;
        let shape = broadcast(operator, left.shape(), right.shape())?;
        self.node(operator, &[Some(left), Some(right)], Vec::new(), left.dtype(), shape)
    }

    /// Products of matrices in the last two axes; those before are broadcast.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub fn matmul(&mut self, left: &Value, right: &Value) -> Result<Value, OnnxError> {
        check_floats("MatMul", &[left, right])?;
        let ([before @ .., rows, inner], [others @ .., same, columns]) = (left.shape(), right.shape()) else {
            let problem = format!("it takes matrices, and got {} and {}", show(left.shape()), show(right.shape()));
            return Err(refuse("MatMul", problem));
        };
        if inner != same {
            let problem = format!("shapes {} and {} do not go together", show(left.shape()), show(right.shape()));
            return Err(refuse("MatMul", problem));
        }
        let mut shape = broadcast("MatMul", before, others)?;
        shape.extend([*rows, *columns]);
        self.node("MatMul", &[Some(left), Some(right)], Vec::new(), left.dtype(), shape)
    }

    /// A linear layer: `x` is `[N, in]`, `weight` `[out, in]`, `bias` `[out]`.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub fn gemm(&mut self, x: &Value, weight: &Value, bias: &Value) -> Result<Value, OnnxError> {
        check_floats("Gemm", &[x, weight, bias])?;
        match (x.shape(), weight.shape(), bias.shape()) {
            (&[rows, inner], &[outputs, same], &[biases]) if inner == same && outputs == biases => {
                let inputs = [Some(x), Some(weight), Some(bias)];
                self.node("Gemm", &inputs, vec![int("transB", 1)], x.dtype(), vec![rows, outputs])
            }
            (x, weight, bias) => {
                let problem = format!(
                    "it takes [N, in], [out, in] and [out], and got {}, {} and {}",
                    show(x),
                    show(weight),
                    show(bias)
                );
                Err(refuse("Gemm", problem))
            }
        }
    }

    /// The same numbers in another type.
    ///
    /// # Errors
    /// [`OnnxError::Foreign`].
    pub fn cast(&mut self, x: &Value, dtype: DataType) -> Result<Value, OnnxError> {
        if x.dtype() == dtype {
            return Ok(x.clone());
        }
        self.node("Cast", &[Some(x)], vec![int("to", i64::from(dtype.code()))], dtype, x.shape().to_vec())
    }
}
