//! Curves of predictions on rows whose labels are open, thinned to what a chart can show.

use medley_core::{Labels, Scores, TaskKind};
use serde::{Deserialize, Serialize};

/// Points that are kept of a curve.
const MOST_POINTS: usize = 64;
/// Bins of confidence.
const BINS: usize = 10;

/// How one class, or one label, is told from the others as the threshold falls.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassCurves {
    /// Class index.
    pub class: usize,
    /// False positive rate and true positive rate, from (0, 0) to (1, 1); empty where only one of both occurs.
    pub roc: Vec<[f64; 2]>,
    /// Recall and precision, from the highest score on; empty where the class does not occur.
    pub precision_recall: Vec<[f64; 2]>,
}

/// Predictions of about the same confidence.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ReliabilityBin {
    /// Mean confidence: the largest probability, or of labels the probability itself.
    pub confidence: f64,
    /// How often it is right, or how often the label is set.
    pub accuracy: f64,
    /// Predictions in the bin.
    pub count: usize,
}

/// The curves of every class; of a binary task, of class 1 alone.
pub fn curves(kind: TaskKind, scores: &Scores, labels: &Labels) -> Vec<ClassCurves> {
    let columns: Vec<(usize, usize)> = match kind {
        TaskKind::Binary => vec![(1, scores.columns().saturating_sub(1))],
        _ => (0..scores.columns()).map(|column| (column, column)).collect(),
    };
    let of_class = |(class, column): (usize, usize)| {
        let positive = |row: usize| match kind {
            TaskKind::MultiLabel => labels.row(row)[class] == 1,
            _ => usize::from(labels.values()[row]) == class,
        };
        let mut rows: Vec<(f64, bool)> =
            (0..scores.rows()).map(|row| (scores.view()[(row, column)], positive(row))).collect();
        rows.sort_by(|a, b| b.0.total_cmp(&a.0));
        let positives = rows.iter().filter(|row| row.1).count();
        let negatives = rows.len() - positives;
        let (mut roc, mut precision_recall) = (vec![[0.0, 0.0]], Vec::new());
        let (mut hits, mut predicted) = (0, 0);
        for (at, row) in rows.iter().enumerate() {
            predicted += 1;
            hits += usize::from(row.1);
            // Rows of one score have one threshold.
            if rows.get(at + 1).is_some_and(|next| next.0 == row.0) {
                continue;
            }
            let recall = hits as f64 / positives.max(1) as f64;
            roc.push([(predicted - hits) as f64 / negatives.max(1) as f64, recall]);
            precision_recall.push([recall, hits as f64 / predicted as f64]);
        }
        let roc = if positives == 0 || negatives == 0 { Vec::new() } else { thinned(roc) };
        let precision_recall = if positives == 0 { Vec::new() } else { thinned(precision_recall) };
        ClassCurves { class, roc, precision_recall }
    };
    columns.into_iter().map(of_class).collect()
}

/// Ten bins of equal width; those without predictions are left out.
pub fn reliability(kind: TaskKind, scores: &Scores, labels: &Labels) -> Vec<ReliabilityBin> {
    let mut bins = vec![(0.0, 0_usize, 0_usize); BINS];
    let mut add = |confidence: f64, right: bool| {
        let bin = &mut bins[((confidence * BINS as f64) as usize).min(BINS - 1)];
        *bin = (bin.0 + confidence, bin.1 + usize::from(right), bin.2 + 1);
    };
    for row in 0..scores.rows() {
        let values = scores.row(row);
        match kind {
            TaskKind::MultiLabel => {
                values.iter().zip(labels.row(row)).for_each(|(&value, &label)| add(value, label == 1));
            }
            TaskKind::Binary => {
                let positive = values[values.len() - 1];
                let decided = positive > 0.5;
                add(if decided { positive } else { 1.0 - positive }, decided == (labels.values()[row] == 1));
            }
            TaskKind::MultiClass | TaskKind::Ordinal => {
                let best = (1..values.len()).fold(0, |best, at| if values[at] > values[best] { at } else { best });
                add(values[best], best == usize::from(labels.values()[row]));
            }
        }
    }
    let filled = bins.into_iter().filter(|bin| bin.2 > 0);
    filled
        .map(|(sum, right, count)| ReliabilityBin {
            confidence: sum / count as f64,
            accuracy: right as f64 / count as f64,
            count,
        })
        .collect()
}

/// The first, the last, and of those between evenly many.
fn thinned(points: Vec<[f64; 2]>) -> Vec<[f64; 2]> {
    if points.len() <= MOST_POINTS {
        return points;
    }
    let last = points.len() - 1;
    (0..MOST_POINTS).map(|at| points[at * last / (MOST_POINTS - 1)]).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn curves_are_those_of_the_definition() {
        let scores = Scores::new(vec![0.1, 0.9, 0.4, 0.6, 0.4, 0.6, 0.8, 0.2], 4, 2).unwrap();
        let labels = Labels::single(vec![1, 0, 1, 0]).unwrap();
        let found = curves(TaskKind::Binary, &scores, &labels);
        assert_eq!((found.len(), found[0].class), (1, 1));
        assert_eq!(found[0].roc, [[0.0, 0.0], [0.0, 0.5], [0.5, 1.0], [1.0, 1.0]]);
        assert_eq!(found[0].precision_recall, [[0.5, 1.0], [1.0, 2.0 / 3.0], [1.0, 0.5]]);
        let bins = reliability(TaskKind::Binary, &scores, &labels);
        assert_eq!(
            bins.iter().map(|bin| (bin.count, bin.accuracy)).collect::<Vec<_>>(),
            [(2, 0.5), (1, 1.0), (1, 1.0)]
        );
    }

    #[test]
    fn what_does_not_occur_has_no_curve() {
        let scores = Scores::new(vec![0.2, 0.3, 0.5], 1, 3).unwrap();
        let found = curves(TaskKind::Ordinal, &scores, &Labels::single(vec![2]).unwrap());
        assert!(found.iter().all(|class| class.roc.is_empty()));
        assert_eq!(found.iter().map(|class| class.precision_recall.len()).collect::<Vec<_>>(), [0, 0, 1]);
    }

    proptest! {
        #[test]
        fn curves_rise_and_stay_in_their_square(rows in prop::collection::vec((0_u16..2, 0.0..1.0_f64), 1..300)) {
            let (labels, values): (Vec<u16>, Vec<f64>) = rows.into_iter().unzip();
            let scores = Scores::new(values, labels.len(), 1).unwrap();
            let labels = Labels::single(labels).unwrap();
            for class in curves(TaskKind::Binary, &scores, &labels) {
                prop_assert!(class.roc.len() <= MOST_POINTS && class.precision_recall.len() <= MOST_POINTS);
                prop_assert!(class.roc.windows(2).all(|pair| pair[0][0] <= pair[1][0] && pair[0][1] <= pair[1][1]));
                prop_assert!(class.roc.last().is_none_or(|last| *last == [1.0, 1.0]));
                let inside = |point: &[f64; 2]| point.iter().all(|value| (0.0..=1.0).contains(value));
                prop_assert!(class.precision_recall.iter().all(inside));
            }
            let count: usize = reliability(TaskKind::Binary, &scores, &labels).iter().map(|bin| bin.count).sum();
            prop_assert_eq!(count, scores.rows());
        }
    }
}
