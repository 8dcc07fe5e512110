//! Decoded pixels.

/// A decoded picture: `[H, W, C]` or `[D, H, W]` bytes. RGB whose channels are equal everywhere is grey.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Slices of a volume; `None` for a flat picture.
    pub depth: Option<usize>,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// 1 (grey) or 3 (RGB); 1 for volumes.
    pub channels: usize,
    /// 0-255, row-major, channels interleaved.
    pub bytes: Vec<u8>,
}

impl Picture {
    /// The shape as people write it, rows first.
    pub fn shape(&self) -> String {
        let depth = self.depth.map_or_else(String::new, |depth| format!("{depth}x"));
        format!("{depth}{}x{}", self.height, self.width)
    }

    /// Drops channels that say the same.
    #[must_use]
    pub fn grey_if_it_is(self) -> Self {
        let grey =
            self.channels == 3 && self.bytes.chunks_exact(3).all(|pixel| pixel[0] == pixel[1] && pixel[1] == pixel[2]);
        if !grey {
            return self;
        }
        Self { channels: 1, bytes: self.bytes.iter().step_by(3).copied().collect(), ..self }
    }

    /// Luma by the weights of Rec. 709, rounded.
    #[must_use]
    pub fn into_grey(self) -> Self {
        if self.channels == 1 {
            return self;
        }
        let luma = |pixel: &[u8]| {
            let sum = 2_126 * u32::from(pixel[0]) + 7_152 * u32::from(pixel[1]) + 722 * u32::from(pixel[2]);
            ((sum + 5_000) / 10_000) as u8
        };
        Self { channels: 1, bytes: self.bytes.chunks_exact(3).map(luma).collect(), ..self }
    }

    /// Three channels; grey is repeated.
    #[must_use]
    pub fn into_colour(self) -> Self {
        if self.channels == 3 {
            return self;
        }
        Self { channels: 3, bytes: self.bytes.iter().flat_map(|&grey| [grey; 3]).collect(), ..self }
    }
}
