//! Every kernel against the definition of what it computes.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod batch_norm;
mod convolution;
mod direct;

/// Numbers without order, of mean zero and variance one.
fn numbers(len: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut uniform = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f64 / (1_u64 << 24) as f64 - 0.5
    };
    (0..len).map(|_| ((0..4).map(|_| uniform()).sum::<f64>() * 3.0_f64.sqrt()) as f32).collect()
}

/// Norm of the difference as a share of the norm.
fn error(found: &[f64], wanted: &[f64]) -> f64 {
    let difference: f64 = found.iter().zip(wanted).map(|(&a, b)| (a - b).powi(2)).sum();
    let norm: f64 = wanted.iter().map(|value| value * value).sum();
    (difference / norm.max(f64::MIN_POSITIVE)).sqrt()
}

/// The most that bfloat16 may be off, whose numbers have 8 bits: their rounding alone is 0.0017.
const BF16: f64 = 6e-3;
