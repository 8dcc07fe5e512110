//! Chest X-rays: dark lungs between ribs, heart and diaphragm, and whatever a radiologist finds on them.

use super::Content;
use crate::draws::{Draws, bell, cosine, sine, step};
use crate::raster::{Mask, Raster, clouds};
use crate::shapes::{Ellipse, Lobed, PIXEL, Stroke};

/// PneumoniaMNIST: normal, or pneumonia of any severity.
pub(super) fn pneumonia(content: &Content<'_>, draws: &mut Draws) -> Raster<1> {
    let mut chest = Chest::draw(draws, 0.17);
    let mut film = chest.expose(content.size, draws);
    if content.class == 1 {
        let severity = draws.range(0.35, 1.0);
        match draws.count(0, 3) {
            0 => chest.consolidate(&mut film, draws, severity),
            1 | 2 => {
                chest.veil(&mut film, draws, 0.75 * severity);
                chest.patches(&mut film, draws, severity, 2..5);
            }
            _ => chest.patches(&mut film, draws, severity, 4..9),
        }
    } else if draws.chance(0.35) {
        let severity = draws.range(0.0, 0.30);
        chest.veil(&mut film, draws, severity);
    }
    chest.finish(film, draws)
}

/// ChestMNIST: any of fourteen findings, each drawn where it belongs.
pub(super) fn findings(content: &Content<'_>, draws: &mut Draws) -> Raster<1> {
    let has = |label: usize| content.labels.get(label).is_some_and(|&set| set != 0);
    let mut chest = Chest::draw(draws, if has(1) { 0.27 } else { 0.17 });
    chest.inflate(if has(10) { draws.range(1.08, 1.18) } else { draws.range(0.94, 1.05) });
    let mut film = chest.expose(content.size, draws);
    if has(10) {
        film.expose(1.0, -0.06);
    }
    let strength = |draws: &mut Draws| draws.range(0.45, 1.0);
    if has(0) {
        let (lung, level) = (chest.lung(draws), strength(draws));
        let (x, y) = lung.point(0.3, draws.range(0.1, 0.4));
        film.add(&Stroke::new((x - 0.13, y), (x + 0.13, y + draws.range(-0.04, 0.04)), 0.04), [0.22 * level]);
    }
    if has(2) {
        chest.effusion(&mut film, draws);
    }
    if has(3) {
        let level = 0.6 * strength(draws);
        chest.patches(&mut film, draws, level, 2..5);
    }
    if has(4) {
        chest.nodule(&mut film, draws, 0.065, 0.11);
    }
    if has(5) {
        chest.nodule(&mut film, draws, 0.025, 0.045);
    }
    if has(6) {
        let level = strength(draws);
        chest.consolidate(&mut film, draws, level);
    }
    if has(7) {
        chest.pneumothorax(&mut film, draws);
    }
    if has(8) {
        let level = strength(draws);
        chest.consolidate(&mut film, draws, level);
        chest.patches(&mut film, draws, level, 1..3);
    }
    if has(9) {
        chest.oedema(&mut film, draws);
    }
    if has(11) {
        chest.fibrosis(&mut film, draws);
    }
    if has(12) {
        chest.pleura(&mut film, draws);
    }
    if has(13) {
        let hernia = Ellipse::round(chest.middle + 0.03, 0.74, draws.range(0.07, 0.1));
        film.add(&hernia, [0.2]);
        film.add(&hernia.scaled(0.6), [-0.25]);
    }
    chest.finish(film, draws)
}

/// Where the organs lie.
struct Chest {
    middle: f32,
    lungs: [Ellipse; 2],
    /// Where the lungs are; filled when the film is exposed.
    field: Mask,
    heart: f32,
    /// Height of the diaphragm's domes.
    floor: f32,
    wide: f32,
    tilt: f32,
}

impl Chest {
    fn draw(draws: &mut Draws, heart: f32) -> Self {
        let middle = draws.range(0.44, 0.56);
        let (wide, top) = (draws.range(0.88, 1.15), draws.range(0.02, 0.12));
        let tilt = draws.around(0.0, 0.012);
        let height = draws.range(0.40, 0.50);
        // Ellipses that reach below the diaphragm, which cuts them; they lean together at the top.
        let lungs = [-1.0, 1.0].map(|side| {
            let x = middle + side * 0.225 * wide;
            Ellipse::new(x, top + height, 0.155 * wide, height, -side * 0.022 + tilt).soft(0.07)
        });
        let heart = heart * draws.range(0.85, 1.15);
        Self { middle, lungs, field: Mask::new(1), heart, floor: top + height * draws.range(1.38, 1.62), wide, tilt }
    }

    fn inflate(&mut self, factor: f32) {
        self.lungs = self.lungs.map(|lung| lung.scaled(factor));
        self.floor += 0.6 * (factor - 1.0);
    }

    /// One of the two lungs.
    fn lung(&self, draws: &mut Draws) -> Ellipse {
        self.lungs[draws.count(0, 1)]
    }

    /// The film before findings.
    fn expose(&mut self, size: usize, draws: &mut Draws) -> Raster<1> {
        let body = draws.range(0.60, 0.72);
        let mut film = Raster::new(size, [body]);
        let (shoulder, arm) = (draws.range(0.0, 0.22), draws.range(0.0, 0.7));
        let mut field = Mask::of(size, &self.lungs[0]);
        field.join(&self.lungs[1]);
        let heart = Ellipse::new(self.middle + 0.07, self.floor - 0.10, self.heart, 0.85 * self.heart, 0.12);
        field.cut(&heart.soft(0.06));
        let (middle, floor, wide) = (self.middle, self.floor, self.wide);
        // The diaphragm: a dome under each lung, the right one higher.
        field.shade(|place, cover| {
            let out = (place.x - middle) / wide;
            let dome = floor - if out < 0.0 { 0.04 } else { 0.0 };
            let rest = (out.abs() - 0.20) / 0.20;
            cover * (1.0 - step(-0.03, 0.03, place.y - dome - 0.13 * rest * rest))
        });
        film.shade(|place, _| {
            // Air beside neck and arms is black; the body is brightest along the spine and below the diaphragm.
            let side = (place.x - middle).abs();
            let outside = step(0.38, 0.52, side + 0.25 * (shoulder - place.y)) * arm;
            let dense = 0.14 * bell(side / 0.17) + 0.14 * step(floor - 0.1, floor + 0.1, place.y);
            [body * (1.0 - outside) + dense * (1.0 - outside)]
        });
        let depth = draws.range(0.18, 0.36);
        film.fill(&field, [depth], 0.92);
        ribs(&mut film, &field, self.middle, draws);
        hilum(&mut film, self.middle, draws);
        self.field = field;
        film
    }

    /// Opacity in the whole of both lungs.
    fn veil(&self, film: &mut Raster<1>, draws: &mut Draws, alpha: f32) {
        film.fill(&self.field, [draws.range(0.5, 0.66)], alpha);
    }

    /// Blurred patches anywhere in the lungs.
    fn patches(&self, film: &mut Raster<1>, draws: &mut Draws, severity: f32, count: std::ops::Range<usize>) {
        for _ in 0..draws.count(count.start, count.end) {
            let (x, y) = self.lung(draws).point(0.8 * draws.unit(), draws.unit());
            let patch = Ellipse::round(x, y, draws.range(0.04, 0.10)).soft(0.12);
            film.render(&Lobed::random(patch, 0.25, draws), [draws.range(0.55, 0.72)], 0.75 * severity);
        }
    }

    /// One lobe turned solid.
    fn consolidate(&self, film: &mut Raster<1>, draws: &mut Draws, severity: f32) {
        let (x, y) = self.lung(draws).point(0.5, draws.unit());
        let lobe = Ellipse::new(x, y, draws.range(0.12, 0.2), draws.range(0.10, 0.2), draws.unit()).soft(0.08);
        let mut mask = Mask::of(film.size(), &Lobed::random(lobe, 0.2, draws));
        mask.keep(&self.field);
        film.fill(&mask, [draws.range(0.62, 0.76)], severity);
    }

    fn nodule(&self, film: &mut Raster<1>, draws: &mut Draws, least: f32, most: f32) {
        let (x, y) = self.lung(draws).point(0.7 * draws.unit(), draws.unit());
        let nodule = Ellipse::round(x, y, draws.range(least, most));
        film.add(&Lobed::random(nodule, 0.1, draws), [draws.range(0.2, 0.34)]);
    }

    /// Fluid that rises along the wall.
    fn effusion(&self, film: &mut Raster<1>, draws: &mut Draws) {
        let side = draws.sign();
        let level = self.floor - draws.range(0.04, 0.28);
        let field = self.field.cover().to_vec();
        let middle = self.middle;
        film.shade(|place, old| {
            let out = side * (place.x - middle);
            let meniscus = level - 0.35 * (out - 0.2).max(0.0);
            let wet = if out > 0.0 { step(-0.03, 0.03, place.y - meniscus) * field[place.index] } else { 0.0 };
            [old[0] + wet * 0.9 * (0.7 - old[0])]
        });
    }

    /// Air around a fallen lung: a dark rim without markings, and the line of the pleura.
    fn pneumothorax(&self, film: &mut Raster<1>, draws: &mut Draws) {
        let lung = self.lung(draws);
        let inner = lung.scaled(draws.range(0.72, 0.86)).moved(0.0, 0.06);
        let mut rim = Mask::of(film.size(), &lung);
        rim.cut(&inner);
        rim.keep(&self.field);
        film.fill(&rim, [0.06], 0.75);
        let mut line = Mask::of(film.size(), &inner.scaled(1.05));
        line.cut(&inner.scaled(0.97));
        line.keep(&self.field);
        film.fill(&line, [0.7], 0.35);
    }

    /// Wings on both sides of the heart.
    fn oedema(&self, film: &mut Raster<1>, draws: &mut Draws) {
        let level = draws.range(0.4, 0.8);
        for side in [-1.0, 1.0] {
            let wing = Ellipse::new(self.middle + side * 0.17, 0.45, 0.12, 0.2, 0.0).soft(0.15);
            film.render(&wing, [0.68], level);
        }
    }

    /// A net of lines at the bases.
    fn fibrosis(&self, film: &mut Raster<1>, draws: &mut Draws) {
        let (frequency, turn, level) = (draws.range(8.0, 11.0), draws.unit(), draws.range(0.06, 0.12));
        let field = self.field.cover().to_vec();
        film.shade(|place, old| {
            let (u, v) = (place.x + 0.3 * place.y, place.y - 0.3 * place.x);
            let net = sine(frequency * u + turn) * sine(frequency * v);
            [old[0] + level * (0.3 + net) * field[place.index] * step(0.35, 0.6, place.y)]
        });
    }

    /// Thickened pleura along the wall.
    fn pleura(&self, film: &mut Raster<1>, draws: &mut Draws) {
        let lung = self.lung(draws);
        let mut rim = Mask::of(film.size(), &lung);
        rim.cut(&lung.scaled(draws.range(0.74, 0.86)));
        let mut half = Mask::of(film.size(), &Ellipse::round(lung.point(1.0, 0.0).0, draws.range(0.3, 0.7), 0.25));
        half.keep(&rim);
        film.fill(&half, [0.72], draws.range(0.5, 0.9));
    }

    fn finish(&self, mut film: Raster<1>, draws: &mut Draws) -> Raster<1> {
        if draws.chance(0.15) {
            // A lead, a tube, a letter.
            let turns = self.tilt + draws.unit();
            let from = (draws.unit(), draws.unit());
            let to = (from.0 + 0.4 * cosine(turns), from.1 + 0.4 * sine(turns));
            film.add(&Stroke::new(from, to, 0.6 * PIXEL), [0.18]);
        }
        let plane = clouds(draws, film.size(), 3, 3);
        film.add_plane(&plane, [0.03]);
        film.expose(draws.range(0.8, 1.15), draws.range(-0.10, 0.08));
        film.grain(draws, 0.016);
        film
    }
}

fn ribs(film: &mut Raster<1>, field: &Mask, middle: f32, draws: &mut Draws) {
    let (frequency, phase, level) = (draws.range(6.5, 9.0), draws.unit(), draws.range(0.012, 0.045));
    film.shade(|place, old| {
        let out = (place.x - middle).abs();
        let rib = sine(frequency * (place.y - 0.55 * out + 0.9 * out * out) + phase);
        [old[0] + level * rib * (0.25 + 0.75 * field.cover()[place.index])]
    });
}

/// The vessels at the root of each lung.
fn hilum(film: &mut Raster<1>, middle: f32, draws: &mut Draws) {
    for side in [-1.0, 1.0] {
        let root = (middle + side * 0.11, draws.range(0.42, 0.5));
        for branch in 0..3 {
            let turns =
                if side > 0.0 { 0.0 } else { 0.5 } + side * (branch as f32 * 0.09 - 0.06) + draws.range(-0.03, 0.03);
            let length = draws.range(0.1, 0.2);
            let to = (root.0 + length * cosine(turns), root.1 + length * sine(turns));
            film.add(&Stroke::new(root, to, 0.04).to_width(0.01), [draws.range(0.06, 0.14)]);
        }
    }
}
