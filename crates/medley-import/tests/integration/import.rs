//! A user's images become a set that opens by name; what would spoil it is refused or said.

mod arrays;
mod desk;
mod interrupted;
mod lists;

use std::collections::BTreeSet;
use std::path::Path;

use image::{DynamicImage, GrayImage, Luma, Rgb, RgbImage};
use medley_core::{OpenedTask, Origin, ScoringToken, Split, TaskKind};
use medley_data::{DataError, OpenOptions, Registry, open_task};
use medley_import::ImportError;
use medley_import::export::{ExportOptions, export};
use medley_import::import::{Colour, Fit, ImportOptions, Source, TableOptions};
use medley_storage::RealFs;
use proptest::prelude::*;

use desk::{Desk, moles};

#[test]
fn a_folder_of_classes_opens_by_name() {
    let desk = Desk::with_two_classes();
    desk.write("benign/.DS_Store", "x");
    desk.write("benign/notes.txt", "x");
    let options = ImportOptions { sizes: vec![28, 64], title: Some("Moles".to_owned()), ..moles() };
    let imported = desk.import(&desk.folder(), &options).unwrap();
    assert_eq!(imported.rows, [14, 2, 4]);
    assert_eq!(imported.class_counts, [vec![7, 7], vec![1, 1], vec![2, 2]]);
    assert_eq!(imported.remarks, ["1 .txt file passed over"]);
    for size in [28, 64] {
        let opened = open_task(desk.data.path(), "moles", size, &OpenOptions::default()).unwrap();
        let spec = &opened.task.spec;
        assert_eq!((spec.origin, spec.kind, spec.title.as_str()), (Origin::User, TaskKind::Binary, "Moles"));
        assert_eq!(opened.record.release.as_deref(), Some("imported"));
        assert_eq!(opened.task.train.images().shape().to_string(), format!("{size}x{size}x1"));
    }
    let error = open_task(desk.data.path(), "moles", 128, &OpenOptions::default()).unwrap_err();
    assert!(matches!(error, DataError::UnknownSize { sizes, .. } if sizes == [28, 64]));
    let error = open_task(desk.data.path(), "mules", 28, &OpenOptions::default()).unwrap_err();
    assert!(error.to_string().contains("did you mean `moles`"), "{error}");

    // The list says where each row came from.
    let list = desk.list("moles");
    assert_eq!(list.len(), 20);
    assert_eq!(list.iter().map(|(_, image)| image).collect::<BTreeSet<_>>().len(), 20);
    let labels = desk.open("moles", 28).train.labels().values().to_vec();
    for ((split, image), label) in list.iter().zip(labels) {
        assert_eq!((split.as_str(), image.starts_with("malignant/")), ("train", label == 1));
    }
}

#[test]
fn the_same_images_give_the_same_bytes() {
    let bytes = |seed| {
        let desk = Desk::with_two_classes();
        desk.import(&desk.folder(), &ImportOptions { seed, ..moles() }).unwrap();
        ["moles.npz", "moles.images.csv"].map(|name| fs_err::read(desk.data.path().join(name)).unwrap())
    };
    assert_eq!(bytes(0), bytes(0));
    assert_ne!(bytes(0), bytes(1));
}

#[test]
fn given_splits_are_kept_and_missing_ones_drawn_from_train() {
    let desk = Desk::new();
    for (split, count) in [("training", 20), ("test", 3)] {
        for class in ["a", "b"] {
            for index in 0..count {
                desk.picture(&format!("{split}/{class}/{index}.png"), index * 3);
            }
        }
    }
    let options = ImportOptions { shares: [0.8, 0.2, 0.0], ..moles() };
    assert_eq!(desk.import(&desk.folder(), &options).unwrap().rows, [32, 8, 6]);
    let list = desk.list("moles");
    assert!(list.iter().all(|(split, image)| (split == "test") == image.starts_with("test/")));

    let text = fs_err::read_to_string(desk.data.path().join("moles.toml")).unwrap();
    assert!(text.contains("given for all images, but not for each split: some of those given to train"), "{text}");
}

#[test]
fn splits_without_classes_are_told_what_to_do() {
    let desk = Desk::new();
    for index in 0..8 {
        desk.picture(&format!("train/p{index}.png"), index);
        desk.picture(&format!("test/p{index}.png"), 100 + index);
    }
    let message = desk.refused(&desk.folder(), &moles());
    for part in ["test and train have 16 pictures", "test/CLASS/picture.png", "path, label, split"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    let desk = Desk::with_two_classes();
    desk.picture("stray.png", 7);
    let imported = desk.import(&desk.folder(), &moles()).unwrap();
    assert_eq!(imported.remarks, ["1 picture beside the folders of classes passed over: nothing says what it shows"]);
}

#[test]
fn pixels_are_counted_before_they_are_decoded() {
    let desk = Desk::with_two_classes();
    let options = ImportOptions { max_pixels: 319, ..moles() };
    let message = desk.refused(&desk.folder(), &options);
    assert!(message.contains("20x16 pixels are more than 319") && message.contains("--max-pixels"), "{message}");
    desk.import(&desk.folder(), &ImportOptions { max_pixels: 320, ..moles() }).unwrap();
}

#[test]
fn folders_that_are_no_data_set_are_refused() {
    let desk = Desk::new();
    assert!(desk.refused(&desk.folder(), &moles()).contains("no folders of classes"));
    desk.picture("a/1.png", 1);
    assert!(desk.refused(&desk.folder(), &moles()).contains("there is one, \"a\""));
    desk.write("b/scan.mha", "x");
    let message = desk.refused(&desk.folder(), &moles());
    assert!(message.contains("no image") && message.contains("1 .mha"), "{message}");
    desk.picture("b/1.png", 2);
    assert!(desk.refused(&desk.folder(), &moles()).contains("no image is left for val"));
    desk.picture("train/a/1.png", 2);
    assert!(desk.refused(&desk.folder(), &moles()).contains("not a split"));
    let missing = Source::Folder(desk.images.path().join("nowhere"));
    assert!(matches!(desk.import(&missing, &moles()), Err(ImportError::Data(DataError::Io { .. }))));
}

#[cfg(unix)]
#[test]
fn links_are_followed_but_not_in_circles() {
    let desk = Desk::with_two_classes();
    std::os::unix::fs::symlink(desk.images.path(), desk.images.path().join("benign/up")).unwrap();
    assert!(desk.refused(&desk.folder(), &moles()).contains("leads back"));
    fs_err::remove_file(desk.images.path().join("benign/up")).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    fs_err::copy(desk.images.path().join("benign/0.png"), elsewhere.path().join("0.png")).unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), desk.images.path().join("benign/more")).unwrap();
    assert_eq!(desk.import(&desk.folder(), &moles()).unwrap().rows.iter().sum::<usize>(), 21);
}

#[test]
fn pictures_that_cannot_be_read_are_named_or_left_out() {
    let desk = Desk::with_two_classes();
    desk.write("benign/broken.png", b"\x89PNG\r\n\x1a\nnot really");
    desk.write("malignant/empty.jpg", "");
    let message = desk.refused(&desk.folder(), &moles());
    assert!(message.contains("2 pictures") && message.contains("benign/broken.png: it cannot be decoded"), "{message}");
    let options = ImportOptions { skip_unreadable: true, ..moles() };
    let imported = desk.import(&desk.folder(), &options).unwrap();
    assert_eq!((imported.skipped.len(), imported.rows.iter().sum::<usize>()), (2, 20));
}

#[test]
fn equal_pictures_are_reported() {
    let desk = Desk::with_two_classes();
    for index in 0..10 {
        desk.picture(&format!("malignant/again-{index}.png"), 10 + index);
    }
    let imported = desk.import(&desk.folder(), &moles()).unwrap();
    assert_eq!((imported.duplicates.groups, imported.duplicates.conflicting_labels), (10, 10));
    assert!(imported.duplicates.across_splits > 0);
    assert_eq!(imported.duplicates.examples[0], ["benign/0.png", "malignant/again-0.png"]);
    assert_eq!(imported.remarks.len(), 2, "{:?}", imported.remarks);
}

#[test]
fn names_that_are_taken_stay_as_they_are() {
    let desk = Desk::with_two_classes();
    for name in ["breastmnist", "../x", "Moles", "competition"] {
        let options = ImportOptions { name: name.to_owned(), ..moles() };
        assert!(desk.refused(&desk.folder(), &options).contains(name));
    }
    desk.import(&desk.folder(), &moles()).unwrap();
    let message = desk.import(&desk.folder(), &moles()).unwrap_err().to_string();
    assert!(message.contains("--overwrite"), "{message}");
    let again = ImportOptions { overwrite: true, seed: 9, ..moles() };
    desk.import(&desk.folder(), &again).unwrap();
    assert_eq!(desk.open("moles", 28).spec.origin, Origin::User);

    let file = desk.data.path().join("other.npz");
    fs_err::write(&file, "precious").unwrap();
    let other = ImportOptions { name: "other".to_owned(), overwrite: true, ..moles() };
    assert!(matches!(desk.import(&desk.folder(), &other), Err(ImportError::InTheWay { .. })));
    assert_eq!(fs_err::read_to_string(file).unwrap(), "precious");
}

#[test]
fn shares_and_sizes_must_make_sense() {
    let desk = Desk::with_two_classes();
    for shares in [[0.5, 0.1, 0.1], [0.0, 0.5, 0.5], [1.2, -0.1, -0.1], [f64::NAN, 0.5, 0.5]] {
        assert!(desk.refused(&desk.folder(), &ImportOptions { shares, ..moles() }).contains("sum to 1"));
    }
    for sizes in [vec![], vec![28, 28], vec![4], vec![5_000]] {
        assert!(desk.refused(&desk.folder(), &ImportOptions { sizes, ..moles() }).contains("sizes"));
    }
    let small = ImportOptions { memory_limit: 1_000, ..moles() };
    assert!(desk.refused(&desk.folder(), &small).contains("limit"));
}

#[test]
fn exif_turns_pictures() {
    // A JPEG of a bright upper half, with EXIF orientation 3: upside down.
    let half = GrayImage::from_fn(16, 16, |_, y| Luma([if y < 8 { 220 } else { 20 }]));
    let mut jpeg = std::io::Cursor::new(Vec::new());
    DynamicImage::ImageLuma8(half).write_to(&mut jpeg, image::ImageFormat::Jpeg).unwrap();
    let jpeg = jpeg.into_inner();
    let exif = b"\xff\xe1\x00\x22Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x03\0\0\0\0\0\0";
    let turned = [&jpeg[..2], exif, &jpeg[2..]].concat();
    let desk = Desk::new();
    for index in 0..4 {
        desk.write(&format!("a/{index}.jpg"), &jpeg);
        desk.write(&format!("b/{index}.jpg"), &turned);
    }
    let options = ImportOptions { sizes: vec![16], shares: [0.5, 0.25, 0.25], ..moles() };
    desk.import(&desk.folder(), &options).unwrap();
    let task = desk.open("moles", 16);
    for row in 0..task.train.len() {
        let bright_above = task.train.images().image(row)[0] > 128;
        assert_eq!(bright_above, task.train.labels().row(row)[0] == 0, "row {row}");
    }
}

#[test]
fn colour_is_kept_unless_told_otherwise() {
    let desk = Desk::with_two_classes();
    desk.save("benign/red.png", &DynamicImage::ImageRgb8(RgbImage::from_pixel(20, 16, Rgb([255, 0, 0]))));
    let import = |name: &str, colour| {
        let options = ImportOptions { name: name.to_owned(), colour, fit: Fit::Stretch, ..moles() };
        desk.import(&desk.folder(), &options).unwrap();
        desk.open(name, 28).spec.shape.channels
    };
    assert_eq!([import("auto", Colour::Auto), import("grey", Colour::Grey), import("rgb", Colour::Rgb)], [3, 1, 3]);
}

/// All splits of a drawn set, exported, imported under another name, opened.
fn round_trip(name: &str, size: usize, rows: [usize; 3]) -> (OpenedTask, OpenedTask) {
    let spec = Registry::builtin().get(name).unwrap().spec(size, Origin::Synthetic);
    let task = medley_synth::generate(&spec, rows, 5).unwrap().into_task(spec.clone()).unwrap();
    let desk = Desk::new();
    let token = ScoringToken::on_request(name, rows[2]);
    let all = ExportOptions { splits: Split::ALL.to_vec(), overwrite: false };
    let exported = export(&task, desk.images.path(), &all, Some(&token), &RealFs, &|_| {}).unwrap();
    let options = ImportOptions {
        sizes: vec![size],
        classes: Some(spec.classes.clone()),
        kind: Some(spec.kind),
        ..ImportOptions::named("again")
    };
    desk.import(&Source::Table(exported.list, TableOptions::default()), &options).unwrap();
    (task, desk.open("again", size))
}

fn assert_same(first: &OpenedTask, second: &OpenedTask) {
    assert_eq!(first.spec.shape, second.spec.shape);
    for (a, b) in [(&first.train, &second.train), (&first.val, &second.val)] {
        assert_eq!(a.labels(), b.labels());
        assert!((0..a.len()).all(|row| a.images().image(row) == b.images().image(row)));
    }
    let open = |task: &OpenedTask| {
        let token = ScoringToken::on_request(task.spec.name.as_str(), task.test.labels.rows());
        task.test.labels.open(&token).unwrap().clone()
    };
    assert_eq!(open(first), open(second));
    assert!((0..first.test.images.len()).all(|row| first.test.images.image(row) == second.test.images.image(row)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn what_is_exported_and_imported_is_the_same(
        name in prop::sample::select(vec!["breastmnist", "retinamnist", "chestmnist", "adrenalmnist3d", "bloodmnist"]),
        rows in (14_usize..30, 14_usize..20, 14_usize..20),
    ) {
        let (before, after) = round_trip(name, 28, [rows.0, rows.1, rows.2]);
        assert_same(&before, &after);
    }
}

#[test]
fn larger_sizes_go_round_too() {
    let (before, after) = round_trip("dermamnist", 64, [20, 10, 10]);
    assert_same(&before, &after);
}

#[test]
fn a_real_set_goes_round() {
    let Some(data) = std::env::var_os("MEDLEY_DATA") else {
        println!("skipped: MEDLEY_DATA is not set");
        return;
    };
    let desk = Desk::new();
    let images = Path::new(&data).join("retinamnist.npz");
    let options = ImportOptions { kind: Some(TaskKind::Ordinal), ..ImportOptions::named("grades") };
    let imported = desk.import(&Source::Arrays { images, labels: None }, &options).unwrap();
    assert_eq!((imported.rows, imported.channels), ([1_080, 120, 400], 3));
    let before = open_task(Path::new(&data), "retinamnist", 28, &OpenOptions::default()).unwrap().task;
    assert_same(&before, &desk.open("grades", 28));
}

#[test]
fn a_drawn_set_does_not_lose_its_mark_by_another_name() {
    let desk = Desk::new();
    let options =
        medley_synth::SynthOptions { rows: medley_synth::Rows::AtMost(10), ..medley_synth::SynthOptions::default() };
    let images = medley_synth::write_set(desk.images.path(), "breastmnist", &options, &RealFs).unwrap();
    assert!(desk.refused(&Source::Arrays { images, labels: None }, &moles()).contains("SYNTHETIC"));
}
