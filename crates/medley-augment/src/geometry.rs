//! Affine maps of the image plane (and of volumes), and what lies beyond the border.

use medley_core::ImageShape;

medley_core::choices! {
    /// What is seen beyond the border of an image.
    #[derive(Default)]
    pub enum Padding {
        /// The image mirrored at its outermost pixels, which are not repeated (NumPy's and torchvision's `reflect`).
        #[default]
        Reflect = "reflect",
        /// The outermost pixels, repeated.
        Edge = "edge",
        /// Black.
        Zero = "zero",
    }
}

impl Padding {
    /// The pixel of `0..length` that stands for `index`, if any.
    #[inline]
    pub(crate) fn resolve(self, index: i64, length: usize) -> Option<usize> {
        let last = length as i64 - 1;
        match self {
            _ if (0..=last).contains(&index) => Some(index as usize),
            Self::Reflect if last == 0 => Some(0),
            Self::Reflect => {
                let place = index.rem_euclid(2 * last);
                Some(place.min(2 * last - place) as usize)
            }
            Self::Edge => Some(index.clamp(0, last) as usize),
            Self::Zero => None,
        }
    }
}

medley_core::choices! {
    /// How values between pixels are found.
    #[derive(Default)]
    pub enum Filter {
        /// From the 2 nearest pixels along each axis.
        #[default]
        Bilinear = "bilinear",
        /// From the 4 nearest along each axis, by Keys' cubic convolution with a = -0.75 (as `PyTorch`). Sharper.
        Bicubic = "bicubic",
    }
}

/// An axis of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Axis {
    /// Across the slices of a volume.
    Depth = 0,
    /// Down the rows.
    Height = 1,
    /// Along a row.
    Width = 2,
}

/// From a place in the output to the place in the input whose value it takes.
///
/// Places are in pixels from the image centre along (depth, height, width), so flips and turns need no offset and compose
/// without rounding. A flat image has depth 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Map {
    /// `matrix[i][j]`: how axis `i` of the input changes with axis `j` of the output.
    pub matrix: [[f64; 3]; 3],
    /// The input place that the centre of the output takes.
    pub offset: [f64; 3],
}

impl Map {
    /// Changes nothing.
    pub const IDENTITY: Self = Self { matrix: [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], offset: [0.0; 3] };

    /// Mirrors one axis.
    pub fn flip(axis: Axis) -> Self {
        let mut map = Self::IDENTITY;
        map.matrix[axis as usize][axis as usize] = -1.0;
        map
    }

    /// Swaps two axes, which must have equal lengths.
    pub fn transpose(a: Axis, b: Axis) -> Self {
        let mut map = Self::IDENTITY;
        map.matrix.swap(a as usize, b as usize);
        map
    }

    /// Moves the content by so many pixels along (depth, height, width); positive is deeper, down, right.
    pub fn shift(by: [f64; 3]) -> Self {
        Self { offset: by.map(|by| 0.0 - by), ..Self::IDENTITY }
    }

    /// A map of rows and columns alone: `matrix` on (y, x), then `offset`.
    pub fn in_plane(matrix: [[f64; 2]; 2], offset: [f64; 2]) -> Self {
        let [[yy, yx], [xy, xx]] = matrix;
        Self { matrix: [[1.0, 0.0, 0.0], [0.0, yy, yx], [0.0, xy, xx]], offset: [0.0, offset[0], offset[1]] }
    }

    /// This map, and `next` applied to its result.
    #[must_use]
    pub fn then(self, next: Self) -> Self {
        // The output of `next` looks up the output of `self`, which looks up the input.
        let mut both = Self { matrix: [[0.0; 3]; 3], offset: self.offset };
        for i in 0..3 {
            for j in 0..3 {
                both.offset[i] += self.matrix[i][j] * next.offset[j];
                both.matrix[i][j] = (0..3).map(|k| self.matrix[i][k] * next.matrix[k][j]).sum();
            }
        }
        both
    }

    /// If every output pixel takes exactly one input pixel: for each output axis, the input axis it runs along, the
    /// direction, and the input index of output index 0.
    pub(crate) fn lattice(&self, shape: ImageShape) -> Option<[Run; 3]> {
        let lengths = [shape.depth.unwrap_or(1), shape.height, shape.width];
        let mut runs = [Run { axis: 0, step: 0, start: 0 }; 3];
        let mut taken = [false; 3];
        for input in 0..3 {
            let mut found = (0..3).filter(|&output| self.matrix[input][output] != 0.0);
            let output = found.next()?;
            let step = self.matrix[input][output];
            if found.next().is_some() || step.abs() != 1.0 || taken[output] {
                return None;
            }
            let centre = |axis: usize| (lengths[axis] as f64 - 1.0) / 2.0;
            let start = self.offset[input] + centre(input) - step * centre(output);
            if start.fract() != 0.0 || start.abs() > 1e9 {
                return None;
            }
            taken[output] = true;
            runs[output] = Run { axis: input, step: step as i64, start: start as i64 };
        }
        Some(runs)
    }
}

impl Map {
    /// If slices of a volume stay slices: which one goes where.
    pub(crate) fn slices(&self, depth: usize) -> Option<Run> {
        let [[step, zy, zx], [yz, ..], [xz, ..]] = self.matrix;
        let centre = (depth as f64 - 1.0) / 2.0;
        let start = self.offset[0] + centre - step * centre;
        let apart = [zy, zx, yz, xz].iter().all(|&entry| entry == 0.0);
        (apart && step.abs() == 1.0 && start.fract() == 0.0 && start.abs() < 1e9).then_some(Run {
            axis: 0,
            step: step as i64,
            start: start as i64,
        })
    }

    /// Torchvision's `affine`: content is sheared, scaled and turned about the centre, then moved.
    ///
    /// `degrees` turns clockwise as seen on the screen; `shift` is (down, right) in pixels; `shear` is (x, y) in degrees. Torchvision
    /// documents the formula in `_get_inverse_affine_matrix`; this is the same map.
    pub fn affine(degrees: f64, shift: [f64; 2], scale: f64, shear: [f64; 2]) -> Self {
        let [turn, shear_x, shear_y] = [degrees, shear[0], shear[1]].map(f64::to_radians);
        let (sin, cos) = libm::sincos(turn - shear_y);
        let (sin_turn, cos_turn) = libm::sincos(turn);
        let (cos_y, tan_x) = (libm::cos(shear_y), libm::tan(shear_x));
        // Where content goes: x' = a x + b y, y' = c x + d y, with determinant 1 before scaling.
        let (a, b) = (cos / cos_y, -cos * tan_x / cos_y - sin_turn);
        let (c, d) = (sin / cos_y, -sin * tan_x / cos_y + cos_turn);
        let place = [[a / scale, -c / scale], [-b / scale, d / scale]];
        let [down, right] = shift;
        let offset = [0, 1].map(|axis| -(place[axis][0] * down + place[axis][1] * right));
        Self::in_plane(place, offset)
    }
}

/// One output axis of a map that takes pixels to pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) axis: usize,
    pub(crate) step: i64,
    pub(crate) start: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reflection_is_numpys() {
        // np.pad(np.arange(4), 5, mode="reflect")
        let found: Vec<_> = (-5..9).map(|index| Padding::Reflect.resolve(index, 4).unwrap()).collect();
        assert_eq!(found, [1, 2, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0, 1, 2]);
        assert_eq!(Padding::Reflect.resolve(-7, 1), Some(0));
        assert_eq!(Padding::Edge.resolve(-7, 4), Some(0));
        assert_eq!(Padding::Zero.resolve(4, 4), None);
    }

    #[test]
    fn four_quarter_turns_are_none() {
        let turn = Map::transpose(Axis::Height, Axis::Width).then(Map::flip(Axis::Width));
        assert_ne!(turn.then(turn), Map::IDENTITY);
        assert_eq!(turn.then(turn).then(turn).then(turn), Map::IDENTITY);
    }

    #[test]
    fn shifts_keep_their_order_with_flips() {
        // Right by 2, then mirrored, is mirrored, then left by 2.
        let right = Map::shift([0.0, 0.0, 2.0]);
        let left = Map::shift([0.0, 0.0, -2.0]);
        let flip = Map::flip(Axis::Width);
        assert_eq!(right.then(flip), flip.then(left));
        assert_ne!(right.then(flip), flip.then(right));
    }

    #[test]
    fn lattices_are_found() {
        let shape = ImageShape::flat(5, 4, 1);
        let runs = Map::shift([0.0, 1.0, 0.0]).then(Map::flip(Axis::Width)).lattice(shape).unwrap();
        assert_eq!(runs[1], Run { axis: 1, step: 1, start: -1 });
        assert_eq!(runs[2], Run { axis: 2, step: -1, start: 3 });
        // Five rows cannot lie on four columns.
        assert_eq!(Map::transpose(Axis::Height, Axis::Width).lattice(shape), None);
        assert_eq!(Map::shift([0.0, 0.5, 0.0]).lattice(shape), None);
        assert_eq!(Map::in_plane([[0.9, 0.1], [-0.1, 0.9]], [0.0; 2]).lattice(shape), None);
    }
}
