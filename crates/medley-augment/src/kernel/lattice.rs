//! Maps that take pixels to pixels: bytes are moved, nothing is computed.

use medley_core::ImageShape;

use crate::Padding;
use crate::geometry::Run;

/// Offset of what is not there.
const OUTSIDE: u32 = u32::MAX;

/// Where each output index along each axis lies in the input, in bytes. Kept between images for its memory.
#[derive(Debug, Default)]
pub(crate) struct Offsets([Vec<u32>; 3]);

impl Offsets {
    fn set(&mut self, runs: &[Run; 3], shape: ImageShape, padding: Padding) {
        let lengths = [shape.depth.unwrap_or(1), shape.height, shape.width];
        let strides = [shape.height * shape.width * shape.channels, shape.width * shape.channels, shape.channels];
        for ((offsets, run), length) in self.0.iter_mut().zip(runs).zip(lengths) {
            offsets.clear();
            offsets.extend((0..length as i64).map(|index| {
                match padding.resolve(run.start + run.step * index, lengths[run.axis]) {
                    Some(place) => (place * strides[run.axis]) as u32,
                    None => OUTSIDE,
                }
            }));
        }
    }

    /// Moves the pixels of `input` to `output`, both `[D, H, W, C]`; black where nothing is.
    pub(crate) fn move_pixels(
        &mut self,
        runs: &[Run; 3],
        shape: ImageShape,
        padding: Padding,
        input: &[u8],
        output: &mut [u8],
    ) {
        self.set(runs, shape, padding);
        let [slices, rows, columns] = &self.0;
        let row_bytes = shape.width * shape.channels;
        // Columns outside the input lie at both ends, as a run is monotonic.
        let first = columns.iter().take_while(|&&column| column == OUTSIDE).count();
        let inside = columns[first..].iter().take_while(|&&column| column != OUTSIDE).count();
        let columns = &columns[first..first + inside];
        let (first, last) = (first * shape.channels, (first + inside) * shape.channels);
        let starts = slices.iter().flat_map(|slice| rows.iter().map(move |row| (*slice, *row)));
        for (output, (slice, row)) in output.chunks_exact_mut(row_bytes).zip(starts) {
            if slice == OUTSIDE || row == OUTSIDE {
                output.fill(0);
                continue;
            }
            let input = &input[slice as usize + row as usize..];
            output[..first].fill(0);
            output[last..].fill(0);
            let output = &mut output[first..last];
            match shape.channels {
                1 => (output.iter_mut().zip(columns)).for_each(|(output, &column)| *output = input[column as usize]),
                3 => {
                    for (output, &column) in output.chunks_exact_mut(3).zip(columns) {
                        output.copy_from_slice(&input[column as usize..column as usize + 3]);
                    }
                }
                channels => {
                    for (output, &column) in output.chunks_exact_mut(channels).zip(columns) {
                        output.copy_from_slice(&input[column as usize..column as usize + channels]);
                    }
                }
            }
        }
    }
}
