//! The registry: every transform by the name it has in TOML.

use medley_core::keys::{Key, KeyError, Table, Value, dotted, keys_of_choice};
use serde::{Deserialize, Serialize};

use crate::transforms as t;
use crate::{AugmentError, Transform};

/// One line per transform: its name in TOML and its keys, with a method `build`.
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
                self.check_within("")?;
                Ok(match self {
                    $(Self::$variant(config) => config.build(),)*
                })
            }
        }

        impl Value for TransformConfig {
            const KIND: &'static str = "table";

            fn to_toml(&self) -> Option<String> {
                None
            }

            fn keys_within(at: &str) -> Vec<Key> {
                let named = Key {
                    path: dotted(at, "type"),
                    kind: "string",
                    default: None,
                    required: true,
                    range: None,
                    meaning: "Which transform.".to_owned(),
                    only_with: Vec::new(),
                };
                let own = [$(($name, $summary.trim_ascii().to_owned(), <$config>::keys(at))),*];
                keys_of_choice(named, Vec::new(), own)
            }

            fn check_within(&self, at: &str) -> Result<(), KeyError> {
                match self {
                    $(Self::$variant(config) => config.check(at),)*
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
            "`degrees` is 1e-40, but must be in [0, 180], and 0 or at least 1.1754944e-38"
        );
        let message = refusal("type = 'intensity'\nfactor = [1e-40, 1.0]");
        assert!(message.starts_with("`factor` is") && message.contains("0 or at least 1.1754944e-38"), "{message}");
    }

    #[test]
    fn numbers_are_written_as_they_were_read() {
        let text =
            "degrees = 0.0\nprobability = 0.1\nscale = [0.9, 1.1]\nshear = 0.0\ntranslate = 0.3\ntype = \"affine\"\n";
        let step: TransformConfig = toml::from_str(text).unwrap();
        assert_eq!(toml::Table::try_from(&step).unwrap().to_string(), text);
    }

    #[test]
    fn each_key_is_listed_with_its_range_and_transforms() {
        let keys = TransformConfig::keys_within("steps[]");
        let of = |path: &str| keys.iter().filter(|key| key.path == path).collect::<Vec<_>>();
        assert!(
            of("steps[].type")[0].range.as_deref().is_some_and(|names| names.contains("`affine`: Rotation, moves"))
        );
        let degrees = of("steps[].degrees")[0];
        assert_eq!((degrees.range.as_deref(), &degrees.only_with[..]), (Some("[0, 180]"), &["affine"][..]));
        // Not all are done to the same share of images by default.
        let shares: Vec<_> = of("steps[].probability").iter().map(|key| key.default.as_deref()).collect();
        assert_eq!(shares, [Some("0.5"), Some("1.0")]);
        for name in TransformConfig::NAMES {
            let without_keys = ["dihedral", "trivial_augment"].contains(name);
            assert_eq!(keys.iter().any(|key| key.only_with.contains(name)), !without_keys, "{name}");
        }
    }
}
