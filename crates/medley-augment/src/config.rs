//! The registry: every transform by the name it has in TOML.

use medley_core::keys::Number;
use serde::{Deserialize, Serialize, Serializer};

use crate::transforms as t;
use crate::{AugmentError, Transform};

/// One line per transform: its name in TOML and its config, which has a method `build`.
macro_rules! transforms {
    ($(#[doc = $summary:literal] $variant:ident($config:ty) = $name:literal,)*) => {
        /// One step of a policy, as written: `{ type = "flip", axis = "horizontal" }`.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "type", deny_unknown_fields)]
        #[non_exhaustive]
        pub enum TransformConfig {
            $(#[doc = $summary] #[serde(rename = $name)] $variant($config),)*
        }

        impl TransformConfig {
            /// The names of all transforms, in the order of the documentation.
            pub const NAMES: &[&str] = &[$($name),*];

            /// What each does, in the order of [`Self::NAMES`].
            pub const SUMMARIES: &[&str] = &[$($summary.trim_ascii()),*];

            /// Checks the parameters.
            ///
            /// # Errors
            /// [`AugmentError::OutOfRange`] with the key, relative to this step.
            pub fn build(&self) -> Result<Box<dyn Transform>, AugmentError> {
                match self {
                    $(Self::$variant(config) => config.build(),)*
                }
            }
        }
    };
}

transforms! {
    /// Mirror images.
    Flip(t::FlipConfig) = "flip",
    /// Quarter turns and mirror images within a slice.
    Dihedral(t::DihedralConfig) = "dihedral",
    /// Right-angle turns of volumes in space.
    RightAngleTurns(t::RightAngleTurnsConfig) = "right_angle_turns",
    /// Small moves by whole pixels.
    Shift(t::ShiftConfig) = "shift",
    /// Rotation, moves, scale and shear.
    Affine(t::AffineConfig) = "affine",
    /// Smooth local displacements.
    Elastic(t::ElasticConfig) = "elastic",
    /// Lighter and darker.
    Brightness(t::BrightnessConfig) = "brightness",
    /// Flatter and steeper.
    Contrast(t::ContrastConfig) = "contrast",
    /// Midtones lighter or darker.
    Gamma(t::GammaConfig) = "gamma",
    /// Paler and more colourful.
    Saturation(t::SaturationConfig) = "saturation",
    /// Colours turned on their circle.
    Hue(t::HueConfig) = "hue",
    /// Brightness, contrast, saturation and hue in random order.
    ColourJitter(t::ColourJitterConfig) = "colour_jitter",
    /// Each channel scaled and shifted on its own.
    ChannelJitter(t::ChannelJitterConfig) = "channel_jitter",
    /// All values times one factor, as the official 3D benchmark trains.
    Intensity(t::IntensityConfig) = "intensity",
    /// Out of focus.
    GaussianBlur(t::GaussianBlurConfig) = "gaussian_blur",
    /// Harder or softer edges.
    Sharpness(t::SharpnessConfig) = "sharpness",
    /// Noise of the electronics.
    GaussianNoise(t::GaussianNoiseConfig) = "gaussian_noise",
    /// Noise of few photons.
    PoissonNoise(t::PoissonNoiseConfig) = "poisson_noise",
    /// Noise of coherent waves.
    SpeckleNoise(t::SpeckleNoiseConfig) = "speckle_noise",
    /// A square without content.
    Cutout(t::CutoutConfig) = "cutout",
    /// A rectangle of random size without content.
    RandomErasing(t::RandomErasingConfig) = "random_erasing",
    /// Several random operations of one strength.
    RandAugment(t::RandAugmentConfig) = "rand_augment",
    /// One random operation of random strength.
    TrivialAugment(t::TrivialAugmentConfig) = "trivial_augment",
    /// Chains of random operations, mixed with the image.
    AugMix(t::AugMixConfig) = "augmix",
    /// One thing that goes wrong in practice.
    Corruption(crate::corruption::CorruptionConfig) = "corruption",
    /// Anything that goes wrong in practice with a modality.
    RandomCorruption(crate::corruption::RandomCorruptionConfig) = "random_corruption",
}

/// Refuses what is not between `low` and `high`, NaN among it, and what is too small to compute with.
pub(crate) fn check<T: Number>(key: &str, value: T, low: T, high: T) -> Result<(), AugmentError> {
    if !(low <= value && value <= high) {
        return Err(AugmentError::out_of_range(key, value, format!("between {low} and {high}")));
    }
    check_normal(key, value)
}

/// Refuses ranges that are empty or not between `low` and `high`, and ends that are too small to compute with.
pub(crate) fn check_range<T: Number>(key: &str, range: [T; 2], low: T, high: T) -> Result<(), AugmentError> {
    if !(low <= range[0] && range[0] <= range[1] && range[1] <= high) {
        let value = format!("[{}, {}]", range[0], range[1]);
        return Err(AugmentError::out_of_range(key, value, format!("[least, most] between {low} and {high}")));
    }
    range.into_iter().try_for_each(|end| check_normal(key, end))
}

fn check_normal<T: Number>(key: &str, value: T) -> Result<(), AugmentError> {
    if value.is_normal() {
        return Ok(());
    }
    Err(AugmentError::out_of_range(key, format!("{value:?}"), format!("0, or at least {:?}", f32::MIN_POSITIVE)))
}

/// Writes 0.1 as 0.1 where it is widened: a config in TOML holds 64 bits, and nobody wants to read 0.10000000149011612.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
pub(crate) fn plain<S: Serializer>(value: &f32, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(widen(*value))
}

/// The same for two.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
pub(crate) fn plain_pair<S: Serializer>(values: &[f32; 2], serializer: S) -> Result<S::Ok, S::Error> {
    values.map(widen).serialize(serializer)
}

/// The number with the same shortest decimal.
fn widen(value: f32) -> f64 {
    value.to_string().parse().unwrap_or_else(|_| f64::from(value))
}

/// Default of a `probability`: always.
pub(crate) fn always() -> f32 {
    1.0
}

/// Default of a `probability`: every other time.
pub(crate) fn half() -> f32 {
    0.5
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_are_too_small_to_compute_with_are_refused() {
        let refusal = |step: &str| {
            let step: TransformConfig = toml::from_str(step).unwrap();
            step.build().unwrap_err().to_string()
        };
        assert_eq!(
            refusal("type = 'affine'\ndegrees = 1e-40"),
            "`degrees` is 1e-40, but must be 0, or at least 1.1754944e-38"
        );
        let message = refusal("type = 'intensity'\nfactor = [1e-40, 1.0]");
        assert!(message.starts_with("`factor` is 1e-40, but must be 0"), "{message}");
    }

    #[test]
    fn numbers_are_written_as_they_were_read() {
        let text =
            "degrees = 0.0\nprobability = 0.1\nscale = [0.9, 1.1]\nshear = 0.0\ntranslate = 0.3\ntype = \"affine\"\n";
        let step: TransformConfig = toml::from_str(text).unwrap();
        assert_eq!(toml::Table::try_from(&step).unwrap().to_string(), text);
    }
}
