//! Smooth random displacements.

use super::noise::normals;
use crate::Random;

/// Adds to `down` and `right` (one value per pixel of a slice) a field of this standard deviation in pixels at the control
/// points. `grid` control points span each axis, one more on each side; between them runs a uniform cubic B-spline.
pub(crate) fn displace(
    random: &mut Random,
    grid: usize,
    deviation: f32,
    [height, width]: [usize; 2],
    [down, right]: [&mut [f32]; 2],
    scratch: &mut Vec<f32>,
) {
    let points = grid + 2;
    scratch.resize(points * points + points + 4 * width, 0.0);
    let (control, rest) = scratch.split_at_mut(points * points);
    let (line, weights) = rest.split_at_mut(points);
    let step = |length: usize| (grid - 1) as f32 / (length - 1).max(1) as f32;
    for (x, weights) in weights.chunks_exact_mut(4).enumerate() {
        weights.copy_from_slice(&spline(x as f32 * step(width), grid).1);
    }
    for field in [down, right] {
        normals(random, control);
        for (y, row) in field.chunks_exact_mut(width).enumerate().take(height) {
            let (first, along) = spline(y as f32 * step(height), grid);
            for (point, value) in line.iter_mut().enumerate() {
                let taps = (0..4).map(|tap| control[(first + tap) * points + point] * along[tap]);
                *value = deviation * taps.sum::<f32>();
            }
            for (x, (value, weights)) in row.iter_mut().zip(weights.chunks_exact(4)).enumerate() {
                let first = ((x as f32 * step(width)) as usize).min(grid - 2);
                let taps = line[first..first + 4].iter().zip(weights);
                *value += taps.map(|(point, weight)| point * weight).sum::<f32>();
            }
        }
    }
}

/// First of four control points for a place among `grid`, and their weights.
fn spline(place: f32, grid: usize) -> (usize, [f32; 4]) {
    let first = (place as usize).min(grid - 2);
    let t = place - first as f32;
    let (u, t2) = (1.0 - t, t * t);
    let t3 = t2 * t;
    let sixth = 1.0 / 6.0;
    let weights = [
        u * u * u * sixth,
        (3.0 * t3 - 6.0 * t2 + 4.0) * sixth,
        (-3.0 * t3 + 3.0 * t2 + 3.0 * t + 1.0) * sixth,
        t3 * sixth,
    ];
    (first, weights)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splines_are_partitions_of_one() {
        for grid in 2..6 {
            for step in 0..=50 {
                let (first, weights) = spline(step as f32 / 50.0 * (grid - 1) as f32, grid);
                assert!(first + 3 < grid + 2, "{grid} {step}");
                assert!((weights.iter().sum::<f32>() - 1.0).abs() < 1e-6, "{weights:?}");
            }
        }
    }

    #[test]
    fn fields_are_smooth_and_of_the_size_asked_for() {
        let (mut down, mut right, mut scratch) = (vec![0.0; 900], vec![0.0; 900], Vec::new());
        let mut squares = 0.0;
        for seed in 0..50 {
            let mut random = Random::from_seed(seed);
            down.fill(0.0);
            right.fill(0.0);
            displace(&mut random, 4, 2.0, [30, 30], [&mut down, &mut right], &mut scratch);
            squares += down.iter().chain(&right).map(|value| value * value).sum::<f32>() / 1800.0;
            for row in down.chunks_exact(30) {
                assert!(row.windows(2).all(|pair| (pair[0] - pair[1]).abs() < 1.0), "{row:?}");
            }
        }
        // A spline averages its control points, so the field varies less than they do.
        let deviation = (squares / 50.0).sqrt();
        assert!((0.8..1.6).contains(&deviation), "{deviation}");
    }
}
