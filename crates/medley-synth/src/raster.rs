//! A square of pixels to draw on, with `C` values from 0 to 1 (more or less) in each.

use crate::draws::Draws;
use crate::shapes::{Shape, Stroke};

/// Pixels in rows.
#[derive(Debug, Clone)]
pub(super) struct Raster<const C: usize> {
    size: usize,
    pixels: Vec<[f32; C]>,
}

/// Where a pixel is.
#[derive(Debug, Clone, Copy)]
pub(super) struct PixelPosition {
    pub(super) x: f32,
    pub(super) y: f32,
    /// Its index in planes such as [`clouds`] makes.
    pub(super) index: usize,
}

impl<const C: usize> Raster<C> {
    pub(super) fn new(size: usize, colour: [f32; C]) -> Self {
        Self { size, pixels: vec![colour; size * size] }
    }

    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Mixes `colour` into the shape with opacity `alpha`.
    pub(super) fn render(&mut self, shape: &impl Shape, colour: [f32; C], alpha: f32) {
        over(self.size, shape, |index, cover| mix(&mut self.pixels[index], colour, cover * alpha));
    }

    /// Adds `colour` to the shape.
    pub(super) fn add(&mut self, shape: &impl Shape, colour: [f32; C]) {
        over(self.size, shape, |index, cover| {
            for (value, more) in self.pixels[index].iter_mut().zip(colour) {
                *value += cover * more;
            }
        });
    }

    /// Mixes `colour` in where a mask covers, with opacity `alpha`.
    pub(super) fn fill(&mut self, mask: &Mask, colour: [f32; C], alpha: f32) {
        for (pixel, &cover) in self.pixels.iter_mut().zip(&mask.cover) {
            mix(pixel, colour, cover * alpha);
        }
    }

    /// Adds a plane of values times `colour`.
    pub(super) fn add_plane(&mut self, plane: &[f32], colour: [f32; C]) {
        for (pixel, &level) in self.pixels.iter_mut().zip(plane) {
            for (value, more) in pixel.iter_mut().zip(colour) {
                *value += level * more;
            }
        }
    }

    /// Sets every pixel from its place and its old value.
    pub(super) fn shade(&mut self, mut render: impl FnMut(PixelPosition, [f32; C]) -> [f32; C]) {
        let pixel = 1.0 / self.size as f32;
        for (row, line) in self.pixels.chunks_exact_mut(self.size).enumerate() {
            let y = (row as f32 + 0.5) * pixel;
            for (column, value) in line.iter_mut().enumerate() {
                let place = PixelPosition { x: (column as f32 + 0.5) * pixel, y, index: row * self.size + column };
                *value = render(place, *value);
            }
        }
    }

    /// Adds noise, the same to all values of a pixel.
    pub(super) fn grain(&mut self, draws: &mut Draws, deviation: f32) {
        let noise = draws.noise(self.pixels.len());
        self.add_plane(&noise, [deviation; C]);
    }

    /// Adds noise to each value on its own, as a colour sensor does.
    pub(super) fn sensor_grain(&mut self, draws: &mut Draws, deviation: f32) {
        let noise = draws.noise(self.pixels.len() * C);
        for (pixel, noise) in self.pixels.iter_mut().zip(noise.chunks_exact(C)) {
            for (value, noise) in pixel.iter_mut().zip(noise) {
                *value += deviation * noise;
            }
        }
    }

    /// Multiplies by one plus noise, as coherent imaging (ultrasound, OCT) does.
    pub(super) fn speckle(&mut self, draws: &mut Draws, deviation: f32) {
        let noise = draws.noise(self.pixels.len());
        for (pixel, noise) in self.pixels.iter_mut().zip(noise) {
            for value in pixel {
                *value *= 1.0 + deviation * noise;
            }
        }
    }

    /// `value * gain + offset`.
    pub(super) fn expose(&mut self, gain: f32, offset: f32) {
        for value in self.pixels.iter_mut().flatten() {
            *value = *value * gain + offset;
        }
    }

    /// A raster with other values per pixel.
    pub(super) fn convert<const D: usize>(&self, convert: impl Fn([f32; C]) -> [f32; D]) -> Raster<D> {
        Raster { size: self.size, pixels: self.pixels.iter().map(|&pixel| convert(pixel)).collect() }
    }

    /// Rounds to bytes, `[H, W, C]`.
    pub(super) fn store(&self, bytes: &mut [u8]) {
        for (value, byte) in self.pixels.iter().flatten().zip(bytes) {
            // Conversion saturates: what is below 0 or above 1 becomes 0 or 255.
            *byte = (value * 255.0 + 0.5) as u8;
        }
    }
}

/// How much of each pixel belongs to something that is made of several shapes.
#[derive(Debug, Clone)]
pub(super) struct Mask {
    size: usize,
    cover: Vec<f32>,
}

impl Mask {
    pub(super) fn new(size: usize) -> Self {
        Self { size, cover: vec![0.0; size * size] }
    }

    /// Of one shape.
    pub(super) fn of(size: usize, shape: &impl Shape) -> Self {
        let mut mask = Self::new(size);
        mask.join(shape);
        mask
    }

    pub(super) fn cover(&self) -> &[f32] {
        &self.cover
    }

    /// Adds a shape; where shapes overlap the larger cover counts.
    pub(super) fn join(&mut self, shape: &impl Shape) {
        over(self.size, shape, |index, cover| self.cover[index] = self.cover[index].max(cover));
    }

    /// Removes a shape.
    pub(super) fn cut(&mut self, shape: &impl Shape) {
        over(self.size, shape, |index, cover| self.cover[index] = self.cover[index].min(1.0 - cover));
    }

    /// Sets every cover from its place and its old value.
    pub(super) fn shade(&mut self, mut cover: impl FnMut(PixelPosition, f32) -> f32) {
        let size = self.size;
        let pixel = 1.0 / size as f32;
        for (index, value) in self.cover.iter_mut().enumerate() {
            let (x, y) = ((index % size) as f32 + 0.5, (index / size) as f32 + 0.5);
            *value = cover(PixelPosition { x: x * pixel, y: y * pixel, index }, *value);
        }
    }

    /// Keeps what another mask covers.
    pub(super) fn keep(&mut self, other: &Self) {
        for (cover, other) in self.cover.iter_mut().zip(&other.cover) {
            *cover *= other;
        }
    }

    /// Adds a path through points, its width falling from `from` to `to`.
    pub(super) fn path(&mut self, points: &[(f32, f32)], from: f32, to: f32) {
        let steps = points.len().saturating_sub(1).max(1) as f32;
        for (index, pair) in points.windows(2).enumerate() {
            let width = |at: f32| from + (to - from) * at / steps;
            let stroke = Stroke::new(pair[0], pair[1], width(index as f32)).to_width(width(index as f32 + 1.0));
            self.join(&stroke);
        }
    }
}

/// A smooth random plane from -1 to 1 with about `across` times `down` bumps.
pub(super) fn clouds(draws: &mut Draws, size: usize, across: usize, down: usize) -> Vec<f32> {
    let width = across + 1;
    let lattice: Vec<f32> = (0..width * (down + 1)).map(|_| draws.range(-1.0, 1.0)).collect();
    let split = |pixel: usize, cells: usize| {
        let at = (pixel as f32 + 0.5) * cells as f32 / size as f32;
        let cell = (at as usize).min(cells - 1);
        let rest = at - cell as f32;
        (cell, rest * rest * (3.0 - 2.0 * rest))
    };
    let columns: Vec<(usize, f32)> = (0..size).map(|column| split(column, across)).collect();
    let mut line = vec![0.0; width];
    let mut plane = Vec::with_capacity(size * size);
    for row in 0..size {
        let (cell, rest) = split(row, down);
        let (above, below) = (&lattice[cell * width..][..width], &lattice[(cell + 1) * width..][..width]);
        for ((value, above), below) in line.iter_mut().zip(above).zip(below) {
            *value = above + rest * (below - above);
        }
        plane.extend(columns.iter().map(|&(cell, rest)| line[cell] + rest * (line[cell + 1] - line[cell])));
    }
    plane
}

/// Calls `render(index, cover)` for every pixel that a shape covers.
fn over(size: usize, shape: &impl Shape, mut render: impl FnMut(usize, f32)) {
    let [left, top, right, bottom] = shape.bounds();
    let pixel = 1.0 / size as f32;
    // Conversions saturate, so that shapes beyond the border give empty ranges.
    let range = |low: f32, high: f32| (low * size as f32) as usize..((high * size as f32 + 1.0) as usize).min(size);
    for row in range(top, bottom) {
        let y = (row as f32 + 0.5) * pixel;
        for column in range(left, right) {
            let cover = shape.cover((column as f32 + 0.5) * pixel, y);
            if cover > 0.0 {
                render(row * size + column, cover);
            }
        }
    }
}

fn mix<const C: usize>(pixel: &mut [f32; C], colour: [f32; C], cover: f32) {
    for (value, target) in pixel.iter_mut().zip(colour) {
        *value += cover * (target - *value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shapes::Ellipse;

    #[test]
    fn a_half_covered_canvas_is_half_painted() {
        let mut raster = Raster::<1>::new(56, [0.0]);
        raster.render(&Stroke::new((0.0, 0.0), (1.0, 0.0), 1.0), [1.0], 1.0);
        let mut bytes = vec![0; 56 * 56];
        raster.store(&mut bytes);
        let mean = bytes.iter().map(|&byte| f32::from(byte)).sum::<f32>() / bytes.len() as f32;
        assert!((mean - 127.5).abs() < 4.0, "{mean}");
    }

    #[test]
    fn masks_join_cut_and_keep() {
        let whole = Mask::of(28, &Ellipse::round(0.5, 0.5, 2.0));
        assert!(whole.cover().iter().all(|&cover| cover == 1.0));
        let mut hole = whole.clone();
        hole.cut(&Ellipse::round(0.5, 0.5, 0.2));
        assert_eq!(hole.cover()[14 * 28 + 14], 0.0);
        hole.keep(&Mask::new(28));
        assert!(hole.cover().iter().all(|&cover| cover == 0.0));
    }

    #[test]
    fn shapes_beyond_the_border_do_nothing() {
        let mut raster = Raster::<1>::new(28, [0.25]);
        for (x, y) in [(-5.0, 0.5), (9.0, 0.5), (0.5, -9.0), (0.5, 7.0)] {
            raster.render(&Ellipse::round(x, y, 0.3), [1.0], 1.0);
        }
        let mut bytes = vec![0; 28 * 28];
        raster.store(&mut bytes);
        assert!(bytes.iter().all(|&byte| byte == 64));
    }

    #[test]
    fn clouds_stay_within_one() {
        let mut draws = Draws::new(medley_core::seed::stream(2, medley_core::seed::Purpose::Synthetic, &[]));
        let plane = clouds(&mut draws, 28, 5, 9);
        assert!(plane.iter().all(|value| value.abs() <= 1.0));
        assert!(plane.windows(2).any(|pair| pair[0] != pair[1]));
    }
}
