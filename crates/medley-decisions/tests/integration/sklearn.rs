//! Agreement with `SciPy` and scikit-learn; `scripts/fixtures/decisions_sklearn.py` writes the file.

use medley_core::{Labels, Scores, TaskKind};
use medley_decisions::ensemble::{Method, average, weigh};
use medley_decisions::{FitOptions, LogOffsets, Rows, Rule, fit, macro_f1_of};

use crate::common::task;

const FILE: &str = include_str!("../fixtures/sklearn.csv");

fn numbers(cells: &[&str]) -> Vec<f64> {
    cells.iter().map(|cell| cell.parse().unwrap()).collect()
}

fn case(number: usize) -> (Scores, Labels) {
    let (mut labels, mut values) = (Vec::new(), Vec::new());
    for line in FILE.lines() {
        let cells: Vec<&str> = line.split(',').collect();
        if let (Ok(label), true) = (cells[1].parse(), cells[0] == number.to_string()) {
            labels.push(label);
            values.extend(numbers(&cells[2..]));
        }
    }
    let rows = labels.len();
    (Scores::new(values, rows, 3).unwrap(), Labels::single(labels).unwrap())
}

/// The results of a case by name.
fn results(number: usize, name: &str) -> Vec<f64> {
    let start = format!("{number},{name},");
    let line = FILE.lines().find_map(|line| line.strip_prefix(&start)).unwrap();
    numbers(&line.split(',').collect::<Vec<_>>())
}

#[test]
fn temperature_and_macro_f1_agree() {
    let spec = task(TaskKind::MultiClass, 3);
    for number in 0..3 {
        let (scores, labels) = case(number);
        assert_eq!(scores.rows(), 80);
        let expected = results(number, "temperature");
        let fitted = fit(&Rows::new(&spec, &labels), &scores, None, &FitOptions::default()).unwrap();
        let found = fitted.temperature.unwrap().temperature;
        assert!((found.temperature - expected[0]).abs() < 1e-4, "{found:?} {expected:?}");
        assert!((fitted.plain_macro_f1 - expected[2]).abs() < 1e-12);
        let offsets = Rule::LogOffsets(LogOffsets { offsets: vec![0.3, -0.2, -0.1] });
        assert!((macro_f1_of(&offsets, &spec, &scores, &labels).unwrap() - expected[3]).abs() < 1e-12);
    }
}

#[test]
fn weights_agree() {
    let spec = task(TaskKind::MultiClass, 3);
    for number in 0..2 {
        let ((one, labels), (two, _)) = (case(number), case(number + 1));
        let expected = results(number, "weights");
        // A level of one half asks for no more than that more resamples are better than worse.
        let options = FitOptions { level: 0.5, ..FitOptions::default() };
        let members = [one, two];
        let weighed = weigh(&Rows::new(&spec, &labels), &members, Method::Weighted, &options).unwrap();
        if weighed.method == Method::Weighted {
            assert!((weighed.weights[0] - expected[0]).abs() < 1e-4, "{weighed:?} {expected:?}");
        }
        let scores = average(&members, &[expected[0], 1.0 - expected[0]]).unwrap();
        let loss = weigh(&Rows::new(&spec, &labels), &[scores], Method::Mean, &options).unwrap().mean.log_loss;
        assert!((loss - expected[1]).abs() < 1e-9, "{loss} {expected:?}");
    }
}
