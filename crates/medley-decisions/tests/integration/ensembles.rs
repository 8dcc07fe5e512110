//! Weights where the best ones are known.

use medley_core::{Labels, Scores, TaskKind};
use medley_decisions::ensemble::{Fallback, Method, average, weigh};
use medley_decisions::{DecisionError, FitOptions, Rows};
use proptest::prelude::*;

use crate::common::{bayes, task};

/// Predictors of the same rows: Bayes' probabilities, each seen through noise of its own, and some that know nothing.
fn members(rows: usize, good: usize, ignorant: usize) -> (Vec<Scores>, Labels) {
    let shares = [0.4, 0.3, 0.3];
    let (scores, labels) = bayes(&shares, &shares, 1.6, rows, 11);
    let mut all = Vec::new();
    for number in 0..good {
        let (noise, _) = bayes(&shares, &shares, 0.3, rows, 50 + number as u64);
        all.push(average(&[scores.clone(), noise], &[0.9, 0.1]).unwrap());
    }
    for number in 0..ignorant {
        all.push(bayes(&shares, &shares, 1.2, rows, 500 + number as u64).0);
    }
    (all, labels)
}

#[test]
fn members_that_know_nothing_lose_their_weight() {
    let (members, labels) = members(600, 2, 6);
    let spec = task(TaskKind::MultiClass, 3);
    for method in [Method::Weighted, Method::Greedy] {
        let weighed = weigh(&Rows::new(&spec, &labels), &members, method, &FitOptions::default()).unwrap();
        assert_eq!((weighed.method, weighed.fallback), (method, None), "{weighed:?}");
        let good: f64 = weighed.weights[..2].iter().sum();
        // Of eight alike, two would have a quarter.
        assert!(good > 0.55, "{method:?}: {:?}", weighed.weights);
        let found = weighed.cross_fitted.unwrap();
        assert!(found.log_loss < weighed.mean.log_loss || method == Method::Greedy, "{weighed:?}");
        assert!(found.macro_f1 > weighed.mean.macro_f1, "{weighed:?}");
    }
}

#[test]
fn among_equals_the_mean_stays() {
    let (members, labels) = members(300, 4, 0);
    let spec = task(TaskKind::MultiClass, 3);
    let weighed = weigh(&Rows::new(&spec, &labels), &members, Method::Greedy, &FitOptions::default()).unwrap();
    assert_eq!((weighed.method, weighed.fallback), (Method::Mean, Some(Fallback::NotBetter)), "{weighed:?}");
    assert_eq!(weighed.weights, [0.25; 4]);
    assert!(weighed.gain.unwrap().interval.low <= 0.0);
}

/// One that says the same of every row, and loudly: what is left of a network that has collapsed.
fn collapsed(rows: usize) -> Scores {
    Scores::new([0.98, 0.01, 0.01].repeat(rows), rows, 3).unwrap()
}

#[test]
fn a_member_far_below_the_others_is_left_out_of_the_mean() {
    let (mut members, labels) = members(300, 2, 0);
    members.push(collapsed(300));
    let spec = task(TaskKind::MultiClass, 3);
    let rows = Rows::new(&spec, &labels);
    let weighed = weigh(&rows, &members, Method::Guarded, &FitOptions::default()).unwrap();
    assert_eq!(weighed.weights[2], 0.0, "{weighed:?}");
    // Selection that is a certain gain leaves it little.
    let greedy = weigh(&rows, &members, Method::Greedy, &FitOptions::default()).unwrap();
    assert!(greedy.method == Method::Greedy && greedy.weights[2] < 0.2, "{greedy:?}");
    // Where it is not, the guarded mean is in the place of the plain one, and judged by rows that nobody was left out by.
    let strict = FitOptions { level: 0.999_999, ..FitOptions::default() };
    let guarded = weigh(&rows, &members, Method::Greedy, &strict).unwrap();
    if guarded.fallback.is_some() {
        assert_eq!((guarded.method, guarded.weights[2]), (Method::Guarded, 0.0), "{guarded:?}");
    }
    // Among equals nobody is.
    let equals = weigh(&rows, &members[..2], Method::Greedy, &FitOptions::default()).unwrap();
    assert_eq!((equals.method, &equals.weights[..]), (Method::Mean, &[0.5, 0.5][..]));
}

#[test]
fn the_mean_is_the_house_mean() {
    let (members, labels) = members(50, 3, 1);
    let spec = task(TaskKind::MultiClass, 3);
    let weighed = weigh(&Rows::new(&spec, &labels), &members, Method::Mean, &FitOptions::default()).unwrap();
    assert_eq!((weighed.fallback, weighed.gain, weighed.cross_fitted), (None, None, None));
    let (mine, house) = (average(&members, &weighed.weights).unwrap(), Scores::mean(&members).unwrap());
    assert!(mine.view().iter().zip(house.view()).all(|(a, b)| (a - b).abs() < 1e-12));
}

#[test]
fn labels_and_one_column_are_weighed_too() {
    let rows = 200;
    let truth: Vec<u16> = (0..rows * 2).map(|at| u16::from(at % 3 == 0)).collect();
    let knows = |wrong: usize| -> Vec<f64> {
        (0..rows * 2).map(|at| if (truth[at] == 1) == (at % wrong != 0) { 0.8 } else { 0.2 }).collect()
    };
    let spec = task(TaskKind::MultiLabel, 2);
    let labels = Labels::multi(truth.clone(), rows, 2).unwrap();
    let members = [11, 2, 2].map(|wrong| Scores::new(knows(wrong), rows, 2).unwrap());
    for method in [Method::Weighted, Method::Greedy] {
        let weighed = weigh(&Rows::new(&spec, &labels), &members, method, &FitOptions::default()).unwrap();
        assert!(weighed.method == method && weighed.weights[0] > 0.6, "{weighed:?}");
    }
    let spec = task(TaskKind::Binary, 2);
    let labels = Labels::single(truth[..rows].to_vec()).unwrap();
    let members = [11, 2, 2].map(|wrong| Scores::new(knows(wrong)[..rows].to_vec(), rows, 1).unwrap());
    for method in [Method::Weighted, Method::Greedy] {
        let weighed = weigh(&Rows::new(&spec, &labels), &members, method, &FitOptions::default()).unwrap();
        assert!(weighed.method == method && weighed.weights[0] > 0.6, "{weighed:?}");
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let (mut members, labels) = members(40, 2, 0);
    let spec = task(TaskKind::MultiClass, 3);
    let refused = |members: &[Scores]| {
        weigh(&Rows::new(&spec, &labels), members, Method::Greedy, &FitOptions::default()).unwrap_err()
    };
    assert!(matches!(refused(&[]), DecisionError::NoMembers { .. }));
    members.push(Scores::new(vec![0.5; 78], 39, 2).unwrap());
    let message = refused(&members).to_string();
    assert_eq!(
        message,
        "task `t`: member 2 has scores of 39 rows and 2 columns, the first member of 40 rows and 3 columns"
    );
    let one = weigh(&Rows::new(&spec, &labels), &members[..1], Method::Greedy, &FitOptions::default()).unwrap();
    assert_eq!((one.fallback, one.weights), (Some(Fallback::OneMember), vec![1.0]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn weights_are_shares_and_the_same_twice(rows in 20_usize..60, good in 1_usize..4, ignorant in 0_usize..3) {
        let (members, labels) = members(rows, good, ignorant);
        let spec = task(TaskKind::Ordinal, 3);
        let options = FitOptions { resamples: 100, level: 0.5, ..FitOptions::default() };
        for method in [Method::Mean, Method::Weighted, Method::Greedy] {
            let weighed = weigh(&Rows::new(&spec, &labels), &members, method, &options).unwrap();
            prop_assert_eq!(&weighed, &weigh(&Rows::new(&spec, &labels), &members, method, &options).unwrap());
            prop_assert!((weighed.weights.iter().sum::<f64>() - 1.0).abs() < 1e-9);
            prop_assert!(weighed.weights.iter().all(|weight| (0.0..=1.0 + 1e-9).contains(weight)));
            let averaged = average(&members, &weighed.weights).unwrap();
            prop_assert!(averaged.view().rows().into_iter().all(|row| (row.sum() - 1.0).abs() < 1e-9));
        }
    }
}
