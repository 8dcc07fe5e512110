//! Outputs from inputs, and gradients of inputs from those of outputs: sums over taps and pairs of channels, at the same place of a
//! dozen images, so that all of them read the same taps.
#![allow(clippy::inline_always, reason = "see `lanes`")]

use std::ops::Range;

use half::bf16;

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
use super::amx;
use super::geometry::Pass;
use super::taps::Taps;
use crate::arithmetic::{Arithmetic, for_each_arithmetic};
use crate::lanes::{LANES, Lanes};
use crate::number::Algorithm;
use crate::shared::{Shared, for_each};

/// Images whose work is one piece: twice as many as the registers hold sums of.
const IMAGES: usize = 24;

/// `y = x * w + bias` with packed weights.
pub(super) fn products(
    pass: &Pass,
    taps: &Taps,
    [images, threads]: [usize; 2],
    weights: &[u32],
    x: &[bf16],
    bias: Option<&[f32]>,
    y: &mut [bf16],
) {
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    if let Some(step) = amx::step_of(pass, taps).filter(|_| crate::has_matrix_unit()) {
        return amx::products(pass, taps, [step, images, threads], weights, x, bias, y);
    }
    let (blocks, y) = (taps.blocks(), Shared::new(y));
    let [depth, height, _] = pass.to.size;
    let (rows, chunks) = (depth * height, images.div_ceil(IMAGES));
    // Rows are shared among threads too, where there are few images.
    let bands = if threads > 1 { (4 * threads).div_ceil(chunks.max(1)).min(rows) } else { 1 };
    for_each(threads, chunks * bands, |turn| {
        let (chunk, band) = (turn / bands, turn % bands);
        for groups in &blocks {
            block(&Block {
                pass,
                taps,
                groups: groups.clone(),
                images: chunk * IMAGES..images.min((chunk + 1) * IMAGES),
                rows: band * rows / bands..(band + 1) * rows / bands,
                weights,
                x,
                bias,
                y,
            });
        }
    });
}

/// One or two groups of channels of some rows of some images.
struct Block<'a> {
    pass: &'a Pass,
    taps: &'a Taps,
    groups: Range<usize>,
    images: Range<usize>,
    rows: Range<usize>,
    weights: &'a [u32],
    x: &'a [bf16],
    bias: Option<&'a [f32]>,
    y: Shared<'a, bf16>,
}

for_each_arithmetic! {
    fn block(block: &Block<'_>) = block_of
}

#[inline(always)]
fn block_of<A: Arithmetic>(block: &Block<'_>) {
    match block.groups.len() {
        // Two groups read the source half as often.
        2 => block_of_groups::<A, 2>(block),
        _ => block_of_groups::<A, 1>(block),
    }
}

/// What a tap adds to an output: the products of these pairs of an image, from `at` on, with the weights of each group.
#[derive(Clone, Copy)]
struct Term<const GROUPS: usize> {
    at: usize,
    pairs: usize,
    weights: [usize; GROUPS],
}

/// A place of an image.
#[derive(Clone, Copy)]
struct Place {
    /// Numbers of the source from where the terms were found.
    from: usize,
    /// Its first number in the destination.
    to: usize,
}

#[inline(always)]
fn block_of_groups<A: Arithmetic, const GROUPS: usize>(block: &Block<'_>) {
    let Pass { from, to, .. } = *block.pass;
    let [to_step, from_step] = block.pass.steps();
    let offsets: Vec<isize> = block.taps.groups[block.groups.start].iter().map(|tap| tap.offset[2]).collect();
    let runs = block.pass.runs(&offsets);
    let mut terms = Vec::new();
    for row in block.rows.clone() {
        let [_, height, width] = to.size;
        for &(first, count) in &runs {
            find_terms(block, [row / height, row % height, first], &mut terms);
            for index in 0..count {
                let place = row * width + first + index * to_step;
                let place = Place { from: index * from_step * from.channels, to: place * to.channels };
                strips::<A, GROUPS>(block, &terms, place);
            }
        }
    }
}

/// The taps that a place reads.
#[inline(always)]
fn find_terms<const GROUPS: usize>(block: &Block<'_>, at: [usize; 3], terms: &mut Vec<Term<GROUPS>>) {
    let Block { pass, taps, groups, .. } = block;
    terms.clear();
    for (index, tap) in taps.groups[groups.start].iter().enumerate() {
        let along = |axis: usize| pass.source(axis, at[axis], tap.offset[axis]);
        if let (Some(z), Some(y), Some(x)) = (along(0), along(1), along(2)) {
            let [_, height, width] = pass.from.size;
            let place = (z * height + y) * width + x;
            let weights = std::array::from_fn(|group| taps.starts[groups.start + group][index]);
            let pairs = tap.pairs();
            terms.push(Term { at: place * pass.from.channels + 2 * pairs.start, pairs: pairs.len(), weights });
        }
    }
}

/// A place of all images, as many at a time as the registers hold.
#[inline(always)]
fn strips<A: Arithmetic, const GROUPS: usize>(block: &Block<'_>, terms: &[Term<GROUPS>], place: Place) {
    let mut images = block.images.clone();
    macro_rules! strip_of {
        ($count:expr) => {{
            strip::<A, GROUPS, { $count }>(block, terms, images.start, place);
            images.start += $count;
        }};
    }
    // Sixteen are twice eight: after twelve, the last four would wait for their own sums.
    while images.len() >= 12 && images.len() != 16 {
        strip_of!(12);
    }
    while images.len() >= 8 {
        strip_of!(8);
    }
    while images.len() >= 4 {
        strip_of!(4);
    }
    while !images.is_empty() {
        strip_of!(1);
    }
}

#[inline(always)]
fn strip<A: Arithmetic, const GROUPS: usize, const IMAGES: usize>(
    block: &Block<'_>,
    terms: &[Term<GROUPS>],
    image: usize,
    place: Place,
) {
    let Block { x, weights, .. } = *block;
    let (from_len, to_len) = (block.pass.from.len(), block.pass.to.len());
    let mut sums = [[Lanes::ZERO; GROUPS]; IMAGES];
    for term in terms {
        let start = image * from_len + place.from + term.at;
        assert!(x.len() >= start + (IMAGES - 1) * from_len + 2 * term.pairs);
        assert!(term.weights.iter().all(|&at| weights.len() >= at + term.pairs * LANES));
        for pair in 0..term.pairs {
            // SAFETY: the lengths were compared above; `pair` is below `term.pairs` and `image` below `IMAGES`.
            #[allow(unsafe_code, reason = "checks inside this loop would cost more than the product")]
            unsafe {
                let weights = term.weights.map(|at| &*weights.as_ptr().add(at + pair * LANES).cast::<[u32; LANES]>());
                let x = x.as_ptr().add(start + 2 * pair);
                for (image, sums) in sums.iter_mut().enumerate() {
                    let both = x.add(image * from_len).cast::<u32>().read_unaligned();
                    for (sum, weights) in sums.iter_mut().zip(weights) {
                        *sum = A::dot(*sum, both, weights);
                    }
                }
            }
        }
    }
    let channel = block.groups.start * LANES;
    for (index, sums) in sums.iter().enumerate() {
        // SAFETY: every place of an image is written once, its groups of channels one after another.
        #[allow(unsafe_code, reason = "places do not overlap")]
        let to = unsafe { block.y.part((image + index) * to_len + place.to + channel, GROUPS * LANES) };
        for (group, (&sum, to)) in sums.iter().zip(to.chunks_exact_mut(LANES)).enumerate() {
            let bias = block.bias.map_or(Lanes::ZERO, |bias| Lanes::load(&bias[channel + group * LANES..]));
            bf16::store::<A>(sum + bias, to);
        }
    }
}
