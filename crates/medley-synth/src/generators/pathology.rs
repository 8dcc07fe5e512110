//! Stained tissue (haematoxylin and eosin), 224 micrometres across.
//!
//! What is drawn are the amounts of the two dyes; colours follow from them by the law of Beer and Lambert with the
//! absorptions of Ruifrok and Johnston, *Quantification of histochemical staining by color deconvolution* (2001). Slides
//! differ in how strongly they took either dye, so colour alone tells little: nuclei and fibres do.

use super::{Content, decay};
use crate::draws::{Draws, cosine, sine};
use crate::raster::{Mask, Raster, clouds};
use crate::shapes::{Ellipse, Lobed, Stroke, wander};

/// Absorption of haematoxylin and eosin in red, green and blue.
const ABSORPTION: [[f32; 3]; 2] = [[0.65, 0.70, 0.29], [0.07, 0.99, 0.11]];
/// Dyes in a nucleus.
const NUCLEUS: [f32; 2] = [1.25, 0.40];

/// Dyes per pixel: haematoxylin, eosin.
type Slide = Raster<2>;

pub(super) fn render(content: &Content<'_>, draws: &mut Draws) -> Raster<3> {
    let mut slide = Slide::new(content.size, [0.05, 0.06]);
    match content.class {
        0 => adipose(&mut slide, draws),
        1 => background(&mut slide, draws),
        2 => debris(&mut slide, draws),
        3 => lymphocytes(&mut slide, draws),
        4 => mucus(&mut slide, draws),
        5 => muscle(&mut slide, draws),
        6 => mucosa(&mut slide, draws),
        7 => stroma(&mut slide, draws),
        _ => tumour(&mut slide, draws),
    }
    // Many tiles hold a margin of something else.
    if draws.chance(0.25) {
        margin(&mut slide, draws);
    }
    develop(&slide, draws)
}

fn adipose(slide: &mut Slide, draws: &mut Draws) {
    lay(slide, [0.12, draws.range(0.2, 0.42)]);
    let spacing = draws.range(0.26, 0.42);
    let phase = (draws.unit(), draws.unit());
    let cells = (1.0 / spacing) as usize + 2;
    for row in 0..cells {
        for column in 0..cells {
            let shift = if row % 2 == 0 { 0.0 } else { 0.5 };
            let x = (column as f32 - 0.5 + shift - phase.0) * spacing + draws.range(-0.05, 0.05);
            let y = (row as f32 - phase.1) * spacing + draws.range(-0.05, 0.05);
            let (a, b) = (spacing * draws.range(0.40, 0.60), spacing * draws.range(0.40, 0.60));
            let cell = Lobed::random(Ellipse::new(x, y, a, b, draws.unit()), 0.09, draws);
            slide.render(&cell, [0.03, 0.03], 0.95);
        }
    }
    nuclei(slide, draws, 0, 3, 0.025, 2.0, None);
}

fn background(slide: &mut Slide, draws: &mut Draws) {
    lay(slide, [draws.range(0.03, 0.12), draws.range(0.03, 0.14)]);
    let plane = clouds(draws, slide.size(), 2, 2);
    slide.add_plane(&plane, [0.03, 0.03]);
    if draws.chance(0.3) {
        nuclei(slide, draws, 1, 3, 0.02, 1.2, None);
    }
}

fn debris(slide: &mut Slide, draws: &mut Draws) {
    lay(slide, [0.18, draws.range(0.28, 0.48)]);
    for cells in [4, 9] {
        let plane = clouds(draws, slide.size(), cells, cells);
        slide.add_plane(&plane, [0.10, 0.16]);
    }
    // Fragments of nuclei, of any size and paler than whole ones.
    for _ in 0..draws.count(6, 18) {
        let radius = draws.range(0.012, 0.045);
        let at = Ellipse::new(draws.unit(), draws.unit(), radius * draws.range(0.7, 2.0), radius, draws.unit());
        slide.render(&Lobed::random(at.soft(0.05), 0.4, draws), NUCLEUS, draws.range(0.25, 0.75));
    }
}

fn lymphocytes(slide: &mut Slide, draws: &mut Draws) {
    lay(slide, [0.25, draws.range(0.15, 0.35)]);
    nuclei(slide, draws, 32, 55, 0.033, 1.08, None);
}

fn mucus(slide: &mut Slide, draws: &mut Draws) {
    lay(slide, [draws.range(0.10, 0.25), draws.range(0.08, 0.2)]);
    swirl(slide, draws, [0.08, 0.04], 0.26, 2.0..5.0);
    for _ in 0..draws.count(0, 3) {
        let start = (draws.unit(), draws.unit());
        let mut strand = Mask::new(slide.size());
        strand.path(&wander(start, draws.unit(), 0.06, 0.09, 8, draws), 0.03, 0.015);
        slide.fill(&strand, [0.25, 0.35], 0.6);
    }
    nuclei(slide, draws, 0, 6, 0.027, 1.3, None);
}

fn muscle(slide: &mut Slide, draws: &mut Draws) {
    lay(slide, [0.14, draws.range(0.30, 0.46)]);
    let direction = swirl(slide, draws, [0.03, 0.11], 0.10, 6.0..9.5);
    nuclei(slide, draws, 4, 12, 0.020, 3.2, Some((direction, 0.04)));
}

fn mucosa(slide: &mut Slide, draws: &mut Draws) {
    lay(slide, [0.22, draws.range(0.25, 0.40)]);
    nuclei(slide, draws, 8, 18, 0.025, 1.4, None);
    let radius = draws.range(0.19, 0.30);
    let first = (draws.range(0.1, 0.9), draws.range(0.1, 0.9));
    let turn = draws.unit();
    for crypt in 0..4 {
        let (x, y) = if crypt == 0 {
            first
        } else {
            let direction = turn + crypt as f32 / 3.0;
            (first.0 + 2.3 * radius * cosine(direction), first.1 + 2.3 * radius * sine(direction))
        };
        let outer = Ellipse::new(x, y, radius * draws.range(0.85, 1.15), radius * draws.range(0.75, 1.0), draws.unit());
        slide.render(&outer, [0.12, 0.18], 0.9);
        let count = (radius * 75.0) as usize;
        for nucleus in 0..count {
            let turns = nucleus as f32 / count as f32 + draws.range(-0.01, 0.01);
            let (nx, ny) = outer.point(draws.range(0.84, 0.96), turns);
            slide.render(&Ellipse::round(nx, ny, draws.range(0.022, 0.034)).soft(0.03), NUCLEUS, 0.8);
        }
        slide.render(&outer.scaled(draws.range(0.2, 0.35)), [0.03, 0.05], 0.85);
    }
}

fn stroma(slide: &mut Slide, draws: &mut Draws) {
    lay(slide, [0.15, draws.range(0.22, 0.42)]);
    let direction = swirl(slide, draws, [0.03, 0.12], 0.22, 3.5..7.0);
    nuclei(slide, draws, 7, 18, 0.023, 2.4, Some((direction, 0.13)));
}

fn tumour(slide: &mut Slide, draws: &mut Draws) {
    lay(slide, [0.32, draws.range(0.22, 0.38)]);
    let plane = clouds(draws, slide.size(), 4, 4);
    slide.add_plane(&plane, [0.12, 0.05]);
    nuclei(slide, draws, 18, 30, 0.046, 1.5, None);
    // Glands that no longer know their shape.
    for _ in 0..draws.count(0, 2) {
        let lumen =
            Ellipse::new(draws.unit(), draws.unit(), draws.range(0.05, 0.15), draws.range(0.04, 0.1), draws.unit());
        slide.render(&Lobed::random(lumen, 0.3, draws), [0.04, 0.08], 0.9);
    }
}

/// A clear or dense margin on one side.
fn margin(slide: &mut Slide, draws: &mut Draws) {
    let turns = draws.unit();
    let centre = (0.5 + 0.75 * cosine(turns), 0.5 + 0.75 * sine(turns));
    let outline = Ellipse::round(centre.0, centre.1, draws.range(0.25, 0.42)).soft(0.06);
    let dyes = if draws.chance(0.5) { [0.04, 0.05] } else { [0.2, 0.4] };
    slide.render(&Lobed::random(outline, 0.2, draws), dyes, 0.9);
}

fn lay(slide: &mut Slide, dyes: [f32; 2]) {
    slide.shade(|_, _| dyes);
}

/// Wavy fibres; returns their direction in turns. `waviness` bends them, `frequency` is lines per tile.
fn swirl(slide: &mut Slide, draws: &mut Draws, dyes: [f32; 2], waviness: f32, frequency: std::ops::Range<f32>) -> f32 {
    let bend = clouds(draws, slide.size(), 3, 3);
    let direction = draws.range(0.0, 0.5);
    let (sin, cos) = (sine(direction), cosine(direction));
    let (frequency, phase) = (draws.range(frequency.start, frequency.end), draws.unit());
    // Fibres come in bundles: their strength varies along and across.
    let bundles = clouds(draws, slide.size(), 5, 5);
    slide.shade(|place, old| {
        let across = place.y * cos - place.x * sin + waviness * bend[place.index];
        let lines = sine(frequency * across + phase) + 0.4 * sine(2.3 * frequency * across);
        let wave = (0.65 + 0.6 * bundles[place.index]) * lines + 0.5 * bundles[place.index];
        [old[0] + dyes[0] * wave, old[1] + dyes[1] * wave]
    });
    direction
}

/// Scatters nuclei, `long` times as long as wide, aligned to (direction, spread) or not at all.
fn nuclei(
    slide: &mut Slide,
    draws: &mut Draws,
    least: usize,
    most: usize,
    radius: f32,
    long: f32,
    aligned: Option<(f32, f32)>,
) {
    for _ in 0..draws.count(least, most) {
        let size = radius * draws.range(0.75, 1.25);
        let turns = match aligned {
            Some((direction, spread)) => direction + draws.range(-spread, spread),
            None => draws.unit(),
        };
        let nucleus = Ellipse::new(draws.unit(), draws.unit(), size * long, size, turns);
        slide.render(&nucleus.soft(0.03), NUCLEUS, draws.range(0.7, 0.95));
    }
}

/// From dyes to colours, each slide stained and lit in its own way.
fn develop(slide: &Slide, draws: &mut Draws) -> Raster<3> {
    let strength = [draws.around(1.0, 0.22), draws.around(1.0, 0.25)];
    let light = [draws.range(0.93, 1.0), draws.range(0.90, 1.0), draws.range(0.92, 1.0)];
    let mut picture = slide.convert(|dyes| {
        let (h, e) = (dyes[0].max(0.0) * strength[0], dyes[1].max(0.0) * strength[1]);
        [0, 1, 2].map(|i| light[i] * decay(h * ABSORPTION[0][i] + e * ABSORPTION[1][i]))
    });
    if draws.chance(0.05) {
        // A scratch, or the edge of a fold.
        let ends = [(); 2].map(|()| (draws.range(-0.2, 1.2), draws.range(-0.2, 1.2)));
        picture.render(&Stroke::new(ends[0], ends[1], 0.03), [0.35, 0.25, 0.4], 0.5);
    }
    picture.sensor_grain(draws, 0.022);
    picture
}
