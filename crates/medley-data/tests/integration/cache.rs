//! Decoded files on disk: the same pixels, whatever happens to them.

use std::path::{Path, PathBuf};

use medley_data::{CacheUse, DataError, OpenOptions, OpenedFile, cache, open_task};
use medley_storage::RealFs;
use medley_synth::{Rows, SynthOptions, write_set};
use tempfile::TempDir;

struct Scene {
    folder: TempDir,
}

impl Scene {
    fn new() -> Self {
        let scene = Self { folder: tempfile::tempdir().unwrap() };
        scene.draw(1);
        scene
    }

    fn draw(&self, seed: u64) {
        let options = SynthOptions { rows: Rows::AtMost(300), seed, overwrite: true, ..SynthOptions::default() };
        write_set(self.folder.path(), "bloodmnist", &options, &RealFs).unwrap();
    }

    fn cache_folder(&self) -> PathBuf {
        self.folder.path().join("deep/cache")
    }

    fn open(&self, memory_limit: u64, cache: CacheUse) -> Result<OpenedFile, DataError> {
        open_task(self.folder.path(), "bloodmnist", 28, &OpenOptions { memory_limit, cache })
    }

    fn plain(&self) -> OpenedFile {
        self.open(1 << 30, CacheUse::Never).unwrap()
    }

    fn cached(&self) -> OpenedFile {
        self.open(1 << 30, CacheUse::Always(self.cache_folder())).unwrap()
    }

    fn file(&self) -> PathBuf {
        let [cached] = cache::list(&self.cache_folder()).unwrap().try_into().unwrap();
        cached.path
    }
}

/// All pixels and labels one may see, and the record.
fn content(opened: &OpenedFile) -> (Vec<Vec<u8>>, Vec<u16>, String) {
    let task = &opened.task;
    let sources = [task.train.images(), task.val.images(), &task.test.images];
    let pixels =
        sources.iter().flat_map(|images| (0..images.len()).map(|index| images.image(index).to_vec())).collect();
    let labels = [task.train.labels().values(), task.val.labels().values()].concat();
    (pixels, labels, format!("{:?}", opened.record))
}

fn inode(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::symlink_metadata(path).unwrap().ino()
}

#[test]
fn a_cache_holds_what_the_file_holds() {
    let scene = Scene::new();
    let plain = content(&scene.plain());
    assert_eq!(content(&scene.cached()), plain, "decoded into the cache");
    let made = inode(&scene.file());
    assert_eq!(content(&scene.cached()), plain, "opened again");
    assert_eq!(inode(&scene.file()), made, "it was not made twice");
}

#[test]
fn memory_decides_unless_told_otherwise() {
    let scene = Scene::new();
    assert!(matches!(scene.open(100_000, CacheUse::Never), Err(DataError::TooLarge { limit: 100_000, .. })));
    let when_large = CacheUse::WhenLarge(scene.cache_folder());
    scene.open(1 << 30, when_large.clone()).unwrap();
    assert!(cache::list(&scene.cache_folder()).unwrap().is_empty());
    let opened = scene.open(100_000, when_large).unwrap();
    assert_eq!(content(&opened), content(&scene.plain()));
    assert_eq!(cache::list(&scene.cache_folder()).unwrap().len(), 1);
}

#[test]
fn any_changed_byte_or_missing_end_is_seen_and_mended() {
    let scene = Scene::new();
    let plain = content(&scene.cached());
    let path = scene.file();
    let sound = std::fs::read(&path).unwrap();
    let places = [0, 9, 17, 25, 4_096, 100_000, sound.len() - 300, sound.len() - 1];
    for at in places {
        let mut damaged = sound.clone();
        damaged[at] ^= 1;
        std::fs::write(&path, &damaged).unwrap();
        assert_eq!(content(&scene.cached()), plain, "byte {at}");
        assert_eq!(std::fs::read(&path).unwrap(), sound, "it was made anew after byte {at} changed");
    }
    for len in [0, 1, 31, 4_096, sound.len() / 2, sound.len() - 1] {
        std::fs::write(&path, &sound[..len]).unwrap();
        assert_eq!(content(&scene.cached()), plain, "{len} bytes");
    }
}

/// A mapped file that is cut off kills the program that looks at it.
#[test]
fn what_happens_to_the_file_later_does_not_matter() {
    let scene = Scene::new();
    let plain = content(&scene.plain());
    for memory_limit in [1 << 30, 100_000] {
        for damage in ["cut off", "overwritten", "removed"] {
            let opened = scene.open(memory_limit, CacheUse::Always(scene.cache_folder())).unwrap();
            let path = scene.file();
            match damage {
                "cut off" => std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(1).unwrap(),
                "overwritten" => std::fs::write(&path, vec![7; std::fs::read(&path).unwrap().len()]).unwrap(),
                _ => std::fs::remove_file(&path).unwrap(),
            }
            assert_eq!(content(&opened), plain, "{damage}, {memory_limit}");
        }
    }
    // The copies are in no list.
    let left: Vec<_> = std::fs::read_dir(scene.cache_folder()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_cache_of_absurd_size_is_not_copied() {
    let scene = Scene::new();
    let plain = content(&scene.cached());
    std::fs::OpenOptions::new().write(true).open(scene.file()).unwrap().set_len(1 << 40).unwrap();
    assert_eq!(content(&scene.cached()), plain);
    assert!(std::fs::metadata(scene.file()).unwrap().len() < 1 << 30, "it was made anew");
}

#[test]
fn another_data_file_gets_another_cache() {
    let scene = Scene::new();
    let before = content(&scene.cached());
    scene.draw(2);
    let after = content(&scene.cached());
    assert_ne!(after.0, before.0);
    assert_eq!(after, content(&scene.plain()));
}

#[test]
fn what_is_no_cache_file_is_replaced_and_what_it_points_to_kept() {
    let scene = Scene::new();
    let plain = content(&scene.cached());
    let path = scene.file();
    let precious = scene.folder.path().join("precious");
    std::fs::write(&precious, b"precious").unwrap();
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink(&precious, &path).unwrap();
    assert_eq!(content(&scene.cached()), plain);
    assert!(std::fs::symlink_metadata(&path).unwrap().is_file());
    assert_eq!(std::fs::read(&precious).unwrap(), b"precious");
}

#[test]
fn a_folder_that_cannot_be_written_matters_only_where_memory_does_not_do() {
    let scene = Scene::new();
    let file = scene.folder.path().join("file");
    std::fs::write(&file, b"").unwrap();
    let nowhere = CacheUse::Always(file.join("below-a-file"));
    assert_eq!(content(&scene.open(1 << 30, nowhere.clone()).unwrap()), content(&scene.plain()));
    assert!(matches!(scene.open(100_000, nowhere), Err(DataError::Storage(_))));
}

#[test]
fn several_at_once_agree() {
    let scene = Scene::new();
    let plain = content(&scene.plain());
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..6).map(|_| scope.spawn(|| content(&scene.cached()))).collect();
        for one in all {
            assert_eq!(one.join().unwrap(), plain);
        }
    });
    let left: Vec<_> = std::fs::read_dir(scene.cache_folder()).unwrap().collect();
    assert_eq!(left.len(), 1, "nothing temporary is left");
}

#[test]
fn cleaning_removes_caches_alone() {
    let scene = Scene::new();
    let mapped = scene.cached();
    let other = scene.cache_folder().join("notes.txt");
    std::fs::write(&other, b"mine").unwrap();
    let leftover = scene.cache_folder().join(".tmp-1-0-bloodmnist.cache");
    std::fs::write(&leftover, b"half").unwrap();
    let removed = cache::clean(&scene.cache_folder()).unwrap();
    assert_eq!(removed.len(), 1);
    assert!(removed[0].bytes > 1_000_000);
    assert!(other.exists() && !leftover.exists() && !removed[0].path.exists());
    assert!(cache::clean(&scene.cache_folder()).unwrap().is_empty());
    assert!(cache::clean(&scene.folder.path().join("absent")).unwrap().is_empty());
    // Whoever has it mapped goes on.
    assert_eq!(content(&mapped), content(&scene.plain()));
}
