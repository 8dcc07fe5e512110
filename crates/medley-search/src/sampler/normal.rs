//! The normal distribution, with the same bits on every machine.

use std::f64::consts::{FRAC_1_SQRT_2, TAU};

use libm::{cos, erfc, exp, log, sqrt};
use rand::{Rng, RngExt as _};

/// ln sqrt(2 pi).
pub(super) const LOG_SQRT_TAU: f64 = 0.918_938_533_204_672_8;

/// The share below `z`.
pub(super) fn below(z: f64) -> f64 {
    0.5 * erfc(-z * FRAC_1_SQRT_2)
}

/// The density at `z`.
pub(super) fn density(z: f64) -> f64 {
    exp(-0.5 * z * z - LOG_SQRT_TAU)
}

/// The share between two numbers, without loss of digits in the tails.
pub(super) fn between(from: f64, to: f64) -> f64 {
    if from > 0.0 { below(-from) - below(-to) } else { below(to) - below(from) }
}

/// A draw (Box and Muller, 1958).
pub(super) fn draw(rng: &mut impl Rng) -> f64 {
    let radius: f64 = rng.random();
    let angle: f64 = rng.random();
    sqrt(-2.0 * log(1.0 - radius)) * cos(TAU * angle)
}

/// A draw that lies in [0, 1), of a normal distribution whose mean does and whose deviation is at most 1: by repetition.
pub(super) fn draw_in_unit(rng: &mut impl Rng, mean: f64, deviation: f64) -> f64 {
    // At least a third of the draws lies there.
    for _ in 0..200 {
        let drawn = mean + deviation * draw(rng);
        if (0.0..1.0).contains(&drawn) {
            return drawn;
        }
    }
    mean
}
