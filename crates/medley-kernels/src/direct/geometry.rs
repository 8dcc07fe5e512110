//! Which places of one volume meet which of the other.

/// `[D, H, W, C]` without gaps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Volume {
    pub(super) size: [usize; 3],
    pub(super) channels: usize,
}

impl Volume {
    /// Numbers of a volume.
    pub(super) fn len(self) -> usize {
        self.size.iter().product::<usize>() * self.channels
    }
}

/// From inputs to outputs, or from the gradients of outputs to those of inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Forward,
    Backward,
}

/// A convolution in one direction, from a source to a destination.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pass {
    pub(super) direction: Direction,
    /// Step of the input along each axis.
    pub(super) stride: usize,
    pub(super) from: Volume,
    pub(super) to: Volume,
}

impl Pass {
    /// The place of the source along an axis that a tap reads for a place of the destination. The tap's offset leads from `stride`
    /// times the place of an output to that of an input.
    pub(super) fn source(&self, axis: usize, at: usize, offset: isize) -> Option<usize> {
        let place = match self.direction {
            Direction::Forward => (at * self.stride).checked_add_signed(offset)?,
            Direction::Backward => {
                let steps = at.checked_add_signed(-offset)?;
                steps.is_multiple_of(self.stride).then_some(steps / self.stride)?
            }
        };
        (place < self.from.size[axis]).then_some(place)
    }

    /// Runs along the width of the destination, as (first place, count): places that are a step apart and read the same taps of these
    /// offsets.
    pub(super) fn runs(&self, offsets: &[isize]) -> Vec<(usize, usize)> {
        let reads = |x: usize| offsets.iter().map(|&offset| self.source(2, x, offset).is_some()).collect::<Vec<_>>();
        let (width, [step, _]) = (self.to.size[2], self.steps());
        let mut runs: Vec<(usize, usize)> = Vec::new();
        for first in 0..step.min(width) {
            let mut before = None;
            for x in (first..width).step_by(step) {
                let now = Some(reads(x));
                match runs.last_mut() {
                    Some((_, count)) if now == before => *count += 1,
                    _ => runs.push((x, 1)),
                }
                before = now;
            }
        }
        runs
    }

    /// Places of the destination and of the source from one place of a run to the next.
    pub(super) fn steps(&self) -> [usize; 2] {
        match self.direction {
            Direction::Forward => [1, self.stride],
            Direction::Backward => [self.stride, 1],
        }
    }
}
