//! Generated sets: what is promised of every one of them.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;

use medley_core::{COMPETITION_TASKS, ImageSource as _, Origin, Split, TaskKind, TaskSpec};
use medley_data::archive::Archive;
use medley_data::{DataError, OpenOptions, Registry, open_task};
use medley_storage::{Fault, FaultyFs, RealFs};
use medley_synth::{Rows, SynthError, SynthOptions, SynthSet, VERSION, generate, write_set};
use proptest::prelude::*;

fn spec(name: &str) -> TaskSpec {
    Registry::builtin().get(name).unwrap().spec(28, Origin::Synthetic)
}

fn names() -> impl Iterator<Item = &'static str> {
    Registry::builtin().entries().iter().map(|entry| entry.name.as_str())
}

/// FNV-1a of all bytes of a set.
fn digest(set: &SynthSet) -> u64 {
    let splits = [&set.train, &set.val, &set.test];
    let bytes = splits.iter().flat_map(|split| {
        let labels = split.labels.values().iter().flat_map(|label| label.to_le_bytes());
        split.images.bytes().iter().copied().chain(labels)
    });
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[test]
fn the_bits_are_pinned() {
    // The same on every machine. A change here needs a new `VERSION`.
    assert_eq!(VERSION, 1);
    let digests: Vec<(&str, u64)> =
        names().map(|name| (name, digest(&generate(&spec(name), [14, 14, 14], 42).unwrap()))).collect();
    let expected: Vec<(&str, u64)> = PINNED.to_vec();
    assert_eq!(digests, expected);
}

const PINNED: [(&str, u64); 18] = [
    ("pathmnist", 0x028b_e96d_1570_c137),
    ("chestmnist", 0xa81a_0385_eb36_d8c4),
    ("dermamnist", 0x5ae7_6441_ffba_0466),
    ("octmnist", 0x8e2d_b992_a608_da2c),
    ("pneumoniamnist", 0x7de5_c43c_db05_e1c2),
    ("retinamnist", 0x910e_4354_3575_fd14),
    ("breastmnist", 0xc1e5_82c5_1ee8_5256),
    ("bloodmnist", 0x87f2_5838_6814_29c6),
    ("tissuemnist", 0xa802_9256_8dd6_faa5),
    ("organamnist", 0x38f0_a015_5139_0dfe),
    ("organcmnist", 0xf424_a403_bdc7_17f7),
    ("organsmnist", 0x337d_fbcf_8b7b_d606),
    ("organmnist3d", 0x7382_1233_b0de_2fce),
    ("nodulemnist3d", 0x3e61_d57d_ad49_45b9),
    ("adrenalmnist3d", 0x619b_9c69_5c8e_5dea),
    ("fracturemnist3d", 0x971c_07c0_3b80_43f4),
    ("vesselmnist3d", 0x7ee0_7e2b_8353_0f3c),
    ("synapsemnist3d", 0xb2f7_0e8c_d871_8f6b),
];

#[test]
fn every_set_has_its_shape_its_classes_and_no_blank_image() {
    for name in names() {
        let spec = spec(name);
        let set = generate(&spec, [30, 20, 16], 0).unwrap();
        for (split, rows) in [(&set.train, 30), (&set.val, 20), (&set.test, 16)] {
            assert_eq!((split.images.len(), split.images.shape()), (rows, spec.shape), "{name}");
            assert_eq!(split.labels.rows(), rows, "{name}");
            assert!(split.labels.class_counts(spec.outputs()).iter().all(|&count| count > 0), "{name}");
            for index in 0..rows {
                let image = split.images.image(index);
                assert!(image.iter().any(|&byte| byte != image[0]), "{name} has a constant image");
            }
        }
        // Shapes, lengths and label ranges are checked where the parts are put together.
        set.into_task(spec).unwrap();
    }
}

#[test]
fn no_two_images_are_alike() {
    for name in names() {
        let set = generate(&spec(name), [24, 24, 24], 5).unwrap();
        let images: BTreeSet<&[u8]> =
            [&set.train, &set.val, &set.test].iter().flat_map(|split| (0..24).map(|i| split.images.image(i))).collect();
        assert_eq!(images.len(), 72, "{name}");
    }
}

#[test]
fn classes_are_as_unbalanced_as_the_official_ones() {
    let share = |name: &str, split: Split, class: usize| {
        let rows = Split::ALL.map(|each| if each == split { 4_000 } else { 0 });
        let set = generate(&spec(name).resized(2), rows, 1).unwrap();
        let labels = match split {
            Split::Train => set.train,
            Split::Val => set.val,
            Split::Test => set.test,
        }
        .labels;
        labels.class_counts(spec(name).outputs())[class] as f64 / 4_000.0
    };
    for (name, split, class, expected) in [
        ("dermamnist", Split::Train, 5, 0.669),
        ("pneumoniamnist", Split::Train, 1, 0.742),
        ("pneumoniamnist", Split::Test, 1, 0.625),
        ("octmnist", Split::Val, 3, 0.472),
        ("octmnist", Split::Test, 3, 0.25),
        ("breastmnist", Split::Test, 0, 0.27),
        ("chestmnist", Split::Train, 3, 0.177),
    ] {
        let found = share(name, split, class);
        assert!((found - expected).abs() < 0.025, "{name} {split} {class}: {found}");
    }
}

/// The same task at another size, for tests that look at labels only.
trait Resized {
    fn resized(self, size: usize) -> Self;
}

impl Resized for TaskSpec {
    fn resized(mut self, size: usize) -> Self {
        self.shape = medley_core::ImageShape::flat(size, size, self.shape.channels);
        self
    }
}

#[test]
fn what_cannot_be_generated_is_refused() {
    let mut other = spec("pathmnist");
    other.name = "mine".to_owned();
    let mut grey = spec("pathmnist");
    grey.shape.channels = 1;
    let mut fewer = spec("pathmnist");
    fewer.classes.pop();
    let mut oblong = spec("breastmnist");
    oblong.shape.width = 30;
    let mut huge = spec("breastmnist");
    huge.shape = medley_core::ImageShape::flat(usize::MAX, usize::MAX, 1);
    for (spec, part) in
        [(other, "no generator"), (grey, "28x28x1"), (fewer, "9 classes, not 8"), (oblong, "28x30x1"), (huge, "shape")]
    {
        let error = generate(&spec, [1, 1, 1], 0).unwrap_err();
        assert!(matches!(error, SynthError::Unsupported { .. }) && error.to_string().contains(part), "{error}");
    }
    assert!(generate(&spec("breastmnist"), [usize::MAX, 0, 0], 0).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_set_is_a_function_of_seed_and_position(
        seed: u64, set in 0_usize..18, rows in prop::array::uniform3(0_usize..12), more in 0_usize..8, threads in 1_usize..5,
    ) {
        let spec = spec(names().nth(set).unwrap());
        let small = generate(&spec, rows, seed).unwrap();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let large = pool.install(|| generate(&spec, rows.map(|rows| rows + more), seed).unwrap());
        for (small, large) in [(&small.train, &large.train), (&small.val, &large.val), (&small.test, &large.test)] {
            prop_assert_eq!(small.images.bytes(), &large.images.bytes()[..small.images.bytes().len()]);
            prop_assert_eq!(small.labels.values(), &large.labels.values()[..small.labels.values().len()]);
        }
        let rows = rows.map(|rows| rows + 1);
        let (this, next) = (generate(&spec, rows, seed).unwrap(), generate(&spec, rows, seed.wrapping_add(1)).unwrap());
        prop_assert_ne!(this.train.images.bytes(), next.train.images.bytes());
        prop_assert_ne!(this.train.images.image(0), this.test.images.image(0));
    }

    #[test]
    fn any_size_can_be_generated(size in 1_usize..40, set in 0_usize..18) {
        let mut spec = spec(names().nth(set).unwrap());
        (spec.shape.height, spec.shape.width) = (size, size);
        spec.shape.depth = spec.shape.depth.map(|_| size.min(40));
        prop_assert_eq!(generate(&spec, [2, 0, 0], 9).unwrap().train.images.len(), 2);
    }
}

fn options(rows: Rows) -> SynthOptions {
    SynthOptions { rows, ..SynthOptions::default() }
}

#[test]
fn files_hold_what_generate_gives() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["breastmnist", "bloodmnist", "chestmnist", "vesselmnist3d"] {
        let path = write_set(folder.path(), name, &options(Rows::AtMost(30)), &RealFs).unwrap();
        let opened = open_task(folder.path(), name, 28, &OpenOptions::default()).unwrap().task;
        let generated = generate(&spec(name), [30, 30, 30], 0).unwrap();
        assert_eq!(opened.spec.origin, Origin::Synthetic);
        assert_eq!(opened.train.labels(), &generated.train.labels);
        for index in 0..30 {
            assert_eq!(opened.train.images().image(index), generated.train.images.image(index), "{name}");
            assert_eq!(opened.test.images.image(index), generated.test.images.image(index), "{name}");
        }
        assert!(Archive::open(&path).unwrap().is_synthetic());
    }
}

#[test]
fn the_same_options_give_the_same_file() {
    let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let options = options(Rows::Fraction(0.02));
    let [one, two] = folders.each_ref().map(|folder| {
        std::fs::read(write_set(&folder.path().join("new"), "octmnist", &options, &RealFs).unwrap()).unwrap()
    });
    assert_eq!(one, two);
    let text = String::from_utf8_lossy(&one);
    assert!(text.contains("SYNTHETIC, version 1, seed 0"), "the mark is there to be found");
}

#[test]
fn larger_sizes_and_large_pieces() {
    // 64x64x3: a piece of 8 MiB holds 682 images, so this file takes two.
    let folder = tempfile::tempdir().unwrap();
    let options = SynthOptions { size: 64, rows: Rows::AtMost(700), ..SynthOptions::default() };
    let path = write_set(folder.path(), "retinamnist", &options, &RealFs).unwrap();
    assert_eq!(path.file_name().unwrap(), "retinamnist_64.npz");
    let opened = open_task(folder.path(), "retinamnist", 64, &OpenOptions::default()).unwrap().task;
    let generated = generate(&opened.spec, [700, 0, 0], 0).unwrap();
    assert_eq!(opened.train.images().image(699), generated.train.images.image(699));
    let odd = SynthOptions { size: 30, ..options };
    let error = write_set(folder.path(), "retinamnist", &odd, &RealFs).unwrap_err();
    assert!(matches!(error, SynthError::Data(DataError::UnknownSize { size: 30, .. })));
}

#[test]
fn other_files_are_never_replaced_and_synthetic_ones_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("breastmnist.npz");
    std::fs::write(&path, b"precious").unwrap();
    let asked = SynthOptions { overwrite: true, ..options(Rows::AtMost(4)) };
    let error = write_set(folder.path(), "breastmnist", &asked, &RealFs).unwrap_err();
    assert!(error.to_string().contains("not replaced"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");

    std::fs::remove_file(&path).unwrap();
    write_set(folder.path(), "breastmnist", &options(Rows::AtMost(4)), &RealFs).unwrap();
    let error = write_set(folder.path(), "breastmnist", &options(Rows::AtMost(6)), &RealFs).unwrap_err();
    assert!(error.to_string().contains("--overwrite"), "{error}");
    let before = std::fs::read(&path).unwrap();
    let more = SynthOptions { rows: Rows::AtMost(6), ..asked };
    write_set(folder.path(), "breastmnist", &more, &RealFs).unwrap();
    assert_ne!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn a_crash_leaves_the_old_file_or_the_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let write = |rows: usize, storage: &dyn medley_storage::Storage| {
        let options = SynthOptions { overwrite: true, ..options(Rows::AtMost(rows)) };
        write_set(folder.path(), "breastmnist", &options, storage).map(|path| std::fs::read(path).unwrap())
    };
    let old = write(4, &RealFs).unwrap();
    let new = write(6, &RealFs).unwrap();
    for fault in [Fault::DiskFull, Fault::Torn, Fault::Crash] {
        for fail_at in 0.. {
            write(4, &RealFs).unwrap();
            let storage = FaultyFs::new(fail_at, fault);
            let result = write(6, &storage);
            let found = std::fs::read(folder.path().join("breastmnist.npz")).unwrap();
            assert!(found == old || found == new);
            if !storage.tripped() {
                assert_eq!(result.unwrap(), new);
                break;
            }
            assert!(result.is_err());
        }
    }
}

#[test]
fn all_competition_tasks_and_all_kinds_of_labels_are_drawn() {
    let kinds: BTreeSet<String> = names().map(|name| spec(name).kind.to_string()).collect();
    assert_eq!(kinds.len(), 4);
    assert!(COMPETITION_TASKS.iter().all(|name| names().any(|known| known == *name)));
    assert_eq!(spec("chestmnist").kind, TaskKind::MultiLabel);
}

/// A linear model must find something, as real pixels are not useless, and much less than there is.
#[test]
fn a_linear_model_learns_a_little() {
    for (name, least, most) in [("bloodmnist", 0.3, 0.8), ("retinamnist", 0.3, 0.6), ("organsmnist", 0.3, 0.8)] {
        let accuracy = linear::accuracy(&spec(name), 1_500, 600);
        assert!(accuracy > least && accuracy < most, "{name}: {accuracy:.3} is not between {least} and {most}");
    }
}

/// Softmax regression on standardised pixels, by plain gradient descent.
mod linear {
    use super::*;

    pub(super) fn accuracy(spec: &TaskSpec, train: usize, test: usize) -> f64 {
        let set = generate(spec, [train, 0, test], 3).unwrap();
        let pixels = spec.shape.len();
        let values = |split: &medley_synth::SynthSplit| -> Vec<f32> {
            split.images.bytes().iter().map(|&byte| f32::from(byte) / 255.0 - 0.5).collect()
        };
        let (x, y) = (values(&set.train), set.train.labels.values());
        let classes = spec.outputs();
        let mut weights = vec![0.0_f32; classes * (pixels + 1)];
        for epoch in 0..12 {
            let rate = 0.02 / (1.0 + epoch as f32);
            for (x, &label) in x.chunks_exact(pixels).zip(y) {
                let scores = scores(&weights, x);
                for (class, row) in weights.chunks_exact_mut(pixels + 1).enumerate() {
                    let step = rate * (f32::from(class == usize::from(label)) - scores[class]);
                    row.iter_mut().zip(x).for_each(|(weight, x)| *weight += step * x);
                    row[pixels] += step;
                }
            }
        }
        let x = values(&set.test);
        let hits = x.chunks_exact(pixels).zip(set.test.labels.values()).filter(|(x, label)| {
            let scores = scores(&weights, x);
            (0..classes).all(|class| scores[class] <= scores[usize::from(**label)])
        });
        hits.count() as f64 / test as f64
    }

    fn scores(weights: &[f32], x: &[f32]) -> Vec<f32> {
        let logit = |row: &[f32]| row[x.len()] + row.iter().zip(x).map(|(weight, x)| weight * x).sum::<f32>();
        let logits: Vec<f32> = weights.chunks_exact(x.len() + 1).map(logit).collect();
        let most = logits.iter().copied().fold(f32::MIN, f32::max);
        let powers: Vec<f32> = logits.iter().map(|logit| (logit - most).exp()).collect();
        let total: f32 = powers.iter().sum();
        powers.iter().map(|power| power / total).collect()
    }
}
