//! A place for images and one for sets.

use std::path::PathBuf;

use image::{DynamicImage, GrayImage, Luma};
use medley_core::OpenedTask;
use medley_data::{OpenOptions, open_task};
use medley_import::ImportError;
use medley_import::import::{ImportOptions, Imported, Source, TableOptions, import};
use medley_storage::RealFs;

pub(crate) fn quietly(_: usize, _: usize) {}

/// A place for images and one for sets.
pub(crate) struct Desk {
    pub(crate) images: tempfile::TempDir,
    pub(crate) data: tempfile::TempDir,
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self { images: tempfile::tempdir().unwrap(), data: tempfile::tempdir().unwrap() }
    }

    /// Two classes of ten different images each.
    pub(crate) fn with_two_classes() -> Self {
        let desk = Self::new();
        for (class, grey) in [("benign", 10), ("malignant", 150)] {
            for index in 0..10 {
                desk.picture(&format!("{class}/{index}.png"), grey + index);
            }
        }
        desk
    }

    pub(crate) fn picture(&self, name: &str, grey: u8) {
        let picture = GrayImage::from_fn(20, 16, |x, y| Luma([grey.wrapping_add((x * y % 40) as u8)]));
        self.save(name, &DynamicImage::ImageLuma8(picture));
    }

    pub(crate) fn save(&self, name: &str, picture: &DynamicImage) {
        let path = self.images.path().join(name);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        picture.save(path).unwrap();
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.images.path().join(name);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(&path, text).unwrap();
        path
    }

    pub(crate) fn folder(&self) -> Source {
        Source::Folder(self.images.path().to_owned())
    }

    pub(crate) fn table(&self, text: &str) -> Source {
        Source::Table(self.write("list.csv", text), TableOptions::default())
    }

    pub(crate) fn import(&self, source: &Source, options: &ImportOptions) -> Result<Imported, ImportError> {
        import(source, self.data.path(), options, &RealFs, &quietly)
    }

    pub(crate) fn refused(&self, source: &Source, options: &ImportOptions) -> String {
        let error = self.import(source, options).unwrap_err();
        let written = fs_err::read_dir(self.data.path()).unwrap().count();
        assert_eq!(written, 0, "what is refused leaves nothing behind: {error}");
        error.to_string()
    }

    pub(crate) fn open(&self, name: &str, size: usize) -> OpenedTask {
        open_task(self.data.path(), name, size, &OpenOptions::default()).unwrap().task
    }

    /// Rows of the list of images, as (split, image).
    pub(crate) fn list(&self, name: &str) -> Vec<(String, String)> {
        let text = fs_err::read_to_string(self.data.path().join(format!("{name}.images.csv"))).unwrap();
        let cells = |line: &str| line.split(',').map(str::to_owned).collect::<Vec<_>>();
        text.lines().skip(1).map(|line| (cells(line)[0].clone(), cells(line)[2].clone())).collect()
    }
}

pub(crate) fn moles() -> ImportOptions {
    ImportOptions::named("moles")
}
