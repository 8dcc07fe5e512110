//! What somebody else may have put in the place of a file.

#![cfg(unix)]

use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use medley_storage::{
    Access, ConfinedFolder, ConfinedFs, FolderLock, ReadError, RealFs, StorageError, commit_directory, if_present,
    is_temporary, open_file, open_unlinked, read_file, read_text, write_whole,
};

fn pipe(path: &Path) {
    let status = std::process::Command::new("mkfifo").arg(path).status().unwrap();
    assert!(status.success());
}

fn sparse(path: &Path, bytes: u64) {
    std::fs::File::create(path).unwrap().set_len(bytes).unwrap();
}

/// A folder `run` with a file, and a file and a folder outside of it.
struct Scene {
    all: tempfile::TempDir,
    folder: ConfinedFolder,
}

impl Scene {
    fn new() -> Self {
        let all = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(all.path().join("run/inner")).unwrap();
        std::fs::create_dir(all.path().join("outside")).unwrap();
        std::fs::write(all.path().join("outside/secret"), "secret").unwrap();
        let folder = ConfinedFolder::new(all.path().join("run"));
        Self { all, folder }
    }

    fn outside(&self, name: &str) -> PathBuf {
        self.all.path().join("outside").join(name)
    }

    fn inside(&self, name: &str) -> PathBuf {
        self.folder.root().join(name)
    }
}

#[test]
fn only_regular_files_are_read_and_nothing_waits() {
    let scene = Scene::new();
    pipe(&scene.inside("pipe"));
    let _socket = UnixListener::bind(scene.inside("socket")).unwrap();
    for (name, what) in
        [("pipe", "a pipe, socket or device"), ("socket", "a pipe, socket or device"), ("inner", "a folder")]
    {
        let path = scene.inside(name);
        for read in [read_file(&path, 10), scene.folder.read_file(&path, 10)] {
            let error = read.unwrap_err();
            assert!(matches!(&error, ReadError::NotAFile { what: found, .. } if *found == what), "{name}: {error}");
        }
        for access in [Access::Append, Access::Update] {
            let error = scene.folder.open(&path, access).unwrap_err();
            assert!(matches!(error, ReadError::NotAFile { .. }), "{name}: {error}");
        }
    }
    let device = read_file(Path::new("/dev/zero"), 10).unwrap_err();
    assert!(device.to_string().ends_with("is a pipe, socket or device, not a regular file"), "{device}");
    assert!(if_present(read_file(&scene.inside("none"), 10)).unwrap().is_none());
    assert!(if_present(scene.folder.read_file(&scene.inside("inner/none"), 10)).unwrap().is_none());
}

#[test]
fn a_large_file_is_refused_by_its_size() {
    let scene = Scene::new();
    sparse(&scene.inside("large"), 3 << 40);
    let error = scene.folder.read_file(&scene.inside("large"), 1 << 20).unwrap_err();
    assert!(error.to_string().ends_with("holds 3298534883328 bytes, more than the 1048576 that such a file may have"));
    // Files of the system do not say how long they are.
    assert!(matches!(read_file(Path::new("/proc/self/maps"), 3), Err(ReadError::TooLarge { bytes: 4, .. })));
    std::fs::write(scene.inside("exact"), "12345").unwrap();
    assert_eq!(read_file(&scene.inside("exact"), 5).unwrap(), b"12345");
    assert!(read_file(&scene.inside("exact"), 4).is_err());
}

#[test]
fn a_user_may_name_a_link_and_a_folder_of_others_may_not_hold_one() {
    let scene = Scene::new();
    symlink(scene.outside("secret"), scene.inside("link")).unwrap();
    symlink(scene.all.path().join("outside"), scene.inside("folder")).unwrap();
    symlink("inner", scene.inside("within")).unwrap();
    assert_eq!(read_file(&scene.inside("link"), 10).unwrap(), b"secret");
    assert!(open_file(&scene.inside("folder/secret")).is_ok());
    assert!(matches!(open_unlinked(&scene.inside("link")), Err(ReadError::Link { .. })));
    assert!(open_unlinked(&scene.inside("folder/secret")).is_ok());
    for (name, link) in [("link", "link"), ("folder/secret", "folder"), ("folder", "folder"), ("within/x", "within")] {
        for access in [Access::Read, Access::Append, Access::Update, Access::Create] {
            let error = scene.folder.open(&scene.inside(name), access).unwrap_err();
            assert!(matches!(&error, ReadError::Link { path } if *path == scene.inside(link)), "{name}: {error}");
        }
    }
    assert!(matches!(scene.folder.list(&scene.inside("folder")), Err(ReadError::Link { .. })));
    for path in [scene.outside("secret"), scene.inside("../outside/secret"), PathBuf::from("/etc/hostname")] {
        assert!(matches!(scene.folder.open_file(&path), Err(ReadError::Outside { .. })), "{}", path.display());
    }
    // The folder itself may be reached through a link.
    symlink(scene.folder.root(), scene.outside("run")).unwrap();
    std::fs::write(scene.inside("inner/a"), "a").unwrap();
    let linked = ConfinedFolder::new(scene.outside("run"));
    assert_eq!(linked.read_text(&scene.outside("run/inner/a"), 10).unwrap(), "a");
}

#[test]
fn nothing_is_written_made_swept_or_removed_through_a_link() {
    let scene = Scene::new();
    let storage = ConfinedFs::new(scene.folder.clone(), RealFs);
    symlink(scene.outside("secret"), scene.inside("link")).unwrap();
    symlink(scene.all.path().join("outside"), scene.inside("folder")).unwrap();
    std::fs::write(scene.outside(".tmp-1-abcdef12-0-x"), "of somebody else").unwrap();
    for name in ["link", "folder/secret", "folder/new"] {
        let error = write_whole(&storage, &scene.inside(name), b"changed").unwrap_err();
        let StorageError::Io { source, .. } = &error else { panic!("{error}") };
        assert!(source.to_string().contains("is a link"), "{source}");
    }
    commit_directory(&storage, &scene.inside("folder/new"), &[("a", b"1")]).unwrap_err();
    scene.folder.create_folder(&scene.inside("folder/new")).unwrap_err();
    scene.folder.sweep(&scene.inside("folder")).unwrap_err();
    scene.folder.remove(&scene.inside("folder/secret")).unwrap_err();
    let mut names: Vec<_> = std::fs::read_dir(scene.all.path().join("outside")).unwrap().flatten().collect();
    names.sort_by_key(std::fs::DirEntry::file_name);
    assert_eq!(names.len(), 2);
    assert_eq!(std::fs::read(scene.outside("secret")).unwrap(), b"secret");
    // Links themselves can go.
    scene.folder.remove(&scene.inside("folder")).unwrap();
    scene.folder.remove(&scene.inside("link")).unwrap();
    assert_eq!(std::fs::read(scene.outside("secret")).unwrap(), b"secret");
    write_whole(&storage, &scene.inside("link"), b"a file now").unwrap();
    scene.folder.create_folder(&scene.inside("a/b/c")).unwrap();
    assert_eq!(scene.folder.list(&scene.inside("a/b")).unwrap(), ["c"]);
}

#[test]
fn a_temporary_name_that_is_a_link_is_not_written_through() {
    use medley_storage::Storage as _;
    let scene = Scene::new();
    symlink(scene.outside("secret"), scene.inside("link")).unwrap();
    RealFs.write_synced(&scene.inside("link"), b"changed").unwrap_err();
    RealFs.write(&scene.inside("link"), b"changed").unwrap_err();
    assert_eq!(std::fs::read(scene.outside("secret")).unwrap(), b"secret");
}

#[test]
fn messages_show_no_control_characters() {
    let scene = Scene::new();
    for error in [
        read_file(&scene.inside("a\u{1b}[2J\nerror: b"), 1).unwrap_err().to_string(),
        read_file(&scene.inside("\u{202e}txt"), 1).unwrap_err().to_string(),
    ] {
        assert!(!error.contains(char::is_control) && !error.contains('\u{202e}'), "{error}");
    }
}

#[test]
fn text_that_is_none_has_its_line() {
    let scene = Scene::new();
    std::fs::write(scene.inside("a"), b"one\ntwo\xff\n").unwrap();
    assert!(matches!(read_text(&scene.inside("a"), 100), Err(ReadError::NotText { line: 2, .. })));
}

#[test]
fn who_sweeps_is_alone() {
    let folder = tempfile::tempdir().unwrap();
    let one = FolderLock::shared(folder.path()).expect("a lock");
    let two = FolderLock::shared(folder.path()).expect("together");
    assert!(FolderLock::alone(folder.path()).is_none());
    drop((one, two));
    assert!(FolderLock::alone(folder.path()).is_some());
}

#[test]
fn temporary_names_of_this_program_are_known() {
    for (name, is) in [
        (".tmp-12-00abcdef-3-run-1", true),
        (".tmp-12-00abcdef-3-", false),
        (".tmp-12-3-run", false),
        (".tmp-x-00abcdef-3-a", false),
        (".tmp-cache", false),
        ("run", false),
    ] {
        assert_eq!(is_temporary(name), is, "{name}");
    }
}
