//! The published files, where they are at hand.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests, which say when they are skipped")]

use std::path::PathBuf;

use medley_audit::inspect::{Verdict, verify};
use medley_core::Split;
use medley_data::{OpenOptions, open_task};

/// `MEDLEY_DATA`, or the folder beside the repository; `None` (said aloud) when neither is there, which is an error in CI.
fn folder() -> Option<PathBuf> {
    let beside = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/medmnist"));
    let folder = std::env::var_os("MEDLEY_DATA").map_or(beside, PathBuf::from);
    if folder.join("breastmnist.npz").exists() {
        return Some(folder);
    }
    assert!(std::env::var_os("CI").is_none(), "the real files are missing: set MEDLEY_DATA");
    println!("skipped: no real files (set MEDLEY_DATA)");
    None
}

#[test]
fn the_published_files_verify() {
    let Some(folder) = folder() else { return };
    for name in ["breastmnist", "pneumoniamnist", "retinamnist", "adrenalmnist3d"] {
        let verification = verify(&folder.join(format!("{name}.npz")), &OpenOptions::default()).unwrap();
        assert!(matches!(verification.verdict, Verdict::Published { .. }), "{name}: {verification:?}");
    }
}

#[test]
fn splits_have_their_published_sizes_and_classes() {
    let Some(folder) = folder() else { return };
    let opened = open_task(&folder, "retinamnist", 28, &OpenOptions::default()).unwrap();
    assert_eq!(opened.record.rows.values().copied().collect::<Vec<_>>(), [1_080, 120, 400]);
    assert_eq!(opened.record.class_counts[&Split::Train], [486, 128, 206, 194, 66]);
    assert_eq!(opened.task.test.images.len(), 400);
    assert_eq!(opened.task.test.labels.rows(), 400);
    let volume = open_task(&folder, "adrenalmnist3d", 28, &OpenOptions::default()).unwrap();
    assert_eq!(volume.task.train.images().shape().to_string(), "28x28x28x1");
}
