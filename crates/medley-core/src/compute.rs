//! The choices of how a network is computed that configs name and manifests record.

use std::fmt;

use serde::{Deserialize, Serialize};

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

/// What computes the convolutions of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Convolutions {
    /// The kernels of libtorch.
    #[default]
    Libtorch,
    /// Kernels of our own, with channels last on the CPU: Winograd's algorithm for convolutions of 3x3 and stride 1, in either number format; pooling;
    /// in training, batch normalisation with sums and `ReLU`, and in bf16 most other convolutions of 16 channels or a multiple, those of
    /// volumes too. libtorch for all else.
    Winograd,
    /// Gradients of the weights of deep layers on few pixels as one matrix product (im2col), in bf16 with channels last on the CPU; libtorch for
    /// all else.
    Im2col,
}

impl Convolutions {
    /// What computes predictions to the same bits: im2col concerns the backward pass alone.
    #[must_use]
    pub fn of_predictions(self) -> Self {
        match self {
            Self::Libtorch | Self::Im2col => Self::Libtorch,
            Self::Winograd => Self::Winograd,
        }
    }
}

impl fmt::Display for Convolutions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

impl fmt::Display for MemoryLayout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_configs_and_manifests() {
        assert_eq!(Precision::Bf16.to_string(), "bf16");
        assert_eq!(MemoryLayout::ChannelsLast.to_string(), "channels_last");
        assert_eq!(Convolutions::Winograd.to_string(), "winograd");
        assert_eq!(Convolutions::Im2col.to_string(), "im2col");
        assert_eq!(serde_json::to_string(&Precision::Fp32).unwrap(), r#""fp32""#);
        assert_eq!(serde_json::from_str::<MemoryLayout>(r#""contiguous""#).unwrap(), MemoryLayout::Contiguous);
    }
}
