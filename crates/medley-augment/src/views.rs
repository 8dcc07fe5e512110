//! Test-time views: several exact versions of one image, whose predictions are averaged.

use medley_core::{ImageShape, Modality};
use serde::{Deserialize, Serialize};

use crate::geometry::Axis;
use crate::{AugmentError, Map};

/// One version of an image. All are exact: pixels are moved, none is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum TestTimeView {
    /// As it is.
    Identity,
    /// Left and right swapped.
    HorizontalFlip,
    /// Top and bottom swapped.
    VerticalFlip,
    /// First and last slice swapped.
    DepthFlip,
    /// Turned by 90 degrees clockwise. Square images only.
    QuarterTurn,
    /// Turned by 180 degrees.
    HalfTurn,
    /// Turned by 270 degrees clockwise. Square images only.
    ThreeQuarterTurn,
    /// Mirrored at the main diagonal. Square images only.
    Transpose,
    /// Mirrored at the other diagonal. Square images only.
    AntiTranspose,
    /// Moved by whole pixels; what comes in at the border is the policy's `padding`.
    Shift {
        /// Pixels, -1024 to 1024.
        down: i32,
        /// Pixels, -1024 to 1024.
        right: i32,
    },
}

impl TestTimeView {
    /// The 8 symmetries of the square.
    pub const DIHEDRAL: [Self; 8] = [
        Self::Identity,
        Self::HorizontalFlip,
        Self::VerticalFlip,
        Self::HalfTurn,
        Self::Transpose,
        Self::QuarterTurn,
        Self::ThreeQuarterTurn,
        Self::AntiTranspose,
    ];

    /// Views that show what can occur in a modality, for the reasons of [`PolicyConfig::builtin`](crate::PolicyConfig::builtin);
    /// the first one is the image as it is.
    pub fn builtin(modality: Modality) -> Vec<Self> {
        let shift = |down, right| Self::Shift { down, right };
        match modality {
            Modality::Pathology
            | Modality::BloodMicroscope
            | Modality::KidneyMicroscope
            | Modality::Dermatoscope
            | Modality::Fundus
            | Modality::ElectronMicroscope => Self::DIHEDRAL.to_vec(),
            Modality::Oct | Modality::ChestXray | Modality::Ultrasound => vec![Self::Identity, Self::HorizontalFlip],
            Modality::ChestCt | Modality::BrainMra => {
                vec![Self::Identity, Self::HorizontalFlip, Self::VerticalFlip, Self::DepthFlip]
            }
            Modality::AbdominalCt | Modality::Shape | Modality::Other => {
                vec![Self::Identity, shift(0, 1), shift(0, -1), shift(1, 0), shift(-1, 0)]
            }
        }
    }

    /// The map of the view.
    pub fn map(self) -> Map {
        let (down, across) = (Map::flip(Axis::Height), Map::flip(Axis::Width));
        let transpose = Map::transpose(Axis::Height, Axis::Width);
        match self {
            Self::Identity => Map::IDENTITY,
            Self::HorizontalFlip => across,
            Self::VerticalFlip => down,
            Self::DepthFlip => Map::flip(Axis::Depth),
            Self::QuarterTurn => transpose.then(across),
            Self::HalfTurn => down.then(across),
            Self::ThreeQuarterTurn => transpose.then(down),
            Self::Transpose => transpose,
            Self::AntiTranspose => transpose.then(down).then(across),
            Self::Shift { down, right } => Map::shift([0.0, f64::from(down), f64::from(right)]),
        }
    }

    /// Whether images of this shape can be seen so.
    ///
    /// # Errors
    /// [`AugmentError::View`] for turns of images that are not square, and for shifts beyond 1024 pixels.
    pub fn check(self, shape: ImageShape) -> Result<(), AugmentError> {
        let fits = match self {
            Self::QuarterTurn | Self::ThreeQuarterTurn | Self::Transpose | Self::AntiTranspose => {
                shape.height == shape.width
            }
            Self::Shift { down, right } => down.unsigned_abs().max(right.unsigned_abs()) <= 1024,
            _ => true,
        };
        if fits { Ok(()) } else { Err(AugmentError::View { view: self, shape: shape.to_string() }) }
    }
}
