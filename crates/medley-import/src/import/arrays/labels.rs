//! What arrays of labels mean.

use medley_core::TaskKind;
use medley_npy::{ItemKind, class_indices, numbers};

use super::Loaded;

/// Labels of all images, row by row.
#[derive(Debug, Default)]
pub(super) struct Rows {
    width: usize,
    values: Vec<u16>,
}

/// The classes of each image.
pub(super) struct Meaning {
    pub(super) classes: Vec<String>,
    pub(super) multi_label: bool,
    pub(super) of_rows: Vec<Vec<u16>>,
}

/// The labels of an array as numbers. Floats are taken where they are whole: many tools encode classes so.
pub(super) fn class_numbers(array: &Loaded) -> Result<Vec<u16>, String> {
    let item = array.header.item;
    if item.kind != ItemKind::Float {
        return class_indices(item, &array.bytes).map_err(|error| error.to_string());
    }
    let whole = |(at, value): (usize, f64)| {
        let legal = value.fract() == 0.0 && (0.0..=f64::from(u16::MAX)).contains(&value);
        let problem = || format!("value {at} is {value}, which is no class: labels are whole numbers from 0");
        legal.then_some(value as u16).ok_or_else(problem)
    };
    numbers(item, &array.bytes).enumerate().map(whole).collect()
}

impl Rows {
    /// Adds the labels of some images.
    pub(super) fn add(&mut self, width: usize, values: Vec<u16>) -> Result<(), String> {
        if self.width == 0 {
            self.width = width;
        }
        if self.width != width {
            return Err(format!("it has {width} column(s), the labels before it {}", self.width));
        }
        self.values.extend(values);
        Ok(())
    }

    /// Classes from 0, from 1, or one-hot; else labels as columns of 0 and 1.
    pub(super) fn meaning(
        self,
        kind: Option<TaskKind>,
        given: Option<&[String]>,
        notes: &mut Vec<String>,
    ) -> Result<Meaning, String> {
        if self.width <= 1 {
            return classes(self.values, given, notes);
        }
        let width = self.width;
        let rows = || self.values.chunks_exact(width);
        if let Some(row) = rows().position(|values| values.iter().any(|&value| value > 1)) {
            return Err(format!(
                "row {row} of the labels has values other than 0 and 1, though it has {width} columns"
            ));
        }
        let not_one = rows().position(|values| values.iter().filter(|&&value| value == 1).count() != 1);
        let single = match kind {
            Some(kind) => kind != TaskKind::MultiLabel,
            None => not_one.is_none(),
        };
        match not_one {
            Some(row) if single => {
                return Err(format!(
                    "row {row} of the labels does not have exactly one 1, so they are no classes: --kind multi-label takes them as labels"
                ));
            }
            None if kind.is_none() => notes.push(
                "every row of the labels has exactly one 1: taken as one class each; --kind multi-label takes them as labels"
                    .to_owned(),
            ),
            _ => {}
        }
        let flagged = |values: &[u16]| -> Vec<u16> {
            (0..).zip(values).filter(|(_, value)| **value == 1).map(|(label, _)| label).collect()
        };
        let name = if single { "" } else { "label " };
        let classes = names(given, width, |label| format!("{name}{label}"))?;
        Ok(Meaning { classes, multi_label: !single, of_rows: rows().map(flagged).collect() })
    }
}

/// Single labels. They begin at 0, or at 1 where every number up to the greatest occurs.
fn classes(values: Vec<u16>, given: Option<&[String]>, notes: &mut Vec<String>) -> Result<Meaning, String> {
    let mut occurring = values.clone();
    occurring.sort_unstable();
    occurring.dedup();
    let greatest = occurring.last().map_or(0, |&class| usize::from(class));
    let all_from_one = occurring.iter().map(|&class| usize::from(class)).eq(1..=greatest);
    // Where names are given their number decides: labels up to it can only be counted from 1.
    let one_based = match given {
        Some(given) => occurring.first().is_some_and(|&least| least > 0) && greatest == given.len(),
        None => all_from_one && greatest > 1,
    };
    let first = u16::from(one_based);
    if one_based {
        notes.push(format!(
            "labels are 1 to {greatest}: taken as classes in that order, stored as 0 to {}",
            greatest - 1
        ));
    }
    let classes = names(given, greatest + 1 - usize::from(first), |class| (class + usize::from(first)).to_string())?;
    let of_rows = values.into_iter().map(|class| vec![class - first]).collect();
    Ok(Meaning { classes, multi_label: false, of_rows })
}

fn names(given: Option<&[String]>, count: usize, name: impl Fn(usize) -> String) -> Result<Vec<String>, String> {
    match given {
        Some(given) if count > given.len() => {
            Err(format!("labels go up to {}, but {} classes are named", count - 1, given.len()))
        }
        Some(given) => Ok(given.to_vec()),
        None => Ok((0..count).map(name).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::type_complexity, reason = "parts of what a test looks at")]
    fn meaning(
        width: usize,
        values: &[u16],
        kind: Option<TaskKind>,
        given: Option<&[&str]>,
    ) -> Result<(Vec<String>, bool, Vec<Vec<u16>>, usize), String> {
        let (mut rows, mut notes) = (Rows::default(), Vec::new());
        rows.add(width, values.to_vec())?;
        let given: Option<Vec<String>> = given.map(|names| names.iter().map(ToString::to_string).collect());
        let found = rows.meaning(kind, given.as_deref(), &mut notes)?;
        Ok((found.classes, found.multi_label, found.of_rows, notes.len()))
    }

    fn owned(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn classes_count_from_zero_or_one() {
        let rows = |classes: &[u16]| classes.iter().map(|&class| vec![class]).collect::<Vec<_>>();
        assert_eq!(meaning(1, &[0, 2, 1], None, None).unwrap(), (owned(&["0", "1", "2"]), false, rows(&[0, 2, 1]), 0));
        assert_eq!(meaning(1, &[1, 2, 1], None, None).unwrap(), (owned(&["1", "2"]), false, rows(&[0, 1, 0]), 1));
        let named = meaning(1, &[1, 2], None, Some(&["a", "b"])).unwrap();
        assert_eq!(named, (owned(&["a", "b"]), false, rows(&[0, 1]), 1));
        // Three names: the labels may as well count from 0, and the first does not occur.
        assert_eq!(meaning(1, &[1, 2], None, Some(&["a", "b", "c"])).unwrap().2, rows(&[1, 2]));
        assert_eq!(meaning(1, &[1, 3], None, None).unwrap().0.len(), 4, "with a gap nothing is clear");
        assert!(meaning(1, &[0, 2], None, Some(&["a", "b"])).unwrap_err().contains("go up to 2"));
    }

    #[test]
    fn one_hot_rows_are_classes() {
        let one_hot = [1, 0, 0, 1];
        assert_eq!(meaning(2, &one_hot, None, None).unwrap(), (owned(&["0", "1"]), false, vec![vec![0], vec![1]], 1));
        let labels = meaning(2, &one_hot, Some(TaskKind::MultiLabel), None).unwrap();
        assert_eq!(labels, (owned(&["label 0", "label 1"]), true, vec![vec![0], vec![1]], 0));
        let several = meaning(2, &[1, 1, 0, 0], None, None).unwrap();
        assert_eq!((several.1, several.2), (true, vec![vec![0, 1], vec![]]));
        assert!(meaning(2, &[1, 1, 0, 1], Some(TaskKind::Binary), None).unwrap_err().contains("row 0"));
        assert!(meaning(2, &[1, 0, 0, 2], None, None).unwrap_err().contains("row 1"));
    }
}
