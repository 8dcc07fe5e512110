//! Which images are worth looking at, and what they are like.

use std::cmp::Ordering;

use medley_core::{Labels, Scores, TaskKind};

/// One image, and what the network says of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Choice {
    /// Row of the split.
    pub row: usize,
    /// The class; of multi-label tasks 1 or 0 for [`Self::label`].
    pub truth: u16,
    /// What the network says, in the same form: the most probable class, the first of equals; a label that is more probable than not.
    pub predicted: u16,
    /// Of multi-label tasks, the label: among those that are wrong the most confident, among those that are right the least.
    pub label: Option<u16>,
    /// The probability of what the network says, 0 to 1.
    pub confidence: f64,
}

impl Choice {
    /// The class or label whose logit explains what the network says.
    pub fn explained(&self) -> u16 {
        self.label.unwrap_or(self.predicted)
    }

    fn is_wrong(&self) -> bool {
        self.truth != self.predicted
    }
}

/// What [`choose`] found.
#[derive(Debug, Clone, PartialEq)]
pub struct Chosen {
    /// Rows with something wrong.
    pub wrong: usize,
    /// Of those, the most confident first; of equals, by row.
    pub errors: Vec<Choice>,
    /// Of the others, the least confident first; of equals, by row.
    pub hits: Vec<Choice>,
}

/// The most confident errors and the least confident hits, at most `count` of each. Labels must have the rows of the scores.
pub fn choose(kind: TaskKind, scores: &Scores, labels: &Labels, count: usize) -> Chosen {
    let rows = scores.rows().min(labels.rows());
    let choices = (0..rows).filter_map(|row| of_row(kind, row, scores.row(row).to_slice()?, labels.row(row)));
    let (mut errors, mut hits): (Vec<_>, Vec<_>) = choices.partition(Choice::is_wrong);
    errors.sort_by(|a, b| by_confidence(b, a).then(a.row.cmp(&b.row)));
    hits.sort_by(|a, b| by_confidence(a, b).then(a.row.cmp(&b.row)));
    let wrong = errors.len();
    errors.truncate(count);
    hits.truncate(count);
    Chosen { wrong, errors, hits }
}

fn by_confidence(a: &Choice, b: &Choice) -> Ordering {
    a.confidence.total_cmp(&b.confidence)
}

fn of_row(kind: TaskKind, row: usize, scores: &[f64], labels: &[u16]) -> Option<Choice> {
    if kind != TaskKind::MultiLabel {
        let best = (0..scores.len()).reduce(|best, class| if scores[class] > scores[best] { class } else { best })?;
        let (truth, predicted, confidence) = (*labels.first()?, best as u16, scores[best]);
        return Some(Choice { row, truth, predicted, label: None, confidence });
    }
    let of_label = |(label, (&score, &truth)): (usize, (&f64, &u16))| {
        let predicted = u16::from(score > 0.5);
        let confidence = if predicted == 1 { score } else { 1.0 - score };
        Choice { row, truth, predicted, label: Some(label as u16), confidence }
    };
    let all = || scores.iter().zip(labels).enumerate().map(of_label);
    // Of equals, the first label.
    let worst = all().filter(Choice::is_wrong).reduce(|a, b| if by_confidence(&b, &a).is_gt() { b } else { a });
    worst.or_else(|| all().reduce(|a, b| if by_confidence(&b, &a).is_lt() { b } else { a }))
}

/// The rows of `features` (`[N, width]`, row-major) that are nearest to `query` by the cosine of the angle between them, with the cosine,
/// nearest first; of equals, by row. Rows of zeros have a cosine of 0.
pub fn nearest(features: &[f32], query: &[f32], count: usize) -> Vec<(usize, f64)> {
    let width = query.len().max(1);
    let dot = |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum() };
    let length = dot(query, query).sqrt();
    let cosine = |row: &[f32]| {
        let product = length * dot(row, row).sqrt();
        if product > 0.0 { (dot(row, query) / product).clamp(-1.0, 1.0) } else { 0.0 }
    };
    let mut near: Vec<(usize, f64)> = features.chunks_exact(width).map(cosine).enumerate().collect();
    near.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    near.truncate(count);
    near
}

/// At most `most` of `rows` rows, at equal distances.
pub fn sampled(rows: usize, most: usize) -> Vec<usize> {
    let count = rows.min(most);
    (0..count).map(|index| (index as u128 * rows as u128 / count as u128) as usize).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_the_surest_and_hits_the_least_sure() {
        let scores = Scores::new(vec![0.9, 0.1, 0.4, 0.6, 0.2, 0.8, 0.55, 0.45, 0.9, 0.1, 0.5, 0.5], 6, 2).unwrap();
        let labels = Labels::single(vec![1, 1, 1, 0, 1, 1]).unwrap();
        let chosen = choose(TaskKind::Binary, &scores, &labels, 2);
        let rows = |choices: &[Choice]| choices.iter().map(|choice| choice.row).collect::<Vec<_>>();
        assert_eq!((chosen.wrong, rows(&chosen.errors), rows(&chosen.hits)), (3, vec![0, 4], vec![3, 1]));
        assert_eq!((chosen.errors[0].explained(), chosen.errors[0].truth, chosen.errors[0].confidence), (0, 1, 0.9));
    }

    #[test]
    fn of_labels_the_one_that_matters_is_named() {
        let scores = Scores::new(vec![0.9, 0.2, 0.6, 0.1, 0.5, 0.45], 2, 3).unwrap();
        let labels = Labels::multi(vec![0, 0, 0, 0, 0, 0], 2, 3).unwrap();
        let chosen = choose(TaskKind::MultiLabel, &scores, &labels, 5);
        assert_eq!((chosen.wrong, chosen.errors.len(), chosen.hits.len()), (1, 1, 1));
        let (error, hit) = (chosen.errors[0], chosen.hits[0]);
        assert_eq!((error.row, error.label, error.predicted, error.explained()), (0, Some(0), 1, 0));
        assert_eq!((hit.row, hit.label, hit.predicted, hit.confidence), (1, Some(1), 0, 0.5));
    }

    #[test]
    fn the_nearest_point_the_same_way() {
        let features = [1.0, 0.0, 0.0, 2.0, 3.0, 3.0, 0.0, 0.0, -1.0, 0.0];
        let near = nearest(&features, &[2.0, 0.1], 3);
        assert_eq!(near.iter().map(|&(row, _)| row).collect::<Vec<_>>(), [0, 2, 1]);
        assert!(near[0].1 > 0.99 && nearest(&features, &[0.0, 0.0], 1) == [(0, 0.0)]);
        assert_eq!(nearest(&features, &[1.0, 0.0], 9).last().unwrap(), &(4, -1.0));
    }

    #[test]
    fn a_sample_is_spread_over_all() {
        assert_eq!(sampled(10, 4), [0, 2, 5, 7]);
        assert_eq!(sampled(3, 10), [0, 1, 2]);
        assert!(sampled(0, 5).is_empty());
    }
}
