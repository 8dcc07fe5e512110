//! What is wrong with the images and labels of data sets, before anyone trains on them.
//!
//! - Duplicates: equal images within a split, across splits and across sets, and images that are equal but for a little ([`near`]).
//!   An image that is in train and in test makes the test easier than it looks; an image with two labels makes one of them wrong.
//! - Images of one grey value, or nearly.
//! - Classes that a split lacks, and classes that are rarer or more frequent in validation than in training.
//! - What a macro-averaged metric on this many images can tell, and what it cannot.
//!
//! Test images are looked at like the others. Test labels are used only where a token is given.
//!
//! ```
//! use medley_core::Origin;
//! use medley_audit::audit::{AuditedSet, Options, audit};
//! use medley_data::Registry;
//!
//! let spec = Registry::builtin().get("breastmnist").unwrap().spec(28, Origin::Synthetic);
//! let task = medley_synth::generate(&spec, [60, 20, 20], 7)?.into_task(spec)?;
//! let found = audit(&[AuditedSet { task: &task, test_labels: None }], &Options::default());
//! assert!(found.exact.is_empty());
//! assert_eq!(found.sets[0].blank.len(), 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod blank;
mod exact;
mod groups;
mod labels;
pub mod near;
mod pool;
mod resolution;

use std::collections::BTreeSet;

use medley_core::{CoreError, Labels, OpenedTask, ScoringToken, Split};
use serde::Serialize;

pub use blank::Blank;
pub use labels::{ClassShift, LabelFindings};
pub use pool::ImageId;
pub use resolution::Resolution;

use pool::Pool;

/// What to look for.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Images whose Pearson correlation reaches this are near duplicates, 0 to 1; `None` does not look for them.
    pub near: Option<f64>,
    /// Images whose grey values spread over fewer than this many levels, 0 to 255, are nearly blank.
    pub blank_levels: u8,
}

impl Default for Options {
    fn default() -> Self {
        Self { near: Some(0.995), blank_levels: 8 }
    }
}

/// A set to be looked at.
#[derive(Debug, Clone, Copy)]
pub struct AuditedSet<'a> {
    /// Images, and labels of train and validation.
    pub task: &'a OpenedTask,
    /// Labels of test, if they may be looked at.
    pub test_labels: Option<&'a Labels>,
}

impl<'a> AuditedSet<'a> {
    /// A set with its test labels, opened by a token that a person asked for.
    ///
    /// # Errors
    /// [`CoreError::WrongToken`].
    pub fn with_test_labels(task: &'a OpenedTask, token: &ScoringToken) -> Result<Self, CoreError> {
        Ok(Self { task, test_labels: Some(task.test.labels.open(token)?) })
    }

    /// The labels of a split, if they are known.
    fn labels(&self, split: Split) -> Option<&'a Labels> {
        match split {
            Split::Train => Some(self.task.train.labels()),
            Split::Val => Some(self.task.val.labels()),
            Split::Test => self.test_labels,
        }
    }
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Audit {
    /// Each set by itself.
    pub sets: Vec<SetFindings>,
    /// Groups of equal images, of any split and set.
    pub exact: Vec<Group>,
    /// Groups of images that are nearly equal; images that are quite equal to each other count once here.
    pub near: Vec<Group>,
    /// The correlation from which on images count as nearly equal, if that was looked for.
    pub near_threshold: Option<f64>,
}

impl Audit {
    /// Groups of equal images that lie in more than one split or set.
    pub fn exact_across(&self) -> impl Iterator<Item = &Group> {
        self.exact.iter().filter(|group| group.is_across())
    }

    /// Groups of nearly equal images that lie in more than one split or set.
    pub fn near_across(&self) -> impl Iterator<Item = &Group> {
        self.near.iter().filter(|group| group.is_across())
    }
}

/// What was found in one set.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SetFindings {
    /// Name of the set.
    pub set: String,
    /// Images of train, val and test.
    pub rows: [usize; 3],
    /// Whether test labels were looked at.
    pub test_labels_opened: bool,
    /// Images with next to nothing on them.
    pub blank: Vec<Blank>,
    /// Absent classes and shifted priors.
    pub labels: LabelFindings,
    /// What validation can tell.
    pub precision: Resolution,
}

/// Images that belong together.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Group {
    /// By set, split and row.
    pub images: Vec<ImageId>,
    /// Whether two of the labels that are known differ. Labels of different sets are not compared.
    pub labels_differ: bool,
    /// The least correlation of two images through which the group was found; 1 where they are equal.
    pub correlation: f64,
}

impl Group {
    /// Whether the images lie in more than one split or set.
    pub fn is_across(&self) -> bool {
        self.images.windows(2).any(|pair| (&pair[0].set, pair[0].split) != (&pair[1].set, pair[1].split))
    }

    /// Whether the group joins these two splits of one set.
    pub fn joins(&self, one: Split, other: Split) -> bool {
        // A group may be a whole set.
        let of =
            |split: Split| self.images.iter().filter(move |image| image.split == split).map(|image| image.set.as_str());
        let sets: BTreeSet<&str> = of(one).collect();
        of(other).any(|set| sets.contains(set))
    }
}

/// Looks at some sets, each by itself and all against each other. Images of different shapes are not compared.
///
/// The result is a function of the images and labels alone: the same for any number of threads.
pub fn audit(audited: &[AuditedSet<'_>], options: &Options) -> Audit {
    let sets = audited.iter().map(|set| findings(set, options)).collect();
    let mut audit = Audit { sets, exact: Vec::new(), near: Vec::new(), near_threshold: options.near };
    for pool in Pool::by_shape(audited) {
        let classes = exact::equal_images(&pool);
        audit.exact.extend(groups_of(&pool, &classes));
        if let Some(threshold) = options.near {
            let firsts: Vec<usize> = classes.iter().map(|class| class[0]).collect();
            for found in near::similar(&pool, &firsts, threshold) {
                let members: Vec<usize> = found.positions.iter().flat_map(|&at| classes[at].iter().copied()).collect();
                audit.near.push(pool.group(&members, found.correlation));
            }
        }
    }
    audit
}

/// Groups of equal images alone, of any split and set.
pub fn equal_groups(audited: &[AuditedSet<'_>]) -> Vec<Group> {
    Pool::by_shape(audited).iter().flat_map(|pool| groups_of(pool, &exact::equal_images(pool))).collect()
}

/// The classes of equal images that have several members.
fn groups_of(pool: &Pool<'_>, classes: &[Vec<usize>]) -> Vec<Group> {
    classes.iter().filter(|class| class.len() > 1).map(|class| pool.group(class, 1.0)).collect()
}

fn findings(set: &AuditedSet<'_>, options: &Options) -> SetFindings {
    let task = set.task;
    SetFindings {
        set: task.spec.name.clone(),
        rows: [task.train.len(), task.val.len(), task.test.images.len()],
        test_labels_opened: set.test_labels.is_some(),
        blank: blank::blank_images(set, options.blank_levels),
        labels: labels::findings(set),
        precision: resolution::resolution(&task.spec, task.val.labels()),
    }
}
