//! A disk that fails, and a process that is killed.

use std::path::Path;

use medley_data::{DataError, OpenOptions, Registry, open_task};
use medley_import::ImportError;
use medley_import::import::{ImportOptions, import};
use medley_storage::{Fault, FaultyFs, RealFs};

use super::desk::{Desk, moles, quietly};

/// Names of what lies in the data folder.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs_err::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.starts_with(".tmp-"))
        .collect();
    names.sort();
    names
}

#[test]
fn a_set_is_there_as_a_whole_or_can_be_imported_again() {
    let desk = Desk::with_two_classes();
    let sizes = ImportOptions { sizes: vec![28, 64], ..moles() };
    for fault in [Fault::DiskFull, Fault::Torn, Fault::Crash] {
        for fail_at in 0.. {
            let data = tempfile::tempdir().unwrap();
            let storage = FaultyFs::new(fail_at, fault);
            let result = import(&desk.folder(), data.path(), &sizes, &storage, &quietly);
            if !storage.tripped() {
                result.unwrap();
                assert!(fail_at > 5, "the list, the entry, a note and four renames");
                break;
            }
            assert!(matches!(result, Err(ImportError::Data(DataError::Storage(_)))), "{fault:?} at {fail_at}");
            assert_eq!(Registry::of_folder(data.path()).unwrap().entries().len(), 18, "{fault:?} at {fail_at}");
            import(&desk.folder(), data.path(), &sizes, &RealFs, &quietly).unwrap();
            open_task(data.path(), "moles", 64, &OpenOptions::default()).unwrap();
            assert_eq!(names(data.path()), ["moles.images.csv", "moles.npz", "moles.toml", "moles_64.npz"]);
        }
    }
}

#[test]
fn an_entry_never_stands_beside_the_data_of_another_import() {
    let (desk, others) = (Desk::with_two_classes(), Desk::new());
    for (class, grey) in [("one", 5), ("three", 90), ("two", 180)] {
        (0..12).for_each(|index| others.picture(&format!("{class}/{index}.png"), grey + index));
    }
    let again = ImportOptions { overwrite: true, ..moles() };
    for fail_at in 0.. {
        let data = tempfile::tempdir().unwrap();
        import(&desk.folder(), data.path(), &moles(), &RealFs, &quietly).unwrap();
        let storage = FaultyFs::new(fail_at, Fault::Crash);
        let result = import(&others.folder(), data.path(), &again, &storage, &quietly);
        if let Ok(opened) = open_task(data.path(), "moles", 28, &OpenOptions::default()) {
            let rows = opened.rows().iter().sum::<usize>();
            assert_eq!(
                (opened.task.spec.classes.len(), rows),
                if result.is_ok() { (3, 36) } else { (2, 20) },
                "{fail_at}"
            );
        }
        if !storage.tripped() {
            break;
        }
        let whole = open_task(data.path(), "moles", 28, &OpenOptions::default()).is_ok();
        let next = ImportOptions { overwrite: whole, ..moles() };
        import(&others.folder(), data.path(), &next, &RealFs, &quietly).unwrap();
    }
}

#[test]
fn foreign_files_are_not_taken_for_an_interrupted_import() {
    let desk = Desk::with_two_classes();
    fs_err::write(desk.data.path().join("moles.npz"), "precious").unwrap();
    fs_err::write(desk.data.path().join("moles.unfinished"), "a novel").unwrap();
    let result = desk.import(&desk.folder(), &moles());
    assert!(matches!(result, Err(ImportError::InTheWay { .. })));
    assert_eq!(fs_err::read_to_string(desk.data.path().join("moles.npz")).unwrap(), "precious");
}
