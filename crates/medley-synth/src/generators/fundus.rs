//! Fundus photographs: disc, vessels, macula, and the lesions of diabetic retinopathy, which become more and other with the
//! grade. What is drawn is a severity between the grades, so that neighbouring grades overlap, as graders do.

use super::Content;
use crate::draws::{Draws, cosine, sine, step};
use crate::raster::{Mask, Raster, clouds};
use crate::shapes::{Ellipse, Lobed, wander};

pub(super) fn render(content: &Content<'_>, draws: &mut Draws) -> Raster<3> {
    let severity = (content.class as f32 + 0.45 * draws.normal()).clamp(0.0, 4.5);
    let size = content.size;
    let colour = tissue(draws);
    let mut eye = Raster::new(size, colour);
    let plane = clouds(draws, size, 4, 4);
    eye.add_plane(&plane, [0.05, 0.04, 0.03]);
    let side = draws.sign();
    let disc = (0.5 + side * draws.range(0.14, 0.34), draws.range(0.40, 0.60));
    let fovea = (disc.0 - side * draws.range(0.28, 0.38), disc.1 + draws.range(-0.02, 0.06));
    eye.render(
        &Ellipse::round(fovea.0, fovea.1, 0.11).soft(0.16),
        colour.map(|value| 0.5 * value),
        draws.range(0.2, 0.7),
    );
    vessels(&mut eye, disc, side, colour, draws);
    // The nerve is the brightest spot, in a glow of its own.
    let nerve = Ellipse::new(disc.0, disc.1, 0.05, draws.range(0.05, 0.065), 0.0);
    eye.add(&nerve.scaled(2.2).soft(0.16), [0.12, 0.10, 0.06]);
    eye.render(&nerve.soft(0.07), [1.0, 0.90, 0.62], draws.range(0.6, 0.95));
    lesions(&mut eye, severity, disc, colour, draws);
    photograph(&mut eye, draws);
    eye
}

/// Eyes and cameras differ far more in colour than grades do.
fn tissue(draws: &mut Draws) -> [f32; 3] {
    const TONES: [[f32; 3]; 6] = [
        [0.62, 0.40, 0.22],
        [0.80, 0.44, 0.34],
        [0.66, 0.34, 0.14],
        [0.50, 0.42, 0.24],
        [0.52, 0.40, 0.36],
        [0.40, 0.24, 0.12],
    ];
    let (one, two, share) = (draws.count(0, 5), draws.count(0, 5), draws.unit());
    let light = draws.range(0.75, 1.15);
    [0, 1, 2].map(|i| light * (TONES[one][i] + share * (TONES[two][i] - TONES[one][i])))
}

fn vessels(eye: &mut Raster<3>, disc: (f32, f32), side: f32, colour: [f32; 3], draws: &mut Draws) {
    let mut tree = Mask::new(eye.size());
    let towards = if side > 0.0 { 0.5 } else { 0.0 };
    for arcade in [-1.0, 1.0] {
        for branch in 0..2 {
            let turns = towards + side * arcade * (0.16 + 0.10 * branch as f32) + draws.range(-0.03, 0.03);
            let mut path = wander(disc, turns, 0.03, 0.09, 5, draws);
            // Arcades bend around the macula.
            for (step, point) in path.iter_mut().enumerate() {
                point.1 += arcade * 0.012 * (step * (5 - step)) as f32;
            }
            tree.path(&path, 0.024, 0.008);
        }
    }
    eye.fill(&tree, [colour[0] * 0.72, colour[1] * 0.45, colour[2] * 0.45], draws.range(0.5, 0.85));
}

fn lesions(eye: &mut Raster<3>, severity: f32, disc: (f32, f32), colour: [f32; 3], draws: &mut Draws) {
    let blood = [colour[0] * 0.5, colour[1] * 0.28, colour[2] * 0.3];
    let whole = Ellipse::round(0.5, 0.5, 0.44);
    let place = |draws: &mut Draws| whole.point(0.92 * draws.unit().sqrt(), draws.unit());
    let expected = |rate: f32, from: f32, draws: &mut Draws| {
        ((severity - from).max(0.0) * rate * draws.range(0.6, 1.4) + draws.unit()) as usize
    };
    // Microaneurysms, from the first grade.
    for _ in 0..expected(3.2, 0.35, draws) {
        let (x, y) = place(draws);
        eye.render(&Ellipse::round(x, y, draws.range(0.010, 0.018)), blood, 0.75);
    }
    // Haemorrhages, from the second.
    for _ in 0..expected(2.6, 1.5, draws).min(12) {
        let (x, y) = place(draws);
        let patch = Ellipse::new(x, y, draws.range(0.025, 0.05), draws.range(0.018, 0.03), draws.unit());
        eye.render(&Lobed::random(patch.soft(0.05), 0.3, draws), blood, 0.7);
    }
    // Hard exudates in clusters, from the second.
    for _ in 0..expected(1.0, 1.6, draws).min(4) {
        let centre = place(draws);
        for _ in 0..draws.count(2, 5) {
            let (dx, dy) = (draws.range(-0.06, 0.06), draws.range(-0.06, 0.06));
            let dot = Ellipse::round(centre.0 + dx, centre.1 + dy, draws.range(0.014, 0.026));
            eye.render(&dot.soft(0.045), [0.96, 0.88, 0.46], 0.7);
        }
    }
    // Cotton wool, from the third; new vessels and scars, in the fourth.
    for _ in 0..expected(1.2, 2.4, draws).min(3) {
        let (x, y) = place(draws);
        eye.render(&Ellipse::round(x, y, 0.04).soft(0.05), [0.92, 0.86, 0.74], 0.55);
    }
    if severity > 3.45 {
        let mut tuft = Mask::new(eye.size());
        for _ in 0..draws.count(3, 6) {
            tuft.path(&wander(disc, draws.unit(), 0.2, 0.05, 4, draws), 0.018, 0.012);
        }
        eye.fill(&tuft, blood, 0.8);
        if draws.chance(0.6) {
            let turns = draws.unit();
            let clot = Ellipse::new(0.5 + 0.3 * cosine(turns), 0.5 + 0.3 * sine(turns), 0.16, 0.09, draws.unit());
            eye.render(&Lobed::random(clot.soft(0.06), 0.25, draws), blood, 0.75);
        }
    }
}

/// The round field, uneven light, and shadows that have nothing to do with the grade.
fn photograph(eye: &mut Raster<3>, draws: &mut Draws) {
    if draws.chance(0.3) {
        let turns = draws.unit();
        let shadow =
            Ellipse::round(0.5 + 0.3 * cosine(turns), 0.5 + 0.3 * sine(turns), draws.range(0.08, 0.2)).soft(0.2);
        eye.render(&shadow, [0.08, 0.06, 0.05], draws.range(0.2, 0.6));
    }
    let radius = draws.range(0.43, 0.49);
    let (turns, glow) = (draws.unit(), if draws.chance(0.4) { draws.range(0.1, 0.5) } else { 0.0 });
    let (gx, gy) = (cosine(turns), sine(turns));
    let (tint, falloff) =
        ([draws.range(0.5, 1.0), draws.range(0.8, 1.0), draws.range(0.5, 0.9)], draws.range(0.3, 1.4));
    let white = draws.chance(0.02);
    eye.shade(|place, old| {
        let (dx, dy) = (place.x - 0.5, place.y - 0.5);
        let far = (dx * dx + dy * dy).sqrt();
        let crescent = glow * step(0.55, 1.0, (dx * gx + dy * gy) / radius);
        let shade = 1.0 - falloff * far * far;
        let inside = (0.5 + (radius - far) * 28.0).clamp(0.0, 1.0);
        let outside = if white { 0.97 } else { 0.01 };
        [0, 1, 2].map(|i| outside + inside * ((old[i] * shade).min(1.0) + crescent * tint[i] - outside))
    });
    eye.sensor_grain(draws, 0.008);
}
