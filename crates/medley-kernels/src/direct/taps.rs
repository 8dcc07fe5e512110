//! Weights as the products read them.
#![allow(clippy::inline_always, reason = "see `lanes`")]

use std::ops::Range;

use crate::arithmetic::{Arithmetic, for_each_arithmetic, pair_up};
use crate::lanes::{LANES, Lanes};
use crate::shared::{Shared, for_each};

/// One tap for sixteen channels of the destination.
#[derive(Debug, Clone)]
pub(super) struct Tap {
    /// From `stride` times the place of an output to the place of an input.
    pub(super) offset: [isize; 3],
    /// Channels of the source that are summed over.
    pub(super) depths: Range<usize>,
    /// The weights of these channels; zero for those that are in none.
    pub(super) weights: Vec<Weights>,
}

/// Weights of a tap for some channels of the source.
#[derive(Debug, Clone)]
pub(super) struct Weights {
    pub(super) depths: Range<usize>,
    /// Where the weight of each channel of the destination lies, at depth 0; none for a filter without this tap.
    pub(super) lanes: [Option<usize>; LANES],
}

impl Tap {
    /// The pairs of channels that cover the depths.
    pub(super) fn pairs(&self) -> Range<usize> {
        self.depths.start / 2..self.depths.end.div_ceil(2)
    }

    /// Whether two taps read the same.
    fn reads_as(&self, other: &Self) -> bool {
        self.offset == other.offset && self.depths == other.depths
    }
}

/// All taps of a pass.
#[derive(Debug)]
pub(super) struct Taps {
    /// For each sixteen channels of the destination.
    pub(super) groups: Vec<Vec<Tap>>,
    /// Where the packed weights of each tap begin.
    pub(super) starts: Vec<Vec<usize>>,
    /// From one depth of a weight to the next.
    depth_stride: usize,
    /// Pairs of the packed weight.
    pub(super) packed_len: usize,
}

impl Taps {
    pub(super) fn new(groups: Vec<Vec<Tap>>, depth_stride: usize) -> Self {
        let mut packed_len = 0;
        let mut start = |tap: &Tap| {
            let start = packed_len;
            packed_len += tap.pairs().len() * LANES;
            start
        };
        let starts = groups.iter().map(|taps| taps.iter().map(&mut start).collect()).collect();
        Self { groups, starts, depth_stride, packed_len }
    }

    /// Groups that can be computed together: two beside each other that read the same, or one.
    pub(super) fn blocks(&self) -> Vec<Range<usize>> {
        let same = |a: &[Tap], b: &[Tap]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.reads_as(b));
        let mut blocks = Vec::new();
        let mut first = 0;
        while first < self.groups.len() {
            let is_two = first + 1 < self.groups.len() && same(&self.groups[first], &self.groups[first + 1]);
            let end = first + 1 + usize::from(is_two);
            blocks.push(first..end);
            first = end;
        }
        blocks
    }

    /// For each tap and pair of depths sixteen pairs, one for each channel of the destination, with zeros for what no filter has.
    pub(super) fn pack(&self, threads: usize, weight: &[f32], packed: &mut [u32]) {
        let packed = Shared::new(packed);
        let blocks = self.groups.iter().flatten().map(|tap| tap.pairs().len().div_ceil(BLOCK)).max().unwrap_or(0);
        let pack = |group: usize, blocks: Range<usize>| {
            for (tap, &start) in self.groups[group].iter().zip(&self.starts[group]) {
                let pairs = tap.pairs();
                let first = pairs.end.min(pairs.start + blocks.start * BLOCK);
                let end = pairs.end.min(pairs.start + blocks.end * BLOCK);
                // SAFETY: every tap has a part of its own, and every block a part of that.
                #[allow(unsafe_code, reason = "parts do not overlap")]
                let to = unsafe { packed.part(start + (first - pairs.start) * LANES, (end - first) * LANES) };
                pack_tap(tap, first..end, self.depth_stride, weight, to);
            }
        };
        if self.depth_stride == 1 {
            return for_each(threads, self.groups.len(), |group| pack(group, 0..blocks));
        }
        // Weights of the next group lie beside those of this one, and weights of other depths far away.
        for_each(threads, blocks, |block| (0..self.groups.len()).for_each(|group| pack(group, block..block + 1)));
    }
}

/// Pairs that are packed of all groups before the next: sixteen depths.
const BLOCK: usize = LANES / 2;

for_each_arithmetic! {
    fn pack_tap(tap: &Tap, pairs: Range<usize>, depth_stride: usize, weight: &[f32], to: &mut [u32]) = pack_lanes
}

#[inline(always)]
fn pack_lanes<A: Arithmetic>(tap: &Tap, pairs: Range<usize>, depth_stride: usize, weight: &[f32], to: &mut [u32]) {
    let mut panels = to.chunks_exact_mut(LANES);
    for first in (2 * pairs.start..2 * pairs.end).step_by(LANES) {
        let mut depths = [Lanes::ZERO; LANES];
        for weights in &tap.weights {
            weights.read::<A>(depth_stride, weight, first, &mut depths);
        }
        for (&[first, second], panel) in depths.as_chunks().0.iter().zip(&mut panels) {
            pair_up::<A>(first, second, panel);
        }
    }
}

impl Weights {
    /// Writes the weights of sixteen lanes at those of sixteen depths from this one on that are among these.
    #[inline(always)]
    fn read<A: Arithmetic>(&self, depth_stride: usize, weight: &[f32], first: usize, depths: &mut [Lanes; LANES]) {
        if depth_stride == 1 && self.depths.start <= first && first + LANES <= self.depths.end {
            for (row, start) in depths.iter_mut().zip(self.lanes) {
                *row = start.map_or(Lanes::ZERO, |start| Lanes::load(&weight[start + first..]));
            }
            *depths = A::transpose(depths);
            return;
        }
        let is_beside = |start: usize| self.lanes.iter().enumerate().all(|(lane, at)| *at == Some(start + lane));
        let beside = self.lanes[0].filter(|&start| is_beside(start));
        for (depth, lanes) in (first..first + LANES).zip(depths).filter(|(depth, _)| self.depths.contains(depth)) {
            if let Some(start) = beside {
                *lanes = Lanes::load(&weight[start + depth * depth_stride..]);
                continue;
            }
            for (value, start) in lanes.0.iter_mut().zip(self.lanes) {
                *value = start.map_or(0.0, |start| weight[start + depth * depth_stride]);
            }
        }
    }
}
