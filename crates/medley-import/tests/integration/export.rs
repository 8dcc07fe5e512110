//! Folders of images: names, pixels, lists, and what is refused.

use std::collections::BTreeSet;
use std::path::Path;

use image::{AnimationDecoder as _, codecs::gif::GifDecoder};
use medley_core::{Origin, ScoringToken, Split};
use medley_data::{DataError, OpenOptions, OpenedFile, Registry, open_task};
use medley_import::ImportError;
use medley_import::export::{ExportOptions, export};
use medley_storage::{Fault, FaultyFs, RealFs};

fn drawn(name: &str, size: usize, rows: [usize; 3]) -> medley_core::OpenedTask {
    let spec = Registry::builtin().get(name).unwrap().spec(size, Origin::Synthetic);
    medley_synth::generate(&spec, rows, 3).unwrap().into_task(spec).unwrap()
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs_err::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn quietly(_: usize) {}

#[test]
fn pictures_hold_the_pixels_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    for (name, size) in [("breastmnist", 28), ("retinamnist", 64), ("chestmnist", 28), ("adrenalmnist3d", 28)] {
        let task = drawn(name, size, [16, 15, 14]);
        let exported = export(&task, folder.path(), &ExportOptions::default(), None, &RealFs, &quietly).unwrap();
        assert_eq!(exported.images, 31);
        let list = fs_err::read_to_string(&exported.list).unwrap();
        let lines: Vec<&str> = list.lines().collect();
        assert_eq!(lines.len(), 31);
        for (index, line) in lines.iter().take(16).enumerate() {
            let labels: Vec<String> = task.train.labels().row(index).iter().map(ToString::to_string).collect();
            let ending = if task.spec.shape.depth.is_some() { "gif" } else { "png" };
            let file = format!("train{index}_{}.{ending}", labels.join("_"));
            assert_eq!(*line, format!("TRAIN,{file},{}", labels.join(",")));
            let bytes = fs_err::read(exported.folder.join(file)).unwrap();
            assert_eq!(pixels(&bytes, &task.spec), task.train.images().image(index), "{name} {index}");
        }
        assert!(lines[16].starts_with("VALIDATION,val0_"));
        assert_eq!(names(&exported.folder).len(), 31);
        let stem = if size == 28 { name.to_owned() } else { format!("{name}_{size}") };
        assert_eq!(exported.folder, folder.path().join(stem));
    }
}

/// `[H, W, C]` or `[D, H, W]` of a picture file.
fn pixels(bytes: &[u8], spec: &medley_core::TaskSpec) -> Vec<u8> {
    if spec.shape.depth.is_none() {
        let picture = image::load_from_memory(bytes).unwrap();
        assert_eq!(usize::from(picture.color().channel_count()), spec.shape.channels);
        return picture.into_bytes();
    }
    let frames = GifDecoder::new(std::io::Cursor::new(bytes)).unwrap().into_frames().collect_frames().unwrap();
    assert_eq!(Some(frames.len()), spec.shape.depth);
    let delays: BTreeSet<_> = frames.iter().map(|frame| frame.delay().numer_denom_ms()).collect();
    assert_eq!(delays, BTreeSet::from([(200, 1)]));
    frames.iter().flat_map(|frame| frame.buffer().pixels().map(|pixel| pixel.0[0])).collect()
}

#[test]
fn the_test_split_needs_a_token_and_joins_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let task = drawn("breastmnist", 28, [6, 4, 3]);
    let test = ExportOptions { splits: vec![Split::Test], overwrite: false };
    let sealed = export(&task, folder.path(), &test, None, &RealFs, &quietly).unwrap_err();
    assert!(sealed.to_string().contains("--open-test-labels"), "{sealed}");
    let other = ScoringToken::on_request("retinamnist", 3);
    assert!(matches!(
        export(&task, folder.path(), &test, Some(&other), &RealFs, &quietly),
        Err(ImportError::Data(DataError::Content { .. }))
    ));
    assert!(names(folder.path()).is_empty(), "what is refused leaves nothing behind");

    let token = ScoringToken::on_request("breastmnist", 3);
    export(&task, folder.path(), &test, Some(&token), &RealFs, &quietly).unwrap();
    let exported = export(&task, folder.path(), &ExportOptions::default(), None, &RealFs, &quietly).unwrap();
    let list = fs_err::read_to_string(exported.list).unwrap();
    let tags: Vec<&str> = list.lines().map(|line| line.split(',').next().unwrap()).collect();
    assert_eq!(tags, [["TRAIN"; 6].as_slice(), &["VALIDATION"; 4], &["TEST"; 3]].concat());
}

#[test]
fn twice_is_refused_and_overwriting_leaves_no_old_image() {
    let folder = tempfile::tempdir().unwrap();
    let write = |rows, overwrite| {
        let options = ExportOptions { overwrite, ..ExportOptions::default() };
        export(&drawn("breastmnist", 28, rows), folder.path(), &options, None, &RealFs, &quietly)
    };
    write([9, 5, 2], false).unwrap();
    let error = write([9, 5, 2], false).unwrap_err();
    assert!(error.to_string().contains("--overwrite"), "{error}");
    fs_err::write(folder.path().join("breastmnist/notes.txt"), "mine").unwrap();
    let exported = write([4, 2, 2], true).unwrap();
    assert_eq!((exported.images, exported.removed), (6, 8));
    assert_eq!(names(&exported.folder).len(), 7, "the six images and a file that is not ours");

    // Images without a list are those of an export that was interrupted.
    fs_err::remove_file(&exported.list).unwrap();
    assert!(write([4, 2, 2], false).unwrap_err().to_string().contains("interrupted"));
    fs_err::write(&exported.list, "name,age\n").unwrap();
    assert!(matches!(write([4, 2, 2], true), Err(ImportError::InTheWay { .. })), "a foreign list stays");
}

#[test]
fn a_failing_disk_leaves_whole_images_and_no_list() {
    let task = drawn("breastmnist", 28, [4, 3, 2]);
    for fault in [Fault::DiskFull, Fault::Torn, Fault::Crash] {
        for fail_at in 0.. {
            let folder = tempfile::tempdir().unwrap();
            let storage = FaultyFs::new(fail_at, fault);
            let result = export(&task, folder.path(), &ExportOptions::default(), None, &storage, &quietly);
            if !storage.tripped() {
                result.unwrap();
                break;
            }
            assert!(matches!(result, Err(ImportError::Data(DataError::Storage(_)))), "{fault:?} {fail_at}");
            assert!(!folder.path().join("breastmnist.csv").exists());
            for name in names(&folder.path().join("breastmnist")) {
                if !name.starts_with(".tmp-") {
                    image::open(folder.path().join("breastmnist").join(name)).unwrap();
                }
            }
        }
    }
}

#[test]
fn an_unwritable_place_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs_err::write(&file, "").unwrap();
    let task = drawn("breastmnist", 28, [4, 3, 2]);
    let error = export(&task, &file, &ExportOptions::default(), None, &RealFs, &quietly).unwrap_err();
    let named = file.display().to_string();
    assert!(matches!(&error, ImportError::Data(_)) && error.to_string().contains(&named), "{error}");
}

#[test]
fn a_real_set_is_exported_bit_for_bit() {
    let Some(data) = std::env::var_os("MEDLEY_DATA") else {
        println!("skipped: MEDLEY_DATA is not set");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let OpenedFile { task, .. } = open_task(Path::new(&data), "breastmnist", 28, &OpenOptions::default()).unwrap();
    let exported = export(&task, folder.path(), &ExportOptions::default(), None, &RealFs, &quietly).unwrap();
    assert_eq!(exported.images, 546 + 78);
    let list = fs_err::read_to_string(&exported.list).unwrap();
    let files = list.lines().map(|line| line.split(',').nth(1).unwrap());
    for (index, file) in files.take(546).enumerate() {
        let bytes = fs_err::read(exported.folder.join(file)).unwrap();
        assert_eq!(pixels(&bytes, &task.spec), task.train.images().image(index), "{file}");
    }
}
