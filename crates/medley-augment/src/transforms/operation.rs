//! The menu that RandAugment, TrivialAugment and AugMix choose from.

use medley_core::ImageShape;

use super::{brighten, contrast, saturation, sharpness};
use crate::kernel::histogram::{autocontrast, equalize, posterize, solarize};
use crate::plan::Params;
use crate::{ImagePlanes, Map, Random};

/// One operation of the `AutoAugment` family, as PIL and torchvision define it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Identity,
    ShearX,
    ShearY,
    TranslateX,
    TranslateY,
    Rotate,
    Brightness,
    Saturation,
    Contrast,
    Sharpness,
    Posterize,
    Solarize,
    AutoContrast,
    Equalize,
}

use Operation as O;

/// How strong operations get: each value is that of the full strength 1.
#[derive(Debug, Clone, Copy)]
pub(super) struct Space {
    /// Pixels sheared per pixel.
    pub(super) shear: f32,
    /// Share of the width or height.
    pub(super) translate: f32,
    pub(super) degrees: f32,
    /// Most that a factor of colour or sharpness departs from 1.
    pub(super) factor: f32,
    /// Bits kept at no strength.
    pub(super) bits: f32,
    /// Bits taken away.
    pub(super) posterize: f32,
}

/// An operation with its amount.
#[derive(Debug, Clone, Copy)]
pub(super) struct Action {
    operation: Operation,
    amount: f32,
}

impl Operation {
    /// All of them.
    pub(super) const ALL: &[Self] = &[
        O::Identity,
        O::ShearX,
        O::ShearY,
        O::TranslateX,
        O::TranslateY,
        O::Rotate,
        O::Brightness,
        O::Saturation,
        O::Contrast,
        O::Sharpness,
        O::Posterize,
        O::Solarize,
        O::AutoContrast,
        O::Equalize,
    ];

    /// Those that are no corruption of the usual benchmarks, as AugMix wants.
    pub(super) const APART_FROM_CORRUPTIONS: &[Self] = &[
        O::ShearX,
        O::ShearY,
        O::TranslateX,
        O::TranslateY,
        O::Rotate,
        O::Posterize,
        O::Solarize,
        O::AutoContrast,
        O::Equalize,
    ];

    /// The operation at `strength` 0-1, with a random sign where it has one.
    pub(super) fn at(self, strength: f32, space: &Space, random: &mut Random) -> Action {
        let sign = if random.chance(0.5) { -1.0 } else { 1.0 };
        let amount = match self {
            O::Identity | O::AutoContrast | O::Equalize => 0.0,
            O::ShearX | O::ShearY => sign * strength * space.shear,
            O::TranslateX | O::TranslateY => sign * strength * space.translate,
            O::Rotate => sign * strength * space.degrees,
            O::Brightness | O::Saturation | O::Contrast | O::Sharpness => 1.0 + sign * strength * space.factor,
            O::Posterize => space.bits - (strength * space.posterize).round(),
            O::Solarize => 1.0 - strength,
        };
        Action { operation: self, amount }
    }
}

impl Action {
    /// Its map, if it is geometric.
    pub(super) fn map(self, shape: ImageShape) -> Option<Map> {
        let amount = f64::from(self.amount);
        Some(match self.operation {
            O::ShearX => Map::in_plane([[1.0, 0.0], [amount, 1.0]], [0.0, 0.0]),
            O::ShearY => Map::in_plane([[1.0, amount], [0.0, 1.0]], [0.0, 0.0]),
            O::TranslateX => Map::shift([0.0, 0.0, (amount * shape.width as f64).trunc()]),
            O::TranslateY => Map::shift([0.0, (amount * shape.height as f64).trunc(), 0.0]),
            O::Rotate => Map::affine(amount, [0.0, 0.0], 1.0, [0.0, 0.0]),
            _ => return None,
        })
    }

    /// As parameters of a step.
    pub(super) fn params(self) -> Params {
        Params::of(&[f32::from(self.operation as u8), self.amount])
    }

    /// Back from parameters.
    pub(super) fn of(params: &Params) -> Self {
        let operation = Operation::ALL.get(params.values[0] as usize).copied().unwrap_or(O::Identity);
        Self { operation, amount: params.values[1] }
    }

    /// Does it, unless it is geometric.
    pub(super) fn apply(self, image: &mut ImagePlanes<'_>) {
        match self.operation {
            O::Brightness => brighten(image, self.amount),
            O::Saturation => saturation(image, self.amount),
            O::Contrast => contrast(image, self.amount),
            O::Sharpness => sharpness(image, self.amount),
            O::Posterize => posterize(image.pixels_mut(), self.amount.max(0.0) as u32),
            O::Solarize => solarize(image.pixels_mut(), self.amount),
            O::AutoContrast => image.planes_mut().for_each(autocontrast),
            O::Equalize => image.planes_mut().for_each(equalize),
            O::Identity | O::ShearX | O::ShearY | O::TranslateX | O::TranslateY | O::Rotate => {}
        }
    }

    /// Whether there is anything to do on pixels.
    pub(super) fn touches_pixels(self) -> bool {
        !matches!(self.operation, O::Identity | O::ShearX | O::ShearY | O::TranslateX | O::TranslateY | O::Rotate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_survive_their_parameters() {
        let space = Space { shear: 0.3, translate: 0.45, degrees: 30.0, factor: 0.9, bits: 8.0, posterize: 4.0 };
        for (number, &operation) in Operation::ALL.iter().enumerate() {
            assert_eq!(operation as usize, number);
            let action = operation.at(0.5, &space, &mut Random::from_seed(1));
            let back = Action::of(&action.params());
            assert_eq!((back.operation, back.amount), (action.operation, action.amount));
            assert!(!(action.touches_pixels() && action.map(ImageShape::flat(8, 8, 1)).is_some()));
        }
    }
}
