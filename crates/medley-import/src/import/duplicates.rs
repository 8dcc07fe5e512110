//! Pictures that occur more than once, pixel by pixel, before they were resized.

use std::sync::Arc;

use medley_core::Split;
use serde::Serialize;

use super::listing::ImageList;
use super::read::Ready;

/// How many groups are told by name.
const TOLD: usize = 10;

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Duplicates {
    /// Pictures that occur more than once.
    pub groups: usize,
    /// How many of them lie in several splits: scores on val or test are then too good.
    pub across_splits: usize,
    /// How many of them have different labels: one of these is wrong.
    pub conflicting_labels: usize,
    /// The first ten groups that lie in several splits or have different labels: the names of at most ten of each.
    pub examples: Vec<Vec<String>>,
}

/// Finds equal pictures. `places` are the splits of the images.
pub(super) fn find(listing: &ImageList, images: &[Arc<Ready>], places: &[Split]) -> Duplicates {
    let mut order: Vec<usize> = (0..images.len()).collect();
    order.sort_unstable_by(|&a, &b| images[a].hash.cmp(&images[b].hash).then(a.cmp(&b)));
    let equal = order.chunk_by(|&a, &b| images[a].hash == images[b].hash).filter(|group| group.len() > 1);
    let mut groups: Vec<&[usize]> = equal.collect();
    groups.sort_unstable();
    let mut found = Duplicates { groups: groups.len(), ..Duplicates::default() };
    for group in groups {
        let first = group[0];
        let across = group.iter().any(|&index| places[index] != places[first]);
        let conflict = group.iter().any(|&index| listing.images[index].classes != listing.images[first].classes);
        found.across_splits += usize::from(across);
        found.conflicting_labels += usize::from(conflict);
        if (across || conflict) && found.examples.len() < TOLD {
            let named = group.iter().take(TOLD);
            found.examples.push(named.map(|&index| listing.name(&listing.images[index].place)).collect());
        }
    }
    found
}
