//! Which share of the variance of a tree each key explains by itself: functional analysis of variance, after Hutter, Hoos and Leyton-Brown
//! 2014, "An Efficient Approach for Assessing Hyperparameter Importance", section 3.
//!
//! A tree is constant in boxes, so its mean and its marginals over the space are sums over leaves. Values of a key are weighed
//! evenly over the unit interval; where it is absent in some trials, absence has the weight of these trials.

use super::forest::Node;

/// A leaf: its value, and in each column the interval of it that it holds.
struct Leaf {
    value: f64,
    sides: Vec<(f64, f64)>,
}

/// The share for each column; `None` of a tree that is constant. `absent` is the share of rows without the key, which stand below 0.
pub(super) fn shares(root: &Node, absent: &[f64]) -> Option<Vec<f64>> {
    let mut leaves = Vec::new();
    collect(root, vec![(f64::NEG_INFINITY, f64::INFINITY); absent.len()], &mut leaves);
    let weights: Vec<Vec<f64>> = leaves
        .iter()
        .map(|leaf| leaf.sides.iter().zip(absent).map(|(side, absent)| weight(*side, *absent)).collect())
        .collect();
    let sizes: Vec<f64> = weights.iter().map(|sides| sides.iter().product()).collect();
    let mean: f64 = leaves.iter().zip(&sizes).map(|(leaf, size)| leaf.value * size).sum();
    let total: f64 = leaves.iter().zip(&sizes).map(|(leaf, size)| (leaf.value - mean).powi(2) * size).sum();
    if total <= f64::EPSILON * mean.powi(2) {
        return None;
    }
    let share = |column: usize| {
        // What a leaf adds to the marginal wherever its side goes.
        let parts = leaves.iter().enumerate().map(|(index, leaf)| {
            let others: f64 = weights[index]
                .iter()
                .enumerate()
                .filter(|(other, _)| *other != column)
                .map(|(_, weight)| weight)
                .product();
            (leaf.sides[column], others * (leaf.value - mean))
        });
        marginal_variance(parts, absent[column]) / total
    };
    Some((0..absent.len()).map(share).collect())
}

fn collect(node: &Node, sides: Vec<(f64, f64)>, leaves: &mut Vec<Leaf>) {
    match node {
        Node::Leaf(value) => leaves.push(Leaf { value: *value, sides }),
        Node::Split { column, threshold, below, above } => {
            let (mut left, mut right) = (sides.clone(), sides);
            left[*column].1 = *threshold;
            right[*column].0 = *threshold;
            collect(below, left, leaves);
            collect(above, right, leaves);
        }
    }
}

/// The weight of an interval `[low, high)`.
fn weight((low, high): (f64, f64), absent: f64) -> f64 {
    let inside = (high.clamp(0.0, 1.0) - low.clamp(0.0, 1.0)).max(0.0);
    let atom = if low <= super::ABSENT && super::ABSENT < high { absent } else { 0.0 };
    atom + (1.0 - absent) * inside
}

/// The variance of a sum of steps, each an interval with its height; their mean is 0.
fn marginal_variance(parts: impl Iterator<Item = ((f64, f64), f64)>, absent: f64) -> f64 {
    let mut changes: Vec<(f64, f64)> = Vec::new();
    for ((low, high), height) in parts {
        changes.extend([(low, height), (high, -height)]);
    }
    changes.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut height, mut variance) = (0.0, 0.0);
    for pair in changes.windows(2) {
        height += pair[0].1;
        variance += weight((pair[0].0, pair[1].0), absent) * height.powi(2);
    }
    variance
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(column: usize, threshold: f64, below: Node, above: Node) -> Node {
        Node::Split { column, threshold, below: Box::new(below), above: Box::new(above) }
    }

    /// By hand: 0 below a half of the first; else 1, or 3 above a half of the second. Mean 1, variance 1.5.
    #[test]
    fn shares_are_those_by_hand() {
        let tree = || split(0, 0.5, Node::Leaf(0.0), split(1, 0.5, Node::Leaf(1.0), Node::Leaf(3.0)));
        let found = shares(&tree(), &[0.0, 0.0, 0.0]).unwrap();
        // Marginals: 0 or 2; 0.5 or 1.5. The rest is of both together.
        for (found, expected) in found.iter().zip([1.0 / 1.5, 0.25 / 1.5, 0.0]) {
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
        assert!(shares(&Node::Leaf(2.0), &[0.0]).is_none());
        assert!(shares(&split(0, 0.5, Node::Leaf(2.0), Node::Leaf(2.0)), &[0.0]).is_none());
    }

    /// A key that is absent in a quarter of all trials, and matters by that alone.
    #[test]
    fn absence_has_its_weight() {
        let tree = split(0, -0.2, Node::Leaf(4.0), Node::Leaf(0.0));
        assert!((shares(&tree, &[0.25]).unwrap()[0] - 1.0).abs() < 1e-12);
        assert!((weight((f64::NEG_INFINITY, -0.2), 0.25) - 0.25).abs() < 1e-12);
        assert!((weight((-0.2, 0.5), 0.25) - 0.375).abs() < 1e-12);
    }
}
