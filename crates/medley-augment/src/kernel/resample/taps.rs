//! Values between pixels: a row of output from the places of its taps.

use super::{Row, greater, lesser};

vectorised! {
    /// Four values per pixel, of which the last one means nothing: that many make one vector.
    pub(super) fn bilinear_rgb(frame: &[f32], stride: usize, row: &mut Row) {
        let places = row.index.iter().zip(&row.fractions[0]).zip(&row.fractions[1]);
        for (((&index, &down), &right), value) in places.zip(&mut row.values) {
            let index = index as usize;
            let (Some(top), Some(bottom)) = (frame.get(index..index + 7), frame.get(index + stride..index + stride + 7)) else {
                continue;
            };
            for channel in 0..4 {
                let upper = top[channel] + right * (top[channel + 3] - top[channel]);
                let lower = bottom[channel] + right * (bottom[channel + 3] - bottom[channel]);
                value[channel] = upper + down * (lower - upper);
            }
        }
    }
}

vectorised! {
    /// A row of values into its three planes.
    pub(super) fn part(values: &[[f32; 4]], planes: &mut [f32], out: usize) {
        let area = planes.len() / 3;
        let (red, rest) = planes.split_at_mut(area);
        let (green, blue) = rest.split_at_mut(area);
        for (((value, red), green), blue) in values.iter().zip(&mut red[out..]).zip(&mut green[out..]).zip(&mut blue[out..]) {
            [*red, *green, *blue, _] = *value;
        }
    }
}

vectorised! {
    pub(super) fn bilinear_grey(frame: &[f32], stride: usize, row: &Row, output: &mut [f32]) {
        let places = row.index.iter().zip(&row.fractions[0]).zip(&row.fractions[1]);
        for (((&index, &down), &right), output) in places.zip(output) {
            let index = index as usize;
            let (Some(top), Some(bottom)) = (frame.get(index..index + 2), frame.get(index + stride..index + stride + 2)) else {
                continue;
            };
            let upper = top[0] + right * (top[1] - top[0]);
            let lower = bottom[0] + right * (bottom[1] - bottom[0]);
            *output = upper + down * (lower - upper);
        }
    }
}

/// Keys' kernel with a = -0.75 at distances 1 + t, t, 1 - t, 2 - t. The weights sum to 1.
#[inline(always)]
#[allow(clippy::inline_always, reason = "must be compiled as part of the vectorised loop")]
pub(crate) fn cubic(t: f32) -> [f32; 4] {
    const A: f32 = -0.75;
    let near = |d: f32| ((A + 2.0) * d - (A + 3.0)) * d * d + 1.0;
    let far = |d: f32| (((d - 5.0) * d + 8.0) * d - 4.0) * A;
    [far(1.0 + t), near(t), near(1.0 - t), far(2.0 - t)]
}

vectorised! {
    pub(super) fn bicubic_rgb(frame: &[f32], stride: usize, row: &mut Row) {
        let places = row.index.iter().zip(&row.fractions[0]).zip(&row.fractions[1]);
        for (((&index, &down), &right), value) in places.zip(&mut row.values) {
            // Places count from the second of four taps.
            let first = index as usize - stride - 3;
            let (down, right) = (cubic(down), cubic(right));
            *value = [0.0; 4];
            for (line, weight) in down.into_iter().enumerate() {
                let Some(taps) = frame.get(first + line * stride..first + line * stride + 13) else { continue };
                let mut sum = [0.0_f32; 4];
                for channel in 0..4 {
                    sum[channel] = (taps[channel] * right[0] + taps[channel + 3] * right[1])
                        + (taps[channel + 6] * right[2] + taps[channel + 9] * right[3]);
                }
                for channel in 0..4 {
                    value[channel] += weight * sum[channel];
                }
            }
            *value = value.map(|value| lesser(greater(value, 0.0), 1.0));
        }
    }
}

vectorised! {
    pub(super) fn bicubic_grey(frame: &[f32], stride: usize, row: &Row, output: &mut [f32]) {
        let places = row.index.iter().zip(&row.fractions[0]).zip(&row.fractions[1]);
        for (((&index, &down), &right), output) in places.zip(output) {
            let first = index as usize - stride - 1;
            let (down, right) = (cubic(down), cubic(right));
            let mut value = 0.0;
            for (line, weight) in down.into_iter().enumerate() {
                let Some(taps) = frame.get(first + line * stride..first + line * stride + 4) else { continue };
                value += weight * ((taps[0] * right[0] + taps[1] * right[1]) + (taps[2] * right[2] + taps[3] * right[3]));
            }
            *output = lesser(greater(value, 0.0), 1.0);
        }
    }
}
