//! Lists of steps, and which ones are sound for which modality.

use std::sync::Arc;

use medley_core::Modality;
use medley_core::keys::Table;

use crate::transforms::{
    BrightnessConfig, ContrastConfig, DihedralConfig, FlipAxis, FlipConfig, HueConfig, SaturationConfig, ShiftConfig,
};
use crate::{AugmentError, Filter, Padding, Plan, Random, Transform, TransformConfig};

medley_core::keys! {
    /// A policy as written.
    ///
    /// ```
    /// let policy: medley_augment::PolicyConfig = toml::from_str(
    ///     r#"
    ///     padding = "edge"
    ///     steps = [{ type = "flip", axis = "horizontal" }, { type = "shift", pixels = 2 }]
    ///     "#,
    /// )?;
    /// policy.check()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub struct PolicyConfig {
        /// In order; the geometric ones are gathered into one resampling that comes first.
        steps: Vec<TransformConfig> = Vec::new();
        /// What geometric steps show beyond the border.
        padding: Padding = Padding::Reflect;
        /// How geometric steps interpolate.
        filter: Filter = Filter::Bilinear;
    }
}

impl PolicyConfig {
    /// Images as they are.
    pub fn none() -> Self {
        Self::default()
    }

    /// What is sound for a modality: nothing that would make an image that cannot occur, or that has another label.
    /// [`Self::reason`] says why, modality by modality.
    pub fn builtin(modality: Modality) -> Self {
        let flip = |axis| TransformConfig::Flip(FlipConfig { axis, probability: 0.5 });
        let shift = TransformConfig::Shift(ShiftConfig { pixels: 2 });
        let light = |amount| {
            let brightness = TransformConfig::Brightness(BrightnessConfig { amount });
            [brightness, TransformConfig::Contrast(ContrastConfig { amount })]
        };
        let mut steps = vec![shift];
        match modality {
            Modality::Pathology
            | Modality::BloodMicroscope
            | Modality::KidneyMicroscope
            | Modality::Dermatoscope
            | Modality::Fundus
            | Modality::ElectronMicroscope => {
                steps.push(TransformConfig::Dihedral(DihedralConfig {}));
                steps.extend(light(0.1));
                if modality == Modality::Pathology {
                    steps.extend(stain());
                }
            }
            Modality::Oct | Modality::ChestXray | Modality::Ultrasound => {
                steps.push(flip(FlipAxis::Horizontal));
                steps.extend(light(0.1));
            }
            Modality::ChestCt | Modality::BrainMra => {
                steps.extend([FlipAxis::Depth, FlipAxis::Vertical, FlipAxis::Horizontal].map(flip));
            }
            Modality::AbdominalCt | Modality::Shape | Modality::Other => {}
        }
        // The disc of the fundus lies on black; mirrored, its rim would be a second crescent.
        let padding = if modality == Modality::Fundus { Padding::Zero } else { Padding::default() };
        Self { steps, padding, ..Self::default() }
    }

    /// Why [`Self::builtin`] is what it is, in a sentence or two.
    pub const fn reason(modality: Modality) -> &'static str {
        match modality {
            Modality::Pathology => {
                "A specimen under a microscope has no up, so all 8 symmetries of the square occur; light varies, and so does the \
                 stain, from laboratory to laboratory."
            }
            Modality::BloodMicroscope | Modality::KidneyMicroscope => {
                "A specimen under a microscope has no up, so all 8 symmetries of the square occur; light varies."
            }
            Modality::ElectronMicroscope => {
                "A specimen under a microscope has no up, so all 8 symmetries of the square occur; the beam varies."
            }
            Modality::Dermatoscope => {
                "The instrument is put on the skin in any direction, so all 8 symmetries of the square occur; light varies."
            }
            Modality::Fundus => {
                "Signs of disease lie in any direction from the centre and left eyes mirror right ones, so all 8 symmetries \
                 of the square are taken; light varies. Around the disc it is black."
            }
            Modality::Oct => {
                "The layers of the retina fix up and down. Left eyes mirror right ones: horizontal flips only; gain varies."
            }
            Modality::ChestXray => {
                "Patients stand or lie the right way up, and pneumonia may sit in either lung: horizontal flips only; \
                 exposure varies."
            }
            Modality::Ultrasound => {
                "The probe is on top and sound fades downwards, but may be held either way round: horizontal flips only; \
                 gain varies."
            }
            Modality::AbdominalCt => {
                "Left and right kidneys, lungs and femoral heads are different classes, so a mirror image would have another \
                 label: moves only. The window of Hounsfield units is fixed, so grey values stay."
            }
            Modality::ChestCt => {
                "Nodules and fractures lie in any direction: mirror images along each axis. The window of Hounsfield units is \
                 fixed, so grey values stay."
            }
            Modality::BrainMra => "Cut-out parts of vessels lie in any direction: mirror images along each axis.",
            Modality::Shape => "Left and right glands differ in shape, and voxels are 0 or 1: moves only.",
            Modality::Other => "Nothing is known of these images: moves only.",
        }
    }

    /// Whether [`Policy::new`] would take it.
    ///
    /// # Errors
    /// As there.
    pub fn check(&self) -> Result<(), AugmentError> {
        Policy::new(self).map(|_| ())
    }
}

/// A little of what differs between slides of different laboratories. Networks for stained slides that have not seen it lose most at another
/// hospital (Tellez et al., *Quantifying the effects of data augmentation and stain color normalization in convolutional neural networks for
/// computational pathology*, 2019), and the test images of PathMNIST are of another one than those for training.
fn stain() -> [TransformConfig; 2] {
    let saturation = TransformConfig::Saturation(SaturationConfig { amount: 0.2 });
    [saturation, TransformConfig::Hue(HueConfig { turn: 0.04 })]
}

/// A checked policy. Cloning shares the steps.
#[derive(Debug, Clone)]
pub struct Policy {
    steps: Arc<[Box<dyn Transform>]>,
    padding: Padding,
    filter: Filter,
}

impl Policy {
    /// Checks every step.
    ///
    /// # Errors
    /// [`AugmentError::OutOfRange`] with the key, such as `steps[2].probability`.
    pub fn new(config: &PolicyConfig) -> Result<Self, AugmentError> {
        Table::check(config, "")?;
        let steps = config.steps.iter().map(TransformConfig::build).collect::<Result<Vec<_>, _>>()?;
        Ok(Self::of(steps, config.padding, config.filter))
    }

    /// A policy of any transforms, your own among them.
    pub fn of(steps: Vec<Box<dyn Transform>>, padding: Padding, filter: Filter) -> Self {
        Self { steps: steps.into(), padding, filter }
    }

    /// [`PolicyConfig::builtin`].
    pub fn builtin(modality: Modality) -> PolicyConfig {
        PolicyConfig::builtin(modality)
    }

    /// The transforms in order.
    pub fn steps(&self) -> &[Box<dyn Transform>] {
        &self.steps
    }

    /// What geometric steps show beyond the border.
    pub fn padding(&self) -> Padding {
        self.padding
    }

    /// How geometric steps interpolate.
    pub fn filter(&self) -> Filter {
        self.filter
    }

    /// Draws all steps for one image.
    pub fn draw<'t>(&'t self, random: &mut Random, plan: &mut Plan<'t>) {
        for step in self.steps.iter() {
            step.draw(random, plan);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Modality; 14] = [
        Modality::Pathology,
        Modality::Dermatoscope,
        Modality::Oct,
        Modality::ChestXray,
        Modality::Fundus,
        Modality::Ultrasound,
        Modality::BloodMicroscope,
        Modality::KidneyMicroscope,
        Modality::AbdominalCt,
        Modality::ChestCt,
        Modality::BrainMra,
        Modality::ElectronMicroscope,
        Modality::Shape,
        Modality::Other,
    ];

    #[test]
    fn builtin_policies_are_legal_and_survive_toml() {
        for modality in ALL {
            let policy = PolicyConfig::builtin(modality);
            policy.check().unwrap();
            let text = toml::to_string(&policy).unwrap();
            assert_eq!(toml::from_str::<PolicyConfig>(&text).unwrap(), policy, "{text}");
        }
    }

    #[test]
    fn what_has_an_up_is_never_turned_over() {
        for modality in [Modality::AbdominalCt, Modality::ChestXray, Modality::Oct, Modality::Ultrasound] {
            for step in PolicyConfig::builtin(modality).steps {
                assert!(!matches!(step, TransformConfig::Dihedral(_)), "{modality:?}");
                assert!(
                    !matches!(step, TransformConfig::Flip(FlipConfig { axis: FlipAxis::Vertical, .. })),
                    "{modality:?}"
                );
            }
        }
    }

    #[test]
    fn only_around_the_disc_of_a_fundus_it_is_black() {
        for modality in ALL {
            let expected = if modality == Modality::Fundus { Padding::Zero } else { Padding::Reflect };
            assert_eq!(PolicyConfig::builtin(modality).padding, expected, "{modality:?}");
        }
    }

    #[test]
    fn errors_name_the_key() {
        let read = |text: &str| toml::from_str::<PolicyConfig>(text);
        let policy =
            read("steps = [{ type = 'dihedral' }, { type = 'flip', axis = 'vertical', probability = 1.5 }]").unwrap();
        assert_eq!(policy.check().unwrap_err().to_string(), "`steps[1].probability` is 1.5, but must be in [0, 1]");
        let nan = read("steps = [{ type = 'contrast', amount = nan }]").unwrap();
        assert_eq!(nan.check().unwrap_err().to_string(), "`steps[0].amount` is NaN, but must be in [0, 1]");
        assert!(
            read("steps = [{ type = 'shift', pixel = 2 }]").unwrap_err().to_string().contains("unknown field `pixel`")
        );
        assert!(read("steps = [{ type = 'dihedral', p = 2 }]").unwrap_err().to_string().contains("unknown field `p`"));
        assert!(read("steps = [{ type = 'flop' }]").unwrap_err().to_string().contains("unknown variant `flop`"));
        assert!(read("stepz = []").is_err());
    }
}
