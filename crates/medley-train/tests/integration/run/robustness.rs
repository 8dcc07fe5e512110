//! A finished run on corrupted images.

use medley_core::record::SEVERITIES;
use medley_predictions::record::read_results;

use super::*;

#[test]
fn clean_errors_are_those_of_the_run_and_corruption_repeats_to_the_bit() {
    let laboratory = Laboratory::new("");
    let root = laboratory.finish();
    let run = laboratory.resume(&root).unwrap();
    let before = promised(&root);
    let mut passes = Vec::new();
    let stop = StopFlag::default();
    let record = run.measure_robustness(&stop, |done, all| passes.push((done, all))).unwrap().unwrap();
    assert_eq!(passes.last().unwrap().0, passes.len());
    assert_eq!((passes[0].1, record.problem()), (passes.len(), None));
    assert_eq!(record.tasks.iter().map(|task| task.task.as_str()).collect::<Vec<_>>(), TASKS);
    assert_eq!(record.seeds, laboratory.experiment.seeds);
    for task in &record.tasks {
        assert!(!task.corruptions.is_empty() && task.corruptions[0].balanced_error.len() == SEVERITIES);
    }
    // A network that answers the same whatever it sees has the same error everywhere; not every task's does.
    let differs = record
        .tasks
        .iter()
        .any(|task| task.corruptions.iter().flat_map(|one| one.balanced_error).any(|error| error != task.clean));
    assert!(differs, "nothing was corrupted");
    // Nothing of the run has changed, and the same images are corrupted in the same way.
    assert_eq!(promised(&root), before);
    drop(run);
    let again = laboratory.resume(&root).unwrap().measure_robustness(&stop, |_, _| {}).unwrap().unwrap();
    assert_eq!(again, record);
    let manifest = medley_predictions::record::read_manifest(&RunLayout::new(&root)).unwrap();
    let results = read_results(&RunLayout::new(&root), &manifest).unwrap().unwrap();
    assert_eq!(results.seeds.len(), record.seeds.len());
}

#[test]
fn one_seed_has_the_balanced_error_of_its_validation_and_a_stop_leaves_nothing() {
    let laboratory = Laboratory::new("");
    let laboratory = laboratory.other(laboratory.text.replace("seeds = [0, 1]", "seeds = [0]"));
    assert_eq!(laboratory.experiment.seeds.len(), 1);
    let root = laboratory.finish();
    let run = laboratory.resume(&root).unwrap();
    let record = run.measure_robustness(&StopFlag::default(), |_, _| {}).unwrap().unwrap();
    let results = run.results().unwrap().unwrap();
    for (task, result) in record.tasks.iter().zip(&results.seeds[0].validation.tasks) {
        // One less the mean recall of the classes that occur.
        let present: Vec<f64> =
            result.per_class.iter().filter(|class| class.support > 0).map(|class| class.recall).collect();
        let expected = 1.0 - present.iter().sum::<f64>() / present.len() as f64;
        assert!((task.clean - expected).abs() < 1e-9, "{}: {} {expected}", task.task, task.clean);
    }
    let stop = StopFlag::default();
    stop.request();
    assert_eq!(run.measure_robustness(&stop, |_, _| {}).unwrap(), None);
    std::fs::remove_file(root.join("results.json")).unwrap();
    let error = run.measure_robustness(&StopFlag::default(), |_, _| {}).unwrap_err();
    assert!(matches!(error, TrainError::Unfinished { .. }), "{error}");
}
