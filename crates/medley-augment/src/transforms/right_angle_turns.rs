//! Right-angle turns in space.

use crate::{Map, Plan, Random, Transform};

medley_core::keys! {
    /// Turns a volume by right angles about any axes: one of the 24 rotations of the cube, each equally likely, or with `mirror` one
    /// of its 48 symmetries. For volumes without an orientation. Exact. Only those that keep the shape are drawn; flat images are
    /// turned in their plane.
    pub struct RightAngleTurnsConfig {
        /// Mirror images as well.
        mirror: bool = false;
    }
}

impl RightAngleTurnsConfig {
    pub(crate) fn build(&self) -> Box<dyn Transform> {
        Box::new(RightAngleTurns { mirror: self.mirror })
    }
}

#[derive(Debug)]
struct RightAngleTurns {
    mirror: bool,
}

/// All orders of three axes; every other one is odd.
const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 2, 0], [1, 0, 2], [2, 0, 1], [2, 1, 0]];

impl Transform for RightAngleTurns {
    fn draw<'t>(&'t self, random: &mut Random, plan: &mut Plan<'t>) {
        let shape = plan.shape();
        let lengths = [shape.depth.unwrap_or(1), shape.height, shape.width];
        let fits = |order: &[usize; 3]| {
            let keeps_depth = shape.depth.is_some() || order[0] == 0;
            keeps_depth && (0..3).all(|axis| lengths[order[axis]] == lengths[axis])
        };
        let count = ORDERS.iter().filter(|order| fits(order)).count() as u32;
        let which = random.below(count) as usize;
        let signs = random.below(8);
        let Some((number, order)) = ORDERS.iter().enumerate().filter(|(_, order)| fits(order)).nth(which) else {
            return;
        };
        let mut signs: [f64; 3] = std::array::from_fn(|axis| if signs >> axis & 1 == 1 { -1.0 } else { 1.0 });
        if shape.depth.is_none() {
            signs[0] = 1.0;
        }
        // A rotation is an even order with an even number of mirrors, or odd and odd.
        let mirrors = signs.iter().filter(|&&sign| sign < 0.0).count();
        if !self.mirror && (number + mirrors) % 2 == 1 {
            signs[2] = -signs[2];
        }
        let mut map = Map { matrix: [[0.0; 3]; 3], offset: [0.0; 3] };
        for axis in 0..3 {
            map.matrix[axis][order[axis]] = signs[axis];
        }
        plan.warp(map);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use medley_core::ImageShape;

    fn kinds(shape: ImageShape, mirror: bool) -> Vec<Map> {
        let transform = RightAngleTurns { mirror };
        let mut found: Vec<Map> = Vec::new();
        for seed in 0..2000 {
            let mut plan = Plan::new(shape);
            transform.draw(&mut Random::from_seed(seed), &mut plan);
            assert!(plan.map().lattice(shape).is_some());
            if !found.contains(plan.map()) {
                found.push(*plan.map());
            }
        }
        found
    }

    fn determinant(m: [[f64; 3]; 3]) -> f64 {
        m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1]) - m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0])
            + m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0])
    }

    #[test]
    fn all_symmetries_that_keep_the_shape_are_drawn() {
        assert_eq!(kinds(ImageShape::volume(5, 5, 5, 1), true).len(), 48);
        assert_eq!(kinds(ImageShape::volume(5, 4, 4, 1), true).len(), 16);
        assert_eq!(kinds(ImageShape::volume(5, 4, 3, 1), false).len(), 4);
        assert_eq!(kinds(ImageShape::flat(4, 4, 1), true).len(), 8);
        assert_eq!(kinds(ImageShape::flat(4, 3, 1), false).len(), 2);
        for shape in [ImageShape::volume(5, 5, 5, 1), ImageShape::flat(4, 4, 1)] {
            let rotations = kinds(shape, false);
            assert_eq!(rotations.len(), if shape.depth.is_some() { 24 } else { 4 });
            assert!(rotations.iter().all(|map| determinant(map.matrix) == 1.0));
        }
    }
}
