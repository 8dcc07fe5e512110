//! What each operator takes and gives, by the rules of operator set 17.

mod arithmetic;
mod axes;
mod layers;

pub use layers::Window;

use crate::{GraphBuilder, OnnxError, Value};

fn refuse(operator: &'static str, problem: String) -> OnnxError {
    OnnxError::Operator { operator, problem }
}

/// Inputs of one operator are floats of one width.
fn check_floats(operator: &'static str, values: &[&Value]) -> Result<(), OnnxError> {
    let first = values[0].dtype();
    if first.is_float() && values.iter().all(|value| value.dtype() == first) {
        return Ok(());
    }
    let types: Vec<&str> = values.iter().map(|value| value.dtype().name()).collect();
    Err(refuse(operator, format!("it takes floats of one width, and got {}", types.join(", "))))
}

impl GraphBuilder {
    /// An operator on one value that keeps its shape.
    fn same(&mut self, operator: &'static str, x: &Value) -> Result<Value, OnnxError> {
        check_floats(operator, &[x])?;
        self.node(operator, &[Some(x)], Vec::new(), x.dtype(), x.shape().to_vec())
    }
}
