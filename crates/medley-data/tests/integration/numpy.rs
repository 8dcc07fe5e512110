//! Files that numpy wrote (`scripts/fixtures/data_numpy.py`), and numpy on files that we write.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests, which say when they are skipped"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use medley_core::{ImageSource, Labels, ScoringToken};
use medley_data::{Array, CacheUse, DataError, OpenOptions, OpenedFile, Registry, open_file, write_npz};
use medley_storage::RealFs;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/fixtures/data_numpy.py");
const ROWS: [usize; 3] = [2, 3, 1];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/numpy").join(name)
}

fn open(path: &Path) -> Result<OpenedFile, DataError> {
    let options = OpenOptions { cache: CacheUse::Never, ..OpenOptions::default() };
    open_file(path, Registry::builtin().get("breastmnist").unwrap(), 28, &options)
}

/// As in the script.
fn image(row: usize) -> Vec<u8> {
    (0..784).map(|at| ((31 * row + 7 * at) % 251) as u8).collect()
}

fn check(images: &dyn ImageSource, labels: &Labels, rows: usize) {
    assert_eq!((images.len(), labels.rows()), (rows, rows));
    for row in 0..rows {
        assert_eq!(images.image(row), image(row), "row {row}");
        assert_eq!(labels.row(row), [(row % 2) as u16], "row {row}");
    }
}

#[test]
fn what_numpy_writes_is_read() {
    for name in ["stored", "compressed", "more_members", "labels", "headers"] {
        let opened = open(&fixture(&format!("{name}.npz"))).unwrap_or_else(|error| panic!("{name}: {error}"));
        let task = opened.task;
        let token = ScoringToken::on_request("breastmnist", ROWS[2]);
        check(task.train.images().as_ref(), task.train.labels(), ROWS[0]);
        check(task.val.images().as_ref(), task.val.labels(), ROWS[1]);
        check(task.test.images.as_ref(), task.test.labels.open(&token).unwrap(), ROWS[2]);
    }
}

#[test]
fn what_cannot_be_meant_is_refused_with_what_would_do() {
    for (name, member, part) in [
        ("fortran", "val_images", "ascontiguousarray"),
        ("float", "val_images", "type is `<f4`"),
        ("wide_images", "val_images", "must be of type uint8"),
        ("object", "val_labels", "type is `|O`"),
        ("float_labels", "val_labels", "type is `<f8`"),
        ("negative", "val_labels", "value 1 is not a class index"),
        ("text_labels", "val_labels", "type is `<U3`"),
    ] {
        let error = open(&fixture(&format!("refused_{name}.npz"))).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, DataError::Array { .. }), "{name}: {text}");
        assert!(text.contains(member) && text.contains(part), "{name}: {text}");
    }
}

#[test]
fn numpy_reads_what_we_write() {
    let python = std::env::var("MEDLEY_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let numpy = Command::new(&python).args(["-c", "import numpy"]).output();
    if !numpy.is_ok_and(|output| output.status.success()) {
        println!("skipped: {python} has no numpy (set MEDLEY_PYTHON)");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let names = [("train_images", "train_labels"), ("val_images", "val_labels"), ("test_images", "test_labels")];
    let bytes: Vec<(Vec<u8>, Vec<u8>)> =
        ROWS.map(|rows| ((0..rows).flat_map(image).collect(), (0..rows).map(|row| (row % 2) as u8).collect())).into();
    let shapes: Vec<([usize; 3], [usize; 2])> = ROWS.map(|rows| ([rows, 28, 28], [rows, 1])).into();
    let mut arrays = Vec::new();
    for ((names, bytes), shapes) in names.iter().zip(&bytes).zip(&shapes) {
        arrays.push(Array { name: names.0, shape: &shapes.0, bytes: &bytes.0 });
        arrays.push(Array { name: names.1, shape: &shapes.1, bytes: &bytes.1 });
    }
    let paths = [false, true].map(|compressed| {
        let path = folder.path().join(format!("compressed_{compressed}.npz"));
        write_npz(&RealFs, &path, &arrays, compressed).unwrap();
        path
    });
    let output = Command::new(&python).arg(SCRIPT).arg("--check").args(&paths).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("reads 2 files"), "{said}");
}
