//! Maps that land between pixels.
//!
//! The input is copied once into a frame with a margin that shows the padding, so no tap ever needs a test for the border. Places
//! far outside are brought near first: reflected places are folded back into the image, others clamped to where nothing but
//! padding is seen. Then every output row is two passes: places and weights (vector arithmetic), and taps.

mod taps;

use medley_core::ImageShape;

pub(crate) use self::taps::cubic;
use self::taps::{bicubic_grey, bicubic_rgb, bilinear_grey, bilinear_rgb, part};
use super::volume;
use crate::normalise::unit;
use crate::{Filter, Map, Padding};

/// What is resampled.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Input<'a> {
    /// `[.., C]`, 0-255.
    Bytes(&'a [u8]),
    /// `[C, ..]`, 0-1.
    Planes(&'a [f32]),
}

/// How to resample.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sampling {
    pub(crate) filter: Filter,
    pub(crate) padding: Padding,
}

/// Displacements of places in an image plane, in pixels, one per output pixel of a slice.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field<'a> {
    pub(crate) down: &'a [f32],
    pub(crate) right: &'a [f32],
}

/// Margin of the frame before and after the image: as many pixels as taps can reach beyond a clamped place.
pub(crate) fn margins(filter: Filter) -> (usize, usize) {
    match filter {
        Filter::Bilinear => (1, 2),
        Filter::Bicubic => (3, 4),
    }
}

/// Working memory of a resampling.
#[derive(Debug, Default)]
pub(crate) struct Resampler {
    pub(crate) frame: Vec<f32>,
    pub(crate) row: Row,
}

/// Places of one output row.
#[derive(Debug, Default)]
pub(crate) struct Row {
    /// Offset of the first tap in the frame.
    pub(crate) index: Vec<u32>,
    /// Fractions along y and x (and z in volumes).
    pub(crate) fractions: [Vec<f32>; 3],
    values: Vec<[f32; 4]>,
}

impl Row {
    pub(crate) fn resize(&mut self, width: usize) {
        self.index.resize(width, 0);
        self.values.resize(width, [0.0; 4]);
        for fractions in &mut self.fractions {
            fractions.resize(width, 0.0);
        }
    }
}

/// A slice with its margin.
#[derive(Debug, Clone, Copy)]
struct Frame {
    height: usize,
    width: usize,
    channels: usize,
    before: usize,
    after: usize,
}

impl Frame {
    /// Values from one row to the next.
    fn stride(&self) -> usize {
        (self.before + self.width + self.after) * self.channels
    }

    fn len(&self) -> usize {
        (self.before + self.height + self.after) * self.stride()
    }
}

impl Resampler {
    /// Fills planes `[C, D, H, W]` with the image as seen through `map`.
    pub(crate) fn resample(
        &mut self,
        map: &Map,
        field: Option<Field<'_>>,
        sampling: Sampling,
        shape: ImageShape,
        input: Input<'_>,
        output: &mut [f32],
    ) {
        let slice = shape.height * shape.width;
        let depth = shape.depth.unwrap_or(1);
        if let Some(slices) = map.slices(depth) {
            for z in 0..depth {
                let from = sampling.padding.resolve(slices.start + slices.step * z as i64, depth);
                match from {
                    None => fill_slice(output, shape, z, 0.0),
                    Some(from) => {
                        let from = SliceOf { input, shape, place: from * slice };
                        self.flat(map, field, sampling, from, z * slice, output);
                    }
                }
            }
        } else {
            volume::resample(self, map, field, sampling, shape, input, output);
        }
    }

    /// One slice: `output[channel][place..]` from the slice `from`.
    fn flat(
        &mut self,
        map: &Map,
        field: Option<Field<'_>>,
        sampling: Sampling,
        from: SliceOf<'_>,
        place: usize,
        output: &mut [f32],
    ) {
        let shape = from.shape;
        let (before, after) = margins(sampling.filter);
        // More than three channels are taken one at a time, as if each were a grey image.
        let together = if shape.channels == 3 { 3 } else { 1 };
        let frame = Frame { height: shape.height, width: shape.width, channels: together, before, after };
        // Four values are read where three are meant.
        self.frame.resize(frame.len() + 1, 0.0);
        self.row.resize(shape.width);
        let area = output.len() / shape.channels;
        for first in (0..shape.channels).step_by(together) {
            from.frame(&mut self.frame, frame, first, sampling.padding);
            let planes = &mut output[first * area..(first + together) * area];
            let walk = Walk::new(map, frame, sampling);
            for y in 0..shape.height {
                let field = field.map(|field| Field {
                    down: &field.down[y * shape.width..][..shape.width],
                    right: &field.right[y * shape.width..][..shape.width],
                });
                places(&walk, y, field, &mut self.row);
                let out = place + y * shape.width;
                match (together, sampling.filter) {
                    (3, Filter::Bilinear) => {
                        bilinear_rgb(&self.frame, frame.stride(), &mut self.row);
                        part(&self.row.values, planes, out);
                    }
                    (3, Filter::Bicubic) => {
                        bicubic_rgb(&self.frame, frame.stride(), &mut self.row);
                        part(&self.row.values, planes, out);
                    }
                    (_, Filter::Bilinear) => bilinear_grey(&self.frame, frame.stride(), &self.row, &mut planes[out..]),
                    (_, Filter::Bicubic) => bicubic_grey(&self.frame, frame.stride(), &self.row, &mut planes[out..]),
                }
            }
        }
    }
}

fn fill_slice(output: &mut [f32], shape: ImageShape, z: usize, value: f32) {
    let slice = shape.height * shape.width;
    for plane in output.chunks_exact_mut(slice * shape.depth.unwrap_or(1)) {
        plane[z * slice..][..slice].fill(value);
    }
}

/// One slice of an input; `place` counts pixels before it.
#[derive(Debug, Clone, Copy)]
struct SliceOf<'a> {
    input: Input<'a>,
    shape: ImageShape,
    place: usize,
}

impl SliceOf<'_> {
    /// Copies channels `first..first + frame.channels` into a frame, margin included.
    fn frame(&self, out: &mut [f32], frame: Frame, first: usize, padding: Padding) {
        let Frame { height, width, channels, before, after } = frame;
        let stride = frame.stride();
        for y in 0..before + height + after {
            let row = &mut out[y * stride..][..stride];
            let Some(from) = padding.resolve(y as i64 - before as i64, height) else {
                row.fill(0.0);
                continue;
            };
            self.read_row(from, first, channels, &mut row[before * channels..][..width * channels]);
            for x in (0..before).chain(before + width..before + width + after) {
                match padding.resolve(x as i64 - before as i64, width) {
                    None => row[x * channels..][..channels].fill(0.0),
                    Some(from) => {
                        let from = (before + from) * channels;
                        row.copy_within(from..from + channels, x * channels);
                    }
                }
            }
        }
    }

    fn read_row(&self, y: usize, first: usize, channels: usize, row: &mut [f32]) {
        let width = self.shape.width;
        let place = self.place + y * width;
        match self.input {
            Input::Bytes(bytes) if channels == self.shape.channels => {
                to_units(&bytes[place * channels..][..width * channels], row);
            }
            Input::Bytes(bytes) => {
                let all = self.shape.channels;
                for (out, pixel) in row.iter_mut().zip(bytes[place * all..].chunks_exact(all)) {
                    *out = unit(pixel[first]);
                }
            }
            Input::Planes(planes) => {
                let area = planes.len() / self.shape.channels;
                for channel in 0..channels {
                    let values = &planes[(first + channel) * area + place..][..width];
                    for (out, value) in row.iter_mut().skip(channel).step_by(channels).zip(values) {
                        *out = *value;
                    }
                }
            }
        }
    }
}

vectorised! {
    /// Bytes to 0-1.
    pub(crate) fn to_units(bytes: &[u8], out: &mut [f32]) {
        for (out, &byte) in out.iter_mut().zip(bytes) {
            *out = unit(byte);
        }
    }
}

/// How places in the frame go with output indices: `place = start + y * by_row + x * by_column`, then brought near.
#[derive(Debug, Clone, Copy)]
struct Walk {
    down: Coordinate,
    right: Coordinate,
    stride: u32,
    channels: u32,
}

/// One coordinate of a place, in pixels of the input.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Coordinate {
    pub(crate) start: f32,
    pub(crate) by_slice: f32,
    pub(crate) by_row: f32,
    pub(crate) by_column: f32,
    pub(crate) fold: Fold,
    /// Margin before the image.
    pub(crate) before: f32,
}

impl Coordinate {
    /// Input axis `axis` of a map over `lengths` (depth, height, width).
    pub(crate) fn new(map: &Map, axis: usize, lengths: [usize; 3], sampling: Sampling) -> Self {
        let centre = lengths.map(|length| (length as f64 - 1.0) / 2.0);
        let from_centre: f64 = (0..3).map(|other| map.matrix[axis][other] * centre[other]).sum();
        let start = map.offset[axis] + centre[axis] - from_centre;
        // Maps beyond any sense (scale 1e30) must not become infinities that cancel.
        let tame = |value: f64| value.clamp(-1e9, 1e9) as f32;
        let [by_slice, by_row, by_column] = map.matrix[axis].map(tame);
        let (before, _) = margins(sampling.filter);
        Self {
            start: tame(start),
            by_slice,
            by_row,
            by_column,
            fold: Fold::new(sampling, lengths[axis]),
            before: before as f32,
        }
    }
}

/// The lesser; the bound if `value` is not a number. Unlike [`f32::min`], one instruction.
#[inline(always)]
#[allow(clippy::inline_always, reason = "must be compiled as part of the vectorised loop")]
pub(crate) fn lesser(value: f32, bound: f32) -> f32 {
    if value < bound { value } else { bound }
}

/// The greater; the bound if `value` is not a number.
#[inline(always)]
#[allow(clippy::inline_always, reason = "must be compiled as part of the vectorised loop")]
pub(crate) fn greater(value: f32, bound: f32) -> f32 {
    if value > bound { value } else { bound }
}

/// How far places are brought near the image.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fold {
    pub(crate) reflect: bool,
    low: f32,
    high: f32,
    period: f32,
    per_period: f32,
}

impl Fold {
    fn new(sampling: Sampling, length: usize) -> Self {
        let last = (length - 1) as f32;
        // One pixel further than the taps reach, nothing changes any more.
        let beyond = match sampling.filter {
            Filter::Bilinear => 1.0,
            Filter::Bicubic => 2.0,
        };
        match sampling.padding {
            Padding::Reflect => {
                let period = (2.0 * last).max(1.0);
                Self { reflect: true, low: 0.0, high: last, period, per_period: period.recip() }
            }
            Padding::Edge | Padding::Zero => {
                Self { reflect: false, low: -beyond, high: last + beyond, period: 0.0, per_period: 0.0 }
            }
        }
    }

    #[inline(always)]
    #[allow(clippy::inline_always, reason = "must be compiled as part of the vectorised loop")]
    pub(crate) fn apply<const REFLECT: bool>(self, place: f32) -> f32 {
        let place = if REFLECT {
            // The triangle wave of this period. The bound keeps whole numbers of periods exact.
            let place = lesser(place.abs(), 4_000_000.0);
            let rest = place - self.period * floor(place * self.per_period).0 as f32;
            if rest > self.high { self.period - rest } else { rest }
        } else {
            place
        };
        lesser(greater(place, self.low), self.high)
    }
}

impl Walk {
    fn new(map: &Map, frame: Frame, sampling: Sampling) -> Self {
        let lengths = [1, frame.height, frame.width];
        Self {
            down: Coordinate::new(map, 1, lengths, sampling),
            right: Coordinate::new(map, 2, lengths, sampling),
            stride: frame.stride() as u32,
            channels: frame.channels as u32,
        }
    }
}

fn places(walk: &Walk, y: usize, field: Option<Field<'_>>, row: &mut Row) {
    match (walk.down.fold.reflect, field) {
        (true, None) => affine_places::<true>(walk, y, row),
        (false, None) => affine_places::<false>(walk, y, row),
        (true, Some(field)) => displaced_places::<true>(walk, y, field, row),
        (false, Some(field)) => displaced_places::<false>(walk, y, field, row),
    }
}

/// 2^23: a number this large has no fraction.
const WHOLE: f32 = 8_388_608.0;

/// The whole part and the fraction of a number in 0 to 2^22. Casts of floats to integers saturate, which no vector instruction
/// does; this is made of what every processor has.
#[inline(always)]
#[allow(clippy::inline_always, reason = "must be compiled as part of the vectorised loop")]
pub(crate) fn floor(value: f32) -> (u32, f32) {
    let nearest = (value + WHOLE) - WHOLE;
    let whole = nearest - if nearest > value { 1.0 } else { 0.0 };
    ((whole + WHOLE).to_bits() & 0x007f_ffff, value - whole)
}

/// Turns a place into the offset of its first tap and fractions. The flag is the fold's, known when compiling.
#[inline(always)]
#[allow(clippy::inline_always, reason = "must be compiled as part of the vectorised loop")]
fn settle<const REFLECT: bool>(walk: &Walk, down: f32, right: f32) -> (u32, f32, f32) {
    let down = walk.down.fold.apply::<REFLECT>(down) + walk.down.before;
    let right = walk.right.fold.apply::<REFLECT>(right) + walk.right.before;
    let ((down, fraction_down), (right, fraction_right)) = (floor(down), floor(right));
    (down * walk.stride + right * walk.channels, fraction_down, fraction_right)
}

vectorised! {
    fn affine_places<const REFLECT: bool>(walk: &Walk, y: usize, row: &mut Row) {
        let down = walk.down.start + y as f32 * walk.down.by_row;
        let right = walk.right.start + y as f32 * walk.right.by_row;
        let Row { index, fractions: [downs, rights, _], .. } = row;
        for (x, ((index, fraction_down), fraction_right)) in index.iter_mut().zip(downs).zip(rights).enumerate() {
            let x = x as u32 as i32 as f32;
            (*index, *fraction_down, *fraction_right) =
                settle::<REFLECT>(walk, down + x * walk.down.by_column, right + x * walk.right.by_column);
        }
    }
}

vectorised! {
    fn displaced_places<const REFLECT: bool>(walk: &Walk, y: usize, field: Field<'_>, row: &mut Row) {
        let down = walk.down.start + y as f32 * walk.down.by_row;
        let right = walk.right.start + y as f32 * walk.right.by_row;
        let Row { index, fractions: [downs, rights, _], .. } = row;
        let places = index.iter_mut().zip(downs).zip(rights);
        for (x, (((index, fraction_down), fraction_right), (by_down, by_right))) in
            places.zip(field.down.iter().zip(field.right)).enumerate()
        {
            let x = x as u32 as i32 as f32;
            (*index, *fraction_down, *fraction_right) = settle::<REFLECT>(
                walk,
                down + x * walk.down.by_column + by_down,
                right + x * walk.right.by_column + by_right,
            );
        }
    }
}
