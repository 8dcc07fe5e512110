//! What is found and accepted where the best rule is known.

use medley_core::{Labels, Scores, TaskKind};
use medley_decisions::{
    Candidate, DecisionError, FitOptions, Fitted, Rows, Rule, Temperature, Verdict, fit, macro_f1_of,
};
use proptest::prelude::*;

use crate::common::{bayes, macro_f1, normal, task, uniform};

fn candidate<'a>(fitted: &'a Fitted, name: &str) -> &'a Candidate {
    fitted.candidates.iter().find(|candidate| candidate.rule.name() == name).unwrap()
}

fn counts(shares: &[f64]) -> Vec<u64> {
    shares.iter().map(|share| (share * 10_000.0) as u64).collect()
}

#[test]
fn a_prior_shift_is_found_and_undone() {
    let (trained, even) = ([0.7, 0.15, 0.1, 0.05], [0.25; 4]);
    let (scores, labels) = bayes(&even, &trained, 1.6, 1200, 1);
    let spec = task(TaskKind::MultiClass, 4);
    let fitted = fit(&Rows::new(&spec, &labels), &scores, Some(&counts(&trained)), &FitOptions::default()).unwrap();
    let Rule::PriorAdjustment(rule) = &candidate(&fitted, "prior adjustment").rule else { panic!("{fitted:?}") };
    assert!((rule.tau - 1.0).abs() <= 0.3, "{}", rule.tau);
    assert_ne!(fitted.rule, Rule::PLAIN);
    assert!(fitted.macro_f1 > fitted.plain_macro_f1 + 0.03, "{} {}", fitted.plain_macro_f1, fitted.macro_f1);
    // On images that nothing was fitted on, it is as good as what is known to be best, to a point or so.
    let (scores, labels) = bayes(&even, &trained, 1.6, 20_000, 2);
    let of = |rule: &Rule| macro_f1_of(rule, &spec, &scores, &labels).unwrap();
    assert!((of(&fitted.rule) - fitted.macro_f1).abs() < 0.05);
    assert!(of(&fitted.rule) > of(&Rule::PLAIN) + 0.03);
}

#[test]
fn without_a_shift_the_plain_rule_stays() {
    let even = [0.25; 4];
    let stays = |seed: u64| {
        let (scores, labels) = bayes(&even, &even, 1.6, 200, 100 + seed);
        let options = FitOptions { seed, resamples: 500, ..FitOptions::default() };
        let fitted = fit(
            &Rows::new(&task(TaskKind::MultiClass, 4), &labels),
            &scores,
            Some(&counts(&[0.4, 0.3, 0.2, 0.1])),
            &options,
        );
        fitted.unwrap().rule == Rule::PLAIN
    };
    let stayed = (0..50).filter(|&seed| stays(seed)).count();
    assert!(stayed >= 45, "the plain rule stayed in {stayed} of 50 draws");
}

#[test]
fn a_network_that_is_too_sure_is_cooled() {
    let even = [0.25; 4];
    let (scores, labels) = bayes(&even, &even, 1.2, 2000, 3);
    // Probabilities to the power of 2: the right temperature is 2.
    let sharp: Vec<f64> = (0..scores.rows())
        .flat_map(|row| {
            let squares: Vec<f64> = scores.row(row).iter().map(|share| share * share).collect();
            let sum: f64 = squares.iter().sum();
            squares.into_iter().map(move |square| square / sum).collect::<Vec<_>>()
        })
        .collect();
    let sharp = Scores::new(sharp, scores.rows(), 4).unwrap();
    let spec = task(TaskKind::MultiClass, 4);
    let fitted = fit(&Rows::new(&spec, &labels), &sharp, None, &FitOptions::default()).unwrap();
    let found = fitted.temperature.clone().unwrap();
    assert!((found.temperature.temperature - 2.0).abs() < 0.2, "{found:?}");
    let [before, after] = found.log_loss;
    assert!(after < before - 0.05 && found.accepted, "{before} {after}");
    assert_eq!(fitted.decision(&spec).unwrap().temperature(), found.temperature);
    // The temperature of a network that is as sure as it may be changes next to nothing, and is not carried.
    let fitted = fit(&Rows::new(&spec, &labels), &scores, None, &FitOptions::default()).unwrap();
    let found = fitted.temperature.clone().unwrap();
    assert!((found.temperature.temperature - 1.0).abs() < 0.1 && !found.accepted, "{found:?}");
    assert_eq!(fitted.decision(&spec).unwrap().temperature(), Temperature::NONE);
}

#[test]
fn a_single_bad_class_is_corrected_by_offsets() {
    // One class is given a tenth of its probability, which no adjustment to frequencies can know.
    let even = [0.25; 4];
    let (scores, labels) = bayes(&even, &[0.32, 0.32, 0.32, 0.04], 1.6, 1500, 4);
    let fitted =
        fit(&Rows::new(&task(TaskKind::MultiClass, 4), &labels), &scores, Some(&[100; 4]), &FitOptions::default())
            .unwrap();
    assert_eq!(fitted.rule.name(), "log-offsets", "{fitted:?}");
    assert!(fitted.plain_quadratic_kappa.is_none() && fitted.candidates[0].quadratic_kappa.is_none());
    let Rule::LogOffsets(rule) = &fitted.rule else { panic!("{fitted:?}") };
    let others = rule.offsets[..3].iter().sum::<f64>() / 3.0;
    assert!((rule.offsets[3] - others - 2.08).abs() < 0.8, "{:?}", rule.offsets);
    assert!(rule.offsets.iter().sum::<f64>().abs() < 1e-9);
}

/// Grades with probabilities that lean to the middle, as those of a regression.
fn grades(rows: usize, seed: u64) -> (Scores, Labels) {
    let mut rng = medley_core::seed::stream(seed, medley_core::seed::Purpose::Synthetic, &[7]);
    let (mut labels, mut values) = (Vec::new(), Vec::new());
    for row in 0..rows {
        let label = row % 5;
        let grade = (2.0 + (label as f64 - 2.0) * 0.55 + normal(&mut rng) * 0.2).clamp(0.0, 4.0);
        let below = grade.floor().min(3.0) as usize;
        for class in 0..5 {
            let share = if class == below {
                1.0 - (grade - below as f64)
            } else {
                f64::from(u8::from(class == below + 1)) * (grade - below as f64)
            };
            values.push(share);
        }
        labels.push(label as u16);
    }
    (Scores::new(values, rows, 5).unwrap(), Labels::single(labels).unwrap())
}

#[test]
fn cut_points_move_to_where_the_grades_are() {
    let (scores, labels) = grades(600, 5);
    let spec = task(TaskKind::Ordinal, 5);
    let fitted = fit(&Rows::new(&spec, &labels), &scores, None, &FitOptions::default()).unwrap();
    assert_eq!(fitted.rule.name(), "cut points", "{fitted:?}");
    let kappa = candidate(&fitted, "cut points").quadratic_kappa.unwrap();
    assert!(kappa > fitted.plain_quadratic_kappa.unwrap() + 0.01, "{fitted:?}");
    let Rule::CutPoints(rule) = &fitted.rule else { panic!("{fitted:?}") };
    for (cut, middle) in rule.cuts.iter().zip([1.175, 1.725, 2.275, 2.825]) {
        assert!((cut - middle).abs() < 0.2, "{:?}", rule.cuts);
    }
}

#[test]
fn thresholds_are_where_the_f1_of_their_label_is_best() {
    let mut rng = medley_core::seed::stream(6, medley_core::seed::Purpose::Synthetic, &[8]);
    let (mut labels, mut values) = (Vec::new(), Vec::new());
    for _ in 0..800 {
        for share in [0.15, 0.05] {
            let probability = (share + normal(&mut rng) * 0.1).clamp(0.01, 0.45);
            labels.push(u16::from(uniform(&mut rng) < probability));
            values.push(probability);
        }
    }
    let (scores, labels) = (Scores::new(values, 800, 2).unwrap(), Labels::multi(labels, 800, 2).unwrap());
    let spec = task(TaskKind::MultiLabel, 2);
    let fitted = fit(&Rows::new(&spec, &labels), &scores, None, &FitOptions::default()).unwrap();
    // Nothing is above 0.5, so the plain rule finds no label at all.
    assert_eq!((fitted.plain_macro_f1, fitted.rule.name()), (0.0, "thresholds"));
    let Rule::Thresholds(rule) = &fitted.rule else { panic!("{fitted:?}") };
    assert!(rule.thresholds.iter().all(|threshold| (0.05..0.4).contains(threshold)), "{:?}", rule.thresholds);
    assert_eq!(fitted.candidates.len(), 1);
}

#[test]
fn few_rows_decide_nothing() {
    let (scores, labels) = bayes(&[0.5; 2], &[0.9, 0.1], 1.0, 29, 9);
    let fitted = fit(&Rows::new(&task(TaskKind::Binary, 2), &labels), &scores, None, &FitOptions::default()).unwrap();
    assert_eq!((fitted.rule, fitted.candidates.len(), fitted.rows), (Rule::PLAIN, 0, 29));
}

#[test]
fn what_cannot_be_fitted_is_named() {
    let spec = task(TaskKind::MultiClass, 3);
    let (scores, labels) = bayes(&[0.3; 3], &[0.3; 3], 1.0, 40, 1);
    let refused = |counts: Option<&[u64]>, options: FitOptions| {
        fit(&Rows::new(&spec, &labels), &scores, counts, &options).unwrap_err()
    };
    let default = FitOptions::default();
    assert!(matches!(refused(Some(&[1, 2]), default), DecisionError::Counts { found: 2, expected: 3 }));
    for (options, key) in [
        (FitOptions { folds: 1, ..default }, "folds"),
        (FitOptions { level: 1.0, ..default }, "level"),
        (FitOptions { resamples: 0, ..default }, "resamples"),
        (FitOptions { ridge: f64::NAN, ..default }, "ridge"),
    ] {
        assert!(refused(None, options).to_string().starts_with(&format!("`{key}` is")));
    }
    let logits = Scores::new(vec![3.0; 120], 40, 3).unwrap();
    let error = fit(&Rows::new(&spec, &labels), &logits, None, &default).unwrap_err();
    assert!(matches!(error, DecisionError::NotProbabilities { .. }), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn what_holds_whatever_is_drawn(
        shares in prop::collection::vec(0.05..1.0_f64, 3), skill in 0.3..2.0_f64, rows in 30_usize..140, seed in 0_u64..1_000,
    ) {
        let (scores, labels) = bayes(&[0.33; 3], &shares, skill, rows, seed);
        let options = FitOptions { resamples: 200, seed, ..FitOptions::default() };
        let spec = task(TaskKind::Ordinal, 3);
        let fitted = fit(&Rows::new(&spec, &labels), &scores, Some(&counts(&shares)), &options).unwrap();
        prop_assert_eq!(&fitted, &fit(&Rows::new(&spec, &labels), &scores, Some(&counts(&shares)), &options).unwrap());
        let plain = macro_f1(labels.values(), &scores.argmax(), 3);
        prop_assert!((fitted.plain_macro_f1 - plain).abs() < 1e-12);
        // On the very rows that they are fitted on, these two are never below the plain rule.
        for name in ["prior adjustment", "log-offsets"] {
            let rule = &candidate(&fitted, name).rule;
            let decisions = rule.decide(TaskKind::Ordinal, &scores).unwrap();
            prop_assert!(macro_f1(labels.values(), &decisions, 3) >= plain - 1e-12, "{}", name);
        }
        for one in &fitted.candidates {
            prop_assert!((one.macro_f1 - fitted.plain_macro_f1 - one.gain.value).abs() < 1e-12);
            let certain = one.gain.interval.low > 0.0 && one.gain.value > 0.0;
            let taken = matches!(one.verdict, Verdict::Accepted | Verdict::Outdone);
            prop_assert_eq!(certain && one.verdict != Verdict::SameDecisions, taken);
            prop_assert!(one.verdict != Verdict::Outdone || one.gain.value <= fitted.macro_f1 - plain + 1e-9);
        }
        let accepted = fitted.candidates.iter().filter(|one| one.verdict == Verdict::Accepted).count();
        prop_assert_eq!(accepted, usize::from(fitted.rule != Rule::PLAIN));
    }
}
