//! Runs that are validated on a fold.

use medley_core::Split;
use medley_core::record::{DataRecord, Manifest, RunResults};

use super::*;

fn manifest(root: &Path) -> Manifest {
    read_manifest(&RunLayout::new(root)).unwrap()
}

fn fold_rows(root: &Path) -> BTreeMap<String, Vec<usize>> {
    serde_json::from_slice(&std::fs::read(root.join("fold_rows.json")).unwrap()).unwrap()
}

fn folds(laboratory: &Laboratory, keys: &str) -> Laboratory {
    laboratory.other(format!("{}\n[folds]\n{keys}", config("")).replace("seeds = [0, 1]", "seeds = [0]"))
}

#[test]
fn every_row_is_validated_on_once_and_the_test_split_stays() {
    let plain = Laboratory::new("");
    let whole = manifest(&plain.finish());
    let mut seen: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for index in 0..3 {
        let root = folds(&plain, &format!("count = 3\nindex = {index}")).finish();
        let of_fold = manifest(&root);
        assert_eq!(of_fold.folds.as_ref().unwrap().index, index);
        for (task, rows) in fold_rows(&root) {
            let record = of_fold.data.iter().find(|record| record.task.name == task).unwrap();
            let all = whole.data.iter().find(|record| record.task.name == task).unwrap();
            assert_eq!(record.rows[&Split::Val], rows.len());
            assert_eq!(record.rows[&Split::Train] + rows.len(), all.rows[&Split::Train] + all.rows[&Split::Val]);
            assert_eq!(record.rows[&Split::Test], all.rows[&Split::Test]);
            seen.entry(task).or_default().extend(rows);
        }
        let results: RunResults = serde_json::from_slice(&std::fs::read(root.join("results.json")).unwrap()).unwrap();
        assert!(results.seeds[0].test.is_some());
    }
    for (task, mut rows) in seen {
        rows.sort_unstable();
        let all = whole.data.iter().find(|record| record.task.name == task).unwrap();
        assert_eq!(rows, (0..all.rows[&Split::Train] + all.rows[&Split::Val]).collect::<Vec<_>>(), "{task}");
    }
}

#[test]
fn an_interrupted_run_on_a_fold_goes_on_to_the_same_bits() {
    let plain = Laboratory::new("");
    let laboratory = folds(&plain, "count = 4\nindex = 2\nrepeat = 7");
    let expected = promised(&laboratory.finish());
    let (root, _) = super::callbacks::interrupted_at(&laboratory, steps, 4);
    assert_eq!(promised(&root), expected);
    let other = promised(&folds(&plain, "count = 4\nindex = 2\nrepeat = 8").finish());
    assert_ne!(other["metrics.csv"], expected["metrics.csv"]);
}

#[test]
fn a_part_of_the_training_rows_is_a_smaller_set() {
    let plain = Laboratory::new("");
    let with = |keys: &str| plain.other(format!("{}\n{keys}", config("")).replace("seeds = [0, 1]", "seeds = [0]"));
    let whole = manifest(&with("").finish());
    let half = with("[data]\ntrain_fraction = 0.5");
    let root = half.finish();
    for (all, some) in whole.data.iter().zip(&manifest(&root).data) {
        let counts = |record: &DataRecord| record.class_counts[&Split::Train].clone();
        let expected: Vec<u64> = counts(all).iter().map(|&count| (count as f64 / 2.0).round() as u64).collect();
        assert_eq!(counts(some), expected);
        assert_eq!(some.rows[&Split::Train] as u64, expected.iter().sum::<u64>());
        for split in [Split::Val, Split::Test] {
            assert_eq!(
                (some.rows[&split], some.class_counts.get(&split)),
                (all.rows[&split], all.class_counts.get(&split))
            );
        }
        assert_eq!(some.sha256, all.sha256);
    }
    let (interrupted, _) = super::callbacks::interrupted_at(&half, steps, 2);
    assert_eq!(promised(&interrupted), promised(&root));
    let other = with("[data]\ntrain_fraction = 0.5\ntrain_fraction_seed = 1").finish();
    assert_ne!(promised(&other)["metrics.csv"], promised(&root)["metrics.csv"]);
    // Of a fold, a part of what is left.
    let of_fold = folds(&plain, "count = 3\nindex = 0\n[data]\ntrain_fraction = 0.5").finish();
    let all_of_fold = folds(&plain, "count = 3\nindex = 0").finish();
    assert_eq!(fold_rows(&of_fold), fold_rows(&all_of_fold));
    assert!(manifest(&of_fold).data[0].rows[&Split::Train] < manifest(&all_of_fold).data[0].rows[&Split::Train]);
}

#[test]
fn groups_stay_together_and_their_file_must_not_change() {
    let plain = Laboratory::new("");
    let path = plain.folder.path().join("groups.csv");
    let [train, val] = {
        let rows = &manifest(&plain.finish()).data[0].rows;
        [rows[&Split::Train], rows[&Split::Val]]
    };
    let lines = |split: &str, rows: usize| -> String {
        (0..rows).map(|row| [split, ",", &row.to_string(), ",P", &(row % 5).to_string(), "\n"].concat()).collect()
    };
    let text = format!("split,index,patient\n{}{}", lines("train", train), lines("val", val));
    std::fs::write(&path, &text).unwrap();
    let keys = format!("count = 3\ngroups = {{ breastmnist = {:?} }}", path.display().to_string());
    let laboratory = folds(&plain, &keys);
    let run = laboratory.start().unwrap();
    let root = run.layout().root().to_owned();
    let stop = StopFlag::default();
    let mut observers = Observers::default();
    observers.push("stop", Box::new(StopAt { counts: steps, left: 2, stop: stop.clone() }));
    assert_eq!(run.train(observers, &stop).unwrap(), RunEnd::Interrupted);
    let number = |row: usize| if row < train { row % 5 } else { (row - train) % 5 };
    let left_out: std::collections::BTreeSet<usize> =
        fold_rows(&root)["breastmnist"].iter().map(|&row| number(row)).collect();
    let rows = (0..train + val).filter(|&row| left_out.contains(&number(row))).count();
    assert_eq!(rows, fold_rows(&root)["breastmnist"].len(), "all rows of a group, or none");
    std::fs::write(&path, text.replace("P4", "P0")).unwrap();
    let error = laboratory.resume(&root).err().unwrap().to_string();
    assert!(error.contains("not the file that this run began with"), "{error}");
    std::fs::write(&path, "split,index,patient\n").unwrap();
    assert!(laboratory.start().err().unwrap().to_string().contains("no group of the train row 0"));
}

#[test]
fn keys_that_do_not_fit_are_refused() {
    for (keys, words) in [
        ("index = 1", "folds.count"),
        ("count = 3\nindex = 3", "numbered from 0"),
        ("count = 1", "folds.count"),
        ("count = 3\ngroups = { pathmnist = 'a.csv' }", "no task \"pathmnist\""),
    ] {
        let raw: RawExperiment = toml::from_str(&format!("{}\n[folds]\n{keys}", config(""))).unwrap();
        let error = raw.check(Registry::builtin()).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}
