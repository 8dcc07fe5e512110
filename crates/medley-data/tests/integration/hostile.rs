//! Files that lie, break off or are no files: a typed error for each, never a panic, nothing allocated on their word.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::type_complexity,
    reason = "tests make files as they are"
)]

use std::io::Write as _;
use std::path::{Path, PathBuf};

use medley_data::{Array, CacheUse, DataError, OpenOptions, OpenedFile, open_task, write_npz};
use medley_storage::RealFs;
use medley_synth::{Rows, SynthOptions, write_set};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("breastmnist.npz")
    }

    fn open(&self) -> Result<(), DataError> {
        open_task(self.0.path(), "breastmnist", 28, &limits()).map(|_| ())
    }

    fn error(&self) -> String {
        let error = self.open().unwrap_err();
        let source = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
        let text = format!("{error}{source}");
        assert!(text.contains("breastmnist.npz"), "the path is named: {text}");
        text
    }
}

fn limits() -> OpenOptions {
    OpenOptions { memory_limit: 64 << 20, cache: CacheUse::Never }
}

/// A `.npy` array with any header text and any bytes.
fn npy(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend(data);
    bytes
}

fn header(descr: &str, fortran: bool, shape: &str) -> String {
    let order = if fortran { "True" } else { "False" };
    format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}\n")
}

/// Six sound members of two rows each, with some replaced (`Some`) or left out (`None`).
fn write(path: &Path, changes: &[(&str, Option<Vec<u8>>)]) {
    let mut writer = ZipWriter::new(std::fs::File::create(path).unwrap());
    for split in ["train", "val", "test"] {
        for what in ["images", "labels"] {
            let name = format!("{split}_{what}");
            let sound = if what == "images" {
                npy(&header("|u1", false, "(2, 28, 28)"), &[7; 2 * 784])
            } else {
                npy(&header("|u1", false, "(2, 1)"), &[0, 1])
            };
            let bytes = match changes.iter().find(|(changed, _)| *changed == name) {
                Some((_, None)) => continue,
                Some((_, Some(bytes))) => bytes.clone(),
                None => sound,
            };
            writer.start_file(format!("{name}.npy"), SimpleFileOptions::default()).unwrap();
            writer.write_all(&bytes).unwrap();
        }
    }
    writer.finish().unwrap();
}

#[test]
fn sound_members_open() {
    let folder = Folder::new();
    write(&folder.path(), &[]);
    folder.open().unwrap();
    // The other legal forms of the same arrays.
    write(
        &folder.path(),
        &[
            ("train_images", Some(npy(&header("|u1", false, "(2, 28, 28, 1)"), &[7; 2 * 784]))),
            (
                "train_labels",
                Some(npy(&header("<i8", false, "(2,)"), &[0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0])),
            ),
        ],
    );
    folder.open().unwrap();
}

#[test]
fn every_lie_has_its_own_answer() {
    let images = |text: String| ("val_images", Some(npy(&text, &[0; 2 * 784])));
    let labels = |text: String, data: &[u8]| ("val_labels", Some(npy(&text, data)));
    let cases: Vec<((&str, Option<Vec<u8>>), &str)> = vec![
        (("val_labels", None), "no member `val_labels.npy`"),
        (images(header("<f4", false, "(2, 14, 28)")), "type is `<f4`"),
        (images(header("<u2", false, "(1, 28, 28)")), "must be of type uint8"),
        (images(header("|u1", true, "(2, 28, 28)")), "Fortran order"),
        (images(header("|u1", false, "(2, 28, 29)")), "needs"),
        (images(header("|u1", false, "(1, 56, 28)")), "images of BreastMNIST are 28x28x1"),
        (images(header("|u1", false, "(4294967296, 4294967296, 4)")), "address space"),
        (images(header("|u1", false, "(0, 4294967296, 4294967296, 4)")), "address space"),
        (images(header("|u1", false, "(9999999, 28, 28)")), "needs"),
        (labels(header("|u1", false, "(3, 1)"), &[0, 1, 1]), "3 rows, but there are 2 images"),
        (labels(header("|u1", false, "(2, 2)"), &[0; 4]), "labels of BreastMNIST are (N, 1)"),
        (labels(header("|u1", false, "(2, 1)"), &[0, 2]), "label 2 in row 1 is outside 0..2"),
        (labels(header("|i1", false, "(2, 1)"), &[0, 255]), "value 1 is not a class index"),
        (labels(header("<f8", false, "(2, 1)"), &[0; 16]), "type is `<f8`"),
        (("val_images", Some(b"PNG".to_vec())), "header cannot be read"),
        (("val_images", Some(b"GARBAGE GARBAGE GARBAGE".to_vec())), "is not a .npy array"),
    ];
    for (change, expected) in cases {
        let folder = Folder::new();
        let name = change.0;
        write(&folder.path(), &[change]);
        let message = folder.error();
        assert!(message.contains(expected), "{name}: expected {expected:?} in {message:?}");
    }
}

#[test]
fn empty_splits_are_refused() {
    let folder = Folder::new();
    write(
        &folder.path(),
        &[
            ("val_images", Some(npy(&header("|u1", false, "(0, 28, 28)"), &[]))),
            ("val_labels", Some(npy(&header("|u1", false, "(0, 1)"), &[]))),
        ],
    );
    assert!(folder.error().contains("no images"));
}

#[test]
fn what_is_no_regular_file_is_named() {
    let folder = Folder::new();
    assert!(matches!(folder.open(), Err(DataError::Missing { .. })));
    std::fs::create_dir(folder.path()).unwrap();
    assert!(folder.error().contains("a folder"));
    std::fs::remove_dir(folder.path()).unwrap();
    std::fs::write(folder.path(), b"").unwrap();
    assert!(folder.error().contains("0 bytes"));
    std::fs::write(folder.path(), b"<html>404</html>").unwrap();
    assert!(matches!(folder.open(), Err(DataError::Archive { .. })));
    let unknown = open_task(folder.0.path(), "brestmnist", 28, &OpenOptions::default()).unwrap_err();
    assert!(unknown.to_string().contains("did you mean `breastmnist`"));
}

#[cfg(unix)]
#[test]
fn a_pipe_is_refused_without_waiting_for_a_writer() {
    let folder = Folder::new();
    let made = std::process::Command::new("mkfifo").arg(folder.path()).status().unwrap();
    assert!(made.success());
    assert!(folder.error().contains("a pipe"));
}

#[test]
fn a_bomb_is_refused_by_its_size() {
    let folder = Folder::new();
    let rows = 200_000;
    let image = vec![0; rows * 784];
    let label = vec![0; rows];
    let array = |name, shape, bytes| Array { name, shape, bytes };
    let (two, one) = ([rows, 28, 28], [rows, 1]);
    let arrays = [
        array("train_images", &two, &image),
        array("train_labels", &one, &label),
        array("val_images", &two, &image),
        array("val_labels", &one, &label),
        array("test_images", &two, &image),
        array("test_labels", &one, &label),
    ];
    write_npz(&RealFs, &folder.path(), &arrays, true).unwrap();
    assert!(std::fs::metadata(folder.path()).unwrap().len() < 16 << 20);
    assert!(matches!(folder.open(), Err(DataError::TooLarge { needed, .. }) if needed > 400 << 20));
}

#[test]
fn two_members_of_one_name_and_names_that_leave_are_refused() {
    for (from, to) in [("val_labels.npy", "val_images.npy"), ("val_images.npy", "../ab_imag.npy")] {
        let folder = Folder::new();
        write(&folder.path(), &[]);
        let mut bytes = std::fs::read(folder.path()).unwrap();
        let places: Vec<usize> =
            (0..bytes.len() - from.len()).filter(|&at| bytes[at..].starts_with(from.as_bytes())).collect();
        assert_eq!(places.len(), 2, "local header and central directory");
        for at in places {
            bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        }
        std::fs::write(folder.path(), bytes).unwrap();
        let error = folder.open().unwrap_err();
        assert!(matches!(error, DataError::MemberNames { .. } | DataError::Archive { .. }), "{error}");
    }
}

/// Fields of the archive's own records, by the signature of the record and an offset in it.
fn patch(bytes: &mut [u8], signature: [u8; 4], offset: usize, name_at: usize, name: &str, value: &[u8]) {
    let is_record =
        |at: usize| bytes[at..].starts_with(&signature) && bytes[at + name_at..].starts_with(name.as_bytes());
    let at = (0..bytes.len() - name_at - name.len()).find(|&at| is_record(at)).unwrap();
    bytes[at + offset..at + offset + value.len()].copy_from_slice(value);
}

#[test]
fn a_size_that_deflate_cannot_reach_is_refused_before_it_is_believed() {
    let folder = Folder::new();
    // Four thousand million bytes by shape and by the list of members, of which there are two thousand.
    let rows = 5_000_000;
    let claim = npy(&header("|u1", false, &format!("({rows}, 28, 28)")), &[7; 1568]);
    let size = (claim.len() - 1568 + rows * 784) as u32;
    write(&folder.path(), &[("val_images", Some(claim))]);
    let mut bytes = std::fs::read(folder.path()).unwrap();
    patch(&mut bytes, *b"PK\x01\x02", 24, 46, "val_images", &size.to_le_bytes());
    patch(&mut bytes, *b"PK\x03\x04", 22, 30, "val_images", &size.to_le_bytes());
    std::fs::write(folder.path(), bytes).unwrap();
    let huge = OpenOptions { memory_limit: u64::MAX, ..limits() };
    let error = open_task(folder.0.path(), "breastmnist", 28, &huge).unwrap_err();
    assert!(matches!(&error, DataError::Array { problem, .. } if problem.contains("cannot hold")), "{error}");
}

#[test]
fn crowds_of_members_and_absolute_names_are_refused() {
    let with = |names: Vec<String>| {
        let folder = Folder::new();
        let mut writer = ZipWriter::new(std::fs::File::create(folder.path()).unwrap());
        for name in names {
            writer.start_file(name, SimpleFileOptions::default()).unwrap();
        }
        writer.finish().unwrap();
        folder.open().unwrap_err()
    };
    let crowd = with((0..65).map(|index| format!("{index}.npy")).collect());
    assert!(matches!(&crowd, DataError::MemberNames { problem, .. } if problem.contains("65 members")), "{crowd}");
    for name in ["/etc/cron.d/x", "\\\\server\\x", "a/../../x.npy"] {
        let error = with(vec![name.to_owned()]);
        assert!(matches!(error, DataError::MemberNames { .. }), "{name}: {error}");
    }
}

#[test]
fn an_unknown_way_of_compressing_is_named() {
    let folder = Folder::new();
    write(&folder.path(), &[]);
    let mut bytes = std::fs::read(folder.path()).unwrap();
    patch(&mut bytes, *b"PK\x01\x02", 10, 46, "val_images", &[99, 0]);
    patch(&mut bytes, *b"PK\x03\x04", 8, 30, "val_images", &[99, 0]);
    std::fs::write(folder.path(), bytes).unwrap();
    let error = folder.open().unwrap_err();
    assert!(matches!(error, DataError::Array { .. } | DataError::Archive { .. }), "{error}");
}

#[test]
fn a_header_that_claims_gigabytes_is_refused() {
    let mut claim = b"\x93NUMPY\x02\x00".to_vec();
    claim.extend(u32::MAX.to_le_bytes());
    claim.extend([b' '; 100]);
    let folder = Folder::new();
    write(&folder.path(), &[("val_images", Some(claim))]);
    assert!(folder.error().contains("claims 4294967295 bytes"));
}

#[test]
fn no_prefix_opens() {
    let folder = Folder::new();
    write(&folder.path(), &[]);
    let bytes = std::fs::read(folder.path()).unwrap();
    for length in 0..bytes.len() {
        std::fs::write(folder.path(), &bytes[..length]).unwrap();
        folder.open().unwrap_err();
    }
}

#[test]
fn no_flipped_byte_is_taken_for_other_pixels() {
    let folder = Folder::new();
    write(&folder.path(), &[]);
    let bytes = std::fs::read(folder.path()).unwrap();
    let content = |opened: &OpenedFile| {
        let task = &opened.task;
        let all = [task.train.images(), task.val.images(), &task.test.images];
        let images: Vec<Vec<u8>> =
            all.iter().flat_map(|images| (0..images.len()).map(|row| images.image(row).to_vec())).collect();
        (images, task.train.labels().clone(), task.val.labels().clone())
    };
    let sound = content(&open_task(folder.0.path(), "breastmnist", 28, &limits()).unwrap());
    for at in 0..bytes.len() {
        for mask in [0x01, 0x55, 0xff] {
            let mut flipped = bytes.clone();
            flipped[at] ^= mask;
            std::fs::write(folder.path(), flipped).unwrap();
            // A flip in a time stamp or an unused field is harmless; data that differs must not pass.
            if let Ok(opened) = open_task(folder.0.path(), "breastmnist", 28, &limits()) {
                assert!(content(&opened) == sound, "byte {at}, mask {mask}");
            }
        }
    }
}

#[cfg(unix)]
#[test]
fn sockets_and_devices_are_refused() {
    let folder = Folder::new();
    let _socket = std::os::unix::net::UnixListener::bind(folder.path()).unwrap();
    let error = folder.open().unwrap_err();
    assert!(matches!(error, DataError::NotAFile { .. } | DataError::Io { .. }), "{error}");
    std::fs::remove_file(folder.path()).unwrap();
    std::os::unix::fs::symlink("/dev/zero", folder.path()).unwrap();
    assert!(folder.error().contains("device"));
    std::fs::remove_file(folder.path()).unwrap();
    std::os::unix::fs::symlink(folder.path(), folder.path()).unwrap();
    let error = folder.open().unwrap_err();
    assert!(matches!(error, DataError::Io { .. } | DataError::Read(_)), "a link to itself: {error}");
}

/// Two sound files that differ everywhere.
fn two_files(folder: &Folder) -> [Vec<u8>; 2] {
    [3_u8, 200].map(|value| {
        let images = npy(&header("|u1", false, "(2, 28, 28)"), &[value; 2 * 784]);
        write(&folder.path(), &["train_images", "val_images", "test_images"].map(|name| (name, Some(images.clone()))));
        std::fs::read(folder.path()).unwrap()
    })
}

/// Opens again and again while `disturb` works on the file; what opens is one of the two files, whole.
fn opens_one_or_the_other(folder: &Folder, disturb: impl Fn(usize) + Sync) -> usize {
    let done = std::sync::atomic::AtomicBool::new(false);
    let order = std::sync::atomic::Ordering::SeqCst;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut round = 0;
            while !done.load(order) {
                disturb(round);
                round += 1;
            }
        });
        let mut opened_whole = 0;
        for _ in 0..300 {
            if let Ok(opened) = open_task(folder.0.path(), "breastmnist", 28, &limits()) {
                let task = opened.task;
                let all = [task.train.images(), task.val.images(), &task.test.images];
                let values: std::collections::BTreeSet<u8> = all
                    .iter()
                    .flat_map(|images| (0..images.len()).flat_map(|row| images.image(row).to_vec()))
                    .collect();
                if values.len() != 1 {
                    done.store(true, order);
                }
                assert_eq!(values.len(), 1, "two files in one");
                opened_whole += 1;
            }
        }
        done.store(true, order);
        opened_whole
    })
}

#[test]
fn a_file_replaced_while_it_is_read_is_read_whole_or_not_at_all() {
    let folder = Folder::new();
    let files = two_files(&folder);
    let beside = folder.0.path().join("beside");
    let opened = opens_one_or_the_other(&folder, |round| {
        std::fs::write(&beside, &files[round % 2]).unwrap();
        std::fs::rename(&beside, folder.path()).unwrap();
    });
    assert!(opened > 0, "never");
}

#[test]
fn a_file_written_to_while_it_is_read_is_read_whole_or_not_at_all() {
    let folder = Folder::new();
    let files = two_files(&folder);
    opens_one_or_the_other(&folder, |round| {
        // In place: shorter, longer and half-written files are there for a while.
        std::fs::write(folder.path(), &files[round % 2]).unwrap();
    });
}

#[test]
fn a_drawn_set_is_known_as_synthetic() {
    let folder = Folder::new();
    let options = SynthOptions { rows: Rows::AtMost(30), ..SynthOptions::default() };
    write_set(folder.0.path(), "breastmnist", &options, &RealFs).unwrap();
    let opened = open_task(folder.0.path(), "breastmnist", 28, &OpenOptions::default()).unwrap();
    assert_eq!(opened.task.spec.origin, medley_core::Origin::Synthetic);
    let first = std::fs::read(folder.path()).unwrap();
    write_set(folder.0.path(), "breastmnist", &SynthOptions { overwrite: true, ..options }, &RealFs).unwrap();
    assert_eq!(first, std::fs::read(folder.path()).unwrap(), "the same options give the same bytes");
}
