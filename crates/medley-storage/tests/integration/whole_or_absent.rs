//! Every failing operation leaves the old state or the new one.

use std::path::Path;

use medley_storage::{
    Batch, Fault, FaultyFs, RealFs, Storage, StorageError, commit_directory, sweep_temporary, write_new, write_whole,
};
use proptest::prelude::*;

const FAULTS: [Fault; 3] = [Fault::DiskFull, Fault::Torn, Fault::Crash];

fn visible(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.starts_with(".tmp-"))
        .collect();
    names.sort();
    names
}

#[test]
fn a_file_is_old_or_new_whatever_fails() {
    for fault in FAULTS {
        for fail_at in 0.. {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("state");
            write_whole(&RealFs, &path, b"old old old").unwrap();
            let storage = FaultyFs::new(fail_at, fault);
            let result = write_whole(&storage, &path, b"new");
            let content = std::fs::read(&path).unwrap();
            if !storage.tripped() {
                assert!(result.is_ok());
                assert_eq!(content, b"new");
                assert!(fail_at >= 2, "a write has at least two operations");
                break;
            }
            assert!(result.is_err());
            assert_eq!(content, b"old old old", "{fault:?} at {fail_at}");
            assert_eq!(visible(folder.path()), ["state"]);
        }
    }
}

#[test]
fn a_folder_is_complete_or_absent_whatever_fails() {
    for fault in FAULTS {
        for fail_at in 0.. {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("epoch-1");
            let storage = FaultyFs::new(fail_at, fault);
            let result = commit_directory(&storage, &path, &[("a", b"1"), ("b", b"2"), ("c/d", b"3"), ("c/e", b"4")]);
            if !storage.tripped() {
                result.unwrap();
                assert_eq!(visible(&path), ["a", "b", "c"]);
                assert_eq!(visible(&path.join("c")), ["d", "e"]);
                break;
            }
            assert!(result.is_err());
            assert!(visible(folder.path()).is_empty(), "{fault:?} at {fail_at}");
        }
    }
}

#[test]
fn nothing_is_replaced_silently() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    write_new(&RealFs, &path, b"1").unwrap();
    assert!(matches!(write_new(&RealFs, &path, b"2"), Err(StorageError::Exists { .. })));
    assert!(matches!(commit_directory(&RealFs, &path, &[]), Err(StorageError::Exists { .. })));
    assert_eq!(std::fs::read(&path).unwrap(), b"1");
}

#[test]
fn errors_name_the_target() {
    let error = write_whole(&RealFs, Path::new("/nonexistent-folder/x"), b"").unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot write `/nonexistent-folder/x`: there is no folder `/nonexistent-folder`; make it first"
    );
    let full = write_whole(&FaultyFs::new(0, Fault::DiskFull), Path::new("x"), b"").unwrap_err();
    assert!(full.is_disk_full());
}

#[test]
fn leftovers_are_swept() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(".tmp-1-x"), b"half").unwrap();
    std::fs::create_dir(folder.path().join(".tmp-1-epoch-3")).unwrap();
    std::fs::write(folder.path().join("kept"), b"whole").unwrap();
    assert_eq!(sweep_temporary(folder.path()).unwrap(), 2);
    assert_eq!(visible(folder.path()), ["kept"]);
    assert_eq!(sweep_temporary(&folder.path().join("absent")).unwrap(), 0);
}

proptest! {
    #[test]
    fn what_is_written_is_read(bytes: Vec<u8>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        write_whole(&RealFs, &path, &bytes).unwrap();
        prop_assert_eq!(std::fs::read(&path).unwrap(), bytes);
    }
}

#[test]
fn files_of_a_batch_are_whole_or_absent_whatever_fails() {
    let names = ["a", "b", "c"];
    let write = |storage: &dyn Storage, folder: &Path| {
        let batch = Batch::new(storage, folder);
        names.iter().try_for_each(|name| batch.write(name, b"0123456789"))?;
        batch.flush(&names)
    };
    for fault in FAULTS {
        for fail_at in 0.. {
            let folder = tempfile::tempdir().unwrap();
            let storage = FaultyFs::new(fail_at, fault);
            let result = write(&storage, folder.path());
            for name in visible(folder.path()) {
                assert_eq!(fs_err::read(folder.path().join(name)).unwrap(), b"0123456789", "{fault:?} at {fail_at}");
            }
            if !storage.tripped() {
                result.unwrap();
                assert_eq!(visible(folder.path()).len(), 3);
                break;
            }
            assert!(result.is_err(), "{fault:?} at {fail_at}");
        }
    }
}
