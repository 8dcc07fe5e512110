//! Outputs from inputs, and gradients of inputs from those of outputs: a product takes the same place of sixteen images and up to 32
//! channels of each. Images are copied so that what a product reads lies together, and kept while other taps read it.

use std::arch::asm;
use std::arch::x86_64::{_MM_HINT_ET0, _mm_prefetch};
use std::ops::Range;

use half::bf16;

use super::super::geometry::Pass;
use super::super::taps::Taps;
use super::bands::{Band, bands, source_row};
use crate::amx::Tiles;
use crate::arithmetic::{Arithmetic, for_each_arithmetic};
use crate::lanes::{LANES, Lanes};
use crate::number::Algorithm;
use crate::shared::{Shared, for_each, with_scratch};

/// Images whose work is one piece: two registers of them.
const IMAGES: usize = 2 * LANES;
/// Bytes of a band of copied images, which should stay in the cache of the second level.
const BAND: usize = 500_000;
/// Products of a place after which what is written would be waited for, and how many places ahead it is asked for then: the processor
/// cannot foresee it, as every image lies elsewhere.
const FEW: usize = 18;
const AHEAD: usize = 4;
/// Bytes of a row of packed weights.
const ROW: usize = 4 * LANES;

/// Pairs of channels that a product takes, if all taps begin and end with a multiple of so many.
pub(in super::super) fn step_of(pass: &Pass, taps: &Taps) -> Option<usize> {
    let suits = |pairs: usize, step: usize| pairs.is_multiple_of(step);
    let all = |step: usize| {
        let ends = taps.groups.iter().flatten().flat_map(|tap| [tap.pairs().start, tap.pairs().end]);
        suits(pass.from.channels / 2, step) && ends.into_iter().all(|end| suits(end, step))
    };
    [16, 8].into_iter().find(|&step| all(step))
}

/// `y = x * w + bias` with packed weights, for products of `step` pairs.
pub(in super::super) fn products(
    pass: &Pass,
    taps: &Taps,
    [step, images, threads]: [usize; 3],
    weights: &[u32],
    x: &[bf16],
    bias: Option<&[f32]>,
    y: &mut [bf16],
) {
    let places =
        BAND.div_ceil(IMAGES * pass.from.channels * size_of::<bf16>() * pass.from.size[2].max(1)) * pass.to.size[2];
    let offsets = taps.groups.iter().flatten().map(|tap| &tap.offset);
    let bands = bands(pass, places, offsets);
    let layer = Layer { pass, taps, step, blocks: taps.blocks(), weights, x, bias, y: Shared::new(y) };
    let chunks = images.div_ceil(IMAGES);
    // Bands are shared among threads, too, where there are few images.
    let parts = (2 * threads).div_ceil(chunks.max(1)).min(bands.len());
    let parts = if threads > 1 { parts } else { parts.min(1) };
    for_each(threads, chunks * parts, |turn| {
        let (chunk, part) = (turn / parts, turn % parts);
        let images = chunk * IMAGES..images.min((chunk + 1) * IMAGES);
        layer.compute(images, &bands[part * bands.len() / parts..(part + 1) * bands.len() / parts]);
    });
}

/// All that outputs are computed from.
struct Layer<'a> {
    pass: &'a Pass,
    taps: &'a Taps,
    step: usize,
    blocks: Vec<Range<usize>>,
    weights: &'a [u32],
    x: &'a [bf16],
    bias: Option<&'a [f32]>,
    y: Shared<'a, bf16>,
}

impl Layer<'_> {
    /// Some bands of some images.
    fn compute(&self, images: Range<usize>, bands: &[Band]) {
        let rows = bands.iter().map(|band| band.source.len()).max().unwrap_or(0);
        let copies = Copies { pass: self.pass, step: self.step, rows };
        with_scratch(rows * copies.row(), |copied: &mut [u32]| {
            let mut made = 0;
            for band in bands {
                for row in made.max(band.source.start)..band.source.end {
                    let to = &mut copied[row % rows * copies.row()..][..copies.row()];
                    copy_row(&copies, self.x, &images, row, to);
                }
                made = band.source.end;
                for groups in &self.blocks {
                    Block { layer: self, copies, copied, groups: groups.clone(), images: images.clone() }
                        .compute(&band.rows);
                }
            }
        });
    }
}

/// Images as products read them: `[rows][W][C / 32][2][16 images][32 channels]`, or sixteen channels where a product takes so many. A
/// row takes the place of one that is no longer read.
#[derive(Clone, Copy)]
struct Copies<'a> {
    pass: &'a Pass,
    step: usize,
    /// Rows that are kept.
    rows: usize,
}

impl Copies<'_> {
    /// Pairs of a place.
    fn place(self) -> usize {
        self.pass.from.channels / 2 * IMAGES
    }

    /// Pairs of a row.
    fn row(self) -> usize {
        self.pass.from.size[2] * self.place()
    }
}

/// Places that are copied of an image before the next: few, as those of one image are apart in the copy.
const PLACES: usize = 4;

for_each_arithmetic! {
    /// Images beyond the last are left as they are; products do not read them.
    fn copy_row(copies: &Copies<'_>, x: &[bf16], images: &Range<usize>, row: usize, to: &mut [u32]) = copy_places
}

#[allow(clippy::inline_always, reason = "see `lanes`")]
#[inline(always)]
fn copy_places<A: Arithmetic>(copies: &Copies<'_>, x: &[bf16], images: &Range<usize>, row: usize, to: &mut [u32]) {
    match copies.step {
        16 => copy_places_by::<16>(copies, x, images, row, to),
        _ => copy_places_by::<8>(copies, x, images, row, to),
    }
}

#[allow(clippy::inline_always, reason = "see `lanes`")]
#[inline(always)]
fn copy_places_by<const STEP: usize>(
    copies: &Copies<'_>,
    x: &[bf16],
    images: &Range<usize>,
    row: usize,
    to: &mut [u32],
) {
    let (from, width) = (copies.pass.from, copies.pass.from.size[2]);
    let (line, parts) = (row * width * from.channels, from.channels / 2 / STEP);
    assert!(x.len() >= (images.end - 1) * from.len() + line + width * from.channels && to.len() >= copies.row());
    for first in (0..width).step_by(PLACES) {
        for (index, image) in images.clone().enumerate() {
            for place in first..width.min(first + PLACES) {
                for part in 0..parts {
                    let at = image * from.len() + line + place * from.channels + part * 2 * STEP;
                    // SAFETY: the lengths were compared above.
                    #[allow(unsafe_code, reason = "checks inside this loop would cost more than what it does")]
                    unsafe {
                        let pairs = x.as_ptr().add(at).cast::<[u32; STEP]>().read_unaligned();
                        let to = to.as_mut_ptr().add(place * copies.place() + (part * IMAGES + index) * STEP);
                        to.cast::<[u32; STEP]>().write(pairs);
                    }
                }
            }
        }
    }
}

/// One or two groups of channels of some images.
struct Block<'a> {
    layer: &'a Layer<'a>,
    copies: Copies<'a>,
    copied: &'a [u32],
    groups: Range<usize>,
    images: Range<usize>,
}

/// What a tap adds to an output, in bytes from the first number of the place and from the first weight.
#[derive(Clone, Copy)]
#[repr(C)]
struct Term {
    x: usize,
    weights: [usize; 2],
    /// Products, one after another in either.
    products: usize,
}

/// Four matrices of sums, as they are stored.
#[repr(C, align(64))]
struct Sums([[[Lanes; LANES]; 2]; 2]);

impl Block<'_> {
    fn compute(&self, rows: &Range<usize>) {
        let pass = self.layer.pass;
        let [to_step, from_step] = pass.steps();
        let offsets: Vec<isize> = self.layer.taps.groups[self.groups.start].iter().map(|tap| tap.offset[2]).collect();
        let runs = pass.runs(&offsets);
        let of_matrix = [self.images.len().min(LANES), self.images.len().saturating_sub(LANES)];
        let _tiles = Tiles::new(of_matrix, self.layer.step);
        let mut terms = Vec::new();
        let mut sums = Sums([[[Lanes::ZERO; LANES]; 2]; 2]);
        for row in rows.clone() {
            for &(first, count) in &runs {
                self.find_terms(row, first, &mut terms);
                let shift = from_step * self.copies.place();
                let ask_ahead = terms.iter().map(|term| term.products).sum::<usize>() <= FEW;
                self.check(&terms, (count - 1) * shift);
                for index in 0..count {
                    self.multiply(&terms, index * shift, &mut sums);
                    let place = row * pass.to.size[2] + first + index * to_step;
                    write(self, &sums, place * pass.to.channels, ask_ahead);
                }
            }
        }
    }

    /// The taps that a place reads.
    fn find_terms(&self, row: usize, x: usize, terms: &mut Vec<Term>) {
        let Layer { pass, taps, step, .. } = *self.layer;
        terms.clear();
        for (index, tap) in taps.groups[self.groups.start].iter().enumerate() {
            let (pairs, source) = (tap.pairs(), source_row(pass, row, tap.offset));
            if let (false, Some(row), Some(x)) = (pairs.is_empty(), source, pass.source(2, x, tap.offset[2])) {
                let start = row % self.copies.rows * self.copies.row() + x * self.copies.place() + pairs.start * IMAGES;
                let weights = [self.groups.start, self.groups.end - 1].map(|group| taps.starts[group][index]);
                let bytes = |pairs: usize| pairs * size_of::<u32>();
                terms.push(Term { x: bytes(start), weights: weights.map(bytes), products: pairs.len() / step });
            }
        }
    }

    /// # Panics
    /// When terms would read beyond the copies or the weights, up to `shift` pairs further.
    fn check(&self, terms: &[Term], shift: usize) {
        for term in terms {
            let step = self.layer.step * term.products;
            assert!(term.products > 0);
            assert!(term.x + (shift + step * IMAGES) * size_of::<u32>() <= size_of_val(self.copied));
            assert!(term.weights.iter().all(|&start| start + step * ROW <= size_of_val(self.layer.weights)));
        }
    }

    /// Sums of the terms, `shift` pairs further. They are checked.
    fn multiply(&self, terms: &[Term], shift: usize, sums: &mut Sums) {
        if terms.is_empty() {
            *sums = Sums([[[Lanes::ZERO; LANES]; 2]; 2]);
            return;
        }
        let reads = Reads {
            x: self.copied.as_ptr().wrapping_add(shift),
            weights: self.layer.weights.as_ptr(),
            end: terms.as_ptr_range().end,
            sums: &raw mut *sums,
        };
        let matrices = [self.images.len().div_ceil(LANES), self.groups.len()];
        match self.layer.step {
            16 => multiply::<16>(matrices, terms, &reads),
            _ => multiply::<8>(matrices, terms, &reads),
        }
    }
}

/// Where the numbers lie, as the instructions read it.
#[repr(C)]
struct Reads {
    x: *const u32,
    weights: *const u32,
    end: *const Term,
    sums: *mut Sums,
}

/// Sums of the terms for one or two times sixteen images, and one or two times sixteen channels.
#[allow(unsafe_code, reason = "instructions for which Rust has no name yet")]
fn multiply<const STEP: usize>(matrices: [usize; 2], terms: &[Term], reads: &Reads) {
    macro_rules! sums_of {
        ($($load:literal)*; $($product:literal)*; $($store:literal)*) => {
            // SAFETY: the registers have as many rows as there are images and pairs as a product takes, and all that they read was
            // compared with the lengths of the slices.
            unsafe {
                asm!(
                    "tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3",
                    "2:",
                    "mov {a}, [{terms}]",
                    "add {a}, [{reads}]",
                    "lea {lower}, [{a} + {half}]",
                    "mov {b}, [{terms} + 8]",
                    "add {b}, [{reads} + 8]",
                    "mov {other}, [{terms} + 16]",
                    "add {other}, [{reads} + 8]",
                    "mov {n}, [{terms} + 24]",
                    "3:",
                    $($load,)*
                    $($product,)*
                    "add {a}, {both}",
                    "add {lower}, {both}",
                    "add {b}, {panel}",
                    "add {other}, {panel}",
                    "dec {n}",
                    "jnz 3b",
                    "add {terms}, 32",
                    "cmp {terms}, [{reads} + 16]",
                    "jne 2b",
                    "mov {a}, [{reads} + 24]",
                    $($store,)*
                    a = out(reg) _, lower = out(reg) _, b = out(reg) _, other = out(reg) _, n = out(reg) _,
                    terms = inout(reg) terms.as_ptr() => _,
                    line = in(reg) 4 * STEP,
                    row = in(reg) ROW,
                    reads = in(reg) reads,
                    both = const 4 * STEP * IMAGES,
                    half = const 4 * STEP * LANES,
                    panel = const STEP * ROW,
                    out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                    out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                    options(nostack),
                );
            }
        };
    }
    match matrices {
        [2, 2] => sums_of!(
            "tileloadd tmm4, [{a} + {line}]" "tileloadd tmm6, [{b} + {row}]"
            "tileloadd tmm5, [{lower} + {line}]" "tileloadd tmm7, [{other} + {row}]";
            "tdpbf16ps tmm0, tmm4, tmm6" "tdpbf16ps tmm2, tmm5, tmm6"
            "tdpbf16ps tmm1, tmm4, tmm7" "tdpbf16ps tmm3, tmm5, tmm7";
            "tilestored [{a} + {row}], tmm0" "tilestored [{a} + {row} + 1024], tmm1"
            "tilestored [{a} + {row} + 2048], tmm2" "tilestored [{a} + {row} + 3072], tmm3"
        ),
        [2, _] => sums_of!(
            "tileloadd tmm4, [{a} + {line}]" "tileloadd tmm6, [{b} + {row}]" "tileloadd tmm5, [{lower} + {line}]";
            "tdpbf16ps tmm0, tmm4, tmm6" "tdpbf16ps tmm2, tmm5, tmm6";
            "tilestored [{a} + {row}], tmm0" "tilestored [{a} + {row} + 2048], tmm2"
        ),
        [_, 2] => sums_of!(
            "tileloadd tmm4, [{a} + {line}]" "tileloadd tmm6, [{b} + {row}]" "tileloadd tmm7, [{other} + {row}]";
            "tdpbf16ps tmm0, tmm4, tmm6" "tdpbf16ps tmm1, tmm4, tmm7";
            "tilestored [{a} + {row}], tmm0" "tilestored [{a} + {row} + 1024], tmm1"
        ),
        _ => sums_of!(
            "tileloadd tmm4, [{a} + {line}]" "tileloadd tmm6, [{b} + {row}]";
            "tdpbf16ps tmm0, tmm4, tmm6";
            "tilestored [{a} + {row}], tmm0"
        ),
    }
}

for_each_arithmetic! {
    /// Sums of a place, rounded, to the images, from the number `at` of each on.
    fn write(block: &Block<'_>, sums: &Sums, at: usize, ask_ahead: bool) = write_place
}

#[allow(clippy::inline_always, reason = "see `lanes`")]
#[inline(always)]
fn write_place<A: Arithmetic>(block: &Block<'_>, sums: &Sums, at: usize, ask_ahead: bool) {
    let (layer, channel) = (block.layer, block.groups.start * LANES);
    let bias = |group: usize| layer.bias.map_or(Lanes::ZERO, |bias| Lanes::load(&bias[channel + group * LANES..]));
    let bias = [bias(0), bias(block.groups.len() - 1)];
    for (index, image) in block.images.clone().enumerate() {
        let start = image * layer.pass.to.len() + at + channel;
        if ask_ahead {
            prefetch(layer.y, start + AHEAD * layer.pass.to.channels);
        }
        // SAFETY: every place of an image is written once, its groups of channels one after another.
        #[allow(unsafe_code, reason = "places do not overlap")]
        let to = unsafe { layer.y.part(start, block.groups.len() * LANES) };
        for (group, to) in to.chunks_exact_mut(LANES).enumerate() {
            bf16::store::<A>(sums.0[index / LANES][group][index % LANES] + bias[group], to);
        }
    }
}

fn prefetch(y: Shared<'_, bf16>, at: usize) {
    // SAFETY: an address is all that is used of it, and it may lie anywhere.
    #[allow(unsafe_code, reason = "an instruction without effect on what is computed")]
    unsafe {
        _mm_prefetch::<_MM_HINT_ET0>(y.address(at).cast());
    }
}
