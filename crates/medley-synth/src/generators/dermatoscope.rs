//! Skin lesions under the dermatoscope: seven kinds by border, symmetry, pigment and the structures within.

use super::Content;
use crate::draws::{Draws, cosine, sine};
use crate::raster::{Mask, Raster, clouds};
use crate::shapes::{Ellipse, Lobed, Stroke, wander};

pub(super) fn render(content: &Content<'_>, draws: &mut Draws) -> Raster<3> {
    let tone = draws.around(0.0, 0.07);
    let skin = [0.84 + tone, 0.64 + tone + draws.range(-0.05, 0.04), 0.58 + tone + draws.range(-0.05, 0.06)];
    let mut raster = Raster::new(content.size, skin);
    let plane = clouds(draws, content.size, 4, 4);
    raster.add_plane(&plane, [0.02, 0.03, 0.03]);
    let radius = draws.range(0.19, 0.38);
    let centre = (draws.range(0.36, 0.64), draws.range(0.36, 0.64));
    let lesion = Ellipse::new(centre.0, centre.1, radius, radius * draws.range(0.68, 1.0), draws.unit());
    match content.class {
        0 => keratosis(&mut raster, lesion, draws),
        1 => basal_cell(&mut raster, lesion, draws),
        2 => benign_keratosis(&mut raster, lesion, draws),
        3 => dermatofibroma(&mut raster, lesion.scaled(0.8), draws),
        4 => melanoma(&mut raster, lesion.scaled(1.1), draws),
        5 => nevus(&mut raster, lesion, draws),
        _ => vascular(&mut raster, lesion.scaled(0.85), draws),
    }
    hairs(&mut raster, draws);
    light(&mut raster, draws);
    raster.sensor_grain(draws, 0.014);
    raster
}

/// Actinic keratosis: an ill-defined red patch with pale scales.
fn keratosis(raster: &mut Raster<3>, lesion: Ellipse, draws: &mut Draws) {
    let patch = Lobed::random(lesion.soft(0.2), 0.15, draws);
    raster.render(&patch, [0.72, 0.45, 0.42], draws.range(0.6, 0.95));
    scatter(raster, lesion, draws, 6..14, 0.9, |draws| draws.range(0.02, 0.045), [0.90, 0.78, 0.70], 0.6);
    scatter(raster, lesion, draws, 2..8, 0.9, |draws| draws.range(0.015, 0.03), [0.55, 0.30, 0.28], 0.6);
}

/// Basal cell carcinoma: pearly, with branching vessels and grey-blue nests.
fn basal_cell(raster: &mut Raster<3>, lesion: Ellipse, draws: &mut Draws) {
    let patch = Lobed::random(lesion.soft(0.1), 0.12, draws);
    raster.render(&patch, [0.80, 0.55, 0.54], draws.range(0.55, 0.9));
    for _ in 0..draws.count(2, 4) {
        let start = lesion.point(0.8, draws.unit());
        let mut vessel = Mask::new(raster.size());
        vessel.path(&wander(start, draws.unit(), 0.10, 0.06, 6, draws), 0.022, 0.008);
        raster.fill(&vessel, [0.66, 0.16, 0.20], 0.7);
    }
    scatter(raster, lesion, draws, 1..6, 0.7, |draws| draws.range(0.03, 0.06), [0.40, 0.38, 0.45], 0.65);
}

/// Benign keratosis: stuck on, sharply cut, with white cysts and dark openings.
fn benign_keratosis(raster: &mut Raster<3>, lesion: Ellipse, draws: &mut Draws) {
    let patch = Lobed::random(lesion.soft(0.03), 0.14, draws);
    let shade = draws.range(-0.10, 0.14);
    raster.render(&patch, [0.58 + shade, 0.42 + shade, 0.34 + shade], 0.9);
    let plane = clouds(draws, raster.size(), 8, 8);
    let mask = Mask::of(raster.size(), &patch);
    raster.shade(|place, old| old.map(|value| value + 0.06 * mask.cover()[place.index] * plane[place.index]));
    scatter(raster, lesion, draws, 3..8, 0.8, |draws| draws.range(0.018, 0.03), [0.88, 0.80, 0.70], 0.75);
    scatter(raster, lesion, draws, 2..7, 0.8, |draws| draws.range(0.018, 0.034), [0.26, 0.18, 0.14], 0.75);
}

/// Dermatofibroma: a pale scar in the middle of a faint network.
fn dermatofibroma(raster: &mut Raster<3>, lesion: Ellipse, draws: &mut Draws) {
    raster.render(&lesion.soft(0.16), [0.66, 0.45, 0.37], draws.range(0.6, 0.95));
    network(raster, lesion, draws, 0.05);
    let scar = Lobed::random(lesion.scaled(draws.range(0.35, 0.55)).soft(0.08), 0.15, draws);
    raster.render(&scar, [0.90, 0.76, 0.71], draws.range(0.6, 0.9));
}

/// Melanoma: ragged, lopsided, of several colours, with a blue-white veil.
fn melanoma(raster: &mut Raster<3>, lesion: Ellipse, draws: &mut Draws) {
    let outline = Lobed::random(lesion.soft(0.05), draws.range(0.15, 0.42), draws);
    let shade = draws.range(-0.06, 0.16);
    raster.render(&outline, [0.46 + shade, 0.31 + shade, 0.26 + shade], 0.92);
    let inside = Mask::of(raster.size(), &outline);
    for _ in 0..draws.count(2, 4) {
        let (x, y) = lesion.point(draws.range(0.3, 0.8), draws.unit());
        let patch = Lobed::random(Ellipse::round(x, y, draws.range(0.07, 0.16)).soft(0.06), 0.3, draws);
        let mut mask = Mask::of(raster.size(), &patch);
        mask.keep(&inside);
        let colours = [[0.16, 0.10, 0.10], [0.30, 0.16, 0.13], [0.44, 0.46, 0.56], [0.62, 0.36, 0.30]];
        raster.fill(&mask, colours[draws.count(0, 3)], draws.range(0.5, 0.9));
    }
    if draws.chance(0.5) {
        scatter(raster, lesion, draws, 3..8, 1.1, |draws| draws.range(0.018, 0.03), [0.18, 0.10, 0.09], 0.7);
    }
}

/// Melanocytic nevus: round, even, brown from light to dark, fading at its border.
fn nevus(raster: &mut Raster<3>, lesion: Ellipse, draws: &mut Draws) {
    let outline = Lobed::random(lesion.soft(draws.range(0.06, 0.2)), draws.range(0.02, 0.14), draws);
    let shade = draws.range(-0.16, 0.16);
    raster.render(&outline, [0.56 + shade, 0.38 + shade, 0.30 + shade], draws.range(0.7, 0.95));
    if draws.chance(0.6) {
        let core = outline.around(lesion.scaled(draws.range(0.4, 0.7)).soft(0.15));
        raster.render(&core, [0.40 + shade, 0.25 + shade, 0.20 + shade], 0.6);
    }
    if draws.chance(0.5) {
        network(raster, lesion, draws, 0.05);
    }
    if draws.chance(0.2) {
        scatter(raster, lesion, draws, 2..5, 0.7, |draws| draws.range(0.018, 0.03), [0.30, 0.18, 0.15], 0.6);
    }
}

/// Vascular: clustered red to purple lakes.
fn vascular(raster: &mut Raster<3>, lesion: Ellipse, draws: &mut Draws) {
    raster.render(&lesion.soft(0.12), [0.70, 0.36, 0.38], draws.range(0.5, 0.9));
    let colour = [draws.range(0.42, 0.66), draws.range(0.10, 0.20), draws.range(0.16, 0.32)];
    scatter(raster, lesion, draws, 4..9, 0.75, |draws| draws.range(0.05, 0.10), colour, 0.8);
}

/// A net of thin dark lines inside the lesion.
fn network(raster: &mut Raster<3>, lesion: Ellipse, draws: &mut Draws, strength: f32) {
    let mask = Mask::of(raster.size(), &lesion.soft(0.15));
    let (turn, frequency) = (draws.unit(), draws.range(7.0, 10.0));
    let (sin, cos) = (sine(turn), cosine(turn));
    raster.shade(|place, old| {
        let (u, v) = (place.x * cos + place.y * sin, place.y * cos - place.x * sin);
        let net = strength * mask.cover()[place.index] * sine(frequency * u) * sine(frequency * v);
        old.map(|value| value + net)
    });
}

/// Dots inside a lesion.
#[allow(clippy::too_many_arguments, reason = "what, where, how many, how large, which colour")]
fn scatter(
    raster: &mut Raster<3>,
    lesion: Ellipse,
    draws: &mut Draws,
    count: std::ops::Range<usize>,
    share: f32,
    radius: impl Fn(&mut Draws) -> f32,
    colour: [f32; 3],
    alpha: f32,
) {
    for _ in 0..draws.count(count.start, count.end) {
        // The root makes them even over the area.
        let (x, y) = lesion.point(share * draws.unit().sqrt(), draws.unit());
        let dot = Ellipse::round(x, y, radius(draws));
        raster.render(&dot, colour, alpha);
    }
}

fn hairs(raster: &mut Raster<3>, draws: &mut Draws) {
    if !draws.chance(0.3) {
        return;
    }
    let direction = draws.unit();
    for _ in 0..draws.count(1, 4) {
        let (x, y) = (draws.unit(), draws.unit());
        let turns = direction + draws.range(-0.1, 0.1);
        let (dx, dy) = (0.5 * cosine(turns), 0.5 * sine(turns));
        let hair = Stroke::new((x - dx, y - dy), (x + dx, y + dy), 0.012);
        raster.render(&hair, [0.22, 0.15, 0.12], draws.range(0.4, 0.8));
    }
}

/// Lamps differ in colour and brightness, and some lenses darken the corners.
fn light(raster: &mut Raster<3>, draws: &mut Draws) {
    let lamp = [draws.range(0.90, 1.10), draws.range(0.90, 1.04), draws.range(0.88, 1.08)];
    let vignette = if draws.chance(0.25) { draws.range(0.2, 0.8) } else { draws.range(0.0, 0.15) };
    raster.shade(|place, old| {
        let (dx, dy) = (place.x - 0.5, place.y - 0.5);
        let dark = 1.0 - vignette * (dx * dx + dy * dy);
        [old[0] * lamp[0] * dark, old[1] * lamp[1] * dark, old[2] * lamp[2] * dark]
    });
}
