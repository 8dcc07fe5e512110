//! How strong the five severities of a corruption are.

use medley_core::Modality;

use super::Corruption::{self, self as C};

/// What `strength` means is said where the ladder stands. The numbers are those published with MedMNIST-C, where a modality has
/// them; for chest X-rays those of PneumoniaMNIST.
pub(super) fn of(corruption: Corruption, modality: Modality, severity: u32) -> f32 {
    ladder(corruption, modality)[(severity.clamp(1, 5) - 1) as usize]
}

#[allow(clippy::match_same_arms, reason = "a table: one line for each published row")]
fn ladder(corruption: Corruption, modality: Modality) -> [f32; 5] {
    use Modality as M;
    match (corruption, modality) {
        // Share of the pixels along each side that are left.
        (C::Pixelate, M::Pathology) => [0.8, 0.6, 0.4, 0.3, 0.25],
        (C::Pixelate, M::BloodMicroscope) => [0.6, 0.5, 0.4, 0.3, 0.25],
        (C::Pixelate, M::Dermatoscope) => [0.7, 0.5, 0.4, 0.3, 0.25],
        (C::Pixelate, M::Fundus) => [0.8, 0.6, 0.5, 0.4, 0.35],
        (C::Pixelate, M::KidneyMicroscope) => [0.4, 0.3, 0.2, 0.15, 0.1],
        (C::Pixelate, M::Oct | M::Ultrasound) => [0.3, 0.25, 0.2, 0.15, 0.1],
        (C::Pixelate, M::ChestXray) => [0.8, 0.7, 0.6, 0.5, 0.4],
        (C::Pixelate, _) => [0.7, 0.6, 0.5, 0.4, 0.35],

        // Quality of the encoder, 1-100.
        (C::JpegCompression, M::Dermatoscope) => [30.0, 20.0, 15.0, 10.0, 7.0],
        (C::JpegCompression, M::Fundus) => [30.0, 25.0, 20.0, 10.0, 5.0],
        (C::JpegCompression, M::KidneyMicroscope) => [25.0, 20.0, 15.0, 10.0, 7.0],
        (C::JpegCompression, M::Oct) => [30.0, 15.0, 10.0, 7.0, 5.0],
        (C::JpegCompression, _) => [50.0, 30.0, 15.0, 10.0, 7.0],

        // Standard deviation, with white as 1.
        (C::GaussianNoise, M::Dermatoscope) => [0.04, 0.08, 0.12, 0.18, 0.26],
        (C::GaussianNoise, M::ChestXray) => [0.04, 0.05, 0.06, 0.07, 0.08],
        (C::GaussianNoise, _) => [0.04, 0.08, 0.12, 0.16, 0.2],

        // Standard deviation, with the value as 1.
        (C::SpeckleNoise, M::Dermatoscope) => [0.05, 0.15, 0.2, 0.35, 0.45],
        (C::SpeckleNoise, M::Oct) => [0.15, 0.3, 0.4, 0.5, 0.6],
        (C::SpeckleNoise, M::ChestXray) => [0.05, 0.07, 0.1, 0.15, 0.2],
        (C::SpeckleNoise, M::AbdominalCt) => [0.05, 0.1, 0.2, 0.3, 0.4],
        (C::SpeckleNoise, _) => [0.1, 0.15, 0.2, 0.25, 0.3],

        // Share of the values.
        (C::ImpulseNoise, M::Dermatoscope) => [0.01, 0.03, 0.06, 0.09, 0.17],
        (C::ImpulseNoise, M::KidneyMicroscope) => [0.01, 0.015, 0.02, 0.025, 0.03],
        (C::ImpulseNoise, M::ChestXray) => [0.005, 0.01, 0.013, 0.017, 0.02],
        (C::ImpulseNoise, _) => [0.01, 0.02, 0.03, 0.05, 0.08],

        // Photons that make white.
        (C::ShotNoise, M::Dermatoscope) => [60.0, 25.0, 18.0, 10.0, 5.0],
        (C::ShotNoise, M::ChestXray) => [300.0, 200.0, 150.0, 100.0, 80.0],
        (C::ShotNoise, _) => [200.0, 100.0, 50.0, 25.0, 15.0],

        // Standard deviation in pixels of 224, from the published kernel sizes by OpenCV's rule 0.3 ((k - 1) / 2 - 1) + 0.8.
        (C::GaussianBlur, M::KidneyMicroscope) => [2.3, 2.6, 2.9, 3.5, 4.1],
        (C::GaussianBlur, M::AbdominalCt) => [2.0, 2.3, 2.6, 2.9, 3.5],
        (C::GaussianBlur, _) => [0.8, 1.1, 1.4, 1.7, 2.0],

        // Radius of the disc in pixels of 224.
        (C::DefocusBlur, M::Pathology) => [3.0, 4.0, 5.0, 6.0, 7.0],
        (C::DefocusBlur, M::BloodMicroscope) => [2.0, 3.0, 4.0, 5.0, 6.0],
        (C::DefocusBlur, M::Oct) => [0.5, 1.0, 1.5, 2.0, 2.5],
        (C::DefocusBlur, _) => [4.0, 5.0, 6.0, 7.0, 8.0],

        // Standard deviation of the fading line in pixels of 224; it is cut at twice that.
        (C::MotionBlur, M::BloodMicroscope) => [3.0, 5.0, 6.0, 7.0, 9.0],
        (C::MotionBlur, M::Oct) => [3.0, 5.0, 8.0, 12.0, 15.0],
        (C::MotionBlur, M::Ultrasound) => [5.0, 7.0, 9.0, 10.0, 12.0],
        (C::MotionBlur, M::Pathology) => [4.0, 5.0, 6.0, 8.0, 12.0],
        (C::MotionBlur, _) => [4.0, 5.0, 8.0, 12.0, 15.0],

        // Largest of the zooms that are averaged.
        (C::ZoomBlur, _) => [1.1, 1.15, 1.2, 1.25, 1.3],

        // Factor.
        (C::BrightnessUp, M::Pathology) => [1.1, 1.15, 1.2, 1.22, 1.25],
        (C::BrightnessUp, M::BloodMicroscope) => [1.1, 1.2, 1.3, 1.35, 1.4],
        (C::BrightnessUp, M::KidneyMicroscope) => [1.3, 1.4, 1.5, 1.6, 1.7],
        (C::BrightnessUp, M::Ultrasound) => [1.4, 1.5, 1.6, 1.8, 2.0],
        (C::BrightnessUp, M::AbdominalCt) => [1.2, 1.3, 1.4, 1.5, 1.6],
        (C::BrightnessUp, _) => [1.1, 1.2, 1.3, 1.4, 1.5],
        (C::BrightnessDown, M::Pathology) => [0.85, 0.8, 0.75, 0.72, 0.7],
        (C::BrightnessDown, M::KidneyMicroscope) => [0.8, 0.7, 0.6, 0.5, 0.4],
        (C::BrightnessDown, M::Ultrasound) => [0.55, 0.5, 0.45, 0.4, 0.3],
        (C::BrightnessDown, M::AbdominalCt) => [0.8, 0.75, 0.7, 0.65, 0.6],
        (C::BrightnessDown, _) => [0.9, 0.8, 0.7, 0.6, 0.5],
        (C::ContrastUp, M::BloodMicroscope) => [1.1, 1.15, 1.2, 1.25, 1.3],
        (C::ContrastUp, M::AbdominalCt) => [1.3, 1.4, 1.6, 1.7, 1.8],
        (C::ContrastUp, _) => [1.1, 1.2, 1.3, 1.4, 1.6],
        (C::ContrastDown, M::Pathology | M::AbdominalCt) => [0.8, 0.7, 0.6, 0.55, 0.5],
        (C::ContrastDown, M::BloodMicroscope) => [0.9, 0.8, 0.7, 0.6, 0.5],
        (C::ContrastDown, M::Dermatoscope) => [0.8, 0.7, 0.6, 0.5, 0.4],
        (C::ContrastDown, M::Oct) => [0.6, 0.4, 0.3, 0.2, 0.15],
        (C::ContrastDown, _) => [0.9, 0.8, 0.7, 0.6, 0.4],

        // Added to the saturation of HSV.
        (C::Saturate, M::BloodMicroscope) => [0.05, 0.1, 0.15, 0.17, 0.2],
        (C::Saturate, _) => [0.05, 0.1, 0.15, 0.2, 0.25],

        // Exponent.
        (C::GammaCorrUp, M::AbdominalCt) => [1.3, 1.4, 1.6, 1.8, 2.0],
        (C::GammaCorrUp, _) => [1.1, 1.2, 1.3, 1.4, 1.6],
        (C::GammaCorrDown, _) => [0.9, 0.8, 0.7, 0.6, 0.4],

        // Number of spots.
        (C::StainDeposit, _) => [1.0, 2.0, 3.0, 4.0, 5.0],
        // Largest radius as a share of the side; as many bubbles as the severity says.
        (C::Bubble, M::BloodMicroscope) => [0.1, 0.11, 0.12, 0.13, 0.14],
        (C::Bubble, _) => [0.15, 0.16, 0.18, 0.2, 0.25],
        // Radius of what is seen, with half the side as 1. The corners are at 1.41.
        (C::BlackCorner, _) => [1.1, 1.05, 1.0, 0.95, 0.9],
        // Number of digits.
        (C::Characters, _) => [1.0, 2.0, 3.0, 4.0, 6.0],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ladders_go_one_way() {
        let modalities = [
            Modality::Pathology,
            Modality::BloodMicroscope,
            Modality::Dermatoscope,
            Modality::Fundus,
            Modality::KidneyMicroscope,
            Modality::Oct,
            Modality::Ultrasound,
            Modality::ChestXray,
            Modality::AbdominalCt,
            Modality::Other,
        ];
        for corruption in Corruption::ALL {
            for modality in modalities {
                let steps = ladder(corruption, modality);
                let up = steps.windows(2).all(|pair| pair[0] < pair[1]);
                let down = steps.windows(2).all(|pair| pair[0] > pair[1]);
                assert!(up || down, "{corruption:?} {modality:?}: {steps:?}");
            }
        }
    }
}
