use medley_storage::{Fault, FaultyFs, RealFs};

use super::*;

fn groups(value: f32) -> Vec<(&'static str, Vec<(String, Tensor)>)> {
    vec![("model", vec![("w".to_owned(), Tensor::from_slice(&[value, value]))])]
}

fn at(epoch: usize) -> Progress {
    Progress { epoch, best: Some(Best { epoch: 1, harmonic_mean: 0.1 + 0.2, selected: None }), ..Progress::START }
}

/// Loads the newest into the tensors.
fn load_last(checkpoints: &CheckpointFolder, groups: TensorGroups<'_>) -> Option<Progress> {
    let checkpoint = checkpoints.find_last(groups).unwrap()?;
    checkpoints.load(&checkpoint, groups).unwrap();
    assert!(checkpoint.skipped.is_empty());
    Some(checkpoint.progress)
}

fn value(groups: TensorGroups<'_>) -> f64 {
    groups[0].1[0].1.double_value(&[0])
}

#[test]
fn the_newest_is_loaded_and_older_ones_go() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = CheckpointFolder::new(&RunLayout::new(folder.path()), 3);
    assert!(load_last(&checkpoints, &groups(0.0)).is_none());
    checkpoints.save_last(&RealFs, &at(1), &groups(1.0)).unwrap();
    checkpoints.save_last(&RealFs, &at(2), &groups(2.0)).unwrap();
    let target = groups(0.0);
    let progress = load_last(&checkpoints, &target).unwrap();
    assert_eq!((progress, value(&target)), (at(2), 2.0));
    assert_eq!(checkpoints.list("last").unwrap().len(), 1);
}

#[test]
fn one_is_always_there_while_another_takes_its_place() {
    for fail_at in 0.. {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = CheckpointFolder::new(&RunLayout::new(folder.path()), 0);
        checkpoints.save_last(&RealFs, &at(1), &groups(1.0)).unwrap();
        // The same place in training, but callbacks remember something else.
        let storage = FaultyFs::new(fail_at, Fault::Crash);
        let saved = checkpoints.save_last(&storage, &at(1), &groups(2.0));
        let target = groups(0.0);
        let progress = load_last(&checkpoints, &target).expect("one is there");
        assert_eq!((progress, saved.is_ok()), (at(1), !storage.tripped()));
        assert!(value(&target) == 2.0 || (storage.tripped() && value(&target) == 1.0), "{fail_at}");
        if saved.is_ok() {
            assert_eq!(checkpoints.list("last").unwrap().len(), 1);
            break;
        }
    }
}

#[test]
fn a_best_one_of_work_that_was_lost_is_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = CheckpointFolder::new(&RunLayout::new(folder.path()), 0);
    let best_of =
        |epoch, best| Progress { best: Some(Best { epoch: best, harmonic_mean: 0.5, selected: None }), ..at(epoch) };
    checkpoints.save_best(&RealFs, &best_of(1, 1), &groups(1.0)).unwrap();
    checkpoints.save_last(&RealFs, &best_of(1, 1), &groups(1.0)).unwrap();
    let newest_best = || checkpoints.newest().unwrap().best.map(|best| best.epoch);
    // Killed before the `last` checkpoint of the second epoch.
    checkpoints.save_best(&RealFs, &best_of(2, 2), &groups(2.0)).unwrap();
    let target = groups(0.0);
    assert_eq!((checkpoints.load_best(newest_best(), &target).unwrap().epoch, value(&target)), (1, 1.0));
    // Done again to other bits, it takes the place of the lost one.
    checkpoints.save_best(&RealFs, &best_of(2, 2), &groups(3.0)).unwrap();
    checkpoints.save_last(&RealFs, &best_of(2, 2), &groups(3.0)).unwrap();
    assert_eq!((checkpoints.load_best(newest_best(), &target).unwrap().epoch, value(&target)), (2, 3.0));
    assert_eq!(checkpoints.list("best").unwrap().len(), 1);
}

#[test]
fn a_damaged_file_is_named_and_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = CheckpointFolder::new(&RunLayout::new(folder.path()), 0);
    let path = checkpoints.save_best(&RealFs, &at(1), &groups(1.0)).unwrap().join("model.safetensors");
    let mut bytes = fs_err::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs_err::write(&path, bytes).unwrap();
    let message = checkpoints.load_best(None, &groups(0.0)).unwrap_err().to_string();
    assert!(message.contains("model.safetensors") && message.contains("damaged"), "{message}");
}

#[test]
fn another_network_is_a_misfit() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = CheckpointFolder::new(&RunLayout::new(folder.path()), 0);
    checkpoints.save_best(&RealFs, &at(1), &groups(1.0)).unwrap();
    let other = vec![("model", vec![("v".to_owned(), Tensor::from_slice(&[0.0_f32]))])];
    assert!(matches!(checkpoints.load_best(None, &other), Err(CheckpointError::Misfit { .. })));
}

#[test]
fn whatever_fails_old_or_new_is_loaded() {
    for fault in [Fault::DiskFull, Fault::Torn, Fault::Crash] {
        for fail_at in 0.. {
            let folder = tempfile::tempdir().unwrap();
            let checkpoints = CheckpointFolder::new(&RunLayout::new(folder.path()), 0);
            checkpoints.save_last(&RealFs, &at(1), &groups(1.0)).unwrap();
            let storage = FaultyFs::new(fail_at, fault);
            let result = checkpoints.save_last(&storage, &at(2), &groups(2.0));
            let target = groups(0.0);
            let progress = load_last(&checkpoints, &target).unwrap();
            let expected = if storage.tripped() { (1, 1.0) } else { (2, 2.0) };
            assert_eq!((progress.epoch, value(&target)), expected, "{fault:?} at {fail_at}");
            assert_eq!(result.is_err(), storage.tripped());
            if !storage.tripped() {
                break;
            }
        }
    }
}
