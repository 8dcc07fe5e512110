//! Maps that land between pixels.

use medley_core::ImageShape;

use crate::normalise::unit;
use crate::{Filter, Map, Padding};

/// Fills planes `[C, D, H, W]` in 0-1 from bytes `[D, H, W, C]`.
pub(crate) fn resample(
    map: &Map,
    filter: Filter,
    padding: Padding,
    shape: ImageShape,
    input: &[u8],
    output: &mut [f32],
) {
    let lengths = [shape.depth.unwrap_or(1), shape.height, shape.width];
    let area = lengths.iter().product();
    let mut place = 0;
    for z in 0..lengths[0] {
        for y in 0..lengths[1] {
            for x in 0..lengths[2] {
                let from = source(map, lengths, [z, y, x]);
                let taps: [Taps; 3] = std::array::from_fn(|axis| Taps::at(from[axis], lengths[axis], filter, padding));
                for (channel, plane) in output.chunks_exact_mut(area).enumerate() {
                    plane[place] = value(&taps, shape, channel, input);
                }
                place += 1;
            }
        }
    }
}

/// Input indices (fractional) of an output pixel.
fn source(map: &Map, lengths: [usize; 3], pixel: [usize; 3]) -> [f64; 3] {
    let centre = lengths.map(|length| (length as f64 - 1.0) / 2.0);
    std::array::from_fn(|i| {
        let turned: f64 = (0..3).map(|j| map.matrix[i][j] * (pixel[j] as f64 - centre[j])).sum();
        turned + map.offset[i] + centre[i]
    })
}

/// Pixels along one axis with their weights.
struct Taps {
    places: [Option<usize>; 4],
    weights: [f32; 4],
}

impl Taps {
    fn at(place: f64, length: usize, filter: Filter, padding: Padding) -> Self {
        // Far beyond any image, where every padding has become periodic or constant.
        let place = if place.is_finite() { place.clamp(-1e9, 1e9) } else { 0.0 };
        let t = (place - place.floor()) as f32;
        let first = place.floor() as i64;
        let (places, weights) = match filter {
            Filter::Bilinear => ([first, first + 1, first, first], [1.0 - t, t, 0.0, 0.0]),
            Filter::Bicubic => ([first - 1, first, first + 1, first + 2], cubic(t)),
        };
        Self { places: places.map(|place| padding.resolve(place, length)), weights }
    }
}

/// Keys' kernel with a = -0.75 at distances 1 + t, t, 1 - t, 2 - t.
fn cubic(t: f32) -> [f32; 4] {
    const A: f32 = -0.75;
    let near = |d: f32| ((A + 2.0) * d - (A + 3.0)) * d * d + 1.0;
    let far = |d: f32| (((d - 5.0) * d + 8.0) * d - 4.0) * A;
    [far(1.0 + t), near(t), near(1.0 - t), far(2.0 - t)]
}

fn value(taps: &[Taps; 3], shape: ImageShape, channel: usize, input: &[u8]) -> f32 {
    let mut sum = 0.0;
    for (z, wz) in taps[0].places.iter().zip(taps[0].weights) {
        for (y, wy) in taps[1].places.iter().zip(taps[1].weights) {
            for (x, wx) in taps[2].places.iter().zip(taps[2].weights) {
                let weight = wz * wy * wx;
                if let (Some(z), Some(y), Some(x), true) = (z, y, x, weight != 0.0) {
                    sum += weight * unit(input[((z * shape.height + y) * shape.width + x) * shape.channels + channel]);
                }
            }
        }
    }
    sum.clamp(0.0, 1.0)
}
