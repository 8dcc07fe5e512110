//! Operations that PIL defines on grey levels. Values are rounded to bytes first, as they were stored.

use super::colour::clip;

/// The grey level of a value in 0-1.
pub(crate) fn level(value: f32) -> u8 {
    (value * 255.0 + 0.5) as u8
}

/// Stretches a plane to the whole of 0-1.
pub(crate) fn autocontrast(plane: &mut [f32]) {
    let low = plane.iter().copied().fold(f32::INFINITY, f32::min);
    let high = plane.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if high > low {
        let scale = 1.0 / (high - low);
        for value in plane {
            *value = clip((*value - low) * scale);
        }
    }
}

/// Makes all grey levels about equally frequent, by PIL's integer formula.
pub(crate) fn equalize(plane: &mut [f32]) {
    let mut counts = [0_u64; 256];
    for &value in plane.iter() {
        counts[usize::from(level(value))] += 1;
    }
    // The brightest level that occurs does not count, so that it maps to white.
    let last = counts.iter().rev().copied().find(|&count| count > 0).unwrap_or(0);
    let step = (plane.len() as u64 - last) / 255;
    if step == 0 {
        for value in plane {
            *value = f32::from(level(*value)) / 255.0;
        }
        return;
    }
    let mut below = step / 2;
    let table: [f32; 256] = std::array::from_fn(|level| {
        let mapped = (below / step).min(255) as f32 / 255.0;
        below += counts[level];
        mapped
    });
    for value in plane {
        *value = table[usize::from(level(*value))];
    }
}

/// Keeps so many of the upper bits.
pub(crate) fn posterize(values: &mut [f32], bits: u32) {
    let mask = !(0xff_u32 >> bits.min(8)) as u8;
    for value in values {
        *value = f32::from(level(*value) & mask) / 255.0;
    }
}

/// Inverts what is at least as bright as the threshold.
pub(crate) fn solarize(values: &mut [f32], threshold: f32) {
    for value in values {
        *value = if *value >= threshold { 1.0 - *value } else { *value };
    }
}
