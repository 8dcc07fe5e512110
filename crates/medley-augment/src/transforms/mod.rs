//! The transforms, one file each: the keys that it has in TOML, and the [`Transform`](crate::Transform) that is made of them.
//!
//! A new one is a new file like these, a line here, a line in the registry ([`config`](crate::config)), and an example in the
//! table of `tests/integration/transforms.rs`, which runs the conformance suite on it.

mod affine;
mod augmix;
mod brightness;
mod channel_jitter;
mod colour_jitter;
mod contrast;
mod cutout;
mod dihedral;
mod elastic;
mod flip;
mod gamma;
mod gaussian_blur;
mod gaussian_noise;
mod hue;
mod intensity;
mod operation;
mod poisson_noise;
mod rand_augment;
mod random_erasing;
mod right_angle_turns;
mod saturation;
mod sharpness;
mod shift;
mod speckle_noise;
mod trivial_augment;

pub use affine::AffineConfig;
pub use augmix::AugMixConfig;
pub use brightness::BrightnessConfig;
pub use channel_jitter::ChannelJitterConfig;
pub use colour_jitter::ColourJitterConfig;
pub use contrast::ContrastConfig;
pub use cutout::CutoutConfig;
pub use dihedral::DihedralConfig;
pub use elastic::ElasticConfig;
pub use flip::{FlipAxis, FlipConfig};
pub use gamma::GammaConfig;
pub use gaussian_blur::GaussianBlurConfig;
pub use gaussian_noise::GaussianNoiseConfig;
pub use hue::HueConfig;
pub use intensity::IntensityConfig;
pub use poisson_noise::PoissonNoiseConfig;
pub use rand_augment::RandAugmentConfig;
pub use random_erasing::{Fill, RandomErasingConfig};
pub use right_angle_turns::RightAngleTurnsConfig;
pub use saturation::SaturationConfig;
pub use sharpness::SharpnessConfig;
pub use shift::ShiftConfig;
pub use speckle_noise::SpeckleNoiseConfig;
pub use trivial_augment::TrivialAugmentConfig;

pub(crate) use brightness::brighten;
pub(crate) use contrast::contrast;
pub(crate) use gaussian_blur::blur;
pub(crate) use gaussian_noise::add_gaussian;
pub(crate) use hue::turn;
pub(crate) use poisson_noise::photons;
pub(crate) use saturation::saturation;
pub(crate) use sharpness::sharpness;
pub(crate) use speckle_noise::speckle;
