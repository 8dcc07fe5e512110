//! Folds: training and validation rows split anew, so that every one of them is validated on once.
//!
//! A validation split of 78 images, as BreastMNIST has, cannot tell two networks apart. With `count` folds, a network is trained on all
//! parts but one and validated on that one; the validation predictions of all folds together are out-of-fold predictions of every row.
//! The test split has no part in it. Which row is in which fold is a function of the labels, the groups and the number of the repeat.

mod groups;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use groups::{Groups, GroupsError};
use medley_core::record::{FoldsRecord, Manifest};
use medley_core::seed::{Purpose, stream};
use medley_core::{CoreError, ImageShape, ImageSource, LabelledImages, Labels, OpenedTask, Split, TaskKind};
use rand::seq::SliceRandom as _;

/// How rows are split, and which fold is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fold {
    /// Folds, 2 or more.
    pub count: usize,
    /// The one that is validated on, from 0.
    pub index: usize,
    /// Another number splits in another way.
    pub repeat: u64,
}

medley_core::keys! {
    /// `[folds]`: training and validation rows split anew into folds, one of which is validated on. The test split stays as it is.
    pub struct FoldsConfig {
        /// How many; left out, the splits are those of the file.
        count: Option<usize> = None, in 2..=1000;
        /// The one that is validated on, from 0.
        index: usize = 0, in 0..=999;
        /// Another number splits in another way.
        repeat: u64 = 0, in 0..=u64::MAX;
        /// Files that say which rows belong together, by task: rows of one group, such as a patient's, are then in one fold. CSV with the
        /// columns `split` and `index`, and the group in the column `group`, else in the last one.
        groups: BTreeMap<String, String> = BTreeMap::new();
    }
}

impl FoldsConfig {
    /// The fold that is left out, if there are any.
    pub fn fold(&self) -> Option<Fold> {
        self.count.map(|count| Fold { count, index: self.index, repeat: self.repeat })
    }
}

/// Why a run has learnt from rows that another one, of these folds, is validated on, as far as it knows these tasks; `None` where it has not.
pub(crate) fn difference(run: &Manifest, folds: Option<&FoldsRecord>, tasks: &[String]) -> Option<String> {
    let place = |folds: Option<&FoldsRecord>| folds.map(|folds| (folds.count, folds.index, folds.repeat));
    let groups = |folds: Option<&FoldsRecord>, task: &str| folds.and_then(|one| one.groups.get(task).cloned());
    let theirs = run.folds.as_ref();
    let mut shared = tasks.iter().filter(|task| run.data.iter().any(|data| data.task.name == **task)).peekable();
    shared.peek()?;
    if place(theirs) != place(folds) {
        let said = |folds: Option<&FoldsRecord>| match place(folds) {
            Some((count, index, repeat)) => format!("fold {index} of {count} (repeat {repeat})"),
            None => "the validation split of the file".to_owned(),
        };
        let (theirs, ours) = (said(theirs), said(folds));
        return Some(format!(
            "it left out {theirs}, and this run leaves out {ours}: it would have learnt from validation rows"
        ));
    }
    let other = shared.find(|task| groups(theirs, task) != groups(folds, task))?;
    Some(format!("its `folds.groups` of {other} are others than those of this run"))
}

/// The fold of each row of training and validation together, training rows first. Each class is spread evenly: numbers of its rows
/// differ by one at most, and so do the sizes of folds. Of tasks with many labels, rows are spread by their rarest label. Rows of one
/// of `groups`, one number per row, stay together; classes are then spread as evenly as scikit-learn's `StratifiedGroupKFold` does.
pub fn assign(labels: &Labels, kind: TaskKind, count: usize, repeat: u64, groups: Option<&[u64]>) -> Vec<usize> {
    let strata = strata(labels, kind);
    match groups {
        Some(groups) => split_groups(&strata, groups, count, repeat),
        None => split_rows(&strata, count, repeat),
    }
}

/// What rows are spread by: the class, or one more than the rarest label that is present.
pub(crate) fn strata(labels: &Labels, kind: TaskKind) -> Vec<usize> {
    if kind != TaskKind::MultiLabel {
        return (0..labels.rows()).map(|row| usize::from(labels.row(row)[0])).collect();
    }
    let mut counts = vec![0_usize; labels.width()];
    for row in 0..labels.rows() {
        labels.row(row).iter().zip(&mut counts).for_each(|(&label, count)| *count += usize::from(label > 0));
    }
    let rarest = |row: usize| {
        let present = labels.row(row).iter().enumerate().filter(|(_, label)| **label > 0);
        present.min_by_key(|(label, _)| counts[*label]).map_or(0, |(label, _)| label + 1)
    };
    (0..labels.rows()).map(rarest).collect()
}

/// The rows of each stratum, in their order.
pub(crate) fn by_stratum(strata: &[usize]) -> BTreeMap<usize, Vec<usize>> {
    let mut by_stratum: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (row, &stratum) in strata.iter().enumerate() {
        by_stratum.entry(stratum).or_default().push(row);
    }
    by_stratum
}

fn split_rows(strata: &[usize], count: usize, repeat: u64) -> Vec<usize> {
    let mut folds = vec![0; strata.len()];
    let mut next = 0;
    for (stratum, mut rows) in by_stratum(strata) {
        rows.shuffle(&mut stream(repeat, Purpose::Split, &[u64::MAX, stratum as u64]));
        for row in rows {
            folds[row] = next % count;
            next += 1;
        }
    }
    folds
}

/// A group of rows.
struct Group {
    rows: Vec<usize>,
    /// Rows of each stratum.
    counts: Vec<f64>,
}

/// Groups with the most uneven classes first, each into the fold in which it leaves the classes spread most evenly.
fn split_groups(strata: &[usize], groups: &[u64], count: usize, repeat: u64) -> Vec<usize> {
    let width = strata.iter().max().map_or(0, |most| most + 1);
    let mut totals = vec![0.0; width];
    let mut by_number: BTreeMap<u64, Group> = BTreeMap::new();
    for (row, (&stratum, &number)) in strata.iter().zip(groups).enumerate() {
        let empty = || Group { rows: Vec::new(), counts: vec![0.0; width] };
        let group = by_number.entry(number).or_insert_with(empty);
        group.rows.push(row);
        group.counts[stratum] += 1.0;
        totals[stratum] += 1.0;
    }
    let mut all: Vec<Group> = by_number.into_values().collect();
    all.shuffle(&mut stream(repeat, Purpose::Split, &[u64::MAX - 1]));
    all.sort_by(|a, b| deviation(&b.counts).total_cmp(&deviation(&a.counts)));
    let mut sums = vec![vec![0.0; width]; count];
    let mut folds = vec![0; strata.len()];
    for group in all {
        let best = (0..count).min_by(|&a, &b| {
            let uneven = |fold: usize| unevenness(&sums, fold, &group.counts, &totals);
            let size = |fold: usize| sums[fold].iter().sum::<f64>();
            unevenness_order(uneven(a), uneven(b)).then(size(a).total_cmp(&size(b))).then(a.cmp(&b))
        });
        let best = best.unwrap_or(0);
        sums[best].iter_mut().zip(&group.counts).for_each(|(sum, count)| *sum += count);
        for row in group.rows {
            folds[row] = best;
        }
    }
    folds
}

/// Differences by rounding are none.
fn unevenness_order(a: f64, b: f64) -> std::cmp::Ordering {
    if (a - b).abs() < 1e-12 { std::cmp::Ordering::Equal } else { a.total_cmp(&b) }
}

/// The mean over classes of the deviation over folds of a class's shares, were a group added to a fold.
fn unevenness(sums: &[Vec<f64>], fold: usize, added: &[f64], totals: &[f64]) -> f64 {
    let of_class = |(class, &total): (usize, &f64)| {
        let share = |at: usize| (sums[at][class] + if at == fold { added[class] } else { 0.0 }) / total;
        deviation(&(0..sums.len()).map(share).collect::<Vec<_>>())
    };
    let present = totals.iter().enumerate().filter(|(_, total)| **total > 0.0);
    let deviations: Vec<f64> = present.map(of_class).collect();
    deviations.iter().sum::<f64>() / deviations.len().max(1) as f64
}

/// The standard deviation of a population.
fn deviation(values: &[f64]) -> f64 {
    let count = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / count;
    (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt()
}

/// A data set whose validation split is one fold, and whose training split is all others, rows in their order; and which rows those of
/// the fold are, counted from the first training row. `groups` has a number for each row of both.
///
/// # Errors
/// [`CoreError`] when a fold has no rows.
pub fn leave_out(task: &OpenedTask, fold: Fold, groups: Option<&[u64]>) -> Result<(OpenedTask, Vec<usize>), CoreError> {
    let parts = [&task.train, &task.val];
    let labels = joined(parts)?;
    let folds = assign(&labels, task.spec.kind, fold.count, fold.repeat, groups);
    let rows_of = |wanted: &dyn Fn(usize) -> bool| (0..folds.len()).filter(|&row| wanted(folds[row])).collect();
    let chosen = |split: Split, rows: Vec<usize>| chosen(task, split, &labels, rows);
    let left_out: Vec<usize> = rows_of(&|of| of == fold.index);
    let opened = OpenedTask {
        spec: task.spec.clone(),
        train: chosen(Split::Train, rows_of(&|of| of != fold.index))?,
        val: chosen(Split::Val, left_out.clone())?,
        test: task.test.clone(),
    };
    Ok((opened, left_out))
}

/// The labels of training and validation, one after the other.
fn joined(parts: [&LabelledImages; 2]) -> Result<Labels, CoreError> {
    let values = parts.iter().flat_map(|part| part.labels().values().to_vec()).collect();
    let rows = parts.iter().map(|part| part.len()).sum();
    Labels::multi(values, rows, parts[0].labels().width())
}

/// Some rows of training and validation as a split, counted from the first training row, as `labels` are.
pub(crate) fn chosen(
    task: &OpenedTask,
    split: Split,
    labels: &Labels,
    rows: Vec<usize>,
) -> Result<LabelledImages, CoreError> {
    let values = rows.iter().flat_map(|&row| labels.row(row).to_vec()).collect();
    let labels = Labels::multi(values, rows.len(), labels.width())?;
    let images = Rows { parts: [&task.train, &task.val].map(|part| Arc::clone(part.images())), rows };
    LabelledImages::new(&task.spec, split, Arc::new(images), labels)
}

/// Some rows of two splits.
struct Rows {
    parts: [Arc<dyn ImageSource>; 2],
    rows: Vec<usize>,
}

impl ImageSource for Rows {
    fn shape(&self) -> ImageShape {
        self.parts[0].shape()
    }

    fn len(&self) -> usize {
        self.rows.len()
    }

    fn image(&self, index: usize) -> &[u8] {
        let (row, first) = (self.rows[index], self.parts[0].len());
        if row < first { self.parts[0].image(row) } else { self.parts[1].image(row - first) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sizes(folds: &[usize], count: usize) -> Vec<usize> {
        (0..count).map(|fold| folds.iter().filter(|&&of| of == fold).count()).collect()
    }

    proptest! {
        #[test]
        fn classes_and_folds_are_even(
            labels in prop::collection::vec(0_u16..4, 1..200), count in 2_usize..8, repeat in 0_u64..5,
        ) {
            let even = |sizes: Vec<usize>| sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1;
            let folds = assign(&Labels::single(labels.clone()).unwrap(), TaskKind::MultiClass, count, repeat, None);
            prop_assert!(even(sizes(&folds, count)));
            for class in 0..4 {
                let of_class: Vec<usize> =
                    folds.iter().zip(&labels).filter(|(_, label)| **label == class).map(|(fold, _)| *fold).collect();
                prop_assert!(even(sizes(&of_class, count)));
            }
        }

        #[test]
        fn groups_stay_together(
            rows in prop::collection::vec((0_u16..3, 0_u64..20), 1..150), count in 2_usize..6, repeat in 0_u64..3,
        ) {
            let (labels, groups): (Vec<u16>, Vec<u64>) = rows.into_iter().unzip();
            let labels = Labels::single(labels).unwrap();
            let folds = assign(&labels, TaskKind::MultiClass, count, repeat, Some(&groups));
            let mut seen = BTreeMap::new();
            for (group, fold) in groups.iter().zip(&folds) {
                prop_assert_eq!(seen.entry(group).or_insert(*fold), fold);
            }
        }
    }

    #[test]
    fn groups_of_one_row_spread_classes_evenly() {
        let labels: Vec<u16> = (0..100).map(|row| u16::from(row % 10 == 0)).collect();
        let groups: Vec<u64> = (0..100).collect();
        let labels = Labels::single(labels).unwrap();
        let folds = assign(&labels, TaskKind::Binary, 5, 0, Some(&groups));
        let rare: Vec<usize> = (0..100).step_by(10).map(|row| folds[row]).collect();
        assert_eq!((sizes(&folds, 5), sizes(&rare, 5)), (vec![20; 5], vec![2; 5]));
    }

    #[test]
    fn another_repeat_deals_otherwise_and_labels_are_spread_by_the_rarest() {
        let labels = Labels::single((0..60).map(|row| row % 3).collect()).unwrap();
        let folds = |repeat| assign(&labels, TaskKind::Ordinal, 5, repeat, None);
        assert_eq!(folds(1), folds(1));
        assert_ne!(folds(0), folds(1));
        let values = (0..40).flat_map(|row| [1, u16::from(row % 8 == 0)]).collect();
        let many = Labels::multi(values, 40, 2).unwrap();
        let folds = assign(&many, TaskKind::MultiLabel, 5, 0, None);
        let rare: Vec<usize> = (0..40).step_by(8).map(|row| folds[row]).collect();
        assert_eq!(sizes(&rare, 5), [1; 5]);
    }
}
