//! Bootstrap, permutation and the tests without resampling, by what they must hold.

use medley_core::{Labels, Scores, Split, TaskKind};
use medley_metrics::bootstrap::{NoInterval, Resampled, Resampling, bootstrap, harmonic_mean_of, permute};
use medley_metrics::delong::{auc_difference, auc_variance};
use medley_metrics::metrics::{self, HEADLINE};
use medley_metrics::uncertainty::{SetResamples, intervals_of_confusion, mean_of_ends};
use medley_metrics::{Draw, Sample, auc, evaluate, harmonic_mean, mcnemar, metric, score_set};

use crate::common::{SplitMix, bits, predictor, task};

fn with_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
}

#[test]
fn threads_and_company_do_not_matter() {
    let sample = predictor(1, 90, 0.4);
    let other = predictor(2, 90, 0.3);
    let options = Resampling { resamples: 64, ..Resampling::default() };
    let one = with_threads(1, || bootstrap(&sample, HEADLINE, &options));
    assert_eq!(bits(&one), bits(&with_threads(4, || bootstrap(&sample, HEADLINE, &options))));
    // A metric asked for among others is the metric asked for alone.
    let alone = bootstrap(&sample, &HEADLINE[2..], &options);
    assert_eq!(bits(&alone), bits(&one[2..]));
    let permuted = |threads| {
        let both = with_threads(threads, || permute(&sample, &other, HEADLINE, &options)).unwrap();
        both.iter().map(|(a, b)| (bits(std::slice::from_ref(a)), bits(std::slice::from_ref(b)))).collect::<Vec<_>>()
    };
    assert_eq!(permuted(1), permuted(3));
    let seeded = Resampling { seed: 1, ..options };
    assert_ne!(bits(&one), bits(&bootstrap(&sample, HEADLINE, &seeded)));
}

#[test]
fn resamples_keep_the_classes() {
    // Recall of a class that is always right stays 1, and accuracy of a model that knows one class only stays its share.
    let labels: Vec<u16> = [vec![0; 30], vec![1; 10], vec![2; 5]].concat();
    let sample =
        Sample::from_decisions(&task(TaskKind::MultiClass, 3), Labels::single(labels).unwrap(), vec![0; 45]).unwrap();
    let accuracy = metrics::by_id("accuracy").unwrap();
    let resampled = &bootstrap(&sample, &[accuracy], &Resampling::default())[0];
    assert!(resampled.draws.iter().all(|&draw| draw == 30.0 / 45.0));
    assert!(resampled.standard_error().unwrap() < 1e-12);
}

#[test]
fn without_variation_there_is_no_interval_but_a_reason() {
    let labels: Vec<u16> = [vec![0; 30], vec![1; 10], vec![2; 5]].concat();
    let options = Resampling { resamples: 50, ..Resampling::default() };
    let decided = |decisions: Vec<u16>| {
        let labels = Labels::single(labels.clone()).unwrap();
        let sample = Sample::from_decisions(&task(TaskKind::MultiClass, 3), labels, decisions).unwrap();
        bootstrap(&sample, HEADLINE, &options)
    };
    let (one_class, perfect) = (decided(vec![0; 45]), decided(labels.clone()));
    for resampled in [&one_class[1], &one_class[2], &perfect[1], &perfect[2]] {
        assert!(resampled.value.is_some());
        assert_eq!((resampled.interval(0.95), resampled.no_interval(0.95)), (None, Some(NoInterval::Constant)));
    }
    // Decisions alone have no AUC.
    assert_eq!(one_class[0].no_interval(0.95), Some(NoInterval::Undefined));
    assert!(one_class[1].minus(&one_class[1]).is_always_zero() && !one_class[1].minus(&perfect[1]).is_always_zero());
    let varied = bootstrap(&predictor(1, 90, 0.4), HEADLINE, &options);
    assert!(varied.iter().all(|one| one.no_interval(0.95).is_none() && one.interval(0.95).is_some()));
}

#[test]
fn interval_of_accuracy_is_that_of_its_strata() {
    let sample = predictor(3, 600, 0.3);
    let resampled = &bootstrap(&sample, HEADLINE, &Resampling { resamples: 4000, ..Resampling::default() })[1];
    // Accuracy is a sum of independent binomials, one per class.
    let draw = Draw::once(&sample);
    let variance = draw.classes().iter().map(|class| {
        let (hits, support) = (class.hits as f64, class.support as f64);
        hits * (support - hits) / support
    });
    let expected = variance.sum::<f64>().sqrt() / 600.0;
    assert!((resampled.standard_error().unwrap() / expected - 1.0).abs() < 0.05);
    assert!((resampled.interval(0.95).unwrap().half_width() / (1.96 * expected) - 1.0).abs() < 0.06);
}

#[test]
fn delong_and_bootstrap_agree_on_the_error_of_an_auc() {
    for skill in [0.1, 0.4] {
        let sample = predictor(5, 400, skill);
        let resampled = &bootstrap(&sample, HEADLINE, &Resampling { resamples: 4000, ..Resampling::default() })[0];
        let exact = auc_variance(&sample).unwrap();
        assert!((exact.auc - resampled.value.unwrap()).abs() < 1e-12);
        assert!((resampled.standard_error().unwrap() / exact.standard_error - 1.0).abs() < 0.06);
    }
}

#[test]
fn delong_agrees_with_all_pairs() {
    let mut random = SplitMix(11);
    let truth: Vec<u16> = (0..40).map(|_| random.below(2) as u16).collect();
    let score = |random: &mut SplitMix| (0..40).map(|_| random.below(9) as f64 / 9.0).collect::<Vec<_>>();
    let (a, b) = (score(&mut random), score(&mut random));
    let sample = |scores: &[f64]| {
        let scores = Scores::new(scores.to_vec(), 40, 1).unwrap();
        Sample::new(&task(TaskKind::Binary, 2), Labels::single(truth.clone()).unwrap(), scores).unwrap()
    };
    let found = auc_difference(&sample(&a), &sample(&b)).unwrap().unwrap();
    // The structural components of the paper, pair by pair.
    let rows = |class: u16| (0..40).filter(|&row| truth[row] == class).collect::<Vec<_>>();
    let kernel = |x: f64, y: f64| {
        if x > y {
            1.0
        } else if x == y {
            0.5
        } else {
            0.0
        }
    };
    let (positives, negatives) = (rows(1), rows(0));
    let of_positive = |scores: &[f64], i: usize| {
        negatives.iter().map(|&j| kernel(scores[i], scores[j])).sum::<f64>() / negatives.len() as f64
    };
    let of_negative = |scores: &[f64], j: usize| {
        positives.iter().map(|&i| kernel(scores[i], scores[j])).sum::<f64>() / positives.len() as f64
    };
    let variance = |values: Vec<f64>| {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        squares / (values.len() - 1) as f64 / values.len() as f64
    };
    let expected = variance(positives.iter().map(|&i| of_positive(&a, i) - of_positive(&b, i)).collect())
        + variance(negatives.iter().map(|&j| of_negative(&a, j) - of_negative(&b, j)).collect());
    assert!((found.standard_error.powi(2) - expected).abs() < 1e-14);
    let booleans: Vec<bool> = truth.iter().map(|&label| label == 1).collect();
    assert!((found.difference - (auc(&booleans, &a).unwrap() - auc(&booleans, &b).unwrap())).abs() < 1e-14);
}

#[test]
fn equal_predictors_do_not_differ_and_unequal_ones_do() {
    let (good, bad) = (predictor(21, 300, 0.9), predictor(22, 300, 0.2));
    let options = Resampling { resamples: 400, ..Resampling::default() };
    for (a, b) in &permute(&good, &good, HEADLINE, &options).unwrap() {
        assert_eq!((a.minus(b).value, a.minus(b).permutation_p()), (Some(0.0), Some(1.0)));
    }
    for (index, (a, b)) in permute(&good, &bad, HEADLINE, &options).unwrap().iter().enumerate() {
        let expected = metric::value(HEADLINE[index], &good).unwrap() - metric::value(HEADLINE[index], &bad).unwrap();
        assert!((a.minus(b).value.unwrap() - expected).abs() < 1e-12);
        assert_eq!(a.minus(b).permutation_p(), Some(1.0 / 401.0));
    }
    assert_eq!(auc_difference(&good, &good).unwrap().unwrap().p, 1.0);
    assert!(auc_difference(&good, &bad).unwrap().unwrap().p < 1e-6);
    let of = |scores: Vec<f64>| {
        let labels = Labels::single(vec![0, 0, 0, 1, 1, 1]).unwrap();
        Sample::new(&task(TaskKind::Binary, 2), labels, Scores::new(scores, 6, 2).unwrap()).unwrap()
    };
    let perfect = of(vec![0.9, 0.1, 0.8, 0.2, 0.7, 0.3, 0.3, 0.7, 0.2, 0.8, 0.1, 0.9]);
    let constant = of([0.7, 0.3].repeat(6));
    assert_eq!(auc_difference(&perfect, &constant).unwrap(), None, "without variance it would be certain");
    assert!(bootstrap(&constant, HEADLINE, &options).iter().all(|drawn| drawn.standard_error() == Some(0.0)));
    assert!(mcnemar(&good, &bad).unwrap().p < 1e-6);
    assert_eq!(mcnemar(&good, &good).unwrap().p, 1.0);
    let paired = bootstrap(&good, HEADLINE, &options)[2].minus(&bootstrap(&bad, HEADLINE, &options)[2]);
    assert!(paired.interval(0.95).unwrap().low > 0.0);
}

#[test]
fn under_the_null_p_values_are_spread_evenly() {
    // Two predictors of equal skill: a test at 20 % must cry wolf about once in five times.
    let options = Resampling { resamples: 99, ..Resampling::default() };
    let mut alarms = [0; 3];
    for round in 0..120 {
        let (a, b) = (predictor(1000 + 2 * round, 80, 0.4), predictor(1001 + 2 * round, 80, 0.4));
        let permuted = permute(&a, &b, &HEADLINE[2..], &options).unwrap();
        alarms[0] += usize::from(permuted[0].0.minus(&permuted[0].1).permutation_p().unwrap() <= 0.2);
        alarms[1] += usize::from(auc_difference(&a, &b).unwrap().unwrap().p <= 0.2);
        alarms[2] += usize::from(mcnemar(&a, &b).unwrap().p <= 0.2);
    }
    // 24 expected, standard deviation 4.4; the exact test of McNemar is conservative.
    assert!((9..=39).contains(&alarms[0]) && (9..=39).contains(&alarms[1]) && alarms[2] <= 39, "{alarms:?}");
}

#[test]
fn harmonic_means_are_made_draw_by_draw() {
    let resampled = |value, draws: &[f64]| Resampled { value: Some(value), draws: draws.to_vec() };
    let (one, two) = (resampled(0.5, &[0.4, 0.0, f64::NAN]), resampled(1.0, &[0.8, 0.9, 0.9]));
    let mean = harmonic_mean_of(&[&one, &two]).unwrap();
    assert_eq!(mean.value, Some(harmonic_mean(&[0.5, 1.0])));
    assert_eq!(mean.draws[..2], [harmonic_mean(&[0.4, 0.8]), 0.0]);
    assert!(mean.draws[2].is_nan());
    assert_eq!((mean.interval(0.95), mean.standard_error()), (None, None));
    assert!(harmonic_mean_of(&[&one, &resampled(1.0, &[])]).is_none());
    assert!(harmonic_mean_of(&[]).is_none());
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let sample = predictor(1, 30, 0.4);
    let message = |other: &Sample| permute(&sample, other, HEADLINE, &Resampling::default()).unwrap_err().to_string();
    assert!(message(&predictor(1, 31, 0.4)).contains("30 and 31 rows"));
    let turned = Labels::single(sample.labels().values().iter().map(|label| (label + 1) % 3).collect()).unwrap();
    let turned = Sample::from_decisions(sample.spec(), turned, sample.decisions().to_vec()).unwrap();
    assert!(message(&turned).contains("different labels"));
    assert!(auc_difference(&sample, &turned).is_err() && mcnemar(&sample, &turned).is_err());
}

#[test]
fn the_mean_over_seeds_is_resampled_on_the_same_draws() {
    let options = Resampling { resamples: 200, ..Resampling::default() };
    let seeds: Vec<Sample> = (0..3).map(|seed| predictor(40 + seed, 120, 0.5)).collect();
    let resampled: Vec<Vec<Resampled>> = seeds.iter().map(|seed| bootstrap(seed, HEADLINE, &options)).collect();
    let expected = Resampled {
        value: None,
        draws: (0..200).map(|at| resampled.iter().map(|seed| seed[2].draws[at]).sum::<f64>() / 3.0).collect(),
    };
    let sets: Vec<SetResamples> =
        seeds.iter().map(|seed| SetResamples::of(std::slice::from_ref(seed), &options)).collect();
    let mean = SetResamples::mean(&sets).unwrap().intervals();
    let same = Resampled { value: Some(0.0), ..expected }.interval(0.95);
    assert_eq!(mean.tasks[0].macro_f1, same);
    assert_eq!(SetResamples::mean(&sets[..1]).unwrap().intervals(), sets[0].intervals());
    // One task: its harmonic mean is its macro-F1, but for 1 / (1 / x).
    let (own, of_mean) = (sets[0].intervals().tasks[0].macro_f1.unwrap(), sets[0].intervals().harmonic_mean.unwrap());
    assert!((own.low - of_mean.low).abs() < 1e-12 && (own.high - of_mean.high).abs() < 1e-12);
    let other = SetResamples::of(&seeds[..1], &Resampling { resamples: 10, ..options });
    assert!(SetResamples::mean(&[sets[0].clone(), other]).is_none() && SetResamples::mean(&[]).is_none());
}

#[test]
fn intervals_of_a_confusion_matrix_are_those_of_the_predictions() {
    let options = Resampling { resamples: 4000, ..Resampling::default() };
    let sample = predictor(50, 400, 0.4);
    let scored = evaluate(sample.spec(), Split::Test, sample.labels(), sample.scores().unwrap()).unwrap();
    let set = score_set(vec![scored]);
    let known = SetResamples::of(std::slice::from_ref(&sample), &options).intervals();
    let derived = intervals_of_confusion(&[sample.spec()], &set, &options);
    for (one, two) in [
        (known.tasks[0].accuracy, derived.tasks[0].accuracy),
        (known.tasks[0].macro_f1, derived.tasks[0].macro_f1),
        (known.harmonic_mean, derived.harmonic_mean),
    ] {
        let (one, two) = (one.unwrap(), two.unwrap());
        // Other draws of the same distribution: ends of 4,000 resamples differ by a few hundredths of the width.
        let width = one.high - one.low;
        assert!(
            (one.low - two.low).abs() < 0.1 * width && (one.high - two.high).abs() < 0.1 * width,
            "{one:?} {two:?}"
        );
    }
    assert_eq!(derived.tasks[0].auc, None);
    assert_eq!(mean_of_ends(&[derived.clone(), derived.clone()]).unwrap(), derived);
    let multi_label = medley_core::record::ScoreSet { tasks: vec![empty_matrix(&set)], ..set };
    let none = intervals_of_confusion(&[sample.spec()], &multi_label, &options);
    assert_eq!((none.tasks[0], none.harmonic_mean), (medley_core::record::TaskIntervals::default(), None));
}

fn empty_matrix(set: &medley_core::record::ScoreSet) -> medley_core::record::TaskResult {
    medley_core::record::TaskResult { confusion: Vec::new(), ..set.tasks[0].clone() }
}
