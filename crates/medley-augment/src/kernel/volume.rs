//! Resampling of volumes where slices do not stay slices.

use medley_core::ImageShape;

use super::resample::{Coordinate, Field, Input, Resampler, Row, Sampling, cubic, floor, margins};
use crate::normalise::unit;
use crate::{Filter, Map};

/// Lengths and margins of a framed volume, one channel.
#[derive(Debug, Clone, Copy)]
struct Frame {
    lengths: [usize; 3],
    before: usize,
    framed: [usize; 3],
}

pub(super) fn resample(
    memory: &mut Resampler,
    map: &Map,
    field: Option<Field<'_>>,
    sampling: Sampling,
    shape: ImageShape,
    input: Input<'_>,
    output: &mut [f32],
) {
    let lengths = [shape.depth.unwrap_or(1), shape.height, shape.width];
    let (before, after) = margins(sampling.filter);
    let frame = Frame { lengths, before, framed: lengths.map(|length| before + length + after) };
    memory.frame.resize(frame.framed.iter().product(), 0.0);
    memory.row.resize(shape.width);
    let coordinates = [0, 1, 2].map(|axis| Coordinate::new(map, axis, lengths, sampling));
    let area: usize = lengths.iter().product();
    for (channel, plane) in output.chunks_exact_mut(area).enumerate() {
        fill(&mut memory.frame, frame, sampling, shape, channel, input);
        for (line, row) in plane.chunks_exact_mut(shape.width).enumerate() {
            let (z, y) = (line / shape.height, line % shape.height);
            let field = field.map(|field| Field {
                down: &field.down[y * shape.width..][..shape.width],
                right: &field.right[y * shape.width..][..shape.width],
            });
            places(&coordinates, frame, [z, y], field, &mut memory.row);
            match sampling.filter {
                Filter::Bilinear => trilinear(&memory.frame, frame, &memory.row, row),
                Filter::Bicubic => tricubic(&memory.frame, frame, &memory.row, row),
            }
        }
    }
}

/// Copies one channel into the frame, margins included.
fn fill(out: &mut [f32], frame: Frame, sampling: Sampling, shape: ImageShape, channel: usize, input: Input<'_>) {
    let [depth, height, width] = frame.lengths;
    let resolve = |place: usize, length| sampling.padding.resolve(place as i64 - frame.before as i64, length);
    for (line, row) in out.chunks_exact_mut(frame.framed[2]).enumerate() {
        let (z, y) = (resolve(line / frame.framed[1], depth), resolve(line % frame.framed[1], height));
        let (Some(z), Some(y)) = (z, y) else {
            row.fill(0.0);
            continue;
        };
        let start = (z * height + y) * width;
        for (x, value) in row.iter_mut().enumerate() {
            *value = resolve(x, width).map_or(0.0, |x| match input {
                Input::Bytes(bytes) => unit(bytes[(start + x) * shape.channels + channel]),
                Input::Planes(planes) => planes[channel * (depth * height * width) + start + x],
            });
        }
    }
}

fn places(coordinates: &[Coordinate; 3], frame: Frame, line: [usize; 2], field: Option<Field<'_>>, row: &mut Row) {
    let [z, y] = line.map(|index| index as f32);
    let reflect = coordinates[0].fold.reflect;
    let starts = coordinates.map(|coordinate| coordinate.start + z * coordinate.by_slice + y * coordinate.by_row);
    for x in 0..frame.lengths[2] {
        let mut place: [f32; 3] = std::array::from_fn(|axis| starts[axis] + x as f32 * coordinates[axis].by_column);
        if let Some(field) = field {
            place[1] += field.down[x];
            place[2] += field.right[x];
        }
        let mut index = 0;
        for axis in 0..3 {
            let Coordinate { fold, before, .. } = coordinates[axis];
            let place = if reflect { fold.apply::<true>(place[axis]) } else { fold.apply::<false>(place[axis]) };
            let (whole, fraction) = floor(place + before);
            row.fractions[axis][x] = fraction;
            index = index * frame.framed[axis] + whole as usize;
        }
        row.index[x] = index as u32;
    }
}

fn trilinear(values: &[f32], frame: Frame, row: &Row, output: &mut [f32]) {
    let [_, height, width] = frame.framed;
    for (x, output) in output.iter_mut().enumerate() {
        let [deep, down, right] = [0, 1, 2].map(|axis| row.fractions[axis][x]);
        let line = |place: usize| {
            let taps = &values[place..place + 2];
            taps[0] + right * (taps[1] - taps[0])
        };
        let face = |place: usize| {
            let (upper, lower) = (line(place), line(place + width));
            upper + down * (lower - upper)
        };
        let place = row.index[x] as usize;
        let (front, back) = (face(place), face(place + height * width));
        *output = front + deep * (back - front);
    }
}

fn tricubic(values: &[f32], frame: Frame, row: &Row, output: &mut [f32]) {
    let [_, height, width] = frame.framed;
    for (x, output) in output.iter_mut().enumerate() {
        let [deep, down, right] = [0, 1, 2].map(|axis| cubic(row.fractions[axis][x]));
        // Places count from the second of four taps along each axis.
        let first = row.index[x] as usize - (height + 1) * width - 1;
        let mut sum = 0.0;
        for (z, deep) in deep.into_iter().enumerate() {
            for (y, down) in down.into_iter().enumerate() {
                let taps = &values[first + (z * height + y) * width..][..4];
                let line: f32 = taps.iter().zip(right).map(|(tap, weight)| tap * weight).sum();
                sum += deep * down * line;
            }
        }
        *output = sum.clamp(0.0, 1.0);
    }
}
