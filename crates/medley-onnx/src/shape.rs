//! Shapes in which the batch is a symbol.

use std::fmt;

use crate::OnnxError;

/// A side of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dim {
    /// The number of images in a batch, `N`: any, when the model runs.
    Batch,
    /// So many, at least one.
    Fixed(usize),
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Batch => f.write_str(BATCH),
            Self::Fixed(side) => write!(f, "{side}"),
        }
    }
}

/// What the symbol is called in the file.
pub(crate) const BATCH: &str = "N";

/// `[N, 3, 28, 28]`.
pub(crate) fn show(shape: &[Dim]) -> String {
    let sides: Vec<String> = shape.iter().map(Dim::to_string).collect();
    format!("[{}]", sides.join(", "))
}

/// Sides of constants.
pub(crate) fn fixed(sides: &[usize]) -> Vec<Dim> {
    sides.iter().map(|&side| Dim::Fixed(side)).collect()
}

/// The number of a side that must be known.
pub(crate) fn known(operator: &'static str, dim: Dim) -> Result<usize, OnnxError> {
    match dim {
        Dim::Fixed(side) => Ok(side),
        Dim::Batch => {
            Err(OnnxError::Operator { operator, problem: "it works on one image, not across the batch".into() })
        }
    }
}

/// The product of sides that must be known.
pub(crate) fn product(operator: &'static str, dims: &[Dim]) -> Result<usize, OnnxError> {
    dims.iter().try_fold(1_usize, |product, &dim| {
        product
            .checked_mul(known(operator, dim)?)
            .ok_or_else(|| OnnxError::Operator { operator, problem: format!("{} has too many values", show(dims)) })
    })
}

/// `NumPy`'s rule: aligned at the last axis, sides are equal or one of them is 1.
pub(crate) fn broadcast(operator: &'static str, left: &[Dim], right: &[Dim]) -> Result<Vec<Dim>, OnnxError> {
    let rank = left.len().max(right.len());
    let side =
        |shape: &[Dim], axis: usize| (axis + shape.len()).checked_sub(rank).map_or(Dim::Fixed(1), |at| shape[at]);
    (0..rank)
        .map(|axis| match (side(left, axis), side(right, axis)) {
            (one, other) if one == other => Ok(one),
            (Dim::Fixed(1), other) => Ok(other),
            (one, Dim::Fixed(1)) => Ok(one),
            _ => {
                let problem = format!("shapes {} and {} do not go together", show(left), show(right));
                Err(OnnxError::Operator { operator, problem })
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_broadcast_as_in_numpy() {
        let batch = [Dim::Batch, Dim::Fixed(1), Dim::Fixed(5)];
        let column = [Dim::Fixed(3), Dim::Fixed(1)];
        assert_eq!(broadcast("Add", &batch, &column).unwrap(), [Dim::Batch, Dim::Fixed(3), Dim::Fixed(5)]);
        assert_eq!(broadcast("Add", &column, &batch).unwrap(), [Dim::Batch, Dim::Fixed(3), Dim::Fixed(5)]);
        assert_eq!(broadcast("Add", &batch, &[]).unwrap(), batch);
        let error = broadcast("Add", &batch, &[Dim::Fixed(2), Dim::Fixed(1), Dim::Fixed(1)]).unwrap_err();
        assert_eq!(error.to_string(), "Add: shapes [N, 1, 5] and [2, 1, 1] do not go together");
    }
}
