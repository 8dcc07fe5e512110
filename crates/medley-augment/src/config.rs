//! The registry: every transform by the name it has in TOML.

use std::fmt::Display;

use serde::{Deserialize, Serialize};

use crate::transforms::{BrightnessConfig, ContrastConfig, DihedralConfig, FlipConfig, ShiftConfig};
use crate::{AugmentError, Transform};

/// One step of a policy, as written: `{ type = "flip", axis = "horizontal" }`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum TransformConfig {
    /// Mirror images.
    Flip(FlipConfig),
    /// Quarter turns and mirror images.
    Dihedral(DihedralConfig),
    /// Small moves.
    Shift(ShiftConfig),
    /// Lighter and darker.
    Brightness(BrightnessConfig),
    /// Flatter and steeper.
    Contrast(ContrastConfig),
}

impl TransformConfig {
    /// Checks the parameters.
    ///
    /// # Errors
    /// [`AugmentError::OutOfRange`] with the key, relative to this step.
    pub fn build(&self) -> Result<Box<dyn Transform>, AugmentError> {
        match self {
            Self::Flip(config) => config.build(),
            Self::Dihedral(config) => config.build(),
            Self::Shift(config) => config.build(),
            Self::Brightness(config) => config.build(),
            Self::Contrast(config) => config.build(),
        }
    }
}

/// Refuses what is not between `low` and `high`, NaN among it.
pub(crate) fn check<T: PartialOrd + Display + Copy>(key: &str, value: T, low: T, high: T) -> Result<(), AugmentError> {
    if low <= value && value <= high {
        Ok(())
    } else {
        Err(AugmentError::out_of_range(key, value, format!("between {low} and {high}")))
    }
}
