//! What a network is built and called with.

use crate::ComputePlan;

/// Where, how and for which images [`MultiTaskNet::build`](crate::MultiTaskNet::build) builds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BuildOptions {
    /// Where and how it computes.
    pub plan: ComputePlan,
    /// Of the initial parameters: the same seed gives the same bits, whatever else is built.
    pub seed: u64,
    /// Channels of the input, 3 unless grey images are fed as they are.
    pub input_channels: i64,
    /// Height and width (and depth) of the images in pixels, before `net.input_size` resizes them.
    pub input_size: i64,
}

impl Default for BuildOptions {
    fn default() -> Self {
        Self { plan: ComputePlan::default(), seed: 0, input_channels: 3, input_size: 28 }
    }
}

/// The rows of one task inside a mixed batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Segment {
    /// Index into the tasks that the network was built with.
    pub task: usize,
    /// First row.
    pub start: i64,
    /// Number of rows, at least 1.
    pub len: i64,
}
