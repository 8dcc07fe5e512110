//! Images with next to nothing on them.

use medley_core::Split;
use rayon::prelude::*;
use serde::Serialize;

use super::AuditedSet;
use super::pool::{ImageId, images_of};

/// An image of one value, or nearly.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Blank {
    /// Where it is.
    pub image: ImageId,
    /// Its darkest and its lightest value, 0 to 255, over all channels.
    pub range: [u8; 2],
}

/// Images whose values spread over fewer than `levels`.
pub(super) fn blank_images(set: &AuditedSet<'_>, levels: u8) -> Vec<Blank> {
    let mut found = Vec::new();
    for split in Split::ALL {
        let images = images_of(set, split);
        let rows: Vec<(usize, [u8; 2])> = (0..images.len())
            .into_par_iter()
            .map(|row| (row, range(images.image(row))))
            .filter(|(_, [least, most])| most - least < levels)
            .collect();
        found.extend(rows.into_iter().map(|(row, range)| {
            let label = set.labels(split).map(|labels| labels.row(row).to_vec());
            Blank { image: ImageId { set: set.task.spec.name.clone(), split, row, label }, range }
        }));
    }
    found
}

fn range(image: &[u8]) -> [u8; 2] {
    image.iter().fold([u8::MAX, 0], |[least, most], &value| [least.min(value), most.max(value)])
}
