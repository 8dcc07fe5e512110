//! Rows of images that are worked on together, and the rows of the other side that they read.

use std::ops::Range;

use super::super::geometry::Pass;

/// Rows of the destination that are worked on together. Rows are counted through the slices of a volume.
pub(super) struct Band {
    pub(super) rows: Range<usize>,
    /// The rows of the source that must be there: those which taps read, and what lies between them and those of other bands.
    pub(super) source: Range<usize>,
}

/// Bands of about so many places, for taps of these offsets.
pub(super) fn bands<'a>(
    pass: &Pass,
    places: usize,
    offsets: impl Iterator<Item = &'a [isize; 3]> + Clone,
) -> Vec<Band> {
    let [depth, height, width] = pass.to.size;
    let rows = depth * height;
    if rows * width == 0 {
        return Vec::new();
    }
    // As many in each.
    let step = rows.div_ceil(rows.div_ceil(places.div_ceil(width)));
    let band = |first: usize| {
        let rows = first..rows.min(first + step);
        Band { source: source_rows(pass, &rows, offsets.clone()), rows }
    };
    let mut bands: Vec<Band> = (0..rows).step_by(step).map(band).collect();
    // They are made in their order and replaced in it.
    let mut start = usize::MAX;
    for band in bands.iter_mut().rev() {
        start = start.min(band.source.start);
        band.source.start = start;
    }
    let mut end = 0;
    for band in &mut bands {
        end = end.max(band.source.end);
        band.source.end = end;
    }
    bands
}

/// From the first to the last row of the source that any tap reads for these of the destination.
fn source_rows<'a>(
    pass: &Pass,
    rows: &Range<usize>,
    offsets: impl Iterator<Item = &'a [isize; 3]> + Clone,
) -> Range<usize> {
    let read = |&offset: &[isize; 3]| rows.clone().filter_map(move |row| source_row(pass, row, offset));
    let (first, last) = (offsets.clone().flat_map(read).min(), offsets.flat_map(read).max());
    first.unwrap_or(usize::MAX)..last.map_or(0, |last| last + 1)
}

/// The row that a tap reads for a row of the destination.
pub(super) fn source_row(pass: &Pass, row: usize, offset: [isize; 3]) -> Option<usize> {
    let height = pass.to.size[1];
    let (z, y) = (pass.source(0, row / height, offset[0])?, pass.source(1, row % height, offset[1])?);
    Some(z * pass.from.size[1] + y)
}
