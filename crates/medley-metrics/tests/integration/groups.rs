//! Rows that belong together, such as the images of one patient.

use medley_core::{Labels, Scores, Split, TaskKind};
use medley_metrics::Sample;
use medley_metrics::bootstrap::{Resampled, Resampling, bootstrap, permute};
use medley_metrics::delong::{auc_difference, auc_variance};
use medley_metrics::metrics::HEADLINE;
use medley_metrics::scorecard::{Prediction, compare};

use crate::common::{SplitMix, bits, predictor, task};

#[test]
fn groups_are_drawn_as_a_whole() {
    let sample = predictor(1, 60, 0.4);
    let options = Resampling { resamples: 50, ..Resampling::default() };
    let alone = bootstrap(&sample, HEADLINE, &options);
    // Every row twice, the copies apart from each other: twice the rows, which say no more.
    let twice: Vec<usize> = (0..60).chain(0..60).collect();
    let mut doubled = sample.only(&twice).unwrap();
    let taken_for_many = bootstrap(&doubled, HEADLINE, &options);
    doubled.set_groups(twice.iter().map(|&row| row as u64).collect()).unwrap();
    for (one, other) in alone.iter().zip(&bootstrap(&doubled, HEADLINE, &options)) {
        assert!(one.draws.iter().zip(&other.draws).all(|(a, b)| (a - b).abs() < 1e-12), "{one:?} {other:?}");
    }
    let error = |resampled: &[Resampled]| resampled[1].standard_error().unwrap();
    assert!(error(&taken_for_many) < 0.85 * error(&alone));
    // Groups of one row are rows, and some rows of groups are groups of some rows.
    let mut ones = predictor(1, 60, 0.4);
    ones.set_groups((0..60).rev().collect()).unwrap();
    assert_eq!(bits(&bootstrap(&ones, HEADLINE, &options)), bits(&alone));
    let half: Vec<usize> = (0..60).collect();
    assert_eq!(bits(&bootstrap(&doubled.only(&half).unwrap(), HEADLINE, &options)), bits(&alone));
    assert!(ones.set_groups(vec![0; 59]).is_err());
}

#[test]
fn a_group_of_several_classes_is_drawn_with_those_of_its_first_row() {
    let labels = Labels::single([vec![0; 4], vec![1; 4]].concat()).unwrap();
    let mut sample = Sample::from_decisions(&task(TaskKind::Binary, 2), labels, vec![0; 8]).unwrap();
    // Of the second class no row leads a group: its numbers vary with what it is drawn with.
    sample.set_groups(vec![0, 1, 2, 3, 0, 0, 0, 1]).unwrap();
    let resampled = &bootstrap(&sample, &HEADLINE[1..2], &Resampling::default())[0];
    assert_eq!(resampled.value, Some(0.5));
    assert!(resampled.draws.iter().all(|&draw| (0.25..=1.0).contains(&draw)));
    assert!(resampled.draws.contains(&1.0) && resampled.draws.contains(&0.25));
}

/// Scores with ties of a binary task, of rows in groups of one to four.
fn clustered(seed: u64, truth: &[u16]) -> Sample {
    let mut random = SplitMix(seed);
    let scores = truth.iter().map(|&label| (random.below(9) as f64 + 2.0 * f64::from(label)) / 10.0).collect();
    let scores = Scores::new(scores, truth.len(), 1).unwrap();
    let mut sample = Sample::new(&task(TaskKind::Binary, 2), Labels::single(truth.to_vec()).unwrap(), scores).unwrap();
    sample.set_groups(groups(truth.len()).iter().map(|&group| group as u64).collect()).unwrap();
    sample
}

fn groups(rows: usize) -> Vec<usize> {
    let mut random = SplitMix(3);
    let mut groups: Vec<usize> = Vec::new();
    for group in 0.. {
        let left = rows - groups.len();
        groups.extend(std::iter::repeat_n(group, left.min(1 + random.below(4) as usize)));
        if groups.len() == rows {
            break;
        }
    }
    groups
}

#[test]
fn the_variance_of_an_auc_is_that_of_obuchowski() {
    const ROWS: usize = 60;
    let mut random = SplitMix(11);
    let truth: Vec<u16> = (0..ROWS).map(|_| random.below(2) as u16).collect();
    let (a, b) = (clustered(1, &truth), clustered(2, &truth));
    // The sums of the paper, group by group and pair by pair, of the difference of two.
    let kernel = |x: f64, y: f64| if x > y { 1.0 } else { f64::from(u8::from(x == y)) / 2.0 };
    let score = |sample: &Sample, row: usize| sample.scores().unwrap().row(row)[0];
    let of_class = |class: u16| (0..ROWS).filter(|&row| truth[row] == class).collect::<Vec<_>>();
    let (positives, negatives) = (of_class(1), of_class(0));
    let [positive, negative] = [&positives, &negatives].map(|rows| rows.len() as f64);
    let pair = |sample: &Sample, i: usize, j: usize| kernel(score(sample, i), score(sample, j));
    let difference = |i: usize, j: usize| pair(&a, i, j) - pair(&b, i, j);
    let of_positive = |i: usize| negatives.iter().map(|&j| difference(i, j)).sum::<f64>() / negative;
    let of_negative = |j: usize| positives.iter().map(|&i| difference(i, j)).sum::<f64>() / positive;
    let theta = positives.iter().map(|&i| of_positive(i)).sum::<f64>() / positive;
    let groups = groups(ROWS);
    let count = groups.last().unwrap() + 1;
    let sums = |rows: &[usize], component: &dyn Fn(usize) -> f64| -> Vec<Option<f64>> {
        let of_group = |group: usize| {
            let rows: Vec<usize> = rows.iter().copied().filter(|&row| groups[row] == group).collect();
            (!rows.is_empty()).then(|| rows.iter().map(|&row| component(row) - theta).sum::<f64>())
        };
        (0..count).map(of_group).collect()
    };
    let (of_positives, of_negatives) = (sums(&positives, &of_positive), sums(&negatives, &of_negative));
    let unbiased = |groups: usize| groups as f64 / (groups as f64 - 1.0);
    let squares = |sums: &[Option<f64>]| {
        let found: Vec<f64> = sums.iter().flatten().copied().collect();
        unbiased(found.len()) * found.iter().map(|sum| sum * sum).sum::<f64>()
    };
    let products: f64 =
        of_positives.iter().zip(&of_negatives).map(|(one, other)| one.unwrap_or(0.0) * other.unwrap_or(0.0)).sum();
    let expected = squares(&of_positives) / positive.powi(2)
        + squares(&of_negatives) / negative.powi(2)
        + 2.0 * unbiased(count) * products / (positive * negative);
    let found = auc_difference(&a, &b).unwrap().unwrap();
    assert!((found.difference - theta).abs() < 1e-12);
    assert!((found.standard_error.powi(2) - expected).abs() < 1e-14, "{found:?}, {expected}");
}

#[test]
fn copies_say_no_more_of_an_auc() {
    let sample = predictor(5, 90, 0.4);
    let alone = auc_variance(&sample).unwrap();
    let twice: Vec<usize> = (0..90).chain(0..90).collect();
    let mut doubled = sample.only(&twice).unwrap();
    assert!(auc_variance(&doubled).unwrap().standard_error < 0.75 * alone.standard_error);
    doubled.set_groups(twice.iter().map(|&row| row as u64).collect()).unwrap();
    let found = auc_variance(&doubled).unwrap();
    assert!((found.auc - alone.auc).abs() < 1e-12);
    assert!((found.standard_error - alone.standard_error).abs() < 1e-12, "{found:?} {alone:?}");
    // One group is one observation: no variance can be estimated.
    doubled.set_groups(vec![0; 180]).unwrap();
    assert!(auc_variance(&doubled).is_none());
}

#[test]
fn groups_are_exchanged_as_a_whole() {
    let options = Resampling { resamples: 200, ..Resampling::default() };
    let (a, b) = (predictor(1, 60, 0.4), predictor(2, 60, 0.3));
    let twice: Vec<usize> = (0..60).chain(0..60).collect();
    let doubled = |sample: &Sample| {
        let mut doubled = sample.only(&twice).unwrap();
        doubled.set_groups(twice.iter().map(|&row| row as u64).collect()).unwrap();
        doubled
    };
    let alone = permute(&a, &b, HEADLINE, &options).unwrap();
    let of_groups = permute(&doubled(&a), &doubled(&b), HEADLINE, &options).unwrap();
    let close =
        |one: &Resampled, other: &Resampled| one.draws.iter().zip(&other.draws).all(|(a, b)| (a - b).abs() < 1e-12);
    for ((a, b), (of_a, of_b)) in alone.iter().zip(&of_groups) {
        assert!(close(a, of_a) && close(b, of_b));
    }
}

#[test]
fn comparisons_of_groups_find_what_their_number_allows() {
    // Twenty copies of sixteen rows: a difference that is chance on sixteen.
    let copies: Vec<usize> = (0..16 * 20).map(|row| row % 16).collect();
    let of = |seed: u64, skill: f64, grouped: bool| {
        let mut sample = predictor(seed, 16, skill).only(&copies).unwrap();
        if grouped {
            sample.set_groups(copies.iter().map(|&row| row as u64).collect()).unwrap();
        }
        let (predictor, file) = (seed.to_string(), String::new());
        Prediction { predictor, split: Split::Test, size: 28, file, remarks: Vec::new(), sample }
    };
    let compared = |grouped: bool| {
        let predictors = [("a".to_owned(), vec![of(1, 0.5, grouped)]), ("b".to_owned(), vec![of(2, 0.3, grouped)])];
        let card = compare(&predictors, HEADLINE, &Resampling::default()).unwrap();
        card.pairs[0].tasks[0].differences.iter().map(|one| (one.test, one.p.unwrap())).collect::<Vec<_>>()
    };
    let (rows, groups) = (compared(false), compared(true));
    assert_eq!(rows.iter().map(|one| one.0).collect::<Vec<_>>(), ["DeLong", "McNemar", "permutation"]);
    assert_eq!(groups.iter().map(|one| one.0).collect::<Vec<_>>(), ["DeLong", "permutation", "permutation"]);
    for ((name, of_rows), (_, of_groups)) in rows.iter().zip(&groups) {
        assert!(of_rows < of_groups, "{name}: {of_rows} and {of_groups}");
    }
}
