//! A small canvas: soft shapes on a square, coordinates in 0..1 with (0, 0) at the top left.

use rand::{Rng as _, RngExt as _};
use rand_chacha::ChaCha8Rng;

/// A colour, each component 0-1.
pub(super) type Colour = [f32; 3];

/// Grey of a brightness.
pub(super) const fn grey(value: f32) -> Colour {
    [value; 3]
}

pub(super) struct Canvas {
    size: usize,
    pixels: Vec<Colour>,
}

/// A filled ellipse with a soft edge.
#[derive(Debug, Clone, Copy)]
pub(super) struct Blob {
    pub(super) x: f32,
    pub(super) y: f32,
    /// Half axes.
    pub(super) a: f32,
    pub(super) b: f32,
    /// Radians.
    pub(super) angle: f32,
    /// Width of the edge as a share of the radius, above 0.
    pub(super) edge: f32,
}

impl Blob {
    /// A round one with an edge of a third.
    pub(super) fn round(x: f32, y: f32, radius: f32) -> Self {
        Self { x, y, a: radius, b: radius, angle: 0.0, edge: 0.3 }
    }
}

impl Canvas {
    pub(super) fn new(size: usize, colour: Colour) -> Self {
        Self { size, pixels: vec![colour; size * size] }
    }

    /// Mixes `colour` into the ellipse with opacity `alpha`.
    pub(super) fn blob(&mut self, blob: Blob, colour: Colour, alpha: f32) {
        self.wavy(blob, [0.0; 4], colour, alpha);
    }

    /// An ellipse whose radius varies with the direction: amplitudes of 3, 5, 8 and 13 waves around it.
    pub(super) fn wavy(&mut self, blob: Blob, waves: [f32; 4], colour: Colour, alpha: f32) {
        let size = self.size as f32;
        let reach = blob.a.max(blob.b) * (1.0 + blob.edge + waves.iter().map(|wave| wave.abs()).sum::<f32>());
        let range = |centre: f32| {
            let low = ((centre - reach) * size).floor().max(0.0) as usize;
            let high = ((centre + reach) * size).ceil().clamp(0.0, size) as usize;
            low..high
        };
        let (sin, cos) = blob.angle.sin_cos();
        let plain = waves == [0.0; 4];
        for row in range(blob.y) {
            for column in range(blob.x) {
                let (dx, dy) = ((column as f32 + 0.5) / size - blob.x, (row as f32 + 0.5) / size - blob.y);
                let (u, v) = ((dx * cos + dy * sin) / blob.a, (dy * cos - dx * sin) / blob.b);
                let mut radius = (u * u + v * v).sqrt();
                if !plain {
                    let direction = v.atan2(u);
                    let waves = waves.iter().zip([3.0, 5.0, 8.0, 13.0]);
                    radius /= 1.0 + waves.map(|(amplitude, k)| amplitude * (k * direction).sin()).sum::<f32>();
                }
                let cover = ((1.0 + 0.5 * blob.edge - radius) / blob.edge).clamp(0.0, 1.0) * alpha;
                self.mix(row, column, colour, cover);
            }
        }
    }

    /// A straight stroke with a soft edge.
    pub(super) fn line(&mut self, from: (f32, f32), to: (f32, f32), width: f32, colour: Colour, alpha: f32) {
        let size = self.size as f32;
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let length = (dx * dx + dy * dy).max(1e-6);
        for row in 0..self.size {
            for column in 0..self.size {
                let (x, y) = ((column as f32 + 0.5) / size - from.0, (row as f32 + 0.5) / size - from.1);
                let along = ((x * dx + y * dy) / length).clamp(0.0, 1.0);
                let distance = ((x - along * dx).powi(2) + (y - along * dy).powi(2)).sqrt();
                let cover = (1.5 - distance / width).clamp(0.0, 1.0) * alpha;
                self.mix(row, column, colour, cover);
            }
        }
    }

    /// Sets every pixel from its place: `(x, y, old) -> new`.
    pub(super) fn map(&mut self, paint: impl Fn(f32, f32, Colour) -> Colour) {
        let size = self.size as f32;
        for row in 0..self.size {
            for column in 0..self.size {
                let pixel = &mut self.pixels[row * self.size + column];
                *pixel = paint((column as f32 + 0.5) / size, (row as f32 + 0.5) / size, *pixel);
            }
        }
    }

    /// Adds a smooth random field: `cells` bumps along each edge, each pixel moved by at most `amplitude`.
    pub(super) fn clouds(&mut self, rng: &mut ChaCha8Rng, cells: usize, amplitude: f32) {
        let field: Vec<f32> = (0..(cells + 1) * (cells + 1)).map(|_| rng.random_range(-1.0..1.0)).collect();
        let at = |row: usize, column: usize| field[row * (cells + 1) + column];
        self.map(|x, y, old| {
            let (fx, fy) = (x * cells as f32, y * cells as f32);
            let (column, row) = ((fx as usize).min(cells - 1), (fy as usize).min(cells - 1));
            let (tx, ty) = (fx - column as f32, fy - row as f32);
            let top = at(row, column) * (1.0 - tx) + at(row, column + 1) * tx;
            let bottom = at(row + 1, column) * (1.0 - tx) + at(row + 1, column + 1) * tx;
            old.map(|value| value + amplitude * (top * (1.0 - ty) + bottom * ty))
        });
    }

    /// Adds noise of standard deviation `sigma`, the same to all components of a pixel or (`colourful`) to each its own.
    pub(super) fn noise(&mut self, rng: &mut ChaCha8Rng, sigma: f32, colourful: bool) {
        for pixel in &mut self.pixels {
            let first = normal(rng);
            for (index, component) in pixel.iter_mut().enumerate() {
                let draw = if colourful && index > 0 { normal(rng) } else { first };
                *component += sigma * draw;
            }
        }
    }

    /// Multiplies each pixel by one plus noise, as ultrasound does.
    pub(super) fn speckle(&mut self, rng: &mut ChaCha8Rng, sigma: f32) {
        for pixel in &mut self.pixels {
            let factor = 1.0 + sigma * normal(rng);
            *pixel = pixel.map(|component| component * factor);
        }
    }

    /// Rounds to bytes; one channel takes the first component.
    pub(super) fn write(&self, channels: usize, bytes: &mut [u8]) {
        for (pixel, out) in self.pixels.iter().zip(bytes.chunks_exact_mut(channels)) {
            for (component, byte) in pixel.iter().zip(out) {
                *byte = (component.clamp(0.0, 1.0) * 255.0).round() as u8;
            }
        }
    }

    fn mix(&mut self, row: usize, column: usize, colour: Colour, cover: f32) {
        if cover > 0.0 {
            let pixel = &mut self.pixels[row * self.size + column];
            for (component, target) in pixel.iter_mut().zip(colour) {
                *component += cover * (target - *component);
            }
        }
    }
}

/// Nearly normal, mean 0 and standard deviation 1: the sum of four bytes.
fn normal(rng: &mut ChaCha8Rng) -> f32 {
    let sum: u32 = rng.next_u32().to_le_bytes().iter().map(|&byte| u32::from(byte)).sum();
    // Variance of a uniform byte is (256^2 - 1) / 12.
    (sum as f32 - 510.0) / 147.8
}
