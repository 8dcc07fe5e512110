//! What a look at every image and every open label says.

use std::sync::Arc;

use medley_core::{ImageSource, Labels, OpenedTask, ScoringToken, Split};
use medley_data::{DataError, OpenedFile};
use rayon::prelude::*;

use crate::audit::{AuditedSet, equal_groups};

/// Statistics of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Measured {
    /// Images of train, val, test.
    pub(super) rows: [usize; 3],
    /// Least and greatest value over all images.
    pub(super) range: (u8, u8),
    /// Images of one single value, per split.
    pub(super) blank: [usize; 3],
    /// Images of which the channels differ anywhere; 0 for grey ones.
    pub(super) coloured: usize,
    /// Images per class or label: train, val, and test if it was opened.
    pub(super) classes: [Option<Vec<usize>>; 3],
    /// Rows of train and val without any label set; only multi-label sets can have such.
    pub(super) without_label: usize,
    /// Images that are equal byte for byte.
    pub(super) duplicates: Duplicates,
}

/// Groups of equal images.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Duplicates {
    /// Groups of two or more.
    pub(super) groups: usize,
    /// Groups that have members in more than one split.
    pub(super) across: usize,
    /// Groups that have members in train or val and in test.
    pub(super) with_test: usize,
    /// Groups whose members in train and val have different labels.
    pub(super) contradicting: usize,
}

/// What one image says.
struct Look {
    least: u8,
    greatest: u8,
    coloured: bool,
}

impl Measured {
    /// Looks at every image. Test labels are counted only with a token.
    ///
    /// # Errors
    /// [`DataError::Content`] when the token is for other labels.
    pub(super) fn of(
        opened: &OpenedFile,
        path: &std::path::Path,
        token: Option<&ScoringToken>,
    ) -> Result<Self, DataError> {
        let task = &opened.task;
        let outputs = task.spec.outputs();
        let looks = [look(task.train.images()), look(task.val.images()), look(&task.test.images)];
        let test = token
            .map(|token| task.test.labels.open(token))
            .transpose()
            .map_err(|source| DataError::Content { path: path.to_owned(), source })?;
        let all = || looks.iter().flatten();
        Ok(Self {
            rows: opened.rows(),
            range: (
                all().map(|look| look.least).min().unwrap_or_default(),
                all().map(|look| look.greatest).max().unwrap_or_default(),
            ),
            blank: looks.each_ref().map(|looks| looks.iter().filter(|look| look.least == look.greatest).count()),
            coloured: all().filter(|look| look.coloured).count(),
            classes: [Some(task.train.labels()), Some(task.val.labels()), test]
                .map(|labels| labels.map(|labels| labels.class_counts(outputs))),
            without_label: without_label(task.train.labels()) + without_label(task.val.labels()),
            duplicates: duplicates(task),
        })
    }

    /// Images over all splits.
    pub(super) fn total(&self) -> usize {
        self.rows.iter().sum()
    }

    /// Images per class over all splits, if the test labels were opened.
    pub(super) fn class_totals(&self) -> Option<Vec<usize>> {
        let [Some(train), Some(val), Some(test)] = &self.classes else { return None };
        Some(train.iter().zip(val).zip(test).map(|((train, val), test)| train + val + test).collect())
    }

    /// Largest over smallest class of train; `None` when one is empty.
    pub(super) fn imbalance(&self) -> Option<f64> {
        let train = self.classes[0].as_ref()?;
        let (least, greatest) = (*train.iter().min()?, *train.iter().max()?);
        (least > 0).then(|| greatest as f64 / least as f64)
    }

    /// Classes that have no example in a split, by index.
    pub(super) fn absent(&self, split: Split) -> Vec<usize> {
        let counts = self.classes[split as usize].as_deref().unwrap_or_default();
        (0..counts.len()).filter(|&class| counts[class] == 0).collect()
    }
}

fn look(images: &Arc<dyn ImageSource>) -> Vec<Look> {
    let channels = images.shape().channels;
    (0..images.len())
        .into_par_iter()
        .map(|index| {
            let image = images.image(index);
            Look {
                least: image.iter().copied().min().unwrap_or_default(),
                greatest: image.iter().copied().max().unwrap_or_default(),
                coloured: channels > 1
                    && image.chunks_exact(channels).any(|pixel| pixel.iter().any(|&value| value != pixel[0])),
            }
        })
        .collect()
}

fn without_label(labels: &Labels) -> usize {
    if labels.width() == 1 {
        return 0;
    }
    (0..labels.rows()).filter(|&row| labels.row(row).iter().all(|&label| label == 0)).count()
}

fn duplicates(task: &OpenedTask) -> Duplicates {
    let mut found = Duplicates::default();
    // Test labels are not compared, also where they are open: a claim is about what training can see.
    for group in equal_groups(&[AuditedSet { task, test_labels: None }]) {
        found.groups += 1;
        found.across += usize::from(group.is_across());
        found.with_test += usize::from(group.joins(Split::Train, Split::Test) || group.joins(Split::Val, Split::Test));
        found.contradicting += usize::from(group.labels_differ);
    }
    found
}
