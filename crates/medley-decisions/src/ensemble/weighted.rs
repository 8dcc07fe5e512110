//! Weights with the least log loss.

use medley_core::{Labels, Scores, TaskKind};

/// Updates at most; a few hundred are enough.
const MOST_UPDATES: usize = 5_000;
/// Weights that no update changes by more than this are final.
const SETTLED: f64 = 1e-10;

/// The mean log loss of a weighted mean is convex in the weights. Each update multiplies a weight by the mean, over rows, of what its
/// member gives the truth over what all give it together; the sum stays 1, and log loss never rises.
pub(super) fn weights(kind: TaskKind, members: &[Scores], labels: &Labels) -> Vec<f64> {
    let of_truth: Vec<Vec<f64>> = members.iter().map(|member| probabilities_of_truth(kind, member, labels)).collect();
    let mut weights = vec![1.0 / members.len() as f64; members.len()];
    for _ in 0..MOST_UPDATES {
        let next = update(&of_truth, &weights);
        let moved = next.iter().zip(&weights).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        weights = next;
        if moved < SETTLED {
            break;
        }
    }
    weights
}

fn update(of_truth: &[Vec<f64>], weights: &[f64]) -> Vec<f64> {
    let rows = of_truth[0].len();
    let mut together = vec![0.0; rows];
    for (member, weight) in of_truth.iter().zip(weights) {
        together.iter_mut().zip(member).for_each(|(sum, share)| *sum += weight * share);
    }
    let factor =
        |member: &Vec<f64>| member.iter().zip(&together).map(|(share, sum)| share / sum).sum::<f64>() / rows as f64;
    let next: Vec<f64> = of_truth.iter().zip(weights).map(|(member, weight)| weight * factor(member)).collect();
    let sum: f64 = next.iter().sum();
    next.into_iter().map(|weight| weight / sum).collect()
}

/// What a member gives to what is true: one value per row, or per label of a row.
fn probabilities_of_truth(kind: TaskKind, scores: &Scores, labels: &Labels) -> Vec<f64> {
    let columns = scores.columns();
    let value = |row: usize, label: usize| match kind {
        TaskKind::MultiLabel if labels.row(row)[label] == 1 => scores.view()[(row, label)],
        TaskKind::MultiLabel => 1.0 - scores.view()[(row, label)],
        TaskKind::Binary if columns == 1 && labels.values()[row] == 0 => 1.0 - scores.view()[(row, 0)],
        TaskKind::Binary if columns == 1 => scores.view()[(row, 0)],
        _ => scores.view()[(row, usize::from(labels.values()[row]))],
    };
    let width = labels.width();
    (0..labels.rows() * width).map(|at| value(at / width, at % width).max(f64::EPSILON)).collect()
}
