//! Breast ultrasound: bands of fat and gland under the skin, darker with depth, and often a mass. A malignant one is
//! ragged, upright and casts a shadow; a benign one is smooth, lies flat and lets the beam through.

use super::Content;
use crate::draws::{Draws, bell, cosine, sine, step};
use crate::raster::{Raster, clouds};
use crate::shapes::{Ellipse, Lobed, Stroke};

pub(super) fn render(content: &Content<'_>, draws: &mut Draws) -> Raster<1> {
    let size = content.size;
    let mut scan = tissue(size, draws);
    let malignant = content.class == 0;
    // Class 1 holds normal breasts too: about a quarter of it.
    if malignant || draws.chance(0.72) {
        mass(&mut scan, malignant, draws);
    }
    if draws.chance(0.2) {
        // A rib, or poor contact, darkens one side in any class.
        let (x, width) = (draws.unit(), draws.range(0.1, 0.25));
        scan.shade(|place, old| [old[0] * (1.0 - 0.6 * bell((place.x - x) / width))]);
    }
    let fine = clouds(draws, size, 14, 24);
    scan.shade(|place, old| [old[0] * (1.0 + 0.22 * fine[place.index])]);
    scan.speckle(draws, 0.06);
    scan.expose(draws.range(0.8, 1.25), draws.range(-0.05, 0.06));
    scan
}

fn tissue(size: usize, draws: &mut Draws) -> Raster<1> {
    let (near, gain) = (draws.range(0.32, 0.55), draws.range(0.40, 0.95));
    let (skin, gland) = (draws.range(0.04, 0.12), draws.range(0.25, 0.5));
    let bend = clouds(draws, size, 3, 3);
    let streaks = clouds(draws, size, 4, 12);
    let (frequency, phase, tilt) = (draws.range(3.0, 6.5), draws.unit(), draws.range(-0.25, 0.25));
    let mut scan = Raster::new(size, [0.0]);
    scan.shade(|place, _| {
        let depth = place.y + tilt * (place.x - 0.5) + 0.06 * bend[place.index];
        let band = 0.07 * sine(frequency * depth + phase) + 0.10 * streaks[place.index];
        let layer = if depth < skin { 0.18 } else { 0.10 * step(gland + 0.1, gland, depth) };
        [(near + band + layer) * (1.0 - gain * step(0.25, 1.05, depth))]
    });
    scan
}

fn mass(scan: &mut Raster<1>, malignant: bool, draws: &mut Draws) {
    let (x, y) = (draws.range(0.26, 0.74), draws.range(0.28, 0.58));
    let a = draws.range(0.09, 0.21);
    // Width to height, raggedness and shadow overlap between the two kinds.
    let upright = draws.around(if malignant { 0.92 } else { 0.60 }, 0.12).max(0.35);
    let ragged = draws.around(if malignant { 0.26 } else { 0.08 }, 0.06).max(0.0);
    let edge = if malignant { draws.range(0.04, 0.10) } else { draws.range(0.03, 0.06) };
    let mass = Ellipse::new(x, y, a, a * upright, draws.around(0.0, 0.05)).soft(edge);
    let through = draws.around(if malignant { -0.45 } else { 0.20 }, 0.28).max(-0.8);
    let (half, from) = (a * draws.range(0.7, 0.95), y + 0.5 * a * upright);
    scan.shade(|place, old| {
        let beam = (1.0 - step(0.55, 1.3, (place.x - x).abs() / half)) * step(from, from + 0.12, place.y);
        [old[0] * (1.0 + through * beam)]
    });
    let dark = draws.range(0.05, 0.20);
    let outline = Lobed::random(mass, ragged, draws);
    scan.render(&outline, [dark], draws.range(0.75, 0.95));
    if malignant && draws.chance(0.75) {
        for _ in 0..draws.count(4, 9) {
            let turns = draws.unit();
            let from = mass.point(0.7, turns);
            let reach = draws.range(0.05, 0.13);
            let to = (from.0 + reach * cosine(turns), from.1 + reach * sine(turns));
            scan.render(&Stroke::new(from, to, 0.045).to_width(0.01), [dark], 0.75);
        }
    } else if draws.chance(0.5) {
        // A bright capsule above and below.
        let cap = mass.moved(0.0, -a * upright * 0.95);
        scan.add(&Ellipse::new(cap.point(0.0, 0.0).0, cap.point(0.0, 0.0).1, 0.6 * a, 0.015, 0.0), [0.18]);
    }
}
