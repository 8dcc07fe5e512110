//! Which keys mattered: permutation importances and shares of the variance, over forests of extremely randomised trees.

mod fanova;
mod forest;

use medley_core::seed::{Purpose, stream};
use medley_core::statistics::{mean, standard_deviation};
use rand::RngExt as _;

use self::forest::{grow, variance};
use crate::Overview;

/// Forests, each of so many trees.
const FORESTS: u64 = 20;
const TREES: u64 = 16;
/// Trials below which nothing can be said.
const LEAST: usize = 8;
/// Where a key is that is not there: outside the cube.
const ABSENT: f64 = -0.5;

/// A number for each forest, in short.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// Mean over forests.
    pub mean: f64,
    /// Standard deviation over forests.
    pub deviation: f64,
}

impl Spread {
    fn of(values: &[f64]) -> Self {
        Self { mean: mean(values).max(0.0), deviation: standard_deviation(values).unwrap_or(0.0) }
    }
}

/// How much a key mattered.
#[derive(Debug, Clone, PartialEq)]
pub struct Importance {
    /// The key.
    pub key: String,
    /// By how much the squared error rises without it, over the variance of the values: 0 where it does not matter.
    pub rise: Spread,
    /// Which share of the variance over the whole space it explains by itself: fANOVA (Hutter, Hoos and Leyton-Brown 2014).
    pub share: Spread,
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
        .map(|(dimension, (rise, share))| Importance { key: dimension.key.clone(), rise, share })
        .collect();
    keys.sort_by(|a, b| b.rise.mean.total_cmp(&a.rise.mean).then_with(|| a.key.cmp(&b.key)));
    Some(Importances { trials: rows.len(), rung, keys })
}

/// The rise of the error and the share of the variance, for each column.
fn of_rows(rows: &[Row], columns: usize) -> Option<Vec<(Spread, Spread)>> {
    let variance = variance(rows.iter().map(|(_, value)| *value));
    if rows.len() < LEAST || columns == 0 || !variance.is_finite() || variance <= 0.0 {
        return None;
    }
    let absent =
        |column: usize| rows.iter().filter(|(point, _)| point[column] == ABSENT).count() as f64 / rows.len() as f64;
    let absent: Vec<f64> = (0..columns).map(absent).collect();
    let forests: Vec<Vec<(f64, f64)>> = (0..FORESTS).map(|forest| of_forest(rows, &absent, variance, forest)).collect();
    let of_column = |column: usize| {
        let spread = |number: fn(&(f64, f64)) -> f64| {
            Spread::of(&forests.iter().map(|forest| number(&forest[column])).collect::<Vec<_>>())
        };
        (spread(|both| both.0), spread(|both| both.1))
    };
    Some((0..columns).map(of_column).collect())
}

/// A point of the cube, and the value there.
type Row = (Vec<f64>, f64);

/// The mean over the trees of a forest of the rise of the error, and of the share of the variance, for each column.
fn of_forest(rows: &[Row], absent: &[f64], variance: f64, forest: u64) -> Vec<(f64, f64)> {
    let columns = absent.len();
    let (mut rises, mut grown) = (vec![0.0; columns], 0_usize);
    let (mut shares, mut varied) = (vec![0.0; columns], 0_usize);
    for tree in 0..TREES {
        let mut rng = stream(forest, Purpose::Permutation, &[tree]);
        let drawn: Vec<usize> = (0..rows.len()).map(|_| rng.random_range(0..rows.len())).collect();
        let held_out: Vec<usize> = (0..rows.len()).filter(|row| !drawn.contains(row)).collect();
        if held_out.len() < 2 {
            continue;
        }
        grown += 1;
        let root = grow(rows, drawn, columns, &mut rng);
        if let Some(found) = fanova::shares(&root, absent) {
            varied += 1;
            shares.iter_mut().zip(found).for_each(|(share, found)| *share += found);
        }
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
    let mean = |sum: f64, count: usize| sum / count.max(1) as f64;
    rises.iter().zip(shares).map(|(rise, share)| (mean(*rise, grown), mean(share, varied))).collect()
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
        for of in [|both: &(Spread, Spread)| both.0, |both: &(Spread, Spread)| both.1] {
            let found: Vec<Spread> = found.iter().map(of).collect();
            assert!(found[1].mean > 5.0 * found[2].mean && found[2].mean > found[0].mean, "{found:?}");
            assert!(found[0].mean < 0.05 && found.iter().all(|one| one.deviation < 0.5), "{found:?}");
        }
        assert_eq!(found, of_rows(&rows(60, |point| 10.0 * point[1] + 2.0 * point[2]), 3).unwrap());
    }

    /// `scripts/fixtures/studies_optuna.py` writes the file.
    #[test]
    fn shares_are_those_of_optuna() {
        let file = include_str!("../tests/fixtures/fanova.csv");
        for name in ["additive", "curved", "together"] {
            let (mut rows, mut theirs) = (Vec::new(), Vec::new());
            for line in file.lines().filter(|line| line.starts_with(name)) {
                let numbers: Vec<f64> = line.split(',').skip(2).map(|number| number.parse().unwrap()).collect();
                match line.split(',').nth(1).unwrap() {
                    "share" => theirs = numbers,
                    _ => rows.push((numbers[..4].to_vec(), numbers[4])),
                }
            }
            let ours = of_rows(&rows, 4).unwrap();
            assert_eq!((rows.len(), theirs.len()), (150, 4));
            for ((_, share), theirs) in ours.iter().zip(&theirs) {
                assert!((share.mean - theirs).abs() < 0.05, "{name}: {share:?}, Optuna {theirs}");
            }
        }
    }

    #[test]
    fn nothing_is_said_of_few_trials_or_of_equal_ones() {
        assert!(of_rows(&rows(7, |point| point[0]), 3).is_none());
        assert!(of_rows(&rows(20, |_| 0.5), 3).is_none());
        assert!(of_rows(&rows(8, |point| point[0]), 3).is_some());
    }
}
