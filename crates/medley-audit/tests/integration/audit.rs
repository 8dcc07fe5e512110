//! What the audit finds, in generated sets with planted faults and in the real files.
#![allow(clippy::print_stderr, clippy::unwrap_used, reason = "tests")]

use std::path::PathBuf;
use std::sync::Arc;

use medley_audit::audit::{Audit, AuditedSet, Group, Options, audit};
use medley_core::{
    ImageShape, ImageSource, Images, LabelledImages, Labels, Modality, OpenedTask, Origin, ScoringToken, SealedTest,
    Split, TaskKind, TaskSpec,
};
use medley_data::{OpenOptions, Registry, open_task};
use proptest::prelude::*;

fn generated(name: &str, rows: [usize; 3]) -> OpenedTask {
    let spec = Registry::builtin().get(name).unwrap().spec(28, Origin::Synthetic);
    medley_synth::generate(&spec, rows, 11).unwrap().into_task(spec).unwrap()
}

fn look(task: &OpenedTask) -> Audit {
    audit(&[AuditedSet { task, test_labels: None }], &Options::default())
}

/// (split, row) of the images of a group.
fn places(group: &Group) -> Vec<(Split, usize)> {
    group.images.iter().map(|image| (image.split, image.row)).collect()
}

/// Replaces images of a split.
fn with_images(task: &OpenedTask, split: Split, change: impl Fn(usize, &mut [u8])) -> OpenedTask {
    let mut task = task.clone();
    let source = match split {
        Split::Train => task.train.images(),
        Split::Val => task.val.images(),
        Split::Test => &task.test.images,
    };
    let size = source.shape().len();
    let mut bytes: Vec<u8> = (0..source.len()).flat_map(|row| source.image(row).to_vec()).collect();
    bytes.chunks_exact_mut(size).enumerate().for_each(|(row, image)| change(row, image));
    let images: Arc<dyn ImageSource> = Arc::new(Images::new(source.shape(), source.len(), bytes).unwrap());
    match split {
        Split::Train => {
            task.train = LabelledImages::new(&task.spec, split, images, task.train.labels().clone()).unwrap();
        }
        Split::Val => task.val = LabelledImages::new(&task.spec, split, images, task.val.labels().clone()).unwrap(),
        Split::Test => task.test.images = images,
    }
    task
}

#[test]
fn planted_duplicates_are_found_and_nothing_else() {
    let task = generated("bloodmnist", [120, 40, 40]);
    assert_eq!((look(&task).exact.len(), look(&task).near.len()), (0, 0), "generated images are all different");
    let copy = task.train.images().image(7).to_vec();
    let task = with_images(&task, Split::Val, |row, image| {
        if row == 3 {
            image.copy_from_slice(&copy);
        }
    });
    // The same picture, darker and flatter, with one pixel changed.
    let task = with_images(&task, Split::Test, |row, image| {
        if row == 9 {
            image.iter_mut().zip(&copy).for_each(|(to, &from)| *to = (f32::from(from) * 0.7) as u8 + 20);
            image[100] ^= 0x18;
        }
    });
    let found = look(&task);
    let expected = [(Split::Train, 7), (Split::Val, 3), (Split::Test, 9)];
    assert_eq!(found.exact.iter().map(places).collect::<Vec<_>>(), [expected[..2].to_vec()]);
    assert_eq!(found.near.iter().map(places).collect::<Vec<_>>(), [expected.to_vec()]);
    assert!(found.near[0].correlation > 0.995 && found.near[0].correlation < 1.0);
    assert!(found.exact[0].is_across() && found.exact[0].joins(Split::Train, Split::Val));
    assert!(!found.exact[0].joins(Split::Train, Split::Test));
    let labels = [task.train.labels().row(7), task.val.labels().row(3)];
    assert_eq!(found.exact[0].labels_differ, labels[0] != labels[1]);
    assert_eq!(found.near[0].images[2].label, None, "test labels stay sealed");
}

#[test]
fn test_labels_are_seen_with_a_token_only() {
    let task = generated("retinamnist", [30, 20, 25]);
    assert!(look(&task).sets[0].labels.shifts.iter().all(|shift| shift.split == Split::Val));
    let token = ScoringToken::on_request("retinamnist", 25);
    let subject = AuditedSet::with_test_labels(&task, &token).unwrap();
    let found = audit(&[subject], &Options::default());
    assert!(found.sets[0].test_labels_opened);
    assert_eq!(found.sets[0].labels.shifts.len(), 2);
    assert!(AuditedSet::with_test_labels(&task, &ScoringToken::on_request("breastmnist", 25)).is_err());
}

#[test]
fn copies_in_another_set_are_found() {
    let (one, other) = (generated("organcmnist", [40, 30, 30]), generated("organsmnist", [40, 30, 30]));
    let copy = one.test.images.image(5).to_vec();
    let other = with_images(&other, Split::Train, |row, image| {
        if row == 39 {
            image.copy_from_slice(&copy);
        }
    });
    let color = generated("pathmnist", [20, 20, 20]);
    let subjects = [&one, &color, &other].map(|task| AuditedSet { task, test_labels: None });
    let found = audit(&subjects, &Options { near: None, ..Options::default() });
    assert_eq!(found.exact.len(), 1);
    let sets: Vec<&str> = found.exact[0].images.iter().map(|image| image.set.as_str()).collect();
    assert_eq!(sets, ["organcmnist", "organsmnist"]);
    assert!(found.exact[0].is_across() && !found.exact[0].labels_differ, "labels of two sets are not compared");
}

#[test]
fn blank_images_and_absent_classes_are_named() {
    let spec = TaskSpec {
        name: "mine".into(),
        title: "Mine".into(),
        kind: TaskKind::MultiClass,
        modality: Modality::Other,
        classes: ["a", "b", "c"].map(str::to_owned).into(),
        shape: ImageShape::flat(4, 4, 1),
        origin: Origin::User,
    };
    let images = |levels: &[u8]| -> Arc<dyn ImageSource> {
        let bytes: Vec<u8> =
            levels.iter().flat_map(|&level| (0..16).map(move |i| if i == 0 { level } else { 100 })).collect();
        Arc::new(Images::new(spec.shape, levels.len(), bytes).unwrap())
    };
    let labels = |values: &[u16]| Labels::single(values.to_vec()).unwrap();
    let task = OpenedTask {
        train: LabelledImages::new(&spec, Split::Train, images(&[0, 100, 104]), labels(&[0, 1, 2])).unwrap(),
        val: LabelledImages::new(&spec, Split::Val, images(&[200, 0]), labels(&[0, 0])).unwrap(),
        test: SealedTest::new(&spec, images(&[100]), labels(&[1])).unwrap(),
        spec: spec.clone(),
    };
    let found = &look(&task).sets[0];
    let blank: Vec<_> = found.blank.iter().map(|blank| (blank.image.split, blank.image.row, blank.range)).collect();
    assert_eq!(blank, [(Split::Train, 1, [100, 100]), (Split::Train, 2, [100, 104]), (Split::Test, 0, [100, 100])]);
    let absent: Vec<_> = found.labels.absent.iter().map(|absent| (absent.split, absent.name.as_str())).collect();
    assert_eq!(absent, [(Split::Val, "b"), (Split::Val, "c")]);
    assert_eq!(found.precision.half_width, None, "what is absent is not measured");
    assert!((found.labels.shifts[0].distance - 2.0 / 3.0).abs() < 1e-12);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// The search finds the pairs that comparing all with all finds.
    #[test]
    fn the_search_is_exact(seed: u64, threshold in 0.5_f64..0.999, rows in 2_usize..40, channels in 1_usize..4, side in 2_usize..9) {
        let spec = TaskSpec {
            name: "mine".into(), title: "Mine".into(), kind: TaskKind::Binary, modality: Modality::Other,
            classes: vec!["a".into(), "b".into()], shape: ImageShape::flat(side, side + 1, channels), origin: Origin::User,
        };
        let size = spec.shape.len();
        // A few motifs with little noise, so that there are near pairs.
        let mut state = seed | 1;
        let mut next = move || { state ^= state << 13; state ^= state >> 7; state ^= state << 17; (state >> 24) as u8 };
        let motifs: Vec<Vec<u8>> = (0..4).map(|_| (0..size).map(|_| next()).collect()).collect();
        let bytes: Vec<u8> = (0..rows).flat_map(|row| {
            let noise = 1 + usize::from(next()) % 60;
            motifs[row % 4].iter().map(|&v| v.saturating_add((usize::from(next()) % noise) as u8)).collect::<Vec<u8>>()
        }).collect();
        let of = |rows: usize| Images::new(spec.shape, rows, bytes[..rows * size].to_vec()).unwrap();
        let labels = Labels::single(vec![0; rows]).unwrap();
        let one = Labels::single(vec![0]).unwrap();
        let blank = Images::new(spec.shape, 1, vec![9; size]).unwrap();
        let task = OpenedTask {
            train: LabelledImages::new(&spec, Split::Train, Arc::new(of(rows)), labels).unwrap(),
            val: LabelledImages::new(&spec, Split::Val, Arc::new(blank.clone()), one.clone()).unwrap(),
            test: SealedTest::new(&spec, Arc::new(blank), one).unwrap(),
            spec: spec.clone(),
        };
        let found = audit(&[AuditedSet { task: &task, test_labels: None }], &Options { near: Some(threshold), ..Options::default() });
        let images = of(rows);
        let r = |a: usize, b: usize| pearson(images.image(a), images.image(b));
        let mut together = std::collections::BTreeSet::new();
        for group in &found.near {
            for one in &group.images { for other in &group.images { together.insert((one.row, other.row)); } }
        }
        for a in 0..rows { for b in a + 1..rows {
            // Equal images count once, and the threshold is met up to rounding.
            if images.image(a) != images.image(b) && r(a, b) >= threshold + 1e-9 {
                prop_assert!(together.contains(&(a, b)), "{a} and {b} have {}", r(a, b));
            }
        } }
        for group in &found.near {
            prop_assert!(group.correlation >= threshold);
            for one in &group.images {
                let near_another = group.images.iter().any(|other| other.row != one.row && r(one.row, other.row) >= threshold - 1e-9);
                prop_assert!(near_another, "row {} is near no other of its group", one.row);
            }
        }
    }
}

fn pearson(a: &[u8], b: &[u8]) -> f64 {
    let mean = |values: &[u8]| values.iter().map(|&v| f64::from(v)).sum::<f64>() / values.len() as f64;
    let (ma, mb) = (mean(a), mean(b));
    let sum = |f: &dyn Fn(f64, f64) -> f64| -> f64 {
        a.iter().zip(b).map(|(&a, &b)| f(f64::from(a) - ma, f64::from(b) - mb)).sum()
    };
    sum(&|a, b| a * b) / (sum(&|a, _| a * a) * sum(&|_, b| b * b)).sqrt()
}

/// A real set from `MEDLEY_DATA`, or from the folder beside the repository.
fn real(name: &str) -> Option<OpenedTask> {
    let beside = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/medmnist"));
    let folder = std::env::var_os("MEDLEY_DATA").map_or(beside, PathBuf::from);
    if !folder.join(format!("{name}.npz")).exists() {
        assert!(std::env::var_os("CI").is_none(), "the real files are missing: set MEDLEY_DATA");
        eprintln!("skipped: no {name}.npz (set MEDLEY_DATA)");
        return None;
    }
    Some(open_task(&folder, name, 28, &OpenOptions::default()).unwrap().task)
}

#[test]
fn pneumonia_has_its_known_duplicates() {
    let Some(task) = real("pneumoniamnist") else { return };
    let found = look(&task);
    assert_eq!(found.exact.len(), 27);
    assert_eq!(found.exact.iter().filter(|group| group.joins(Split::Train, Split::Val)).count(), 8);
}

#[test]
fn a_set_of_equal_images_is_one_group_at_little_cost() {
    // So many that whoever compares all with all does not come back.
    let rows = 300_000;
    let spec = TaskSpec {
        shape: ImageShape::flat(2, 2, 1),
        ..Registry::builtin().get("breastmnist").unwrap().spec(28, Origin::User)
    };
    let images = |rows: usize| Arc::new(Images::new(spec.shape, rows, [0, 255, 90, 9].repeat(rows)).unwrap());
    let labels = |rows: usize| Labels::single(vec![1; rows]).unwrap();
    let task = OpenedTask {
        train: LabelledImages::new(&spec, Split::Train, images(rows), labels(rows)).unwrap(),
        val: LabelledImages::new(&spec, Split::Val, images(9), labels(9)).unwrap(),
        test: SealedTest::new(&spec, images(9), labels(9)).unwrap(),
        spec: spec.clone(),
    };
    let found = look(&task);
    assert_eq!((found.exact.len(), found.exact[0].images.len(), found.exact[0].labels_differ), (1, rows + 18, false));
    assert!(found.exact[0].joins(Split::Train, Split::Test) && found.near.is_empty());
}
