//! Changes of shape.

use super::{check_floats, refuse};
use crate::graph::{int, ints, string};
use crate::shape::{known, product, show};
use crate::{Constant, Dim, GraphBuilder, OnnxError, Value};

impl GraphBuilder {
    /// `[N, ..]` to `[N, F]`.
    ///
    /// # Errors
    /// [`OnnxError::Operator`] for a value without axes, or whose later sides are not known; [`OnnxError::Foreign`].
    pub fn flatten(&mut self, x: &Value) -> Result<Value, OnnxError> {
        let [first, rest @ ..] = x.shape() else { return Err(refuse("Flatten", "it needs an axis".into())) };
        let shape = vec![*first, Dim::Fixed(product("Flatten", rest)?)];
        self.node("Flatten", &[Some(x)], vec![int("axis", 1)], x.dtype(), shape)
    }

    /// Another shape of the same values in the same order; `None` keeps the side at that place.
    ///
    /// # Errors
    /// [`OnnxError::Operator`] when the number of values would change; [`OnnxError::Foreign`].
    pub fn reshape(&mut self, x: &Value, sides: &[Option<usize>]) -> Result<Value, OnnxError> {
        let wrong = || refuse("Reshape", format!("{} has no shape {sides:?}", show(x.shape())));
        let shape = sides
            .iter()
            .enumerate()
            .map(|(axis, side)| match side {
                Some(side) => Ok(Dim::Fixed(*side)),
                None => x.shape().get(axis).copied().ok_or_else(wrong),
            })
            .collect::<Result<Vec<_>, _>>()?;
        let count = |shape: &[Dim]| {
            let known: Vec<Dim> = shape.iter().copied().filter(|dim| *dim != Dim::Batch).collect();
            product("Reshape", &known).map(|values| (values, shape.len() - known.len()))
        };
        if count(&shape)? != count(x.shape())? {
            return Err(wrong());
        }
        // Zero keeps a side.
        let numbers: Vec<i64> = sides.iter().map(|side| side.unwrap_or(0) as i64).collect();
        let target = self.integers(&[numbers.len()], &numbers)?;
        self.node("Reshape", &[Some(x), Some(&target)], Vec::new(), x.dtype(), shape)
    }

    /// Axis `order[i]` becomes axis `i`.
    ///
    /// # Errors
    /// [`OnnxError::Operator`] when the order does not name each axis once; [`OnnxError::Foreign`].
    pub fn transpose(&mut self, x: &Value, order: &[usize]) -> Result<Value, OnnxError> {
        let mut sorted = order.to_vec();
        sorted.sort_unstable();
        if !sorted.into_iter().eq(0..x.shape().len()) {
            return Err(refuse("Transpose", format!("{} has no order of axes {order:?}", show(x.shape()))));
        }
        let shape = order.iter().map(|&axis| x.shape()[axis]).collect();
        self.node("Transpose", &[Some(x)], vec![ints("perm", order)], x.dtype(), shape)
    }

    /// Values one after another along an axis.
    ///
    /// # Errors
    /// [`OnnxError::Operator`] when other sides or types differ; [`OnnxError::Foreign`].
    pub fn concat(&mut self, values: &[&Value], axis: usize) -> Result<Value, OnnxError> {
        let Some(first) = values.first() else { return Err(refuse("Concat", "it needs a value".into())) };
        let mut shape = first.shape().to_vec();
        let mut total = 0;
        for value in values {
            let like = |(at, (one, other)): (usize, (&Dim, &Dim))| at == axis || one == other;
            let sides = shape.len() == value.shape().len() && shape.iter().zip(value.shape()).enumerate().all(like);
            if !sides || value.dtype() != first.dtype() || axis >= shape.len() {
                let problem =
                    format!("{} and {} do not go together along axis {axis}", show(first.shape()), show(value.shape()));
                return Err(refuse("Concat", problem));
            }
            total += known("Concat", value.shape()[axis])?;
        }
        shape[axis] = Dim::Fixed(total);
        let inputs: Vec<Option<&Value>> = values.iter().map(|&value| Some(value)).collect();
        self.node("Concat", &inputs, vec![int("axis", axis as i64)], first.dtype(), shape)
    }

    /// One slice of an axis, which is gone afterwards.
    ///
    /// # Errors
    /// [`OnnxError::Operator`] when there is no such axis or slice; [`OnnxError::Foreign`].
    pub fn select(&mut self, x: &Value, axis: usize, index: usize) -> Result<Value, OnnxError> {
        let mut shape = x.shape().to_vec();
        if axis >= shape.len() || index >= known("Gather", shape[axis])? {
            return Err(refuse("Gather", format!("{} has no slice {index} along axis {axis}", show(x.shape()))));
        }
        shape.remove(axis);
        let at = self.integers(&[], &[index as i64])?;
        self.node("Gather", &[Some(x), Some(&at)], vec![int("axis", axis as i64)], x.dtype(), shape)
    }

    /// Zeros before the first value of an axis.
    ///
    /// # Errors
    /// [`OnnxError::Operator`] when there is no such axis; [`OnnxError::Foreign`].
    pub fn pad_before(&mut self, x: &Value, axis: usize, count: usize) -> Result<Value, OnnxError> {
        let mut shape = x.shape().to_vec();
        if axis >= shape.len() {
            return Err(refuse("Pad", format!("{} has no axis {axis}", show(x.shape()))));
        }
        check_floats("Pad", &[x])?;
        let mut pads = vec![0; 2 * shape.len()];
        pads[axis] = count as i64;
        shape[axis] = Dim::Fixed(known("Pad", shape[axis])? + count);
        let pads = self.integers(&[pads.len()], &pads)?;
        self.node("Pad", &[Some(x), Some(&pads)], Vec::new(), x.dtype(), shape)
    }

    /// Repeats sides of one until the shape is that of `x` and `sides` together.
    ///
    /// # Errors
    /// [`OnnxError::Operator`] for sides that do not go together; [`OnnxError::Foreign`].
    pub fn expand(&mut self, x: &Value, sides: &[usize]) -> Result<Value, OnnxError> {
        let shape = crate::shape::broadcast("Expand", x.shape(), &crate::shape::fixed(sides))?;
        let numbers: Vec<i64> = sides.iter().map(|&side| side as i64).collect();
        let target = self.integers(&[numbers.len()], &numbers)?;
        self.node("Expand", &[Some(x), Some(&target)], Vec::new(), x.dtype(), shape)
    }

    /// `[N, C, ..]` with other sides, linear along every axis: `torch.nn.functional.interpolate` with `align_corners=False` and
    /// without `antialias`.
    ///
    /// # Errors
    /// [`OnnxError::Operator`] when the number of sides is another, or one is not known; [`OnnxError::Foreign`].
    pub fn resize(&mut self, x: &Value, sides: &[usize]) -> Result<Value, OnnxError> {
        check_floats("Resize", &[x])?;
        let [batch, channels, space @ ..] = x.shape() else {
            return Err(refuse("Resize", format!("it takes [N, C, ..], and got {}", show(x.shape()))));
        };
        if space.len() != sides.len() {
            return Err(refuse("Resize", format!("{} has no sides {sides:?}", show(x.shape()))));
        }
        let mut scales = vec![1.0_f32; 2];
        for (&dim, &side) in space.iter().zip(sides) {
            scales.push(scale(known("Resize", dim)?, side));
        }
        let mut shape = vec![*batch, *channels];
        shape.extend(sides.iter().map(|&side| Dim::Fixed(side)));
        let name = sides.iter().zip(&shape[2..]).fold("scales".to_owned(), |name, (side, _)| format!("{name}_{side}"));
        let from: Vec<String> = space.iter().map(Dim::to_string).collect();
        let scales =
            self.constant(&format!("{name}_from_{}", from.join("_")), Constant::f32(&[scales.len()], &scales)?)?;
        let attributes = vec![string("coordinate_transformation_mode", "half_pixel"), string("mode", "linear")];
        self.node("Resize", &[Some(x), None, Some(&scales)], attributes, x.dtype(), shape)
    }
}

/// The factor from which a runtime computes this side, by `floor(from * scale)` in 32 bits.
fn scale(from: usize, to: usize) -> f32 {
    let mut scale = to as f32 / from as f32;
    while ((from as f32 * scale).floor() as usize) < to {
        scale = scale.next_up();
    }
    scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_give_the_side_that_was_asked_for() {
        for from in 1..200 {
            for to in 1..300 {
                assert_eq!((from as f32 * scale(from, to)).floor() as usize, to, "{from} to {to}");
            }
        }
    }
}
