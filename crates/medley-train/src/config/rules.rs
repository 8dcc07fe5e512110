//! What this version does otherwise than earlier ones: a run goes on as the version that began it.

use medley_augment::{Padding, PolicyConfig, TransformConfig};
use medley_core::Modality;

use crate::sampler::Batches;

/// What a run does that its config does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// How the samples of an epoch become batches.
    pub batches: Batches,
    /// What the built-in policy shows around the fundus.
    pub around_fundus: Padding,
    /// Whether the built-in policy varies the stain of slides.
    pub varies_stain: bool,
}

impl Rules {
    /// Those of this version.
    pub const CURRENT: Self = Self { batches: Batches::Even, around_fundus: Padding::Zero, varies_stain: true };

    /// Those of the version that began a run; `None` for one that this version does not know, which is a later one.
    pub fn of(version: &str) -> Option<Self> {
        let mut numbers = version.split('.').map(|part| part.parse::<u32>().ok());
        match (numbers.next().flatten()?, numbers.next().flatten()?) {
            (0, 1) => Some(Self { batches: Batches::Full, around_fundus: Padding::Reflect, varies_stain: false }),
            (0, 2) => Some(Self::CURRENT),
            _ => None,
        }
    }

    /// The policy that a task gets by default.
    pub(super) fn builtin_policy(self, modality: Modality) -> PolicyConfig {
        let mut policy = PolicyConfig::builtin(modality);
        match modality {
            Modality::Fundus => policy.padding = self.around_fundus,
            Modality::Pathology if !self.varies_stain => {
                policy.steps.retain(|step| !matches!(step, TransformConfig::Saturation(_) | TransformConfig::Hue(_)));
            }
            _ => {}
        }
        policy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_version_knows_its_own_rules_and_those_of_earlier_ones() {
        assert_eq!(Rules::of(env!("CARGO_PKG_VERSION")), Some(Rules::CURRENT));
        assert_eq!(Rules::of("0.1.0").map(|rules| rules.batches), Some(Batches::Full));
        for rules in [Rules::CURRENT, Rules::of("0.1.0").unwrap()] {
            let [fundus, oct] =
                [Modality::Fundus, Modality::Oct].map(|modality| rules.builtin_policy(modality).padding);
            assert_eq!((fundus, oct), (rules.around_fundus, Padding::Reflect));
        }
        for modality in [Modality::Fundus, Modality::Pathology] {
            assert_eq!(Rules::CURRENT.builtin_policy(modality), PolicyConfig::builtin(modality));
        }
        let steps = |rules: Rules| rules.builtin_policy(Modality::Pathology).steps.len();
        assert_eq!(steps(Rules::CURRENT), steps(Rules::of("0.1.0").unwrap()) + 2);
        for unknown in ["0.3.0", "1.2.0", "", "0", "next"] {
            assert_eq!(Rules::of(unknown), None, "{unknown}");
        }
    }
}
