//! How pictures are read where a file leaves it open.

use serde::{Deserialize, Serialize};

use crate::Budget;

/// The most pixels of a picture unless told otherwise: 8192x8192.
pub const MAX_PIXELS: u64 = 1 << 26;

/// What happens to pictures of 16 bits per channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SixteenBit {
    /// They are refused: which values matter is not known.
    #[default]
    Refuse,
    /// 0-65535 becomes 0-255.
    FullRange,
    /// The least to the greatest value of each picture become 0-255.
    PictureRange,
}

/// What happens to pictures that are transparent somewhere. A channel that is opaque throughout is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Alpha {
    /// They are refused.
    #[default]
    Refuse,
    /// They are laid over black.
    Black,
    /// They are laid over white.
    White,
}

/// What becomes of files with several frames or pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Frames {
    /// They are the slices of a volume; pages of which only one could be read are refused.
    #[default]
    Volume,
    /// The first one is the picture, with a note.
    First,
}

/// How pictures are read.
#[derive(Debug)]
pub struct Rules {
    /// 16 bits per channel.
    pub sixteen_bit: SixteenBit,
    /// Transparency.
    pub alpha: Alpha,
    /// The most pixels of a picture, or of all frames that are read.
    pub max_pixels: u64,
    /// Memory for the pictures that are being decoded, which threads share.
    pub budget: Budget,
}

impl Default for Rules {
    /// What is open is refused; at most [`MAX_PIXELS`], and a gibibyte for all threads.
    fn default() -> Self {
        Self {
            sixteen_bit: SixteenBit::default(),
            alpha: Alpha::default(),
            max_pixels: MAX_PIXELS,
            budget: Budget::new(1 << 30),
        }
    }
}
