//! Images that belong together, as a file that keeps them together in folds.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use medley_core::Split;

use super::Audit;

impl Audit {
    /// A CSV file with the columns `split`, `index` and `group` for every image of a set, as `folds.groups` of an experiment and
    /// `medley data import` take it. Images that are equal or nearly equal, directly or through others, also of other sets, have the same
    /// group: it is named after the first of them. `None` where the set was not audited.
    ///
    /// ```
    /// use medley_audit::audit::{AuditedSet, Options, audit};
    /// use medley_core::Origin;
    /// use medley_data::Registry;
    ///
    /// let spec = Registry::builtin().get("breastmnist").unwrap().spec(28, Origin::Synthetic);
    /// let task = medley_synth::generate(&spec, [60, 20, 20], 7)?.into_task(spec)?;
    /// let found = audit(&[AuditedSet { task: &task, test_labels: None }], &Options::default());
    /// let csv = found.groups_csv("breastmnist").unwrap();
    /// assert!(csv.starts_with("split,index,group\ntrain,0,train-0\n"));
    /// assert_eq!(csv.lines().count(), 101);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn groups_csv(&self, set: &str) -> Option<String> {
        let rows = self.sets.iter().find(|found| found.set == set)?.rows;
        let mut together = Together::default();
        for group in self.exact.iter().chain(&self.near) {
            let names = group.images.iter().map(|image| (image.set.clone(), image.split, image.row));
            let numbers: Vec<usize> = names.map(|name| together.number(name)).collect();
            numbers.windows(2).for_each(|pair| together.join(pair[0], pair[1]));
        }
        let mut first: BTreeMap<usize, String> = BTreeMap::new();
        let mut text = "split,index,group\n".to_owned();
        for (split, rows) in Split::ALL.into_iter().zip(rows) {
            for row in 0..rows {
                let own = || format!("{split}-{row}");
                let group = match together.numbers.get(&(set.to_owned(), split, row)) {
                    Some(&number) => first.entry(together.root(number)).or_insert_with(own).clone(),
                    None => own(),
                };
                // Writing to a String does not fail.
                let _ = writeln!(text, "{split},{row},{group}");
            }
        }
        Some(text)
    }
}

/// A forest of images whose trees are the groups.
#[derive(Default)]
struct Together {
    numbers: BTreeMap<(String, Split, usize), usize>,
    parents: Vec<usize>,
}

impl Together {
    fn number(&mut self, image: (String, Split, usize)) -> usize {
        let next = self.parents.len();
        let number = *self.numbers.entry(image).or_insert(next);
        if number == next {
            self.parents.push(next);
        }
        number
    }

    fn root(&self, mut number: usize) -> usize {
        while self.parents[number] != number {
            number = self.parents[number];
        }
        number
    }

    /// The smaller number becomes the root, so that trees stay shallow enough: groups name their images in order.
    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.root(one), self.root(other));
        self.parents[one.max(other)] = one.min(other);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Group, ImageId, LabelFindings, Resolution, SetFindings};
    use super::*;

    #[test]
    fn groups_join_through_images_and_sets() {
        let image = |set: &str, split, row| ImageId { set: set.into(), split, row, label: None };
        let group = |images: Vec<ImageId>| Group { images, labels_differ: false, correlation: 1.0 };
        let set = |name: &str, rows| SetFindings {
            set: name.into(),
            rows,
            test_labels_opened: false,
            blank: Vec::new(),
            labels: LabelFindings { absent: Vec::new(), shifts: Vec::new() },
            precision: Resolution {
                images: 0,
                rarest: (String::new(), 0),
                one_image: 0.0,
                half_width: None,
                unpaired_difference: None,
            },
        };
        let found = Audit {
            sets: vec![set("a", [4, 1, 1]), set("b", [1, 0, 0])],
            exact: vec![group(vec![image("a", Split::Train, 1), image("b", Split::Train, 0)])],
            near: vec![
                group(vec![image("b", Split::Train, 0), image("a", Split::Val, 0)]),
                group(vec![image("a", Split::Train, 3), image("a", Split::Test, 0)]),
            ],
            near_threshold: Some(0.99),
        };
        assert_eq!(
            found.groups_csv("a").unwrap(),
            "split,index,group\ntrain,0,train-0\ntrain,1,train-1\ntrain,2,train-2\ntrain,3,train-3\nval,0,train-1\ntest,0,train-3\n"
        );
        assert_eq!(found.groups_csv("c"), None);
    }
}
