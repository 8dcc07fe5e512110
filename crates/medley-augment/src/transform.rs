//! What a transform is.

use std::fmt::Debug;

use crate::plan::Params;
use crate::{ImagePlanes, Plan, Random};

/// One step of a policy, on one image.
///
/// A geometric transform adds to the plan's map ([`Plan::warp`]) and has nothing to apply. Any other transform notes its
/// drawn parameters ([`Plan::then`]) and is called back with them once the geometry is done.
///
/// ```
/// use medley_augment::plan::Params;
/// use medley_augment::{ImagePlanes, Plan, Random, Transform};
///
/// /// Multiplies all values by a factor of 0.5 to 1.
/// #[derive(Debug)]
/// struct Darken;
///
/// impl Transform for Darken {
///     fn draw<'t>(&'t self, random: &mut Random, plan: &mut Plan<'t>) {
///         plan.then(self, Params::of(&[random.between(0.5, 1.0)]));
///     }
///
///     fn apply(&self, params: &Params, image: &mut ImagePlanes<'_>) {
///         for value in image.pixels_mut() {
///             *value *= params.values[0];
///         }
///     }
/// }
/// ```
pub trait Transform: Debug + Send + Sync {
    /// Draws for one image. The numbers taken from `random` may depend on the shape, never on the pixels.
    fn draw<'t>(&'t self, random: &mut Random, plan: &mut Plan<'t>);

    /// Does what [`draw`](Self::draw) noted. Values stay in 0-1; equal parameters and pixels give equal results.
    fn apply(&self, params: &Params, image: &mut ImagePlanes<'_>) {
        let _ = (params, image);
    }
}
