//! Which keys mattered: permutation importances over forests of extremely randomised trees.

use medley_core::seed::{ChaCha8Rng, Purpose, stream};
use rand::RngExt as _;

use crate::Overview;

/// Forests, each of so many trees.
const FORESTS: u64 = 20;
const TREES: u64 = 16;
/// Rows of a node that is not split any more.
const LEAF: usize = 2;
/// Trials below which nothing can be said.
const LEAST: usize = 8;
/// Where a key is that is not there: outside the cube.
const ABSENT: f64 = -0.5;

/// How much a key mattered.
#[derive(Debug, Clone, PartialEq)]
pub struct Importance {
    /// The key.
    pub key: String,
    /// By how much the squared error rises without it, over the variance of the values: 0 where it does not matter, mean over forests.
    pub mean: f64,
    /// Standard deviation over forests.
    pub deviation: f64,
}

/// What importances are of.
#[derive(Debug, Clone, PartialEq)]
pub struct Importances {
    /// Trials that were compared.
    pub trials: usize,
    /// At this rung; `None` at their end.
    pub rung: Option<u64>,
    /// The most important first.
    pub keys: Vec<Importance>,
}

/// Importances of the keys of a study; `None` with fewer than eight trials that can be compared, or without differences among them.
pub fn importances(overview: &Overview) -> Option<Importances> {
    let (rung, compared) = overview.comparable();
    let rows: Vec<(Vec<f64>, f64)> = compared
        .into_iter()
        .filter_map(|(trial, value)| {
            let cube = trial.cube.as_ref()?;
            Some((cube.iter().map(|at| at.unwrap_or(ABSENT)).collect(), value))
        })
        .collect();
    let dimensions = overview.definition.space.dimensions();
    let found = of_rows(&rows, dimensions.len())?;
    let mut keys: Vec<Importance> = dimensions
        .iter()
        .zip(found)
        .map(|(dimension, (mean, deviation))| Importance { key: dimension.key.clone(), mean, deviation })
        .collect();
    keys.sort_by(|a, b| b.mean.total_cmp(&a.mean).then_with(|| a.key.cmp(&b.key)));
    Some(Importances { trials: rows.len(), rung, keys })
}

/// Mean and deviation for each column.
fn of_rows(rows: &[(Vec<f64>, f64)], columns: usize) -> Option<Vec<(f64, f64)>> {
    let variance = variance(rows.iter().map(|(_, value)| *value));
    if rows.len() < LEAST || columns == 0 || !variance.is_finite() || variance <= 0.0 {
        return None;
    }
    let forests: Vec<Vec<f64>> = (0..FORESTS).map(|forest| of_forest(rows, columns, variance, forest)).collect();
    let of_column = |column: usize| {
        let values: Vec<f64> = forests.iter().map(|forest| forest[column]).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        (mean.max(0.0), (squares / (values.len() - 1) as f64).sqrt())
    };
    Some((0..columns).map(of_column).collect())
}

/// The mean over the trees of a forest of the rise of the error, for each column.
fn of_forest(rows: &[(Vec<f64>, f64)], columns: usize, variance: f64, forest: u64) -> Vec<f64> {
    let (mut rises, mut grown) = (vec![0.0; columns], 0_usize);
    for tree in 0..TREES {
        let mut rng = stream(forest, Purpose::Permutation, &[tree]);
        let drawn: Vec<usize> = (0..rows.len()).map(|_| rng.random_range(0..rows.len())).collect();
        let held_out: Vec<usize> = (0..rows.len()).filter(|row| !drawn.contains(row)).collect();
        if held_out.len() < 2 {
            continue;
        }
        grown += 1;
        let root = grow(rows, drawn, columns, &mut rng);
        let error = |row_of: &dyn Fn(usize) -> Vec<f64>| {
            let squares = held_out.iter().map(|&row| (root.predict(&row_of(row)) - rows[row].1).powi(2));
            squares.sum::<f64>() / held_out.len() as f64
        };
        let plain = error(&|row| rows[row].0.clone());
        for (column, rise) in rises.iter_mut().enumerate() {
            let mut order = held_out.clone();
            for last in (1..order.len()).rev() {
                order.swap(last, rng.random_range(0..=last));
            }
            let other = |row: usize| held_out.iter().position(|held| *held == row).map_or(row, |at| order[at]);
            let permuted = error(&|row| {
                let mut values = rows[row].0.clone();
                values[column] = rows[other(row)].0[column];
                values
            });
            *rise += (permuted - plain) / variance;
        }
    }
    rises.iter().map(|rise| rise / grown.max(1) as f64).collect()
}

fn variance(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let count = values.clone().count() as f64;
    let mean = values.clone().sum::<f64>() / count;
    values.map(|value| (value - mean).powi(2)).sum::<f64>() / count
}

enum Node {
    Leaf(f64),
    Split { column: usize, threshold: f64, below: Box<Node>, above: Box<Node> },
}

impl Node {
    fn predict(&self, values: &[f64]) -> f64 {
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
fn grow(rows: &[(Vec<f64>, f64)], drawn: Vec<usize>, columns: usize, rng: &mut ChaCha8Rng) -> Node {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(count: u64, value: impl Fn(&[f64]) -> f64) -> Vec<(Vec<f64>, f64)> {
        let row = |index| {
            let mut rng = stream(1, Purpose::Search, &[index]);
            let point: Vec<f64> = (0..3).map(|_| rng.random_range(0.0..1.0)).collect();
            let value = value(&point);
            (point, value)
        };
        (0..count).map(row).collect()
    }

    #[test]
    fn what_the_value_depends_on_matters_and_the_rest_does_not() {
        let found = of_rows(&rows(60, |point| 10.0 * point[1] + 2.0 * point[2]), 3).unwrap();
        assert!(found[1].0 > 5.0 * found[2].0 && found[2].0 > found[0].0, "{found:?}");
        assert!(found[0].0 < 0.05 && found.iter().all(|(_, deviation)| *deviation < 0.5), "{found:?}");
        assert_eq!(found, of_rows(&rows(60, |point| 10.0 * point[1] + 2.0 * point[2]), 3).unwrap());
    }

    #[test]
    fn nothing_is_said_of_few_trials_or_of_equal_ones() {
        assert!(of_rows(&rows(7, |point| point[0]), 3).is_none());
        assert!(of_rows(&rows(20, |_| 0.5), 3).is_none());
        assert!(of_rows(&rows(8, |point| point[0]), 3).is_some());
    }
}
