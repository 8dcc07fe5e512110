//! The gradient of a weight: for each tap a product over the places of a batch. A product takes the same place of 32 images, so that a
//! tap may lie anywhere, and two times sixteen outputs and inputs. Matrices of images are made as they are needed, and kept while
//! other taps read them.

use std::arch::asm;
use std::arch::x86_64::{
    __m512i, _mm256_loadu_si256, _mm256_setzero_si256, _mm512_castsi256_si512, _mm512_inserti64x4, _mm512_loadu_si512,
    _mm512_permutexvar_epi16, _mm512_setzero_si512,
};
use std::ops::Range;

use half::bf16;

use super::super::geometry::{Pass, Volume};
use super::super::{SharedTap, distinct};
use super::bands::{Band, bands, source_row};
use crate::amx::Tiles;
use crate::arithmetic::{Arithmetic, Avx512Bf16};
use crate::lanes::{LANES, Lanes};
use crate::shared::{Shared, for_each, with_scratch};

/// Images of a product: pairs of them are its depth.
const IMAGES: usize = 2 * LANES;
/// Numbers of a matrix, pairs of bfloat16: sixteen pairs of images and sixteen channels.
const MATRIX: usize = LANES * LANES;
/// Its bytes.
const BYTES: usize = MATRIX * size_of::<u32>();
/// Places times parts of a batch whose products are added before sums go back to memory, about.
const PLACES: usize = 128;

/// Writes the gradient, `[outputs, taps, inputs]`, for each sixteen outputs the taps that any of them has. `pass` leads from inputs to outputs.
pub(in super::super) fn weight_gradient(
    pass: &Pass,
    shared: &[Vec<SharedTap>],
    [images, threads, taps]: [usize; 3],
    [x, dy]: [&[bf16]; 2],
    dw: &mut [f32],
) {
    let offsets = distinct(shared.iter().flatten().map(|tap| tap.offset));
    let bands = bands(pass, PLACES, offsets.iter());
    let batch = Batch { pass, blocks: blocks(shared), offsets, taps, images, threads, x, dy, dw: Shared::new(dw) };
    let chunks = images.div_ceil(IMAGES);
    if bands.is_empty() || chunks == 0 {
        return dw.fill(0.0);
    }
    let together = together(pass).min(chunks);
    let most = |rows: fn(&Band) -> &Range<usize>| bands.iter().map(|band| rows(band).len()).max().unwrap_or(0);
    let inputs = Matrices { volume: pass.from, chunks: together, rows: most(|band| &band.source) };
    let outputs = Matrices { volume: pass.to, chunks: together, rows: most(|band| &band.rows) };
    with_scratch(inputs.len(), |from: &mut [u32]| {
        with_scratch(outputs.len(), |to: &mut [u32]| {
            for first in (0..chunks).step_by(together) {
                let chunks = first..chunks.min(first + together);
                let mut made = 0;
                for band in &bands {
                    batch.make::<false>(inputs, &chunks, made.max(band.source.start)..band.source.end, from);
                    batch.make::<true>(outputs, &chunks, band.rows.clone(), to);
                    made = band.source.end;
                    let is_first = first == 0 && band.rows.start == 0;
                    batch.add_products(band, chunks.len(), [inputs, outputs], [from, to], !is_first);
                }
            }
        });
    });
}

/// Sixteen outputs, or twice so many that have the same taps.
struct Block<'a> {
    groups: Range<usize>,
    taps: &'a [SharedTap],
}

fn blocks(shared: &[Vec<SharedTap>]) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut first = 0;
    while first < shared.len() {
        let is_whole = shared[first].iter().all(|tap| whole(tap).is_some());
        let end = first + 1 + usize::from(is_whole && shared.get(first + 1) == Some(&shared[first]));
        blocks.push(Block { groups: first..end, taps: &shared[first] });
        first = end;
    }
    blocks
}

/// The place of a tap that all filters have at the same place.
fn whole(tap: &SharedTap) -> Option<usize> {
    tap.places[0].filter(|_| tap.places.iter().all(|place| *place == tap.places[0]))
}

/// Parts of the batch that are worked on together: as many as have about [`PLACES`].
fn together(pass: &Pass) -> usize {
    (PLACES / pass.to.size.iter().product::<usize>().max(1)).max(1)
}

/// Matrices of images as products read them, `[C / 16][chunks][rows][W]`. A row takes the place of one that is no longer read.
#[derive(Clone, Copy)]
struct Matrices {
    volume: Volume,
    chunks: usize,
    /// Rows that are kept.
    rows: usize,
}

impl Matrices {
    /// From one sixteen channels to the next, in matrices.
    fn group(self) -> usize {
        self.chunks * self.rows * self.volume.size[2]
    }

    /// In numbers.
    fn len(self) -> usize {
        self.volume.channels / LANES * self.group() * MATRIX
    }

    /// The matrix of a place, of the first sixteen channels.
    fn at(self, chunk: usize, row: usize, x: usize) -> usize {
        (chunk * self.rows + row % self.rows) * self.volume.size[2] + x
    }
}

/// Places beside each other along the width that meet in products: bytes to the first matrices, and how many.
#[derive(Clone, Copy)]
#[repr(C)]
struct Stretch {
    output: usize,
    input: usize,
    count: usize,
}

/// All that a gradient is computed from.
struct Batch<'a> {
    pass: &'a Pass,
    blocks: Vec<Block<'a>>,
    /// Of all taps, in order.
    offsets: Vec<[isize; 3]>,
    taps: usize,
    images: usize,
    threads: usize,
    x: &'a [bf16],
    dy: &'a [bf16],
    dw: Shared<'a, f32>,
}

impl Batch<'_> {
    /// Makes the matrices of these rows. Those of outputs are left ones.
    fn make<const LEFT: bool>(&self, matrices: Matrices, chunks: &Range<usize>, rows: Range<usize>, to: &mut [u32]) {
        let to = Shared::new(to);
        let x = if LEFT { self.dy } else { self.x };
        for_each(self.threads, chunks.len() * rows.len(), |turn| {
            let (chunk, row) = (turn / rows.len(), rows.start + turn % rows.len());
            let first = (chunks.start + chunk) * IMAGES;
            let part = ImageRow { matrices, x, images: first..self.images.min(first + IMAGES), chunk, row };
            // SAFETY: a processor with a matrix unit has these instructions, and was asked for them.
            #[allow(unsafe_code, reason = "the processor was asked")]
            unsafe {
                part.make::<LEFT>(to);
            }
        });
    }

    fn add_products(
        &self,
        band: &Band,
        chunks: usize,
        [from, to]: [Matrices; 2],
        [inputs, outputs]: [&[u32]; 2],
        accumulate: bool,
    ) {
        let stretches: Vec<Vec<Stretch>> =
            self.offsets.iter().map(|&offset| self.stretches(band, chunks, offset, [from, to])).collect();
        let groups = from.volume.channels / LANES;
        let input_blocks = groups.div_ceil(2);
        for_each(self.threads, self.blocks.len() * input_blocks, |turn| {
            let (block, first) = (&self.blocks[turn / input_blocks], turn % input_blocks * 2);
            // Matrices of sums have sixteen rows whatever is in them.
            let _tiles = Tiles::new([LANES; 2], LANES);
            for tap in block.taps {
                let product = Product {
                    stretches: &stretches[self.offsets.partition_point(|&offset| offset < tap.offset)],
                    step: self.pass.stride,
                    groups: [block.groups.len(), (groups - first).min(2)],
                    outputs: &outputs[block.groups.start * to.group() * MATRIX..],
                    inputs: &inputs[first * from.group() * MATRIX..],
                    apart: [to.group(), from.group()],
                };
                self.add(&product, block, tap, first * LANES, accumulate);
            }
        });
    }

    /// Adds a product to the weights of its outputs, from this input on.
    fn add(&self, product: &Product<'_>, block: &Block<'_>, tap: &SharedTap, input: usize, accumulate: bool) {
        let channels = self.pass.from.channels;
        let at = |output: usize, place: usize| (output * self.taps + place) * channels + input;
        if let Some(place) = whole(tap) {
            return product.add(self.dw, at(block.groups.start * LANES, place), self.taps * channels, accumulate);
        }
        let mut sums = [0.0; LANES * 2 * LANES];
        product.add(Shared::new(&mut sums), 0, 2 * LANES, false);
        for ((lane, place), sums) in tap.places.iter().enumerate().zip(sums.chunks_exact(2 * LANES)) {
            let Some(place) = place else { continue };
            let output = block.groups.start * LANES + lane;
            // SAFETY: these weights are no other thread's.
            #[allow(unsafe_code, reason = "outputs, taps and groups of inputs do not overlap")]
            let to = unsafe { self.dw.part(at(output, *place), product.groups[1] * LANES) };
            for (to, sum) in to.iter_mut().zip(sums) {
                *to = if accumulate { *to + sum } else { *sum };
            }
        }
    }

    /// What meets at an offset.
    fn stretches(&self, band: &Band, chunks: usize, offset: [isize; 3], [from, to]: [Matrices; 2]) -> Vec<Stretch> {
        let along = |x: usize| self.pass.source(2, x, offset[2]);
        let columns: Vec<usize> = (0..self.pass.to.size[2]).filter(|&x| along(x).is_some()).collect();
        let Some((&x, from_x)) = columns.first().and_then(|x| Some((x, along(*x)?))) else { return Vec::new() };
        let mut stretches = Vec::new();
        for chunk in 0..chunks {
            for row in band.rows.clone() {
                if let Some(from_row) = source_row(self.pass, row, offset) {
                    let (output, input) = (to.at(chunk, row, x) * BYTES, from.at(chunk, from_row, from_x) * BYTES);
                    stretches.push(Stretch { output, input, count: columns.len() });
                }
            }
        }
        stretches
    }
}

/// A row of up to 32 images.
struct ImageRow<'a> {
    matrices: Matrices,
    x: &'a [bf16],
    images: Range<usize>,
    /// Its part of the batch, among those that are worked on.
    chunk: usize,
    row: usize,
}

impl ImageRow<'_> {
    /// Makes the matrices of a row: rows of pairs of images and columns of channels, or the other way round.
    #[target_feature(enable = "avx2,avx512f,avx512vl,avx512bw,avx512bf16")]
    fn make<const LEFT: bool>(&self, to: Shared<'_, u32>) {
        let Volume { size: [_, _, width], channels } = self.matrices.volume;
        let line = self.row * width * channels;
        assert!(self.x.len() >= (self.images.end - 1) * self.matrices.volume.len() + line + width * channels);
        for x in 0..width {
            for group in 0..channels / LANES {
                let mut rows = [_mm512_setzero_si512(); LANES];
                let place = line + x * channels + group * LANES;
                for (row, first) in rows.iter_mut().zip(self.images.clone().step_by(2)) {
                    // SAFETY: a place of images that are there.
                    #[allow(unsafe_code, reason = "checks inside this loop would cost more than what it does")]
                    unsafe {
                        *row = self.pair(first, place);
                    }
                }
                // SAFETY: an array of sixteen registers is one of sixteen times sixteen numbers, and back.
                #[allow(unsafe_code, reason = "as above")]
                let rows = unsafe { std::mem::transmute::<[__m512i; LANES], [Lanes; LANES]>(rows) };
                let rows = if LEFT { Avx512Bf16::transpose(&rows) } else { rows };
                let matrix = group * self.matrices.group() + self.matrices.at(self.chunk, self.row, x);
                // SAFETY: this row is no other thread's.
                #[allow(unsafe_code, reason = "rows do not overlap")]
                let to = unsafe { to.part(matrix * MATRIX, MATRIX) };
                for (to, row) in to.chunks_exact_mut(LANES).zip(rows) {
                    to.copy_from_slice(&row.0.map(f32::to_bits));
                }
            }
        }
    }

    /// Sixteen channels of two images, pair by pair, with zeros beside the last image where it is alone.
    ///
    /// # Safety
    /// `place` is the first of sixteen numbers of an image.
    #[allow(unsafe_code, reason = "see the caller")]
    #[target_feature(enable = "avx2,avx512f,avx512vl,avx512bw,avx512bf16")]
    #[inline]
    unsafe fn pair(&self, image: usize, place: usize) -> __m512i {
        const BOTH: [u16; 2 * LANES] = {
            let mut order = [0; 2 * LANES];
            let mut lane = 0;
            while lane < LANES {
                (order[2 * lane], order[2 * lane + 1]) = (lane as u16, (LANES + lane) as u16);
                lane += 1;
            }
            order
        };
        let len = self.matrices.volume.len();
        // SAFETY: the caller's, and there is a second image where it is read.
        unsafe {
            let at = self.x.as_ptr().add(image * len + place);
            let first = _mm256_loadu_si256(at.cast());
            let has_second = image + 1 < self.images.end;
            let second = if has_second { _mm256_loadu_si256(at.add(len).cast()) } else { _mm256_setzero_si256() };
            let both = _mm512_inserti64x4::<1>(_mm512_castsi256_si512(first), second);
            _mm512_permutexvar_epi16(_mm512_loadu_si512(BOTH.as_ptr().cast()), both)
        }
    }
}

/// Products of one or two groups of sixteen outputs with as many of inputs.
struct Product<'a> {
    stretches: &'a [Stretch],
    /// From one input of a stretch to the next, in matrices.
    step: usize,
    groups: [usize; 2],
    outputs: &'a [u32],
    inputs: &'a [u32],
    /// From one group to the next of outputs and of inputs, in matrices.
    apart: [usize; 2],
}

/// Where the numbers lie, as the instructions read it.
#[repr(C)]
struct Reads {
    outputs: *const u32,
    next_outputs: usize,
    inputs: *const u32,
    next_inputs: usize,
    end: *const Stretch,
}

impl Product<'_> {
    /// # Panics
    /// When stretches would read beyond the matrices.
    fn check(&self) {
        let [outputs, inputs] = [0, 1].map(|side| (self.groups[side] - 1) * self.apart[side] * BYTES);
        for stretch in self.stretches {
            assert!(stretch.count > 0);
            let end = stretch.output + outputs + stretch.count * BYTES;
            assert!(end <= size_of_val(self.outputs));
            let end = stretch.input + inputs + ((stretch.count - 1) * self.step + 1) * BYTES;
            assert!(end <= size_of_val(self.inputs));
        }
    }

    /// Adds to the weights of outputs that are `row` apart, from `at` on, or writes them.
    #[allow(unsafe_code, reason = "instructions for which Rust has no name yet")]
    fn add(&self, dw: Shared<'_, f32>, at: usize, row: usize, accumulate: bool) {
        self.check();
        let sums = dw.pointer(at, (self.groups[0] * LANES - 1) * row + self.groups[1] * LANES);
        let reads = Reads {
            outputs: self.outputs.as_ptr(),
            next_outputs: self.apart[0] * BYTES,
            inputs: self.inputs.as_ptr(),
            next_inputs: self.apart[1] * BYTES,
            end: self.stretches.as_ptr_range().end,
        };
        let (row, accumulate) = (row * size_of::<f32>(), usize::from(accumulate));
        macro_rules! add {
            ($($sums:literal)*; $($load:literal)*; $($product:literal)*; $($store:literal)*) => {
                // SAFETY: all that is read was compared with the lengths of the slices above, and so was where sums go, which are no
                // other thread's.
                unsafe {
                    asm!(
                        "tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3",
                        "mov {lower}, {dw_row}",
                        "shl {lower}, 4",
                        "add {lower}, {dw}",
                        "test {n}, {n}",
                        "jz 4f",
                        $($sums,)*
                        "4:",
                        "cmp {stretches}, [{reads} + 32]",
                        "je 5f",
                        "2:",
                        "mov {a}, [{stretches}]",
                        "add {a}, [{reads}]",
                        "mov {lower}, [{reads} + 8]",
                        "add {lower}, {a}",
                        "mov {b}, [{stretches} + 8]",
                        "add {b}, [{reads} + 16]",
                        "mov {other}, [{reads} + 24]",
                        "add {other}, {b}",
                        "mov {n}, [{stretches} + 16]",
                        "3:",
                        $($load,)*
                        $($product,)*
                        "add {a}, {bytes}",
                        "add {lower}, {bytes}",
                        "add {b}, {step}",
                        "add {other}, {step}",
                        "dec {n}",
                        "jnz 3b",
                        "add {stretches}, 24",
                        "cmp {stretches}, [{reads} + 32]",
                        "jne 2b",
                        "5:",
                        "mov {lower}, {dw_row}",
                        "shl {lower}, 4",
                        "add {lower}, {dw}",
                        $($store,)*
                        a = out(reg) _, lower = out(reg) _, b = out(reg) _, other = out(reg) _,
                        n = inout(reg) accumulate => _,
                        stretches = inout(reg) self.stretches.as_ptr() => _,
                        reads = in(reg) &raw const reads,
                        dw = in(reg) sums,
                        dw_row = in(reg) row,
                        row = in(reg) size_of::<u32>() * LANES,
                        step = in(reg) self.step * BYTES,
                        bytes = const BYTES,
                        out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                        out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                        options(nostack),
                    );
                }
            };
        }
        match self.groups {
            [2, 2] => add!(
                "tileloadd tmm0, [{dw} + {dw_row}]" "tileloadd tmm1, [{dw} + {dw_row} + 64]"
                "tileloadd tmm2, [{lower} + {dw_row}]" "tileloadd tmm3, [{lower} + {dw_row} + 64]";
                "tileloadd tmm4, [{a} + {row}]" "tileloadd tmm6, [{b} + {row}]"
                "tileloadd tmm5, [{lower} + {row}]" "tileloadd tmm7, [{other} + {row}]";
                "tdpbf16ps tmm0, tmm4, tmm6" "tdpbf16ps tmm2, tmm5, tmm6"
                "tdpbf16ps tmm1, tmm4, tmm7" "tdpbf16ps tmm3, tmm5, tmm7";
                "tilestored [{dw} + {dw_row}], tmm0" "tilestored [{dw} + {dw_row} + 64], tmm1"
                "tilestored [{lower} + {dw_row}], tmm2" "tilestored [{lower} + {dw_row} + 64], tmm3"
            ),
            [2, _] => add!(
                "tileloadd tmm0, [{dw} + {dw_row}]" "tileloadd tmm2, [{lower} + {dw_row}]";
                "tileloadd tmm4, [{a} + {row}]" "tileloadd tmm6, [{b} + {row}]" "tileloadd tmm5, [{lower} + {row}]";
                "tdpbf16ps tmm0, tmm4, tmm6" "tdpbf16ps tmm2, tmm5, tmm6";
                "tilestored [{dw} + {dw_row}], tmm0" "tilestored [{lower} + {dw_row}], tmm2"
            ),
            [_, 2] => add!(
                "tileloadd tmm0, [{dw} + {dw_row}]" "tileloadd tmm1, [{dw} + {dw_row} + 64]";
                "tileloadd tmm4, [{a} + {row}]" "tileloadd tmm6, [{b} + {row}]" "tileloadd tmm7, [{other} + {row}]";
                "tdpbf16ps tmm0, tmm4, tmm6" "tdpbf16ps tmm1, tmm4, tmm7";
                "tilestored [{dw} + {dw_row}], tmm0" "tilestored [{dw} + {dw_row} + 64], tmm1"
            ),
            _ => add!(
                "tileloadd tmm0, [{dw} + {dw_row}]";
                "tileloadd tmm4, [{a} + {row}]" "tileloadd tmm6, [{b} + {row}]";
                "tdpbf16ps tmm0, tmm4, tmm6";
                "tilestored [{dw} + {dw_row}], tmm0"
            ),
        }
    }
}
