//! Training for a moment: nothing is written, and something is learnt.

use medley_core::record::RunResults;
use medley_train::dry_run::rates;

use super::*;

#[test]
fn a_range_test_raises_the_rate_until_the_loss_does_and_writes_nothing() {
    let laboratory = Laboratory::new("[optimizer]\nname = 'sgd'\ngradient_clip = 0.0");
    let rates = rates(1e-4, 1e5, 40);
    let mut seen = Vec::new();
    let test = laboratory
        .session()
        .test_rates(&laboratory.experiment, &rates, &StopFlag::default(), |step, loss| seen.push((step, loss)))
        .unwrap();
    let steps = test.points.len();
    assert!(steps > 12, "two epochs at least: {steps}");
    assert!(seen.len() <= 40 && seen.len() < rates.len(), "the loss rises before the last rate: {seen:?}");
    assert!(test.points.iter().zip(&rates).all(|(point, &rate)| point.learning_rate == rate));
    assert!(!laboratory.runs().exists());
    let again =
        laboratory.session().test_rates(&laboratory.experiment, &rates, &StopFlag::default(), |_, _| {}).unwrap();
    assert_eq!(again, test);
    // The loss is no number at the end, which would end a run.
    let strict = laboratory.other(config("on_nan = 'stop'\n[optimizer]\nname = 'sgd'\ngradient_clip = 0.0"));
    let far = rates.iter().map(|rate| rate * 1e300).collect::<Vec<f64>>();
    let test = strict.session().test_rates(&strict.experiment, &far, &StopFlag::default(), |_, _| {}).unwrap();
    assert!(test.points.len() < far.len());
    let stop = StopFlag::default();
    stop.request();
    let none = laboratory.session().test_rates(&laboratory.experiment, &rates, &stop, |_, _| {}).unwrap();
    assert!(none.points.is_empty());
}

#[test]
fn an_epoch_is_timed_and_a_seed_stops_when_its_share_is_over() {
    let laboratory = Laboratory::new("budget = '0.002s'");
    assert_eq!(laboratory.session().steps_per_epoch(&laboratory.experiment).unwrap(), 6);
    let time = laboratory.session().time_epoch(&laboratory.experiment).unwrap();
    assert_eq!(time.steps, 6);
    assert!(time.step > 0.0 && time.validation > 0.0 && time.end > 0.0, "{time:?}");
    assert!(!laboratory.runs().exists());
    let root = laboratory.finish();
    let results: RunResults = serde_json::from_slice(&std::fs::read(root.join("results.json")).unwrap()).unwrap();
    for seed in results.seeds {
        assert_eq!(seed.best_epoch, 1);
        assert!(seed.stopped.unwrap().contains("share of `train.budget`"));
    }
}
