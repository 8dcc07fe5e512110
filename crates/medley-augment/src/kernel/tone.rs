//! Powers, and normal deviates.

/// log2 of a positive, normal number; relative error below 1e-6 of the result's distance from 0.
#[inline(always)]
#[allow(clippy::inline_always, reason = "must be compiled as part of the vectorised loop")]
pub(crate) fn log2(value: f32) -> f32 {
    // value = m * 2^e with m in [sqrt(1/2), sqrt(2)); log2 m = 2 / ln 2 * artanh((m - 1) / (m + 1)).
    let bits = value.to_bits().wrapping_sub(0x3f35_04f3);
    let exponent = (bits as i32 >> 23) as f32;
    let m = f32::from_bits((bits & 0x007f_ffff).wrapping_add(0x3f35_04f3));
    let s = (m - 1.0) / (m + 1.0);
    let z = s * s;
    let series = 1.0 + z * (1.0 / 3.0 + z * (1.0 / 5.0 + z * (1.0 / 7.0 + z * (1.0 / 9.0))));
    exponent + s * (2.0 * std::f32::consts::LOG2_E) * series
}

/// 2 to a power in -126..=126.
#[inline(always)]
#[allow(clippy::inline_always, reason = "must be compiled as part of the vectorised loop")]
pub(crate) fn exp2(power: f32) -> f32 {
    let power = power.clamp(-126.0, 126.0);
    // Rounded by adding and taking away 1.5 * 2^23.
    let whole = (power + 12_582_912.0) - 12_582_912.0;
    let f = (power - whole) * std::f32::consts::LN_2;
    let series =
        1.0 + f * (1.0 + f * (1.0 / 2.0 + f * (1.0 / 6.0 + f * (1.0 / 24.0 + f * (1.0 / 120.0 + f * (1.0 / 720.0))))));
    let scale = f32::from_bits(((whole as i32 + 127) << 23) as u32);
    series * scale
}

vectorised! {
    /// Raises values in 0-1 to a positive power.
    pub(crate) fn power(values: &mut [f32], exponent: f32) {
        for value in values {
            let raised = exp2(exponent * log2(value.max(f32::MIN_POSITIVE)));
            *value = if *value > 0.0 { raised.min(1.0) } else { 0.0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_are_right() {
        for step in 1..=1000 {
            let x = step as f32 / 1000.0;
            for exponent in [0.3_f32, 0.5, 1.0, 1.7, 2.0, 5.0] {
                let mut found = [x];
                power(&mut found, exponent);
                let wanted = f64::from(x).powf(f64::from(exponent));
                assert!(
                    (f64::from(found[0]) - wanted).abs() < 2e-6 * wanted.max(0.1),
                    "{x}^{exponent}: {found:?} {wanted}"
                );
            }
        }
        let mut zero = [0.0];
        power(&mut zero, 0.5);
        assert_eq!(zero, [0.0]);
    }
}
