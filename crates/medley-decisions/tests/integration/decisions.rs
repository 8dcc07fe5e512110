//! What is carried to where images are classified: read, refused and applied.

use medley_core::{Scores, TaskKind};
use medley_decisions::{
    CutPoints, Decision, DecisionError, Decisions, LogOffsets, PriorAdjustment, Rule, Temperature, Thresholds,
};
use proptest::prelude::*;

use crate::common::{softmax, task};

fn decision(kind: TaskKind, outputs: usize, rule: Rule) -> Decision {
    Decision::new(kind, outputs, Temperature { temperature: 1.25 }, rule).unwrap()
}

#[test]
fn decisions_are_read_as_they_were_written() {
    let mut decisions = Decisions::default();
    decisions.insert("a", Decision::plain(TaskKind::MultiLabel, 1).unwrap());
    let priors = PriorAdjustment { tau: 0.85, priors: vec![0.9, 0.1] };
    decisions.insert("b", decision(TaskKind::Binary, 2, Rule::PriorAdjustment(priors)));
    let cuts = CutPoints { cuts: vec![0.5, 0.5, 2.9] };
    decisions.insert("c", decision(TaskKind::Ordinal, 4, Rule::CutPoints(cuts)));
    let json = serde_json::to_string(&decisions).unwrap();
    assert_eq!(
        json,
        concat!(
            r#"{"format":1,"tasks":{"#,
            r#""a":{"kind":"multi-label","outputs":1,"temperature":1.0,"rule":{"name":"plain"}},"#,
            r#""b":{"kind":"binary","outputs":2,"temperature":1.25,"rule":{"name":"prior_adjustment","tau":0.85,"priors":[0.9,0.1]}},"#,
            r#""c":{"kind":"ordinal","outputs":4,"temperature":1.25,"rule":{"name":"cut_points","cuts":[0.5,0.5,2.9]}}}}"#
        )
    );
    assert_eq!(serde_json::from_str::<Decisions>(&json).unwrap(), decisions);
}

#[test]
fn what_cannot_be_applied_is_refused_with_its_place() {
    let refused = |json: &str, part: &str| {
        let message = serde_json::from_str::<Decisions>(json).unwrap_err().to_string();
        assert!(message.contains(part), "{json}: {message}");
    };
    let of = |inner: &str| format!(r#"{{"format":1,"tasks":{{"t":{{{inner}}}}}}}"#);
    refused(r#"{"format":2,"tasks":{}}"#, "decisions of format 2 cannot be read");
    refused(r#"{"tasks":{}}"#, "missing field `format`");
    refused(r#"{"format":1,"tasks":{},"more":1}"#, "unknown field `more`");
    for (inner, part) in [
        (r#""kind":"binary","outputs":3,"rule":{"name":"plain"}"#, "binary task has 3 outputs"),
        (r#""kind":"ordinal","outputs":1,"rule":{"name":"plain"}"#, "has 1 outputs"),
        (r#""kind":"multi-label","outputs":18446744073709551615,"rule":{"name":"plain"}"#, "outputs"),
        (r#""kind":"binary","outputs":2,"temperature":0,"rule":{"name":"plain"}"#, "temperature of a decision is 0"),
        (r#""kind":"binary","outputs":2,"temperature":1e300,"rule":{"name":"plain"}"#, "must be from 0.05 to 20"),
        (r#""kind":"binary","outputs":2,"temperature":1e999,"rule":{"name":"plain"}"#, "out of range"),
        (r#""kind":"binary","outputs":2,"rule":{"name":"oracle"}"#, "unknown variant `oracle`"),
        (r#""kind":"binary","outputs":2,"rule":{"name":"log_offsets","offsets":[0.0]}"#, "has 1 numbers, but 2"),
        (
            r#""kind":"binary","outputs":2,"rule":{"name":"log_offsets","offsets":[0.0,99.0]}"#,
            "offsets of a decision is 99",
        ),
        (r#""kind":"binary","outputs":2,"rule":{"name":"cut_points","cuts":[0.5]}"#, "does not apply to binary"),
        (r#""kind":"ordinal","outputs":3,"rule":{"name":"cut_points","cuts":[1.5,0.5]}"#, "must be from 1.5 to 2"),
        (r#""kind":"ordinal","outputs":3,"rule":{"name":"cut_points","cuts":[0.5,2.5]}"#, "must be from 0 to 2"),
        (r#""kind":"multi-label","outputs":1,"rule":{"name":"thresholds","thresholds":[-0.5]}"#, "must be from 0 to 1"),
        (
            r#""kind":"binary","outputs":2,"rule":{"name":"prior_adjustment","tau":1.0,"priors":[0.9,0.9]}"#,
            "the sum of `priors`",
        ),
    ] {
        refused(&of(inner), part);
    }
    let nan = LogOffsets { offsets: vec![f64::NAN, 0.0] };
    let refused = Decision::new(TaskKind::Binary, 2, Temperature::NONE, Rule::LogOffsets(nan)).unwrap_err();
    assert!(matches!(refused, DecisionError::Number { key: "offsets", .. }), "{refused}");
}

#[test]
fn scores_that_are_not_of_the_task_are_refused() {
    let three = Decision::plain(TaskKind::MultiClass, 3).unwrap();
    let apply = |values: &[f64], columns: usize| {
        three.apply(&Scores::new(values.to_vec(), values.len() / columns, columns).unwrap())
    };
    assert_eq!(apply(&[0.2, 0.5, 0.3], 3), Ok(vec![1]));
    assert_eq!(apply(&[], 3), Ok(vec![]));
    assert!(matches!(apply(&[0.5, 0.5], 2), Err(DecisionError::Columns { found: 2, expected: 3 })));
    assert!(matches!(apply(&[0.5, 0.5, 0.0, -3.0, 1.0, 2.0], 3), Err(DecisionError::Range { row: 1, column: 0, .. })));
    three.check_task(&task(TaskKind::MultiClass, 3)).unwrap();
    let error = three.check_task(&task(TaskKind::Ordinal, 4)).unwrap_err().to_string();
    assert!(
        error.starts_with("task `t` is ordinal with 4 outputs, but its decision is for a multi-class task"),
        "{error}"
    );
}

proptest! {
    #[test]
    fn hostile_numbers_never_panic(
        temperature in prop::num::f64::ANY, numbers in prop::collection::vec(prop::num::f64::ANY, 0..6), outputs in 0_usize..7,
        logits in prop::collection::vec(-30.0..30.0_f64, 1..40),
    ) {
        let priors = PriorAdjustment { tau: temperature, priors: numbers.clone() };
        let rules = [
            Rule::PLAIN,
            Rule::PriorAdjustment(priors),
            Rule::LogOffsets(LogOffsets { offsets: numbers.clone() }),
            Rule::CutPoints(CutPoints { cuts: numbers.clone() }),
            Rule::Thresholds(Thresholds { thresholds: numbers }),
        ];
        for kind in [TaskKind::Binary, TaskKind::MultiClass, TaskKind::Ordinal, TaskKind::MultiLabel] {
            for rule in &rules {
                let Ok(made) = Decision::new(kind, outputs, Temperature { temperature }, rule.clone()) else { continue };
                let rows = logits.len() / outputs;
                let values = logits[..rows * outputs].chunks(outputs).flat_map(softmax).collect();
                let scores = Scores::new(values, rows, outputs).unwrap();
                let labels = made.apply(&scores).unwrap();
                prop_assert!(labels.iter().all(|&label| usize::from(label) < outputs.max(2)));
                prop_assert_eq!(made.calibrate(&scores).unwrap().rows(), rows);
            }
        }
    }

    #[test]
    fn a_calibrated_row_keeps_its_order(logits in prop::collection::vec(-6.0..6.0_f64, 3), temperature in 0.05..20.0_f64) {
        let made = Decision::new(TaskKind::MultiClass, 3, Temperature { temperature }, Rule::PLAIN).unwrap();
        let scores = Scores::new(softmax(&logits), 1, 3).unwrap();
        prop_assert_eq!(made.calibrate(&scores).unwrap().argmax(), made.apply(&scores).unwrap());
    }
}
