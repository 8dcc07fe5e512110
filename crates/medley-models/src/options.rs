//! How a network is computed, apart from what it is.

use serde::{Deserialize, Serialize};
use tch::{Device, Kind};

/// Number format of products and activations. Parameters, `BatchNorm` statistics and logits are fp32 in either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// 32-bit floats throughout.
    #[default]
    Fp32,
    /// bfloat16 convolutions and activations, by explicit casts of fp32 master weights.
    Bf16,
}

impl Precision {
    /// The dtype of activations.
    pub fn kind(self) -> Kind {
        match self {
            Self::Fp32 => Kind::Float,
            Self::Bf16 => Kind::BFloat16,
        }
    }
}

/// Order of activations and convolution weights in memory. Shapes are `[N, C, H, W]` in either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemoryLayout {
    /// Channel planes one after another, as PyTorch does by default.
    Contiguous,
    /// All channels of a pixel together, as images are stored.
    #[default]
    ChannelsLast,
}

/// Where and how [`MultiTaskNet::build`](crate::MultiTaskNet::build) builds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BuildOptions {
    /// Where the parameters live.
    pub device: Device,
    /// Of the initial parameters: the same seed gives the same bits, whatever else is built or drawn.
    pub seed: u64,
    /// Number format of products.
    pub precision: Precision,
    /// Order in memory.
    pub layout: MemoryLayout,
    /// Channels of the input, 3 unless grey images are fed as they are.
    pub input_channels: i64,
    /// Height and width (and depth) of the input in pixels.
    pub input_size: i64,
}

impl Default for BuildOptions {
    fn default() -> Self {
        Self {
            device: Device::Cpu,
            seed: 0,
            precision: Precision::default(),
            layout: MemoryLayout::default(),
            input_channels: 3,
            input_size: 28,
        }
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
