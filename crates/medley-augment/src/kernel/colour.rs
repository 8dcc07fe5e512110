//! Arithmetic on red, green and blue planes.

use super::resample::{floor, greater, lesser};
use crate::planes::LUMA;

/// Within 0-1.
#[inline(always)]
#[allow(clippy::inline_always, reason = "must be compiled as part of the vectorised loop")]
pub(crate) fn clip(value: f32) -> f32 {
    lesser(greater(value, 0.0), 1.0)
}

vectorised! {
    /// `values * factor + bias`, within 0-1.
    pub(crate) fn scale(values: &mut [f32], factor: f32, bias: f32) {
        for value in values {
            *value = clip(*value * factor + bias);
        }
    }
}

vectorised! {
    /// Moves colours away from (factor above 1) or towards their grey.
    pub(crate) fn saturate(rgb: [&mut [f32]; 3], factor: f32) {
        let [red, green, blue] = rgb;
        for ((red, green), blue) in red.iter_mut().zip(green).zip(blue) {
            let grey = (LUMA[0] * *red + LUMA[1] * *green + LUMA[2] * *blue) * (1.0 - factor);
            *red = clip(*red * factor + grey);
            *green = clip(*green * factor + grey);
            *blue = clip(*blue * factor + grey);
        }
    }
}

vectorised! {
    /// Turns hues by `turn` of the whole circle, -1 to 1, keeping the saturation and value of HSV.
    pub(crate) fn turn_hue(rgb: [&mut [f32]; 3], turn: f32) {
        let [reds, greens, blues] = rgb;
        // In sixths of the circle, and never negative below.
        let turn = turn * 6.0 + 12.0;
        for ((red, green), blue) in reds.iter_mut().zip(greens).zip(blues) {
            let (r, g, b) = (*red, *green, *blue);
            let most = greater(greater(r, g), b);
            let chroma = most - lesser(lesser(r, g), b);
            // Grey has no hue; any finite one will do, as it is multiplied by a chroma of 0.
            let per_chroma = 1.0 / if chroma > 0.0 { chroma } else { 1.0 };
            let hue = if most == r {
                (g - b) * per_chroma
            } else if most == g {
                (b - r) * per_chroma + 2.0
            } else {
                (r - g) * per_chroma + 4.0
            };
            let hue = hue + turn;
            // The distance of each primary from the hue says how much of the chroma it lacks.
            let lack = |primary: f32| {
                let k = hue + primary;
                let k = k - 6.0 * floor(k * (1.0 / 6.0)).0 as f32;
                clip(lesser(k, 4.0 - k)) * chroma
            };
            *red = most - lack(5.0);
            *green = most - lack(3.0);
            *blue = most - lack(1.0);
        }
    }
}

vectorised! {
    /// `value + noise * (constant + relative * value)`, within 0-1.
    pub(crate) fn add_noise(values: &mut [f32], noise: &[f32], constant: f32, relative: f32) {
        for (value, noise) in values.iter_mut().zip(noise) {
            *value = clip(*value + noise * (constant + relative * *value));
        }
    }
}
