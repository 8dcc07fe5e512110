//! The gradient of a weight: for each tap a product over the places of a batch. Pairs are of two images, so that a tap may lie
//! anywhere. Sums are of sixteen inputs for each output, so that only the filters that have a tap are computed.
#![allow(clippy::inline_always, reason = "see `lanes`")]

use std::ops::Range;

use half::bf16;

use super::distinct;
use super::geometry::{Pass, Volume};
use crate::arithmetic::{Arithmetic, for_each_arithmetic, pair};
use crate::lanes::{LANES, Lanes};
use crate::shared::{Shared, for_each, with_scratch};

/// Places of the output whose products are added before sums go back to memory, about.
const PLACES: usize = 1024;
/// Outputs of which the registers hold sums, with one or two groups of inputs.
const OUTPUTS: usize = 8;

/// One tap of a few filters beside each other.
pub(super) struct Unit {
    pub(super) offset: [isize; 3],
    /// Its place among the taps of its filter.
    pub(super) tap: usize,
    /// Filters that lie within one group of sixteen.
    pub(super) outputs: Range<usize>,
}

impl Unit {
    /// Filters with these taps, a few at a time.
    pub(super) fn split(outputs: Range<usize>, offsets: &[[isize; 3]]) -> Vec<Self> {
        let mut units = Vec::new();
        for (tap, &offset) in offsets.iter().enumerate() {
            let mut first = outputs.start;
            while first < outputs.end {
                let end = outputs.end.min((first / LANES + 1) * LANES);
                // As many in each part.
                let count = (end - first).div_ceil((end - first).div_ceil(OUTPUTS));
                units.push(Self { offset, tap, outputs: first..first + count });
                first += count;
            }
        }
        units
    }
}

/// Which part of a batch is worked on: pairs of images, and slices of each.
#[derive(Clone)]
struct Slab {
    pairs: Range<usize>,
    slices: Range<usize>,
}

/// Two images beside each other, pair by pair: `[C / 16][pairs of images][slices, H, W][16]`.
#[derive(Clone, Copy)]
struct Panels {
    volume: Volume,
    first_pair: usize,
    pairs: usize,
    first_slice: usize,
    slices: usize,
}

impl Panels {
    fn new(volume: Volume, pairs: &Range<usize>, slices: &Range<usize>) -> Self {
        let (first_pair, first_slice) = (pairs.start, slices.start);
        Self { volume, first_pair, pairs: pairs.len(), first_slice, slices: slices.len() }
    }

    /// Places of a slice.
    fn slice(self) -> usize {
        self.volume.size[1] * self.volume.size[2]
    }

    /// From one sixteen channels to the next: one cache line more, so that what is written together does not fall on the same ones.
    fn panel(self) -> usize {
        (self.pairs * self.slices * self.slice() + 1) * LANES
    }

    fn groups(self) -> usize {
        self.volume.channels / LANES
    }

    fn len(self) -> usize {
        self.groups() * self.panel()
    }

    /// Where a place is, within a panel.
    fn place(self, pair: usize, [z, y, x]: [usize; 3]) -> usize {
        let slice = (pair - self.first_pair) * self.slices + z - self.first_slice;
        slice * self.slice() + y * self.volume.size[2] + x
    }
}

/// Places beside each other along the width that meet in products.
#[derive(Clone, Copy)]
struct Stretch {
    input: usize,
    output: usize,
    count: usize,
}

/// Writes the gradient, `[outputs, taps, inputs]`. `pass` leads from inputs to outputs.
pub(super) fn weight_gradient(
    pass: &Pass,
    units: &[Unit],
    [images, threads, taps]: [usize; 3],
    [x, dy]: [&[bf16]; 2],
    dw: &mut [f32],
) {
    dw.fill(0.0);
    let offsets = distinct(units.iter().map(|unit| unit.offset));
    let batch = Batch { pass, units, offsets, images, threads, x, dy, dw: Shared::new(dw), taps };
    for slab in batch.slabs() {
        batch.add(&slab);
    }
}

/// All that a gradient is computed from.
struct Batch<'a> {
    pass: &'a Pass,
    units: &'a [Unit],
    /// Of all taps, in order.
    offsets: Vec<[isize; 3]>,
    images: usize,
    threads: usize,
    x: &'a [bf16],
    dy: &'a [bf16],
    dw: Shared<'a, f32>,
    taps: usize,
}

impl Batch<'_> {
    /// Parts of about so many places.
    fn slabs(&self) -> Vec<Slab> {
        let [depth, height, width] = self.pass.to.size;
        let (pairs, slice) = (self.images.div_ceil(2), (height * width).max(1));
        let slices = PLACES.div_ceil(slice).clamp(1, depth.max(1));
        let together = if slices < depth { 1 } else { PLACES.div_ceil(slice * depth.max(1)) };
        let mut slabs = Vec::new();
        for first in (0..pairs).step_by(together) {
            for start in (0..depth).step_by(slices) {
                let slices = start..depth.min(start + slices);
                slabs.push(Slab { pairs: first..pairs.min(first + together), slices });
            }
        }
        slabs
    }

    fn add(&self, slab: &Slab) {
        let from = Panels::new(self.pass.from, &slab.pairs, &self.input_slices(slab));
        let to = Panels::new(self.pass.to, &slab.pairs, &slab.slices);
        with_scratch(from.len(), |inputs: &mut [u32]| {
            with_scratch(to.len(), |outputs: &mut [u32]| {
                self.pair_up(from, self.x, inputs);
                self.pair_up(to, self.dy, outputs);
                self.add_products(slab, [from, to], [inputs, outputs]);
            });
        });
    }

    /// The slices of the input that any tap reads for these of the output.
    fn input_slices(&self, slab: &Slab) -> Range<usize> {
        let read = |z: usize| self.units.iter().filter_map(move |unit| self.pass.source(0, z, unit.offset[0]));
        let first = slab.slices.clone().flat_map(read).min().unwrap_or(0);
        let end = slab.slices.clone().flat_map(read).max().map_or(first, |last| last + 1);
        first..end
    }

    /// Two images beside each other; zeros beside the last, where it is alone.
    fn pair_up(&self, panels: Panels, x: &[bf16], to: &mut [u32]) {
        let to = Shared::new(to);
        let (line, len) = (panels.slice() * panels.volume.channels, panels.volume.len());
        for_each(self.threads, panels.pairs * panels.slices, |turn| {
            let (pair, slice) = (panels.first_pair + turn / panels.slices, panels.first_slice + turn % panels.slices);
            let start = 2 * pair * len + slice * line;
            let second = (2 * pair + 1 < self.images).then(|| &x[start + len..][..line]);
            let at = [turn * panels.slice(), panels.panel()];
            interleave(&x[start..][..line], second, panels.volume.channels, to, at);
        });
    }

    fn add_products(&self, slab: &Slab, [from, to]: [Panels; 2], [inputs, outputs]: [&[u32]; 2]) {
        let stretches: Vec<Vec<Stretch>> =
            self.offsets.iter().map(|&offset| self.stretches(slab, offset, [from, to])).collect();
        let place = |unit: &Unit| self.offsets.partition_point(|&offset| offset < unit.offset);
        // Two groups of inputs at a time read the outputs half as often.
        let (groups, units) = (from.groups(), self.units.len());
        for_each(self.threads, groups.div_ceil(2) * units, |turn| {
            let (group, unit) = (turn / units * 2, &self.units[turn % units]);
            let output = unit.outputs.start;
            add_products(&Product {
                stretches: &stretches[place(unit)],
                step: self.pass.stride,
                inputs: &inputs[group * from.panel()..],
                panel: from.panel(),
                groups: (groups - group).min(2),
                outputs: &outputs[output / LANES * to.panel() + output % LANES..],
                count: unit.outputs.len(),
                dw: self.dw,
                at: (output * self.taps + unit.tap) * self.pass.from.channels + group * LANES,
                row: self.taps * self.pass.from.channels,
            });
        });
    }

    /// What meets at an offset.
    fn stretches(&self, slab: &Slab, offset: [isize; 3], [from, to]: [Panels; 2]) -> Vec<Stretch> {
        let [_, height, width] = self.pass.to.size;
        let along = |axis: usize, at: usize| self.pass.source(axis, at, offset[axis]);
        let columns: Vec<usize> = (0..width).filter(|&x| along(2, x).is_some()).collect();
        let mut stretches = Vec::new();
        let Some(&x) = columns.first() else { return stretches };
        for pair in slab.pairs.clone() {
            for (z, y) in slab.slices.clone().flat_map(|z| (0..height).map(move |y| (z, y))) {
                if let (Some(from_z), Some(from_y), Some(from_x)) = (along(0, z), along(1, y), along(2, x)) {
                    let (input, output) = (from.place(pair, [from_z, from_y, from_x]), to.place(pair, [z, y, x]));
                    stretches.push(Stretch { input, output, count: columns.len() });
                }
            }
        }
        stretches
    }
}

for_each_arithmetic! {
    /// Places `[places, C]` of two images as pairs, from the place `at[0]` of each panel on, `at[1]` numbers apart.
    fn interleave(first: &[bf16], second: Option<&[bf16]>, channels: usize, to: Shared<'_, u32>, at: [usize; 2])
        = interleave_places
}

#[inline(always)]
fn interleave_places<A: Arithmetic>(
    first: &[bf16],
    second: Option<&[bf16]>,
    channels: usize,
    to: Shared<'_, u32>,
    [start, panel]: [usize; 2],
) {
    for (place, first) in first.chunks_exact(channels).enumerate() {
        for group in 0..channels / LANES {
            // SAFETY: these places are no other thread's.
            #[allow(unsafe_code, reason = "places do not overlap")]
            let to = unsafe { to.part(group * panel + (start + place) * LANES, LANES) };
            let first = &first[group * LANES..][..LANES];
            match second {
                Some(second) => {
                    let second = &second[place * channels + group * LANES..][..LANES];
                    for ((to, first), second) in to.iter_mut().zip(first).zip(second) {
                        *to = pair(first.to_bits(), second.to_bits());
                    }
                }
                None => {
                    for (to, first) in to.iter_mut().zip(first) {
                        *to = pair(first.to_bits(), 0);
                    }
                }
            }
        }
    }
}

/// Products of one or two groups of sixteen inputs with a few outputs.
struct Product<'a> {
    stretches: &'a [Stretch],
    /// From one input of a stretch to the next, in places.
    step: usize,
    inputs: &'a [u32],
    /// From one group of inputs to the next.
    panel: usize,
    groups: usize,
    outputs: &'a [u32],
    /// Outputs.
    count: usize,
    dw: Shared<'a, f32>,
    /// The weight of the first output and input, and how far it is to the next output.
    at: usize,
    row: usize,
}

for_each_arithmetic! {
    fn add_products(product: &Product<'_>) = product_of
}

#[inline(always)]
fn product_of<A: Arithmetic>(product: &Product<'_>) {
    macro_rules! of_count {
        ($groups:literal: $($count:literal)*) => {
            match product.count {
                $($count => add_outputs::<A, $groups, $count>(product),)*
                _ => {}
            }
        };
    }
    match product.groups {
        2 => of_count!(2: 1 2 3 4 5 6 7 8),
        _ => of_count!(1: 1 2 3 4 5 6 7 8),
    }
}

#[inline(always)]
fn add_outputs<A: Arithmetic, const GROUPS: usize, const OUTPUTS: usize>(product: &Product<'_>) {
    let Product { step, inputs, panel, outputs, dw, .. } = *product;
    let mut sums = [[Lanes::ZERO; GROUPS]; OUTPUTS];
    for stretch in product.stretches {
        assert!(stretch.count > 0 && outputs.len() >= (stretch.output + stretch.count - 1) * LANES + OUTPUTS);
        let places = stretch.input + (stretch.count - 1) * step + 1;
        assert!(inputs.len() >= (GROUPS - 1) * panel + places * LANES);
        for place in 0..stretch.count {
            // SAFETY: the lengths were compared above.
            #[allow(unsafe_code, reason = "checks inside this loop would cost more than the product")]
            unsafe {
                let inputs = inputs.as_ptr().add((stretch.input + place * step) * LANES);
                let outputs = outputs.as_ptr().add((stretch.output + place) * LANES);
                for (output, sums) in sums.iter_mut().enumerate() {
                    for (group, sum) in sums.iter_mut().enumerate() {
                        *sum = A::dot(*sum, *outputs.add(output), &*inputs.add(group * panel).cast::<[u32; LANES]>());
                    }
                }
            }
        }
    }
    for (output, sums) in sums.iter().enumerate() {
        // SAFETY: these weights are no other thread's.
        #[allow(unsafe_code, reason = "outputs, taps and groups of inputs do not overlap")]
        let to = unsafe { dw.part(product.at + output * product.row, GROUPS * LANES) };
        for (&sum, to) in sums.iter().zip(to.chunks_exact_mut(LANES)) {
            (sum + Lanes::load(to)).store(to);
        }
    }
}
