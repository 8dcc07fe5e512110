//! Quarter turns and mirror images.

use crate::geometry::Axis;
use crate::{Map, Plan, Random, Transform};

medley_core::keys! {
    /// One of the 8 symmetries of the square, each equally likely: for images without an up and a left. Exact. Images that are
    /// not square take one of the 4 that keep their shape.
    pub struct DihedralConfig {}
}

impl DihedralConfig {
    #[expect(clippy::unused_self, reason = "as all transforms")]
    pub(crate) fn build(&self) -> Box<dyn Transform> {
        Box::new(Dihedral)
    }
}

#[derive(Debug)]
struct Dihedral;

impl Transform for Dihedral {
    fn draw<'t>(&'t self, random: &mut Random, plan: &mut Plan<'t>) {
        let which = random.below(8);
        let shape = plan.shape();
        if which & 1 != 0 && shape.height == shape.width {
            plan.warp(Map::transpose(Axis::Height, Axis::Width));
        }
        if which & 2 != 0 {
            plan.warp(Map::flip(Axis::Height));
        }
        if which & 4 != 0 {
            plan.warp(Map::flip(Axis::Width));
        }
    }
}
