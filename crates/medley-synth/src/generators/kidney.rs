//! Cells of the kidney cortex under the fluorescence microscope, a nucleus in the middle and its surroundings dim around it.
//! The eight kinds differ by size, length, brightness, by the tubule they line and by their neighbours, and each of these
//! varies as much within a kind as between kinds: none tells alone.

use super::Content;
use crate::draws::{Draws, cosine, sine};
use crate::raster::{Mask, Raster, clouds};
use crate::shapes::{Ellipse, Lobed};

/// The means of a kind.
struct Kind {
    radius: f32,
    length: f32,
    brightness: f32,
    /// Radius and brightness of the tubule around or beside the cell; 0 where there is none.
    tubule: (f32, f32),
    neighbours: f32,
    /// Bumps of the texture across the image, and its strength.
    texture: (usize, f32),
}

/// In the order of the classes: collecting duct, distal tubule, glomerular and interstitial endothelium, leukocytes,
/// podocytes, proximal tubule, thick ascending limb.
const KINDS: [Kind; 8] = [
    Kind { radius: 0.115, length: 1.15, brightness: 0.50, tubule: (0.30, 0.16), neighbours: 2.0, texture: (6, 0.05) },
    Kind { radius: 0.120, length: 1.20, brightness: 0.56, tubule: (0.24, 0.26), neighbours: 3.0, texture: (9, 0.06) },
    Kind { radius: 0.090, length: 1.90, brightness: 0.50, tubule: (0.0, 0.0), neighbours: 3.5, texture: (5, 0.10) },
    Kind { radius: 0.080, length: 2.50, brightness: 0.55, tubule: (0.0, 0.0), neighbours: 1.2, texture: (4, 0.05) },
    Kind { radius: 0.085, length: 1.10, brightness: 0.85, tubule: (0.0, 0.0), neighbours: 4.5, texture: (7, 0.05) },
    Kind { radius: 0.140, length: 1.45, brightness: 0.45, tubule: (0.0, 0.0), neighbours: 2.6, texture: (8, 0.11) },
    Kind { radius: 0.135, length: 1.08, brightness: 0.42, tubule: (0.40, 0.30), neighbours: 1.2, texture: (12, 0.09) },
    Kind { radius: 0.110, length: 1.25, brightness: 0.62, tubule: (0.34, 0.36), neighbours: 2.4, texture: (8, 0.04) },
];

pub(super) fn render(content: &Content<'_>, draws: &mut Draws) -> Raster<1> {
    let kind = &KINDS[content.class.min(KINDS.len() - 1)];
    let size = content.size;
    let mut cells = Raster::new(size, [draws.range(0.04, 0.14)]);
    let plane = clouds(draws, size, kind.texture.0, kind.texture.0);
    let strength = kind.texture.1 * draws.range(0.5, 1.6);
    let (x, y) = (draws.around(0.5, 0.03), draws.around(0.5, 0.03));
    let gain = draws.around(1.0, 0.22);
    if kind.tubule.0 > 0.0 {
        tubule(&mut cells, kind, (x, y), gain, draws);
    } else if draws.chance(0.35) {
        // Tubules pass by everywhere.
        let beside = Kind { tubule: (0.3, 0.2), ..KINDS[0] };
        tubule(&mut cells, &beside, (x + draws.sign() * 0.35, y + draws.sign() * 0.3), gain, draws);
    }
    cells.add_plane(&plane, [strength]);
    let turn = draws.unit();
    let neighbours = (kind.neighbours * draws.range(0.4, 1.6) + draws.unit()) as usize;
    for index in 0..neighbours {
        let turns = turn + (index as f32 + draws.range(-0.3, 0.3)) / neighbours as f32;
        let far = draws.range(0.28, 0.46);
        let radius = kind.radius * draws.range(0.6, 1.1);
        let near =
            Ellipse::new(x + far * cosine(turns), y + far * sine(turns), radius * kind.length, radius, draws.unit());
        cells.render(&near.soft(0.07), [gain * kind.brightness * draws.range(0.35, 0.85)], 0.8);
    }
    let radius = kind.radius * draws.around(1.0, 0.16);
    let length = 1.0 + (kind.length - 1.0) * draws.range(0.3, 1.6);
    let nucleus = Lobed::random(Ellipse::new(x, y, radius * length, radius, draws.unit()).soft(0.06), 0.06, draws);
    cells.render(&nucleus, [gain * kind.brightness * draws.around(1.0, 0.18)], 0.9);
    let chromatin = clouds(draws, size, 11, 11);
    let mask = Mask::of(size, &nucleus);
    cells.shade(|place, old| [old[0] + 0.10 * mask.cover()[place.index] * chromatin[place.index]]);
    cells.speckle(draws, 0.08);
    cells.grain(draws, 0.014);
    cells
}

/// A bright wall around a dark lumen; the cell sits in the wall.
fn tubule(cells: &mut Raster<1>, kind: &Kind, cell: (f32, f32), gain: f32, draws: &mut Draws) {
    let radius = kind.tubule.0 * draws.around(1.0, 0.18);
    let (turns, wall) = (draws.unit(), draws.range(0.3, 0.5));
    let far = radius * (1.0 - 0.5 * wall);
    let (x, y) = (cell.0 + far * cosine(turns), cell.1 + far * sine(turns));
    let outline = Lobed::random(Ellipse::new(x, y, radius, radius * draws.range(0.8, 1.0), draws.unit()), 0.08, draws);
    let mut mask = Mask::of(cells.size(), &outline);
    mask.cut(&outline.around(outline.ellipse.scaled(1.0 - wall)));
    cells.fill(&mask, [gain * kind.tubule.1 * draws.range(0.7, 1.3)], 0.85);
}
