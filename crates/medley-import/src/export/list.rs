//! The CSV that lists exported images, in the form of the medmnist package.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use medley_core::Split;
use medley_data::DataError;
use medley_storage::{ReadError, read_file};

use crate::ImportError;

/// Lists are read whole; the longest of MedMNIST has 13 MB.
const MAX_BYTES: u64 = 1 << 30;

/// Lines by split: train, val, test.
#[derive(Debug, Default)]
pub(super) struct List {
    lines: [Vec<Line>; 3],
}

#[derive(Debug)]
struct Line {
    file: String,
    labels: String,
}

impl List {
    /// Reads a list that an earlier export wrote; a file that does not exist is an empty one.
    pub(super) fn read(path: &Path) -> Result<Self, ImportError> {
        let foreign = || ImportError::InTheWay {
            path: path.to_owned(),
            problem: "is not a list of exported images, so it is not replaced; choose another folder",
        };
        let bytes = match read_file(path, MAX_BYTES) {
            Ok(bytes) => bytes,
            Err(ReadError::Missing { .. }) => return Ok(Self::default()),
            Err(ReadError::NotAFile { .. } | ReadError::TooLarge { .. }) => return Err(foreign()),
            Err(error) => return Err(DataError::from(error).into()),
        };
        let text = String::from_utf8(bytes).map_err(|_| foreign())?;
        let mut list = Self::default();
        for line in text.lines() {
            let mut cells = line.splitn(3, ',');
            let (Some(tag), Some(file), Some(labels)) = (cells.next(), cells.next(), cells.next()) else {
                return Err(foreign());
            };
            let split = Split::ALL.into_iter().find(|&split| self::tag(split) == tag && is_image_of(split, file));
            let line = Line { file: file.to_owned(), labels: labels.to_owned() };
            list.lines[split.ok_or_else(foreign)? as usize].push(line);
        }
        Ok(list)
    }

    /// Replaces the lines of a split.
    pub(super) fn set<'a>(&mut self, split: Split, images: impl Iterator<Item = (&'a str, &'a [u16])>) {
        let lines = &mut self.lines[split as usize];
        *lines = images.map(|(file, row)| Line { file: file.to_owned(), labels: join(row, ',') }).collect();
    }

    /// Files of a split.
    pub(super) fn files_of(&self, split: Split) -> impl Iterator<Item = &str> {
        self.lines[split as usize].iter().map(|line| line.file.as_str())
    }

    /// Those of some files that are not listed.
    pub(super) fn unlisted<'a>(&self, files: &'a [String]) -> Vec<&'a String> {
        if files.is_empty() {
            return Vec::new();
        }
        let listed: BTreeSet<&str> = self.lines.iter().flatten().map(|line| line.file.as_str()).collect();
        files.iter().filter(|file| !listed.contains(file.as_str())).collect()
    }

    /// The text of the file.
    pub(super) fn render(&self) -> String {
        let mut text = String::new();
        for split in Split::ALL {
            for line in &self.lines[split as usize] {
                let _ = writeln!(text, "{},{},{}", tag(split), line.file, line.labels);
            }
        }
        text
    }
}

/// What the list calls a split.
pub(crate) fn tag(split: Split) -> &'static str {
    match split {
        Split::Train => "TRAIN",
        Split::Val => "VALIDATION",
        Split::Test => "TEST",
    }
}

/// Whether a name is one that export gives to an image of a split: `train12_0.png`. No such name leads out of its folder.
pub(super) fn is_image_of(split: Split, name: &str) -> bool {
    let stem = name.strip_suffix(".png").or_else(|| name.strip_suffix(".gif"));
    let numbers = stem.and_then(|stem| stem.strip_prefix(split.as_str()));
    let number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    numbers.is_some_and(|text| text.contains('_') && text.split('_').all(number))
}

pub(super) fn join(labels: &[u16], separator: char) -> String {
    let mut text = String::new();
    for (index, label) in labels.iter().enumerate() {
        if index > 0 {
            text.push(separator);
        }
        let _ = write!(text, "{label}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_our_own_are_known() {
        for good in ["train0_1.png", "train12_0_1_0.png", "train7_10.gif"] {
            assert!(is_image_of(Split::Train, good), "{good}");
        }
        for bad in ["train0.png", "train_1.png", "val0_1.png", "train0_1.jpg", "train0_../x.png", "train0_1/x.png"] {
            assert!(!is_image_of(Split::Train, bad), "{bad}");
        }
    }

    #[test]
    fn lists_are_read_as_written_and_others_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list.csv");
        let mut list = List::read(&path).unwrap();
        list.set(Split::Val, [("val0_1.png", [1_u16].as_slice())].into_iter());
        list.set(Split::Train, [("train0_0_1.png", [0_u16, 1].as_slice())].into_iter());
        let text = list.render();
        assert_eq!(text, "TRAIN,train0_0_1.png,0,1\nVALIDATION,val0_1.png,1\n");
        fs_err::write(&path, &text).unwrap();
        assert_eq!(List::read(&path).unwrap().render(), text);
        for foreign in ["a,b\n", "TRAIN,../../x.png,1\n", "TRAIN,val0_1.png,1\n", "path,label,split\n"] {
            fs_err::write(&path, foreign).unwrap();
            assert!(matches!(List::read(&path), Err(ImportError::InTheWay { .. })), "{foreign}");
        }
    }
}
