//! Which images there are, before any of them is read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use medley_core::Split;
use medley_core::text::plural;

use super::arrays::Stack;
use crate::ImportError;

/// More problems than these are counted, not told.
pub(super) const TOLD: usize = 10;

/// What a source lists.
#[derive(Debug, Default)]
pub(super) struct ImageList {
    pub(super) images: Vec<ListedImage>,
    /// Names by class index.
    pub(super) classes: Vec<String>,
    /// Whether an image may show several classes, or none.
    pub(super) multi_label: bool,
    /// Arrays that images are rows of.
    pub(super) stacks: Vec<Stack>,
    /// What was passed over, for people.
    pub(super) remarks: Vec<String>,
    /// What was taken otherwise than it stands there, for people.
    pub(super) notes: Vec<String>,
}

/// One image that was found.
#[derive(Debug)]
pub(super) struct ListedImage {
    pub(super) place: PixelSource,
    pub(super) classes: Vec<u16>,
    pub(super) split: Option<Split>,
    pub(super) group: Option<u32>,
}

/// Where the pixels of an image are.
#[derive(Debug)]
pub(super) enum PixelSource {
    /// A picture file, and how it is called in messages and lists.
    File(PathBuf, String),
    /// A row of one of the arrays.
    Row { stack: usize, row: usize },
}

impl ImageList {
    /// How an image is called in messages and lists.
    pub(super) fn name(&self, place: &PixelSource) -> String {
        match place {
            PixelSource::File(_, name) => name.clone(),
            PixelSource::Row { stack, row } => format!("{}[{row}]", self.stacks[*stack].name),
        }
    }
}

/// Turns words into indices. Names are those given, else those that occur: numbers in their order, words in that of the alphabet.
/// Where names are given, labels may also be their indices.
pub(super) fn class_names<'a>(occurring: impl Iterator<Item = &'a str>, given: Option<&[String]>) -> Vec<String> {
    if let Some(given) = given {
        return given.to_vec();
    }
    let mut names: Vec<&str> = occurring.collect();
    names.sort_unstable();
    names.dedup();
    let numbers: Option<Vec<u64>> = names.iter().map(|name| name.parse().ok()).collect();
    if let Some(numbers) = numbers {
        let mut keyed: Vec<(u64, &str)> = numbers.into_iter().zip(names).collect();
        keyed.sort_unstable();
        return keyed.into_iter().map(|(_, name)| name.to_owned()).collect();
    }
    names.into_iter().map(str::to_owned).collect()
}

/// The index of a label, by name or, where the names are no numbers themselves, by number.
pub(super) fn class_index(names: &BTreeMap<&str, u16>, label: &str) -> Option<u16> {
    let by_number = || {
        let number: u16 = label.parse().ok()?;
        let words = !names.keys().any(|name| name.parse::<u64>().is_ok());
        (words && usize::from(number) < names.len()).then_some(number)
    };
    names.get(label).copied().or_else(by_number)
}

/// Indices by name.
pub(super) fn indices(names: &[String]) -> BTreeMap<&str, u16> {
    names.iter().map(String::as_str).zip(0..).collect()
}

/// An error about one thing.
pub(super) fn refuse(path: &Path, problem: impl Into<String>) -> ImportError {
    ImportError::Source { path: path.to_owned(), problem: problem.into() }
}

/// An error about `count` things, `noun` in the singular, of which the first are told.
pub(super) fn refuse_all(path: &Path, noun: &str, what: &str, count: usize, told: &[String]) -> ImportError {
    let mut text = format!("{} {what}:", plural(count, noun));
    for problem in told.iter().take(TOLD) {
        text.push_str("\n  ");
        text.push_str(problem);
    }
    if count > TOLD {
        text.push_str("\n  ...");
    }
    refuse(path, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_ordered_as_people_expect() {
        let names = |list: &[&str]| class_names(list.iter().copied(), None);
        assert_eq!(names(&["10", "9", "10", "0"]), ["0", "9", "10"]);
        assert_eq!(names(&["mole", "melanoma", "10"]), ["10", "melanoma", "mole"]);
    }

    #[test]
    fn labels_are_names_or_numbers() {
        let words = ["benign".to_owned(), "malignant".to_owned()];
        let words = indices(&words);
        assert_eq!(class_index(&words, "malignant"), Some(1));
        assert_eq!(class_index(&words, "1"), Some(1));
        assert_eq!(class_index(&words, "2"), None);
        // Where names are numbers, `1` is a name and nothing else.
        let grades = ["1".to_owned(), "2".to_owned()];
        assert_eq!(class_index(&indices(&grades), "1"), Some(0));
        assert_eq!(class_index(&indices(&grades), "0"), None);
    }
}
