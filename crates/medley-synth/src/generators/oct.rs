//! Retinal optical coherence tomography: layers between vitreous and choroid. A membrane of new vessels lifts them,
//! oedema opens dark cysts within, drusen raise small bumps below, or nothing is wrong.

use super::Content;
use crate::draws::{Draws, bell, step};
use crate::raster::{Raster, clouds};
use crate::shapes::Ellipse;

/// Brightness at depths from the inner surface (0) to the pigment epithelium (1) and beyond, in units of the thickness.
const PROFILE: [(f32, f32); 13] = [
    (-0.16, 0.02),
    (-0.02, 0.55),
    (0.10, 0.62),
    (0.24, 0.34),
    (0.36, 0.40),
    (0.46, 0.20),
    (0.56, 0.36),
    (0.66, 0.16),
    (0.82, 0.18),
    (0.92, 0.75),
    (1.04, 0.85),
    (1.20, 0.42),
    (2.40, 0.02),
];

pub(super) fn render(content: &Content<'_>, draws: &mut Draws) -> Raster<1> {
    let size = content.size;
    let surface = Surface::draw(content.class, draws);
    let wobble = clouds(draws, size, 6, 1);
    let mut raster = Raster::new(size, [0.0]);
    let (mut floors, mut tops, mut bottoms) = (vec![0.0; size], vec![0.0; size], vec![0.0; size]);
    for column in 0..size {
        let x = (column as f32 + 0.5) / size as f32;
        (tops[column], bottoms[column], floors[column]) = surface.at(x);
        tops[column] += 0.008 * wobble[column];
        bottoms[column] += 0.006 * wobble[size - 1 - column];
    }
    let haze = surface.haze;
    raster.shade(|place, _| {
        let column = place.index % size;
        let (top, bottom, floor) = (tops[column], bottoms[column], floors[column]);
        let depth = (place.y - top) / (bottom - top).max(0.02);
        let mut level = profile(depth);
        if place.y > bottom + 0.03 && place.y < floor {
            // What lies under a lifted epithelium: bright membrane or dark fluid.
            level = 0.15 + haze * 0.45;
        }
        [0.05 + level]
    });
    if content.class == 1 {
        cysts(&mut raster, &surface, draws);
    } else if content.class == 0 && draws.chance(0.5) {
        let at = surface.at(surface.place);
        let fluid = Ellipse::new(
            surface.place,
            0.3 * at.0 + 0.7 * at.1,
            draws.range(0.06, 0.14),
            draws.range(0.015, 0.035),
            0.0,
        );
        raster.render(&fluid, [0.04], 0.85);
    } else if draws.chance(0.3) {
        // The shadow of a vessel, in any class.
        let x = draws.unit();
        raster.shade(|place, old| [old[0] * (1.0 - 0.45 * bell((place.x - x) / 0.05))]);
    }
    finish(&mut raster, draws);
    raster
}

/// Where the layers run.
struct Surface {
    base: f32,
    tilt: f32,
    bow: f32,
    thickness: f32,
    pit: (f32, f32, f32),
    place: f32,
    haze: f32,
    /// Centre, half width and height of what lifts the epithelium.
    lifts: Vec<(f32, f32, f32)>,
    /// The same of what thickens the layers.
    swelling: (f32, f32, f32),
}

impl Surface {
    fn draw(class: usize, draws: &mut Draws) -> Self {
        let place = draws.range(0.25, 0.75);
        let lifts = match class {
            0 => {
                let (width, height) = (draws.range(0.16, 0.36), draws.range(0.05, 0.17));
                let second =
                    (place + draws.range(-0.2, 0.2), width * draws.range(0.4, 0.8), height * draws.range(0.3, 0.8));
                vec![(place, width, height), second]
            }
            2 => (0..draws.count(2, 6))
                .map(|_| (draws.range(0.08, 0.92), draws.range(0.045, 0.10), draws.range(0.018, 0.06)))
                .collect(),
            _ => Vec::new(),
        };
        let swelling = match class {
            0 => draws.range(0.0, 0.05),
            1 => draws.range(0.03, 0.14),
            _ => draws.range(-0.01, 0.02),
        };
        Self {
            base: draws.range(0.48, 0.74),
            tilt: draws.around(0.0, 0.11),
            bow: draws.range(-0.35, 0.10),
            thickness: draws.range(0.18, 0.29),
            pit: (draws.range(0.25, 0.75), draws.range(0.10, 0.18), draws.range(0.0, 0.55)),
            place,
            haze: draws.unit(),
            lifts,
            swelling: (place + draws.range(-0.1, 0.1), draws.range(0.3, 0.55), swelling),
        }
    }

    /// Inner surface, epithelium, and the floor the epithelium would lie on.
    fn at(&self, x: f32) -> (f32, f32, f32) {
        let middle = x - 0.5;
        let floor = self.base + self.tilt * middle + self.bow * (middle * middle - 0.08);
        let lift: f32 = self.lifts.iter().map(|&(at, width, height)| height * bell((x - at) / width)).sum();
        let pit = 1.0 - self.pit.2 * bell((x - self.pit.0) / self.pit.1);
        let swelling = self.swelling.2 * bell((x - self.swelling.0) / self.swelling.1);
        let bottom = floor - lift;
        (bottom - self.thickness * pit - swelling + 0.3 * lift, bottom, floor)
    }
}

fn profile(depth: f32) -> f32 {
    let mut last = PROFILE[0];
    for knot in PROFILE {
        if depth < knot.0 {
            let share = if knot.0 > last.0 { ((depth - last.0) / (knot.0 - last.0)).max(0.0) } else { 0.0 };
            return last.1 + share * (knot.1 - last.1);
        }
        last = knot;
    }
    last.1
}

fn cysts(raster: &mut Raster<1>, surface: &Surface, draws: &mut Draws) {
    for _ in 0..draws.count(2, 7) {
        let x = surface.swelling.0 + draws.range(-0.24, 0.24);
        let (top, bottom, _) = surface.at(x);
        let y = top + (bottom - top) * draws.range(0.35, 0.72);
        let cyst = Ellipse::new(x, y, draws.range(0.022, 0.055), draws.range(0.02, 0.05), 0.0);
        raster.render(&cyst, [0.04], draws.range(0.7, 0.95));
    }
    if draws.chance(0.4) {
        // Hard exudates.
        for _ in 0..draws.count(1, 3) {
            let x = surface.swelling.0 + draws.range(-0.3, 0.3);
            let (top, bottom, _) = surface.at(x);
            let dot = Ellipse::round(x, 0.4 * top + 0.6 * bottom, 0.018);
            raster.render(&dot, [0.9], 0.8);
        }
    }
}

/// Gain, the white corners of scans that were turned, speckle.
fn finish(raster: &mut Raster<1>, draws: &mut Draws) {
    raster.expose(draws.range(0.65, 1.1), draws.range(-0.02, 0.08));
    raster.speckle(draws, 0.13);
    raster.grain(draws, 0.022);
    if draws.chance(0.12) {
        let (side, top, slope) = (draws.chance(0.5), draws.chance(0.5), draws.range(0.1, 0.35));
        let offset = draws.range(0.02, 0.14);
        raster.shade(|place, old| {
            let x = if side { place.x } else { 1.0 - place.x };
            let y = if top { place.y } else { 1.0 - place.y };
            let white = 1.0 - step(-0.02, 0.02, y - offset + slope * x);
            [old[0] + white * (1.0 - old[0])]
        });
    }
}
