//! Many random numbers at once.

use super::tone::log2;
use crate::Random;

/// Standard normal deviates, by the transform of Box and Muller (1958).
pub(crate) fn normals(random: &mut Random, out: &mut [f32]) {
    let (mut first, mut second) = ([0_u32; 128], [0_u32; 128]);
    for chunk in out.chunks_mut(256) {
        random.fill(&mut first);
        random.fill(&mut second);
        let half = chunk.len().div_ceil(2);
        let (cosines, sines) = chunk.split_at_mut(half);
        box_muller(&first, &second, cosines, sines);
    }
}

/// Uniform in `[0, 1)`.
pub(crate) fn uniforms(random: &mut Random, out: &mut [f32]) {
    let mut words = [0_u32; 256];
    for chunk in out.chunks_mut(256) {
        // No more words than are needed: rows of a small box are short.
        random.fill(&mut words[..chunk.len()]);
        for (value, word) in chunk.iter_mut().zip(words) {
            *value = (word >> 8) as f32 * (1.0 / 16_777_216.0);
        }
    }
}

vectorised! {
    fn box_muller(first: &[u32; 128], second: &[u32; 128], cosines: &mut [f32], sines: &mut [f32]) {
        let mut radii = [0.0_f32; 128];
        let mut turns = [0.0_f32; 128];
        for ((radius, turn), (first, second)) in radii.iter_mut().zip(&mut turns).zip(first.iter().zip(second)) {
            // In (0, 1], so that the logarithm is finite.
            let uniform = ((first >> 8) as i32 + 1) as f32 * (1.0 / 16_777_216.0);
            *radius = (-2.0 * std::f32::consts::LN_2 * log2(uniform)).max(0.0).sqrt();
            *turn = (second >> 8) as i32 as f32 * (1.0 / 16_777_216.0);
        }
        for ((out, radius), turn) in cosines.iter_mut().zip(radii).zip(turns) {
            let quarter_on = turn + 0.25;
            *out = radius * sine(quarter_on - if quarter_on >= 1.0 { 1.0 } else { 0.0 });
        }
        for ((out, radius), turn) in sines.iter_mut().zip(radii).zip(turns) {
            *out = radius * sine(turn);
        }
    }
}

/// sin(2 pi turn) for a turn in `[0, 1)`; error below 1e-6.
#[inline(always)]
#[allow(clippy::inline_always, reason = "must be compiled as part of the vectorised loop")]
fn sine(turn: f32) -> f32 {
    // sin(2 pi t) = -sin(2 pi (t - 1/2)); the outer quarters are folded onto the inner ones.
    let t = 0.5 - turn;
    let t = if t > 0.25 { 0.5 - t } else { t };
    let t = if t < -0.25 { -0.5 - t } else { t };
    let x = t * std::f32::consts::TAU;
    let z = x * x;
    let series = 1.0
        + z * (-1.0 / 6.0
            + z * (1.0 / 120.0 + z * (-1.0 / 5_040.0 + z * (1.0 / 362_880.0 + z * (-1.0 / 39_916_800.0)))));
    x * series
}

/// A Poisson deviate of this mean (0 to 1e6).
pub(crate) fn poisson(random: &mut Random, mean: f32) -> f32 {
    let mean = f64::from(mean);
    if mean <= 0.0 {
        0.0
    } else if mean < 10.0 {
        by_inversion(random, mean)
    } else {
        by_rejection(random, mean)
    }
}

/// Walks the cumulative distribution.
fn by_inversion(random: &mut Random, mean: f64) -> f32 {
    let mut rest = random.unit64();
    let mut probability = libm::exp(-mean);
    for count in 0..100_u8 {
        if rest < probability {
            return f32::from(count);
        }
        rest -= probability;
        probability *= mean / (f64::from(count) + 1.0);
    }
    // Beyond 100 at a mean below 10 lies less than 2^-53.
    100.0
}

/// Algorithm PTRS of Hörmann, *The transformed rejection method for generating Poisson random variables* (1993).
#[allow(clippy::many_single_char_names, reason = "the names of the paper")]
fn by_rejection(random: &mut Random, mean: f64) -> f32 {
    let b = 0.931 + 2.53 * mean.sqrt();
    let a = -0.059 + 0.02483 * b;
    let inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
    let v_r = 0.9277 - 3.6224 / (b - 2.0);
    loop {
        let u = random.unit64() - 0.5;
        let v = random.unit64();
        let us = 0.5 - u.abs();
        let k = libm::floor((2.0 * a / us + b) * u + mean + 0.43);
        if us >= 0.07 && v <= v_r {
            return k as f32;
        }
        if k < 0.0 || (us < 0.013 && v > us) {
            continue;
        }
        let left = libm::log(v * inverse_alpha / (a / (us * us) + b));
        if left <= k * libm::log(mean) - mean - libm::lgamma(k + 1.0) {
            return k as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(values: &[f32]) -> (f64, f64) {
        let n = values.len() as f64;
        let mean = values.iter().map(|&value| f64::from(value)).sum::<f64>() / n;
        let variance = values.iter().map(|&value| (f64::from(value) - mean).powi(2)).sum::<f64>() / n;
        (mean, variance)
    }

    #[test]
    fn sines_are_right() {
        for step in 0..10_000 {
            let turn = step as f32 / 10_000.0;
            let wanted = (f64::from(turn) * std::f64::consts::TAU).sin();
            assert!((f64::from(sine(turn)) - wanted).abs() < 1e-6, "{turn}");
        }
    }

    #[test]
    fn normals_have_normal_moments_and_tails() {
        let mut values = vec![0.0; 200_001];
        normals(&mut Random::from_seed(5), &mut values);
        let (mean, variance) = moments(&values);
        assert!(mean.abs() < 0.01 && (variance - 1.0).abs() < 0.01, "{mean} {variance}");
        let beyond_two = values.iter().filter(|value| value.abs() > 2.0).count() as f64 / 200_001.0;
        assert!((beyond_two - 0.0455).abs() < 0.002, "{beyond_two}");
    }

    #[test]
    fn poisson_deviates_have_their_mean_as_variance() {
        for mean in [0.0, 0.3, 4.0, 9.9, 10.0, 40.0, 1000.0] {
            let mut random = Random::from_seed(9);
            let values: Vec<_> = (0..60_000).map(|_| poisson(&mut random, mean)).collect();
            let (found, variance) = moments(&values);
            let mean = f64::from(mean);
            assert!((found - mean).abs() <= 0.015 * mean.max(0.3), "{mean}: {found}");
            assert!((variance - mean).abs() <= 0.03 * mean.max(0.3), "{mean}: {variance}");
        }
    }
}
