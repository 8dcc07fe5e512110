//! All images of one shape, of several splits and sets, in one row.

use std::collections::BTreeMap;
use std::sync::Arc;

use medley_core::{ImageShape, ImageSource, Labels, Split};
use serde::Serialize;

use super::{AuditedSet, Group};

/// Where an image is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ImageId {
    /// Name of the set.
    pub set: String,
    /// Split of the set.
    pub split: Split,
    /// Row of the split, from 0.
    pub row: usize,
    /// Its label, or one 0 or 1 per label of a multi-label set; none where test labels are sealed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<Vec<u16>>,
}

/// A split in the pool.
struct Part<'a> {
    set: &'a str,
    split: Split,
    images: &'a Arc<dyn ImageSource>,
    labels: Option<&'a Labels>,
    first: usize,
}

/// Images of one shape.
pub(super) struct Pool<'a> {
    shape: ImageShape,
    parts: Vec<Part<'a>>,
    len: usize,
}

impl<'a> Pool<'a> {
    /// One pool per shape, in the order in which shapes are met.
    pub(super) fn by_shape(sets: &[AuditedSet<'a>]) -> Vec<Self> {
        let mut pools: Vec<Self> = Vec::new();
        for set in sets {
            let shape = set.task.spec.shape;
            let at = pools.iter().position(|pool| pool.shape == shape).unwrap_or_else(|| {
                pools.push(Self { shape, parts: Vec::new(), len: 0 });
                pools.len() - 1
            });
            let pool = &mut pools[at];
            for split in Split::ALL {
                let images = images_of(set, split);
                let labels = set.labels(split);
                pool.parts.push(Part { set: &set.task.spec.name, split, images, labels, first: pool.len });
                pool.len += images.len();
            }
        }
        pools
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn shape(&self) -> ImageShape {
        self.shape
    }

    pub(super) fn image(&self, index: usize) -> &[u8] {
        let part = self.part(index);
        part.images.image(index - part.first)
    }

    fn part(&self, index: usize) -> &Part<'a> {
        let after = self.parts.partition_point(|part| part.first <= index);
        &self.parts[after - 1]
    }

    /// Where an image of the pool is.
    fn id(&self, index: usize) -> ImageId {
        let part = self.part(index);
        let row = index - part.first;
        let label = part.labels.map(|labels| labels.row(row).to_vec());
        ImageId { set: part.set.to_owned(), split: part.split, row, label }
    }

    /// A group of images of the pool.
    pub(super) fn group(&self, members: &[usize], correlation: f64) -> Group {
        let mut members = members.to_vec();
        members.sort_unstable();
        let images: Vec<ImageId> = members.into_iter().map(|index| self.id(index)).collect();
        // Those of a set differ if one differs from the first.
        let mut first: BTreeMap<&str, &[u16]> = BTreeMap::new();
        let labels_differ = images.iter().any(|image| {
            let label = image.label.as_deref();
            label.is_some_and(|label| *first.entry(&image.set).or_insert(label) != label)
        });
        Group { images, labels_differ, correlation }
    }
}

/// The images of a split of a set.
pub(super) fn images_of<'a>(set: &AuditedSet<'a>, split: Split) -> &'a Arc<dyn ImageSource> {
    match split {
        Split::Train => set.task.train.images(),
        Split::Val => set.task.val.images(),
        Split::Test => &set.task.test.images,
    }
}
