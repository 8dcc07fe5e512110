//! Extremely randomised trees (Geurts, Ernst and Wehenkel 2006).

use medley_core::seed::ChaCha8Rng;
use rand::RngExt as _;

use super::Row;

/// Rows of a node that is not split any more.
const LEAF: usize = 2;

pub(super) fn variance(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let count = values.clone().count() as f64;
    let mean = values.clone().sum::<f64>() / count;
    values.map(|value| (value - mean).powi(2)).sum::<f64>() / count
}

/// A tree.
pub(super) enum Node {
    /// The mean of the rows there.
    Leaf(f64),
    /// What is less than the threshold is below.
    Split { column: usize, threshold: f64, below: Box<Node>, above: Box<Node> },
}

impl Node {
    pub(super) fn predict(&self, values: &[f64]) -> f64 {
        let mut at = self;
        loop {
            match at {
                Self::Leaf(value) => return *value,
                Self::Split { column, threshold, below, above } => {
                    at = if values[*column] < *threshold { below } else { above };
                }
            }
        }
    }
}

/// Of one random threshold for each column, the one that leaves the least spread.
pub(super) fn grow(rows: &[Row], drawn: Vec<usize>, columns: usize, rng: &mut ChaCha8Rng) -> Node {
    let mean = drawn.iter().map(|&row| rows[row].1).sum::<f64>() / drawn.len().max(1) as f64;
    if drawn.len() <= LEAF {
        return Node::Leaf(mean);
    }
    let mut best: Option<(f64, usize, f64)> = None;
    for column in 0..columns {
        let values = || drawn.iter().map(|&row| rows[row].0[column]);
        let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
        // A draw for each, so that the others do not depend on it.
        let threshold = low + rng.random_range(0.0..1.0) * (high - low);
        let (below, above): (Vec<usize>, Vec<usize>) = drawn.iter().partition(|row| rows[**row].0[column] < threshold);
        if below.is_empty() || above.is_empty() {
            continue;
        }
        let squares = |side: &[usize]| variance(side.iter().map(|&row| rows[row].1)) * side.len() as f64;
        let spread = squares(&below) + squares(&above);
        if best.is_none_or(|(least, ..)| spread < least) {
            best = Some((spread, column, threshold));
        }
    }
    let Some((_, column, threshold)) = best else { return Node::Leaf(mean) };
    let (below, above): (Vec<usize>, Vec<usize>) = drawn.into_iter().partition(|&row| rows[row].0[column] < threshold);
    Node::Split {
        column,
        threshold,
        below: Box::new(grow(rows, below, columns, rng)),
        above: Box::new(grow(rows, above, columns, rng)),
    }
}
