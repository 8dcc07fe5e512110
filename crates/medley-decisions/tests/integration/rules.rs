//! What each rule decides, and what never changes.

use medley_core::{Scores, TaskKind};
use medley_decisions::{CutPoints, DecisionError, LogOffsets, PriorAdjustment, Rule, Temperature, Thresholds};
use medley_metrics::decide;
use proptest::prelude::*;

use crate::common::softmax;

fn scores(logits: &[f64], columns: usize) -> Scores {
    let rows = logits.len() / columns;
    let values: Vec<f64> = logits[..rows * columns].chunks(columns).flat_map(softmax).collect();
    Scores::new(values, rows, columns).unwrap()
}

/// The logarithm and the sum, written out.
fn slowly(scores: &Scores, offsets: &[f64]) -> Vec<u16> {
    let of_row = |row: usize| {
        let sums: Vec<f64> = scores.row(row).iter().zip(offsets).map(|(p, offset)| p * offset.exp()).collect();
        (0..sums.len()).fold(0, |best, at| if sums[at] > sums[best] * (1.0 + 1e-12) { at } else { best }) as u16
    };
    (0..scores.rows()).map(of_row).collect()
}

#[test]
fn rules_are_read_as_they_were_written() {
    for rule in [
        Rule::PLAIN,
        Rule::PriorAdjustment(PriorAdjustment { tau: 0.8, priors: vec![0.75, 0.25] }),
        Rule::LogOffsets(LogOffsets { offsets: vec![0.1, -0.1] }),
        Rule::CutPoints(CutPoints { cuts: vec![0.5, 1.25] }),
        Rule::Thresholds(Thresholds { thresholds: vec![0.5, 0.125] }),
    ] {
        let json = serde_json::to_string(&rule).unwrap();
        assert_eq!(serde_json::from_str::<Rule>(&json).unwrap(), rule, "{json}");
        assert!(!json.contains(':') || json.starts_with("{\"name\":\""), "{json}");
    }
    assert_eq!(serde_json::to_string(&Rule::PLAIN).unwrap(), r#"{"name":"plain"}"#);
    assert!(serde_json::from_str::<Rule>(r#"{"name":"cut_points","cuts":[0.5],"tau":2.0}"#).is_err());
}

#[test]
fn a_rule_of_another_task_is_refused() {
    let two = Scores::new(vec![0.5; 4], 2, 2).unwrap();
    let refused = |rule: Rule, kind| rule.decide(kind, &two).unwrap_err();
    let offsets = |offsets: &[f64]| Rule::LogOffsets(LogOffsets { offsets: offsets.to_vec() });
    assert!(matches!(refused(offsets(&[0.0; 3]), TaskKind::Binary), DecisionError::Parameters { expected: 2, .. }));
    assert!(matches!(
        refused(offsets(&[0.0, f64::NAN]), TaskKind::Binary),
        DecisionError::Number { key: "offsets", .. }
    ));
    assert!(matches!(refused(offsets(&[0.0; 2]), TaskKind::MultiLabel), DecisionError::Kind { .. }));
    let cuts = Rule::CutPoints(CutPoints { cuts: vec![0.5] });
    assert_eq!(
        refused(cuts, TaskKind::Binary).to_string(),
        "the rule cut points does not apply to binary tasks; fit one for this task"
    );
}

#[test]
fn a_binary_task_may_have_one_column() {
    let (two, one) = (Scores::new(vec![0.6, 0.4, 0.8, 0.2], 2, 2).unwrap(), Scores::new(vec![0.4, 0.2], 2, 1).unwrap());
    for rule in [
        Rule::PLAIN,
        Rule::LogOffsets(LogOffsets { offsets: vec![-0.4, 0.4] }),
        Rule::PriorAdjustment(PriorAdjustment { tau: 1.0, priors: vec![0.7, 0.3] }),
    ] {
        assert_eq!(rule.decide(TaskKind::Binary, &two), rule.decide(TaskKind::Binary, &one), "{}", rule.name());
    }
}

#[test]
fn cut_points_and_thresholds_are_strict() {
    let grades = Scores::new(vec![1.0, 0.0, 0.0, 0.25, 0.5, 0.25, 0.0, 0.0, 1.0], 3, 3).unwrap();
    let cuts = |cuts: &[f64]| Rule::CutPoints(CutPoints { cuts: cuts.to_vec() }).decide(TaskKind::Ordinal, &grades);
    assert_eq!(cuts(&[0.5, 1.5]).unwrap(), [0, 1, 2]);
    assert_eq!(cuts(&[1.0, 1.5]).unwrap(), [0, 0, 2]);
    let labels = Scores::new(vec![0.3, 0.3, 0.6, 0.1], 2, 2).unwrap();
    let rule = Rule::Thresholds(Thresholds { thresholds: vec![0.3, 0.2] });
    assert_eq!(rule.decide(TaskKind::MultiLabel, &labels).unwrap(), [0, 1, 1, 0]);
}

proptest! {
    #[test]
    fn without_numbers_nothing_changes(logits in prop::collection::vec(-6.0..6.0_f64, 4..80)) {
        let scores = scores(&logits, 4);
        let plain = decide(TaskKind::MultiClass, &scores);
        prop_assert_eq!(&Rule::PLAIN.decide(TaskKind::MultiClass, &scores).unwrap(), &plain);
        let zero = Rule::LogOffsets(LogOffsets { offsets: vec![0.0; 4] });
        prop_assert_eq!(&zero.decide(TaskKind::MultiClass, &scores).unwrap(), &plain);
        let flat = Rule::PriorAdjustment(PriorAdjustment { tau: 0.0, priors: vec![0.7, 0.1, 0.1, 0.1] });
        prop_assert_eq!(&flat.decide(TaskKind::MultiClass, &scores).unwrap(), &plain);
    }

    #[test]
    fn a_temperature_keeps_decisions_and_sums(
        logits in prop::collection::vec(-6.0..6.0_f64, 3..60), temperature in 0.2..5.0_f64,
    ) {
        let (scores, rule) = (scores(&logits, 3), Temperature { temperature });
        for kind in [TaskKind::MultiClass, TaskKind::Ordinal] {
            let tempered = rule.apply(kind, &scores).unwrap();
            prop_assert_eq!(decide(kind, &tempered), decide(kind, &scores));
            prop_assert!(tempered.view().rows().into_iter().all(|row| (row.sum() - 1.0).abs() < 1e-9));
        }
        let same = Temperature { temperature: 1.0 }.apply(TaskKind::MultiClass, &scores).unwrap();
        prop_assert!(same.view().iter().zip(scores.view()).all(|(a, b)| (a - b).abs() < 1e-9));
    }

    #[test]
    fn offsets_decide_as_the_formula_says_and_a_constant_changes_nothing(
        logits in prop::collection::vec(-6.0..6.0_f64, 3..60),
        offsets in prop::collection::vec(-2.0..2.0_f64, 3),
        constant in -5.0..5.0_f64,
    ) {
        let scores = scores(&logits, 3);
        let decide = |offsets: Vec<f64>| Rule::LogOffsets(LogOffsets { offsets }).decide(TaskKind::MultiClass, &scores);
        let decisions = decide(offsets.clone()).unwrap();
        prop_assert_eq!(&decisions, &slowly(&scores, &offsets));
        prop_assert_eq!(decisions, decide(offsets.iter().map(|offset| offset + constant).collect()).unwrap());
    }

    #[test]
    fn prior_adjustment_divides_by_the_prior(
        logits in prop::collection::vec(-6.0..6.0_f64, 3..60), tau in -0.5..2.0_f64,
    ) {
        let (scores, priors) = (scores(&logits, 3), vec![0.6, 0.3, 0.1]);
        let offsets: Vec<f64> = priors.iter().map(|prior: &f64| -tau * prior.ln()).collect();
        let rule = Rule::PriorAdjustment(PriorAdjustment { tau, priors });
        prop_assert_eq!(rule.decide(TaskKind::MultiClass, &scores).unwrap(), slowly(&scores, &offsets));
    }
}
