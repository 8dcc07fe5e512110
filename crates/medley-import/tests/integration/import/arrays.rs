//! Images and labels as arrays, of this program and of others.

use std::path::Path;

use medley_data::{Array, write_npz};
use medley_import::import::{ImportOptions, Source};
use medley_storage::RealFs;

use super::desk::{Desk, moles};

#[test]
fn arrays_of_every_form() {
    let desk = Desk::new();
    let bytes: Vec<u8> = (0..20 * 12 * 12).map(|index| (index % 255) as u8).collect();
    let labels: Vec<u8> = (0..20).map(|row| row % 2).collect();
    let path = desk.images.path().join("arrays.npz");
    let arrays = [
        Array { name: "images", shape: &[20, 12, 12], bytes: &bytes },
        Array { name: "labels", shape: &[20], bytes: &labels },
    ];
    write_npz(&RealFs, &path, &arrays, true).unwrap();
    let source = Source::Arrays { images: path.clone(), labels: None };
    let options = ImportOptions { sizes: vec![12], ..moles() };
    assert_eq!(desk.import(&source, &options).unwrap().classes, ["0", "1"]);
    let task = desk.open("moles", 12);
    let list = desk.list("moles");
    for (row, (_, image)) in list.iter().enumerate().take(task.train.len()) {
        let index: usize = image.trim_start_matches("images[").trim_end_matches(']').parse().unwrap();
        assert_eq!(task.train.images().image(row), &bytes[index * 144..(index + 1) * 144]);
    }

    let volume = [
        Array { name: "images", shape: &[20, 4, 6, 6], bytes: &bytes },
        Array { name: "labels", shape: &[20, 1], bytes: &labels },
    ];
    write_npz(&RealFs, &path, &volume, false).unwrap();
    let volumes = ImportOptions { name: "cubes".to_owned(), sizes: vec![8], ..moles() };
    desk.import(&source, &volumes).unwrap();
    assert_eq!(desk.open("cubes", 8).spec.shape.to_string(), "8x8x8x1");

    let desk = Desk { images: desk.images, data: tempfile::tempdir().unwrap() };
    let short = [arrays[0].clone(), Array { name: "labels", shape: &[19], bytes: &labels[..19] }];
    write_npz(&RealFs, &path, &short, false).unwrap();
    assert!(desk.refused(&source, &options).contains("labels of 20 images"));
    let named = ImportOptions { classes: Some(vec!["a".to_owned()]), ..options.clone() };
    write_npz(&RealFs, &path, &arrays, false).unwrap();
    assert!(desk.refused(&source, &named).contains("labels go up to 1"));
    let npy = Source::Arrays { images: desk.write("x.npy", "nonsense"), labels: None };
    assert!(desk.refused(&npy, &options).contains("--labels"));
    let npy = Source::Arrays { images: desk.write("x.npy", "nonsense"), labels: Some(path) };
    assert!(desk.refused(&npy, &options).contains("header"));
}

/// Writes arrays of any type, as (name, description, shape, bytes).
fn write_arrays(path: &Path, arrays: &[(&str, &str, &[usize], Vec<u8>)]) {
    let mut zip = zip::ZipWriter::new(fs_err::File::create(path).unwrap());
    for (name, description, shape, bytes) in arrays {
        zip.start_file(format!("{name}.npy"), zip::write::SimpleFileOptions::default()).unwrap();
        std::io::Write::write_all(&mut zip, &medley_npy::render_header(description, shape)).unwrap();
        std::io::Write::write_all(&mut zip, bytes).unwrap();
    }
    zip.finish().unwrap();
}

#[test]
fn arrays_of_other_tools_are_taken_with_a_note() {
    let desk = Desk::new();
    let path = desk.images.path().join("arrays.npz");
    let source = Source::Arrays { images: path.clone(), labels: None };
    let pixels: Vec<u8> = (0..20 * 144).map(|index| (index * 7 % 256) as u8).collect();
    let labels: Vec<u8> = (0..20).map(|row| row % 2).collect();
    let floats = |values: &[u8]| values.iter().flat_map(|&value| (f32::from(value) / 255.0).to_le_bytes()).collect();
    let doubles = |values: &[u8]| values.iter().flat_map(|&value| f64::from(value).to_le_bytes()).collect::<Vec<u8>>();
    let one_hot: Vec<u8> = labels.iter().flat_map(|&label| [1 - label, label]).collect();
    let one_based: Vec<u8> = labels.iter().map(|label| label + 1).collect();
    let whole: &[usize] = &[20, 12, 12];
    #[allow(clippy::type_complexity, reason = "members of an archive: name, type, shape, bytes")]
    let cases: [(&str, Vec<(&str, &str, &[usize], Vec<u8>)>, &str); 5] = [
        ("plain", vec![("images", "|u1", whole, pixels.clone()), ("labels", "|u1", &[20], labels.clone())], ""),
        (
            "one-based",
            vec![("images", "|u1", whole, pixels.clone()), ("labels", "|u1", &[20], one_based)],
            "labels are 1 to 2",
        ),
        (
            "one-hot",
            vec![("images", "|u1", whole, pixels.clone()), ("labels", "<f8", &[20, 2], doubles(&one_hot))],
            "exactly one 1",
        ),
        (
            "floats",
            vec![("images", "<f4", whole, floats(&pixels)), ("labels", "|u1", &[20, 1], labels.clone())],
            "multiplied by 255",
        ),
        (
            "first",
            vec![("x", "|u1", &[20, 1, 12, 12], pixels.clone()), ("y", "<f8", &[20], doubles(&labels))],
            "channels first",
        ),
    ];
    let mut expected = None;
    for (name, arrays, note) in cases {
        write_arrays(&path, &arrays);
        let options = ImportOptions { sizes: vec![12], ..ImportOptions::named(name) };
        let imported = desk.import(&source, &options).unwrap();
        assert_eq!(
            imported.notes.iter().any(|text| text.contains(note)),
            !imported.notes.is_empty(),
            "{name}: {:?}",
            imported.notes
        );
        assert_eq!(imported.notes.is_empty(), note.is_empty(), "{name}: {:?}", imported.notes);
        assert_eq!(imported.classes, if name == "one-based" { ["1", "2"] } else { ["0", "1"] }, "{name}");
        let file = fs_err::read(&imported.files[0]).unwrap();
        assert!(
            *expected.get_or_insert_with(|| file.clone()) == file,
            "{name}: other bytes than those of the plain arrays"
        );
    }
}

#[test]
fn the_splits_of_other_tools_are_taken() {
    let desk = Desk::new();
    let path = desk.images.path().join("keras.npz");
    let pixels =
        |rows: usize, first: u8| (0..rows * 64).map(|index| first.wrapping_add((index * 3) as u8)).collect::<Vec<u8>>();
    let labels = |rows: usize| (0..rows).map(|row| (row % 2) as u8).collect::<Vec<u8>>();
    write_arrays(
        &path,
        &[
            ("x_train", "|u1", &[20, 8, 8], pixels(20, 1)),
            ("y_train", "|u1", &[20], labels(20)),
            ("x_test", "|u1", &[6, 8, 8], pixels(6, 101)),
            ("y_test", "|u1", &[6], labels(6)),
        ],
    );
    let source = Source::Arrays { images: path.clone(), labels: None };
    let options = ImportOptions { shares: [0.8, 0.2, 0.0], sizes: vec![8], ..moles() };
    let imported = desk.import(&source, &options).unwrap();
    assert_eq!(imported.rows, [16, 4, 6]);
    assert!(imported.notes[0].contains("`x_train` and `y_train` are taken"), "{:?}", imported.notes);

    let desk = Desk { images: desk.images, data: tempfile::tempdir().unwrap() };
    for (arrays, part) in [
        (vec![("a", "|u1", &[2, 8, 8][..], pixels(2, 0))], "its members are \"a\"; expected are `images` and `labels`"),
        (vec![("x_train", "|u1", &[2, 8, 8], pixels(2, 0))], "it has \"x_train\" but no \"y_train\""),
        (vec![("x", "<u2", &[1, 8, 8], vec![1; 128]), ("y", "|u1", &[1], vec![0])], "the images go from 257 to 257"),
        (vec![("x", "|u1", &[2, 64], pixels(2, 0)), ("y", "|u1", &[2], labels(2))], "its shape is [2, 64]"),
        (
            vec![("x", "|u1", &[2, 8, 8], pixels(2, 0)), ("y", "<f4", &[2], vec![0, 0, 0, 63, 0, 0, 0, 63])],
            "value 0 is 0.5",
        ),
    ] {
        write_arrays(&path, &arrays);
        let message = desk.refused(&source, &moles());
        assert!(message.contains(part), "{part}: {message}");
    }
}

#[test]
fn colour_planes_become_pixels() {
    let desk = Desk::new();
    let planes: Vec<u8> = (0..24 * 3 * 64).map(|index| (index * 5 % 251) as u8).collect();
    let labels: Vec<u8> = (0..24).map(|row| row % 2).collect();
    let images = desk.write("images.npy", [medley_npy::render_header("|u1", &[24, 3, 8, 8]), planes.clone()].concat());
    let labels = desk.write("labels.npy", [medley_npy::render_header("|u1", &[24]), labels].concat());
    let options = ImportOptions { sizes: vec![8], ..moles() };
    let imported = desk.import(&Source::Arrays { images, labels: Some(labels) }, &options).unwrap();
    assert!(imported.notes[0].contains("(24, 8, 8, 3)"), "{:?}", imported.notes);
    let task = desk.open("moles", 8);
    assert_eq!(task.spec.shape.to_string(), "8x8x3");
    let index: usize = desk.list("moles")[0].1.trim_start_matches("images[").trim_end_matches(']').parse().unwrap();
    let pixel: Vec<u8> = (0..3).map(|channel| planes[(index * 3 + channel) * 64 + 17]).collect();
    assert_eq!(task.train.images().image(0)[17 * 3..18 * 3], pixel);
}
