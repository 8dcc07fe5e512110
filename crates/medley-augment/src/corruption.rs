//! What goes wrong with images in practice, by modality and in five severities.
//!
//! The list follows *MedMNIST-C: comprehensive benchmark and improved classifier robustness by simulating realistic image
//! corruptions* (Di Salvo, Doerrich and Ledig, 2024, arXiv 2406.17536): which corruptions a modality suffers from, and how strong
//! each severity is. The code is written from the paper's description, so images are corrupted in the same way but not to the same
//! bits. The benchmark corrupts images of 224 pixels; here lengths (radii of blur) are multiplied by the square root of
//! side / 224: an eighth of them would be invisible on 28 pixels, and all of them would leave nothing.
//!
//! As steps of a policy, corruptions are also what the paper calls targeted augmentation:
//!
//! ```
//! # let policy: medley_augment::PolicyConfig = toml::from_str(r#"
//! steps = [
//!     { type = "corruption", kind = "defocus_blur", severity = 3, modality = "pathology" },
//!     { type = "random_corruption", modality = "pathology", severity = [1, 5], probability = 0.5 },
//! ]
//! # "#)?;
//! # policy.check()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod digital;
mod optics;
mod overlay;
mod severity;

use medley_core::Modality;

use crate::kernel::noise::uniforms;
use crate::kernel::tone::power;
use crate::plan::Params;
use crate::transforms::{add_gaussian, blur, brighten, contrast, photons, speckle};
use crate::{ImagePlanes, Plan, Random, Transform};

medley_core::choices! {
    /// One kind of corruption, with the name that MedMNIST-C gives it.
    #[derive(PartialOrd, Ord)]
    #[non_exhaustive]
    pub enum Corruption {
        /// Fewer, larger pixels.
        Pixelate = "pixelate",
        /// Lossy compression. Pixels differ from Pillow's by about a level of 255 on the mean, colours by 4 to 12.
        JpegCompression = "jpeg_compression",
        /// Noise of the electronics.
        GaussianNoise = "gaussian_noise",
        /// Noise of coherent waves.
        SpeckleNoise = "speckle_noise",
        /// Single pixels black or white.
        ImpulseNoise = "impulse_noise",
        /// Noise of few photons.
        ShotNoise = "shot_noise",
        /// Soft everywhere.
        GaussianBlur = "gaussian_blur",
        /// Out of focus: each point a disc.
        DefocusBlur = "defocus_blur",
        /// Moved while exposed: each point a fading line.
        MotionBlur = "motion_blur",
        /// Moved towards the lens while exposed.
        ZoomBlur = "zoom_blur",
        /// Too much light.
        BrightnessUp = "brightness_up",
        /// Too little light.
        BrightnessDown = "brightness_down",
        /// Too steep.
        ContrastUp = "contrast_up",
        /// Too flat.
        ContrastDown = "contrast_down",
        /// Too colourful.
        Saturate = "saturate",
        /// Midtones darker.
        GammaCorrUp = "gamma_corr_up",
        /// Midtones lighter.
        GammaCorrDown = "gamma_corr_down",
        /// Spots of stain on the slide.
        StainDeposit = "stain_deposit",
        /// Air under the cover glass.
        Bubble = "bubble",
        /// The dark rim of the dermatoscope's tube.
        BlackCorner = "black_corner",
        /// Digits burnt into the image.
        Characters = "characters",
    }
}

use Corruption as C;

impl Corruption {
    /// All of them.
    pub const ALL: [Self; 21] = [
        C::Pixelate,
        C::JpegCompression,
        C::GaussianNoise,
        C::SpeckleNoise,
        C::ImpulseNoise,
        C::ShotNoise,
        C::GaussianBlur,
        C::DefocusBlur,
        C::MotionBlur,
        C::ZoomBlur,
        C::BrightnessUp,
        C::BrightnessDown,
        C::ContrastUp,
        C::ContrastDown,
        C::Saturate,
        C::GammaCorrUp,
        C::GammaCorrDown,
        C::StainDeposit,
        C::Bubble,
        C::BlackCorner,
        C::Characters,
    ];

    /// What a modality suffers from, as the paper lists it. For modalities of the 3D sets, which the paper leaves out, and for
    /// others: noise, blur and light. A segmented shape has no camera that could fail.
    pub fn for_modality(modality: Modality) -> &'static [Self] {
        match modality {
            Modality::Pathology | Modality::BloodMicroscope => &[
                C::Pixelate,
                C::JpegCompression,
                C::DefocusBlur,
                C::MotionBlur,
                C::BrightnessUp,
                C::BrightnessDown,
                C::ContrastUp,
                C::ContrastDown,
                C::Saturate,
                C::StainDeposit,
                C::Bubble,
            ],
            Modality::Dermatoscope => &[
                C::Pixelate,
                C::JpegCompression,
                C::GaussianNoise,
                C::SpeckleNoise,
                C::ImpulseNoise,
                C::ShotNoise,
                C::DefocusBlur,
                C::MotionBlur,
                C::ZoomBlur,
                C::BrightnessUp,
                C::BrightnessDown,
                C::ContrastUp,
                C::ContrastDown,
                C::BlackCorner,
                C::Characters,
            ],
            Modality::Fundus => &[
                C::Pixelate,
                C::JpegCompression,
                C::GaussianNoise,
                C::SpeckleNoise,
                C::DefocusBlur,
                C::MotionBlur,
                C::BrightnessDown,
                C::ContrastDown,
            ],
            Modality::KidneyMicroscope => &[
                C::Pixelate,
                C::JpegCompression,
                C::ImpulseNoise,
                C::GaussianBlur,
                C::BrightnessUp,
                C::BrightnessDown,
                C::ContrastUp,
                C::ContrastDown,
            ],
            Modality::Oct => {
                &[C::Pixelate, C::JpegCompression, C::SpeckleNoise, C::DefocusBlur, C::MotionBlur, C::ContrastDown]
            }
            Modality::Ultrasound => &[
                C::Pixelate,
                C::JpegCompression,
                C::SpeckleNoise,
                C::MotionBlur,
                C::BrightnessUp,
                C::BrightnessDown,
                C::ContrastDown,
            ],
            Modality::ChestXray | Modality::AbdominalCt => &[
                C::Pixelate,
                C::JpegCompression,
                C::GaussianNoise,
                C::SpeckleNoise,
                C::ImpulseNoise,
                C::ShotNoise,
                C::GaussianBlur,
                C::BrightnessUp,
                C::BrightnessDown,
                C::ContrastUp,
                C::ContrastDown,
                C::GammaCorrUp,
                C::GammaCorrDown,
            ],
            Modality::ChestCt | Modality::BrainMra | Modality::ElectronMicroscope | Modality::Other => {
                &[C::GaussianNoise, C::GaussianBlur, C::BrightnessUp, C::BrightnessDown, C::ContrastUp, C::ContrastDown]
            }
            Modality::Shape => &[],
        }
    }

    /// The name, as in TOML and in the files of MedMNIST-C.
    pub fn name(self) -> &'static str {
        match self {
            C::Pixelate => "pixelate",
            C::JpegCompression => "jpeg_compression",
            C::GaussianNoise => "gaussian_noise",
            C::SpeckleNoise => "speckle_noise",
            C::ImpulseNoise => "impulse_noise",
            C::ShotNoise => "shot_noise",
            C::GaussianBlur => "gaussian_blur",
            C::DefocusBlur => "defocus_blur",
            C::MotionBlur => "motion_blur",
            C::ZoomBlur => "zoom_blur",
            C::BrightnessUp => "brightness_up",
            C::BrightnessDown => "brightness_down",
            C::ContrastUp => "contrast_up",
            C::ContrastDown => "contrast_down",
            C::Saturate => "saturate",
            C::GammaCorrUp => "gamma_corr_up",
            C::GammaCorrDown => "gamma_corr_down",
            C::StainDeposit => "stain_deposit",
            C::Bubble => "bubble",
            C::BlackCorner => "black_corner",
            C::Characters => "characters",
        }
    }

    /// Corrupts. `severity` is 1-5.
    fn apply(self, severity: u32, modality: Modality, seed: u64, image: &mut ImagePlanes<'_>) {
        let strength = severity::of(self, modality, severity);
        let length = strength * (image.shape().height as f32 / 224.0).sqrt();
        let random = &mut Random::from_seed(seed);
        match self {
            C::Pixelate => digital::pixelate(image, strength),
            C::JpegCompression => digital::jpeg(image, strength as u8),
            C::GaussianNoise => add_gaussian(image, strength, random),
            C::SpeckleNoise => speckle(image, strength, random),
            C::ImpulseNoise => impulses(image, strength, random),
            C::ShotNoise => photons(image, strength, random),
            C::GaussianBlur => blur(image, length),
            C::DefocusBlur => optics::defocus(image, length),
            C::MotionBlur => optics::motion(image, length, random),
            C::ZoomBlur => optics::zoom(image, strength),
            C::BrightnessUp | C::BrightnessDown => brighten(image, strength),
            C::ContrastUp | C::ContrastDown => contrast(image, strength),
            C::Saturate => optics::saturate(image, strength),
            C::GammaCorrUp | C::GammaCorrDown => power(image.pixels_mut(), strength),
            C::StainDeposit => overlay::stains(image, strength as u32, random),
            C::Bubble => overlay::bubbles(image, severity, strength, random),
            C::BlackCorner => overlay::black_corner(image, strength),
            C::Characters => overlay::characters(image, strength as u32, severity, random),
        }
    }
}

fn impulses(image: &mut ImagePlanes<'_>, share: f32, random: &mut Random) {
    let (pixels, scratch) = image.with_scratch();
    scratch.floats.resize(pixels.len(), 0.0);
    uniforms(random, &mut scratch.floats);
    for (value, &chance) in pixels.iter_mut().zip(&scratch.floats) {
        if chance < share {
            *value = if chance < share / 2.0 { 0.0 } else { 1.0 };
        }
    }
}

medley_core::keys! {
    /// One corruption of one severity.
    pub struct CorruptionConfig {
        /// Which.
        kind: Corruption;
        /// How bad.
        severity: u32, in 1..=5;
        /// Whose strengths.
        modality: Modality = Modality::Other;
        /// Share of images it is done to.
        probability: f32 = 1.0, in 0.0..=1.0;
    }
}

medley_core::keys! {
    /// Any corruption of a modality, of any of some severities: the paper's targeted augmentation.
    pub struct RandomCorruptionConfig {
        /// Whose corruptions and strengths.
        modality: Modality;
        /// Least and most severity.
        severity: [u32; 2] = [1, 5], in 1..=5;
        /// Share of images it is done to.
        probability: f32 = 1.0, in 0.0..=1.0;
    }
}

impl crate::TransformConfig {
    /// A corruption of a severity, 1 to 5, with the strengths of a modality, of every image.
    pub fn corruption(kind: Corruption, severity: u32, modality: Modality) -> Self {
        Self::Corruption(CorruptionConfig { kind, severity, modality, probability: 1.0 })
    }
}

impl CorruptionConfig {
    pub(crate) fn build(&self) -> Box<dyn Transform> {
        Box::new(Corrupt {
            choices: vec![self.kind],
            severity: [self.severity; 2],
            modality: self.modality,
            probability: self.probability,
        })
    }
}

impl RandomCorruptionConfig {
    pub(crate) fn build(&self) -> Box<dyn Transform> {
        Box::new(Corrupt {
            choices: Corruption::for_modality(self.modality).to_vec(),
            severity: self.severity,
            modality: self.modality,
            probability: self.probability,
        })
    }
}

#[derive(Debug)]
struct Corrupt {
    choices: Vec<Corruption>,
    severity: [u32; 2],
    modality: Modality,
    probability: f32,
}

impl Transform for Corrupt {
    fn draw<'t>(&'t self, random: &mut Random, plan: &mut Plan<'t>) {
        if !random.chance(self.probability) {
            return;
        }
        let which = random.below(self.choices.len() as u32);
        let severity = self.severity[0] + random.below(self.severity[1] - self.severity[0] + 1);
        plan.then(self, Params::of(&[which as f32, severity as f32]).with_seed(random.bits()));
    }

    fn apply(&self, params: &Params, image: &mut ImagePlanes<'_>) {
        if let Some(corruption) = self.choices.get(params.values[0] as usize) {
            corruption.apply(params.values[1] as u32, self.modality, params.seed, image);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_toml() {
        for corruption in Corruption::ALL {
            assert_eq!(serde_json::to_value(corruption).unwrap(), corruption.name());
        }
    }
}
