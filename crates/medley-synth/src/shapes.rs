//! Shapes by their cover: how much of a pixel lies inside, 0 to 1. Coordinates run from (0, 0) at the top left to (1, 1).

use crate::draws::{Draws, cosine, sine};

/// The edge of a pixel of the usual size, and the softness of an outline unless stated.
pub(super) const PIXEL: f32 = 1.0 / 28.0;

/// Something that covers a part of the plane.
pub(super) trait Shape {
    /// Left, top, right, bottom of what may be covered.
    fn bounds(&self) -> [f32; 4];

    /// Cover of the point, 0 to 1.
    fn cover(&self, x: f32, y: f32) -> f32;
}

/// A filled ellipse.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ellipse {
    x: f32,
    y: f32,
    a: f32,
    b: f32,
    sin: f32,
    cos: f32,
    edge: f32,
}

impl Ellipse {
    /// Half axes `a`, `b`; `turns` of the first against the x axis.
    pub(super) fn new(x: f32, y: f32, a: f32, b: f32, turns: f32) -> Self {
        Self { x, y, a: a.max(1e-3), b: b.max(1e-3), sin: sine(turns), cos: cosine(turns), edge: PIXEL }
    }

    pub(super) fn round(x: f32, y: f32, radius: f32) -> Self {
        Self::new(x, y, radius, radius, 0.0)
    }

    /// The same with an outline that fades over this width.
    pub(super) fn soft(self, edge: f32) -> Self {
        Self { edge: edge.max(1e-3), ..self }
    }

    /// The same, larger or smaller.
    pub(super) fn scaled(self, factor: f32) -> Self {
        Self { a: self.a * factor, b: self.b * factor, ..self }
    }

    /// The same, somewhere else.
    pub(super) fn moved(self, dx: f32, dy: f32) -> Self {
        Self { x: self.x + dx, y: self.y + dy, ..self }
    }

    /// The point at a share of the radius in a direction of the ellipse's own frame.
    pub(super) fn point(&self, share: f32, turns: f32) -> (f32, f32) {
        let (u, v) = (self.a * share * cosine(turns), self.b * share * sine(turns));
        (self.x + u * self.cos - v * self.sin, self.y + u * self.sin + v * self.cos)
    }

    fn local(&self, x: f32, y: f32) -> (f32, f32) {
        let (dx, dy) = (x - self.x, y - self.y);
        ((dx * self.cos + dy * self.sin) / self.a, (dy * self.cos - dx * self.sin) / self.b)
    }

    fn reach(&self, factor: f32) -> [f32; 4] {
        // Where `soften` reaches 0: half an edge outside, measured along the short axis.
        let reach = self.a.max(self.b) * (factor + 0.5 * self.edge / self.a.min(self.b));
        [self.x - reach, self.y - reach, self.x + reach, self.y + reach]
    }

    fn soften(&self, inside: f32) -> f32 {
        (0.5 + inside * self.a.min(self.b) / self.edge).clamp(0.0, 1.0)
    }
}

impl Shape for Ellipse {
    fn bounds(&self) -> [f32; 4] {
        self.reach(1.0)
    }

    fn cover(&self, x: f32, y: f32) -> f32 {
        let (u, v) = self.local(x, y);
        self.soften(1.0 - (u * u + v * v).sqrt())
    }
}

const WAVES: usize = 6;

/// An ellipse whose radius varies with the direction, by 2 to 7 waves around it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lobed {
    pub(super) ellipse: Ellipse,
    waves: [(f32, f32); WAVES],
}

impl Lobed {
    /// Waves of random phase, the k-th of amplitude `strength / (k - 1)`: `strength` is the share of the radius.
    pub(super) fn random(ellipse: Ellipse, strength: f32, draws: &mut Draws) -> Self {
        let mut waves = [(0.0, 0.0); WAVES];
        for (index, wave) in waves.iter_mut().enumerate() {
            let amplitude = strength / (1.0 + index as f32);
            *wave = (amplitude * draws.range(-1.0, 1.0), amplitude * draws.range(-1.0, 1.0));
        }
        Self { ellipse, waves }
    }

    /// The same outline around another ellipse.
    pub(super) fn around(self, ellipse: Ellipse) -> Self {
        Self { ellipse, ..self }
    }
}

impl Shape for Lobed {
    fn bounds(&self) -> [f32; 4] {
        self.ellipse.reach(1.0 + self.waves.iter().map(|wave| wave.0.abs() + wave.1.abs()).sum::<f32>())
    }

    fn cover(&self, x: f32, y: f32) -> f32 {
        let (u, v) = self.ellipse.local(x, y);
        let radius = (u * u + v * v).sqrt().max(1e-4);
        // Cosine and sine of k times the direction are the parts of the k-th power of the unit vector.
        let (cos, sin) = (u / radius, v / radius);
        let (mut real, mut imaginary) = (cos, sin);
        let mut outline = 1.0;
        for (c, s) in self.waves {
            (real, imaginary) = (real * cos - imaginary * sin, real * sin + imaginary * cos);
            outline += c * real + s * imaginary;
        }
        self.ellipse.soften(outline - radius)
    }
}

/// A straight stroke with round ends, its width changing evenly.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stroke {
    from: (f32, f32),
    to: (f32, f32),
    widths: (f32, f32),
    edge: f32,
}

impl Stroke {
    pub(super) fn new(from: (f32, f32), to: (f32, f32), width: f32) -> Self {
        Self { from, to, widths: (width, width), edge: PIXEL }
    }

    /// The same, of another width at its end.
    pub(super) fn to_width(self, width: f32) -> Self {
        Self { widths: (self.widths.0, width), ..self }
    }
}

impl Shape for Stroke {
    fn bounds(&self) -> [f32; 4] {
        let reach = 0.5 * (self.widths.0.max(self.widths.1) + self.edge);
        [
            self.from.0.min(self.to.0) - reach,
            self.from.1.min(self.to.1) - reach,
            self.from.0.max(self.to.0) + reach,
            self.from.1.max(self.to.1) + reach,
        ]
    }

    fn cover(&self, x: f32, y: f32) -> f32 {
        let (dx, dy) = (self.to.0 - self.from.0, self.to.1 - self.from.1);
        let (px, py) = (x - self.from.0, y - self.from.1);
        let along = ((px * dx + py * dy) / (dx * dx + dy * dy).max(1e-8)).clamp(0.0, 1.0);
        let (ex, ey) = (px - along * dx, py - along * dy);
        let width = self.widths.0 + along * (self.widths.1 - self.widths.0);
        (0.5 + (0.5 * width - (ex * ex + ey * ey).sqrt()) / self.edge).clamp(0.0, 1.0)
    }
}

/// The points of a path that starts at `from` towards `turns` and bends at random at each of its steps.
pub(super) fn wander(
    from: (f32, f32),
    turns: f32,
    bend: f32,
    step: f32,
    steps: usize,
    draws: &mut Draws,
) -> Vec<(f32, f32)> {
    let mut points = vec![from];
    let (mut at, mut direction) = (from, turns);
    for _ in 0..steps {
        at = (at.0 + step * cosine(direction), at.1 + step * sine(direction));
        points.push(at);
        direction += draws.range(-bend, bend);
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn covers_are_full_inside_and_none_outside() {
        let ellipse = Ellipse::new(0.5, 0.5, 0.3, 0.1, 0.25);
        assert_eq!((ellipse.cover(0.5, 0.5), ellipse.cover(0.5, 0.7), ellipse.cover(0.75, 0.5)), (1.0, 1.0, 0.0));
        let stroke = Stroke::new((0.2, 0.2), (0.8, 0.2), 0.1);
        assert_eq!((stroke.cover(0.5, 0.21), stroke.cover(0.5, 0.4), stroke.cover(0.95, 0.2)), (1.0, 0.0, 0.0));
    }

    #[test]
    fn nothing_is_covered_outside_the_bounds() {
        let mut draws = Draws::new(medley_core::seed::stream(5, medley_core::seed::Purpose::Synthetic, &[]));
        for _ in 0..200 {
            let ellipse =
                Ellipse::new(draws.unit(), draws.unit(), draws.range(0.02, 0.4), draws.range(0.02, 0.4), draws.unit());
            let lobed = Lobed::random(ellipse, 0.2, &mut draws);
            let ends = [(); 2].map(|()| (draws.unit(), draws.unit()));
            let stroke = Stroke::new(ends[0], ends[1], draws.range(0.01, 0.2)).to_width(draws.range(0.01, 0.2));
            let shapes: [&dyn Shape; 3] = [&ellipse, &lobed, &stroke];
            for shape in shapes {
                let [left, top, right, bottom] = shape.bounds();
                for _ in 0..50 {
                    let (x, y) = (draws.range(-0.5, 1.5), draws.range(-0.5, 1.5));
                    if x < left || x > right || y < top || y > bottom {
                        assert_eq!(shape.cover(x, y), 0.0);
                    }
                }
            }
        }
    }
}
