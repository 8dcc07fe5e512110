//! Blood cells on a stained smear: eight kinds by size, lobes of the nucleus, granules and the colour of the plasma.

use super::Content;
use crate::draws::{Draws, cosine, sine};
use crate::raster::{Mask, Raster, clouds};
use crate::shapes::{Ellipse, Lobed, Stroke};

/// What makes a kind.
struct Kind {
    radius: (f32, f32),
    plasma: [f32; 3],
    nucleus: Nucleus,
    /// Number of granules, their radius and colour.
    granules: (usize, usize, f32, [f32; 3]),
}

enum Nucleus {
    None,
    /// Round to oval, as a share of the cell's radius.
    Round(f32, f32),
    /// A bean or horseshoe.
    Bent(f32),
    /// Lobes from, to, joined by strands.
    Lobes(usize, usize),
}

const NO_GRANULES: (usize, usize, f32, [f32; 3]) = (0, 0, 0.0, [0.0; 3]);

const KINDS: [Kind; 8] = [
    Kind {
        radius: (0.22, 0.28),
        plasma: [0.74, 0.62, 0.78],
        nucleus: Nucleus::Lobes(2, 3),
        granules: (18, 34, 0.026, [0.30, 0.16, 0.46]),
    },
    Kind {
        radius: (0.24, 0.31),
        plasma: [0.90, 0.70, 0.68],
        nucleus: Nucleus::Lobes(2, 3),
        granules: (24, 44, 0.022, [0.88, 0.48, 0.40]),
    },
    Kind {
        radius: (0.18, 0.25),
        plasma: [0.80, 0.70, 0.80],
        nucleus: Nucleus::Round(0.58, 0.74),
        granules: NO_GRANULES,
    },
    Kind {
        radius: (0.26, 0.35),
        plasma: [0.78, 0.68, 0.80],
        nucleus: Nucleus::Round(0.60, 0.82),
        granules: (8, 24, 0.017, [0.56, 0.32, 0.58]),
    },
    Kind {
        radius: (0.19, 0.27),
        plasma: [0.72, 0.74, 0.88],
        nucleus: Nucleus::Round(0.72, 0.92),
        granules: NO_GRANULES,
    },
    Kind {
        radius: (0.26, 0.36),
        plasma: [0.74, 0.71, 0.82],
        nucleus: Nucleus::Bent(0.62),
        granules: (0, 5, 0.020, [0.88, 0.84, 0.90]),
    },
    Kind {
        radius: (0.23, 0.31),
        plasma: [0.88, 0.77, 0.80],
        nucleus: Nucleus::Lobes(3, 5),
        granules: (4, 14, 0.014, [0.72, 0.52, 0.68]),
    },
    Kind {
        radius: (0.06, 0.12),
        plasma: [0.66, 0.50, 0.74],
        nucleus: Nucleus::None,
        granules: (3, 8, 0.020, [0.48, 0.28, 0.60]),
    },
];

pub(super) fn render(content: &Content<'_>, draws: &mut Draws) -> Raster<3> {
    let kind = &KINDS[content.class.min(KINDS.len() - 1)];
    let mut smear = field(content.size, draws);
    let radius = draws.range(kind.radius.0, kind.radius.1);
    let (x, y) = (draws.around(0.5, 0.05), draws.around(0.5, 0.05));
    let cell = Ellipse::new(x, y, radius, radius * draws.range(0.86, 1.0), draws.unit());
    let outline = Lobed::random(cell, 0.05, draws);
    let tint = draws.range(-0.06, 0.05);
    smear.render(&outline, kind.plasma.map(|value| value + tint), 0.92);
    let inside = Mask::of(content.size, &outline);
    let violet = [draws.range(0.34, 0.48), draws.range(0.20, 0.32), draws.range(0.52, 0.64)];
    nucleus(&mut smear, &kind.nucleus, cell, &inside, violet, draws);
    granules(&mut smear, kind, cell, draws);
    let light = [draws.range(0.95, 1.04), draws.range(0.94, 1.03), draws.range(0.93, 1.05)];
    smear.shade(|_, old| [old[0] * light[0], old[1] * light[1], old[2] * light[2]]);
    smear.sensor_grain(draws, 0.012);
    smear
}

/// Plasma with red cells, whole or cut by the border.
fn field(size: usize, draws: &mut Draws) -> Raster<3> {
    let tint = draws.range(-0.05, 0.03);
    let mut smear = Raster::new(size, [0.95 + tint, 0.88 + tint, 0.82 + tint]);
    let plane = clouds(draws, size, 2, 2);
    smear.add_plane(&plane, [0.02; 3]);
    let red = [0.88 + tint, draws.range(0.66, 0.76), draws.range(0.62, 0.74)];
    let turn = draws.unit();
    let cells = draws.count(3, 6);
    for index in 0..cells {
        let turns = turn + (index as f32 + draws.range(-0.3, 0.3)) / cells as f32;
        let far = draws.range(0.40, 0.60);
        let (x, y) = (0.5 + far * cosine(turns), 0.5 + far * sine(turns));
        let cell = Ellipse::new(x, y, draws.range(0.13, 0.18), draws.range(0.12, 0.17), draws.unit());
        smear.render(&cell, red, draws.range(0.6, 0.9));
        smear.render(&cell.scaled(0.5).soft(0.1), [0.95 + tint, 0.82 + tint, 0.78 + tint], draws.range(0.2, 0.7));
    }
    smear
}

fn nucleus(smear: &mut Raster<3>, kind: &Nucleus, cell: Ellipse, inside: &Mask, violet: [f32; 3], draws: &mut Draws) {
    let mut mask = Mask::new(smear.size());
    match *kind {
        Nucleus::None => return,
        Nucleus::Round(least, most) => {
            let (dx, dy) = (draws.range(-0.02, 0.02), draws.range(-0.02, 0.02));
            let body = cell.scaled(draws.range(least, most)).moved(dx, dy);
            mask.join(&Lobed::random(body, 0.06, draws));
        }
        Nucleus::Bent(share) => {
            mask.join(&Lobed::random(cell.scaled(share + draws.range(0.0, 0.12)), 0.08, draws));
            let turns = draws.unit();
            let (x, y) = cell.point(draws.range(0.45, 0.65), turns);
            let dent = cell.scaled(draws.range(0.22, 0.36));
            let middle = dent.point(0.0, 0.0);
            mask.cut(&dent.moved(x - middle.0, y - middle.1));
        }
        Nucleus::Lobes(least, most) => {
            let (count, turn) = (draws.count(least, most), draws.unit());
            let spread = if count == 2 { 0.38 } else { 0.24 };
            let size = if count == 2 { 0.40 } else { 0.29 };
            let mut last = None;
            for lobe in 0..count {
                let turns = turn + lobe as f32 * spread + draws.range(-0.02, 0.02);
                let (x, y) = cell.point(draws.range(0.38, 0.52), turns);
                let middle = cell.point(0.0, 0.0);
                let body = cell.scaled(size * draws.range(0.9, 1.15)).moved(x - middle.0, y - middle.1);
                mask.join(&body);
                if let Some(last) = last {
                    mask.join(&Stroke::new(last, (x, y), 0.035));
                }
                last = Some((x, y));
            }
        }
    }
    mask.keep(inside);
    smear.fill(&mask, violet, 0.92);
    let chromatin = clouds(draws, smear.size(), 9, 9);
    smear.shade(|place, old| old.map(|value| value + 0.05 * mask.cover()[place.index] * chromatin[place.index]));
}

fn granules(smear: &mut Raster<3>, kind: &Kind, cell: Ellipse, draws: &mut Draws) {
    let (least, most, radius, colour) = kind.granules;
    if most == 0 {
        return;
    }
    let shade = draws.range(-0.06, 0.06);
    for _ in 0..draws.count(least, most) {
        let (x, y) = cell.point(0.92 * draws.unit().sqrt(), draws.unit());
        smear.render(&Ellipse::round(x, y, radius * draws.range(0.8, 1.2)), colour.map(|value| value + shade), 0.7);
    }
}
