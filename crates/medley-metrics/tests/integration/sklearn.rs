//! Every metric against scikit-learn, and AUC and ACC against the official evaluator, on thousands of small predictions: with
//! ties, absent classes, one-class truth, one row. `scripts/fixtures/metrics_sklearn.py` made the results.

use std::collections::BTreeMap;

use medley_core::Split;
use medley_metrics::{evaluate, metric, metrics};

use crate::common::Case;

const FIXTURE: &str = include_str!("../fixtures/sklearn.csv");

/// Case number, and metrics by key, NaN where the library has none.
fn cases() -> impl Iterator<Item = (u64, BTreeMap<&'static str, f64>)> {
    let mut lines = FIXTURE.lines().filter(|line| !line.starts_with('#'));
    let names: Vec<&str> = lines.next().unwrap().split(',').collect();
    lines.map(move |line| {
        let cells = names.iter().copied().zip(line.split(','));
        let mut values: BTreeMap<_, f64> =
            cells.filter(|(_, cell)| !cell.is_empty()).map(|(name, cell)| (name, cell.parse().unwrap())).collect();
        (values.remove("case").unwrap() as u64, values)
    })
}

fn close(found: Option<f64>, expected: f64) -> bool {
    match found {
        None => expected.is_nan(),
        Some(found) => (found - expected).abs() <= 1e-9 * expected.abs().max(1.0),
    }
}

#[test]
fn all_metrics_agree() {
    let (mut compared, mut undefined) = (0, 0);
    for (number, expected) in cases() {
        let sample = Case::new(number).sample();
        for metric in metrics::ALL {
            let id = metric.info().id;
            let found = metric::value(*metric, &sample);
            match expected.get(id) {
                Some(&value) => assert!(close(found, value), "case {number}, {id}: {found:?}, not {value}"),
                // The evaluator fails on a single row.
                None => assert!(found.is_none() || sample.rows() == 1, "case {number}, {id}: {found:?}, not compared"),
            }
            compared += usize::from(found.is_some());
            undefined += usize::from(expected.get(id).is_some_and(|value| value.is_nan()));
        }
    }
    assert!(compared > 30_000 && undefined > 1_000, "{compared} metrics compared, {undefined} not defined");
}

#[test]
fn what_runs_record_agrees_too() {
    for (number, expected) in cases() {
        let case = Case::new(number);
        let found = evaluate(&case.spec, Split::Test, &case.labels, &case.scores).unwrap();
        assert!(close(found.auc, expected["auc"]), "case {number}: {found:?}");
        assert!(close(Some(found.macro_f1), expected["macro_f1"]), "case {number}: {found:?}");
        assert!(
            expected.get("accuracy").is_none_or(|&value| close(Some(found.accuracy), value)),
            "case {number}: {found:?}"
        );
    }
}
