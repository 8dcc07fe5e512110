//! A cube of voxels to draw in, coordinates from 0 to 1 along each of its axes (z, y, x).

use crate::draws::Draws;
use crate::shapes::PIXEL;

pub(super) type Point = [f32; 3];

/// Voxels in slices of rows.
#[derive(Debug, Clone)]
pub(super) struct Volume {
    size: usize,
    voxels: Vec<f32>,
}

/// Something that covers a part of space.
pub(super) trait Solid {
    /// Smallest and largest coordinates of what may be covered.
    fn bounds(&self) -> (Point, Point);

    /// Cover of a point, 0 to 1.
    fn cover(&self, at: Point) -> f32;
}

/// A turned ellipsoid.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ball {
    pub(super) centre: Point,
    pub(super) axes: Point,
    pub(super) turn: Turn,
    pub(super) edge: f32,
}

impl Ball {
    pub(super) fn round(centre: Point, radius: f32) -> Self {
        Self { centre, axes: [radius; 3], turn: Turn::NONE, edge: PIXEL }
    }

    pub(super) fn new(centre: Point, axes: Point, turn: Turn) -> Self {
        Self { centre, axes, turn, edge: PIXEL }
    }

    pub(super) fn soft(self, edge: f32) -> Self {
        Self { edge, ..self }
    }

    pub(super) fn scaled(self, factor: f32) -> Self {
        Self { axes: self.axes.map(|axis| axis * factor), ..self }
    }
}

impl Solid for Ball {
    fn bounds(&self) -> (Point, Point) {
        let reach = self.axes.iter().fold(0.0_f32, |most, &axis| most.max(axis)) + self.edge;
        (self.centre.map(|at| at - reach), self.centre.map(|at| at + reach))
    }

    fn cover(&self, at: Point) -> f32 {
        let local = self.turn.undo(minus(at, self.centre));
        let radius = length([0, 1, 2].map(|i| local[i] / self.axes[i].max(1e-3)));
        let thin = self.axes.iter().fold(f32::MAX, |least, &axis| least.min(axis));
        (0.5 + (1.0 - radius) * thin / self.edge).clamp(0.0, 1.0)
    }
}

/// A straight tube with round ends, its width changing evenly.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tube {
    pub(super) from: Point,
    pub(super) to: Point,
    /// Radii at its ends.
    pub(super) radii: (f32, f32),
}

impl Solid for Tube {
    fn bounds(&self) -> (Point, Point) {
        let reach = self.radii.0.max(self.radii.1) + PIXEL;
        (
            [0, 1, 2].map(|i| self.from[i].min(self.to[i]) - reach),
            [0, 1, 2].map(|i| self.from[i].max(self.to[i]) + reach),
        )
    }

    fn cover(&self, at: Point) -> f32 {
        let (axis, local) = (minus(self.to, self.from), minus(at, self.from));
        let along = (dot(local, axis) / dot(axis, axis).max(1e-8)).clamp(0.0, 1.0);
        let far = length([0, 1, 2].map(|i| local[i] - along * axis[i]));
        let radius = self.radii.0 + along * (self.radii.1 - self.radii.0);
        (0.5 + (radius - far) / PIXEL).clamp(0.0, 1.0)
    }
}

impl Volume {
    pub(super) fn new(size: usize, value: f32) -> Self {
        Self { size, voxels: vec![value; size * size * size] }
    }

    /// Mixes `value` into the solid with opacity `alpha`.
    pub(super) fn render(&mut self, solid: &impl Solid, value: f32, alpha: f32) {
        self.over(solid, |voxel, cover| *voxel += cover * alpha * (value - *voxel));
    }

    /// Raises voxels to the solid's cover, so that solids join without a seam.
    pub(super) fn join(&mut self, solid: &impl Solid) {
        self.over(solid, |voxel, cover| *voxel = voxel.max(cover));
    }

    /// Sets every voxel from its place and its old value.
    pub(super) fn shade(&mut self, mut render: impl FnMut(Point, usize, f32) -> f32) {
        let size = self.size;
        let pixel = 1.0 / size as f32;
        for (index, voxel) in self.voxels.iter_mut().enumerate() {
            let place = [index / (size * size), index / size % size, index % size];
            *voxel = render(place.map(|at| (at as f32 + 0.5) * pixel), index, *voxel);
        }
    }

    /// Adds values times `strength`.
    pub(super) fn add(&mut self, values: &[f32], strength: f32) {
        for (voxel, value) in self.voxels.iter_mut().zip(values) {
            *voxel += strength * value;
        }
    }

    /// Adds noise.
    pub(super) fn grain(&mut self, draws: &mut Draws, deviation: f32) {
        let noise = draws.noise(self.voxels.len());
        self.add(&noise, deviation);
    }

    /// `value * gain + offset`.
    pub(super) fn expose(&mut self, gain: f32, offset: f32) {
        for voxel in &mut self.voxels {
            *voxel = *voxel * gain + offset;
        }
    }

    /// 0 or 1, as segmented shapes are stored.
    pub(super) fn binarise(&mut self) {
        for voxel in &mut self.voxels {
            *voxel = if *voxel >= 0.5 { 1.0 } else { 0.0 };
        }
    }

    pub(super) fn size(&self) -> usize {
        self.size
    }

    pub(super) fn voxels(&self) -> &[f32] {
        &self.voxels
    }

    /// Rounds to bytes, `[D, H, W]`.
    pub(super) fn store(&self, bytes: &mut [u8]) {
        for (value, byte) in self.voxels.iter().zip(bytes) {
            *byte = (value * 255.0 + 0.5) as u8;
        }
    }

    fn over(&mut self, solid: &impl Solid, mut render: impl FnMut(&mut f32, f32)) {
        let (low, high) = solid.bounds();
        let size = self.size;
        let pixel = 1.0 / size as f32;
        let range = |i: usize| (low[i] * size as f32) as usize..((high[i] * size as f32 + 1.0) as usize).min(size);
        let at = |index: usize| (index as f32 + 0.5) * pixel;
        for z in range(0) {
            for y in range(1) {
                for x in range(2) {
                    let cover = solid.cover([at(z), at(y), at(x)]);
                    if cover > 0.0 {
                        render(&mut self.voxels[(z * size + y) * size + x], cover);
                    }
                }
            }
        }
    }
}

/// A smooth random field from -1 to 1 with about `cells` bumps along each edge.
pub(super) fn clouds(draws: &mut Draws, size: usize, cells: usize) -> Vec<f32> {
    let width = cells + 1;
    let lattice: Vec<f32> = (0..width * width * width).map(|_| draws.range(-1.0, 1.0)).collect();
    let split: Vec<(usize, f32)> = (0..size)
        .map(|pixel| {
            let at = (pixel as f32 + 0.5) * cells as f32 / size as f32;
            let cell = (at as usize).min(cells - 1);
            let rest = at - cell as f32;
            (cell, rest * rest * (3.0 - 2.0 * rest))
        })
        .collect();
    let between = |a: f32, b: f32, share: f32| a + share * (b - a);
    let mut field = Vec::with_capacity(size * size * size);
    let mut line = vec![0.0; width];
    for &(z, share_z) in &split {
        for &(y, share_y) in &split {
            for (x, value) in line.iter_mut().enumerate() {
                let corner = |dz: usize, dy: usize| lattice[((z + dz) * width + y + dy) * width + x];
                let near = between(corner(0, 0), corner(0, 1), share_y);
                *value = between(near, between(corner(1, 0), corner(1, 1), share_y), share_z);
            }
            field.extend(split.iter().map(|&(x, share)| between(line[x], line[x + 1], share)));
        }
    }
    field
}

/// A rotation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn([Point; 3]);

impl Turn {
    pub(super) const NONE: Self = Self([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]);

    /// Any direction (`spread` 1) or near to none (small `spread`), from a random quaternion.
    pub(super) fn random(draws: &mut Draws, spread: f32) -> Self {
        let [b, c, d] = [(); 3].map(|()| spread * draws.normal());
        let a = if spread < 1.0 { 1.0 } else { draws.normal() };
        let norm = (a * a + b * b + c * c + d * d).sqrt().max(1e-3);
        let (a, b, c, d) = (a / norm, b / norm, c / norm, d / norm);
        Self([
            [1.0 - 2.0 * (c * c + d * d), 2.0 * (b * c - a * d), 2.0 * (b * d + a * c)],
            [2.0 * (b * c + a * d), 1.0 - 2.0 * (b * b + d * d), 2.0 * (c * d - a * b)],
            [2.0 * (b * d - a * c), 2.0 * (c * d + a * b), 1.0 - 2.0 * (b * b + c * c)],
        ])
    }

    pub(super) fn apply(&self, at: Point) -> Point {
        self.0.map(|row| dot(row, at))
    }

    /// The inverse.
    pub(super) fn undo(&self, at: Point) -> Point {
        [0, 1, 2].map(|i| dot([self.0[0][i], self.0[1][i], self.0[2][i]], at))
    }

    /// A point given around the middle of the cube, turned, in the coordinates of the cube.
    pub(super) fn place(&self, at: Point) -> Point {
        plus(self.apply(at), [0.5; 3])
    }
}

pub(super) fn plus(a: Point, b: Point) -> Point {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

pub(super) fn minus(a: Point, b: Point) -> Point {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

pub(super) fn times(a: Point, factor: f32) -> Point {
    a.map(|value| value * factor)
}

pub(super) fn dot(a: Point, b: Point) -> f32 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

pub(super) fn length(a: Point) -> f32 {
    dot(a, a).sqrt()
}

/// A random vector of length 1.
pub(super) fn direction(draws: &mut Draws) -> Point {
    let vector = [draws.normal(), draws.normal(), draws.normal()];
    times(vector, 1.0 / length(vector).max(0.05))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draws() -> Draws {
        Draws::new(medley_core::seed::stream(3, medley_core::seed::Purpose::Synthetic, &[]))
    }

    #[test]
    fn turns_keep_lengths_and_can_be_undone() {
        let mut draws = draws();
        for spread in [0.1, 1.0] {
            let turn = Turn::random(&mut draws, spread);
            let at = [0.3, -0.2, 0.7];
            assert!((length(turn.apply(at)) - length(at)).abs() < 1e-5);
            assert!(length(minus(turn.undo(turn.apply(at)), at)) < 1e-5);
        }
    }

    #[test]
    fn nothing_is_covered_outside_the_bounds() {
        let mut draws = draws();
        let ball = Ball::new([0.5, 0.4, 0.6], [0.1, 0.3, 0.2], Turn::random(&mut draws, 1.0)).soft(0.1);
        let tube = Tube { from: [0.2; 3], to: [0.7, 0.6, 0.3], radii: (0.05, 0.1) };
        let solids: [&dyn Solid; 2] = [&ball, &tube];
        for solid in solids {
            let (low, high) = solid.bounds();
            for _ in 0..2000 {
                let at = [(); 3].map(|()| draws.range(-0.2, 1.2));
                if (0..3).any(|i| at[i] < low[i] || at[i] > high[i]) {
                    assert_eq!(solid.cover(at), 0.0);
                }
            }
        }
    }

    #[test]
    fn fields_stay_within_one() {
        let field = clouds(&mut draws(), 12, 4);
        assert_eq!(field.len(), 12 * 12 * 12);
        assert!(field.iter().all(|value| value.abs() <= 1.0));
    }
}
