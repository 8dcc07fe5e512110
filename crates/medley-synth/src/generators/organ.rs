//! Abdominal CT cut to the box around one of eleven organs, in three views.
//!
//! The organ fills the box, so its size tells nothing; outline, density, what is inside and what lies beside it do. In axial
//! and coronal views left and right organs are mirror images with the spine on the inner side. In the sagittal view there is
//! no inner side: left and right differ by little, there as in the real sets.

use super::Content;
use crate::draws::{Draws, cosine, sine, step};
use crate::raster::{Mask, Raster, clouds};
use crate::shapes::{Ellipse, Lobed, Stroke, wander};

/// Axial, coronal or sagittal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    Axial,
    Coronal,
    Sagittal,
}

pub(super) fn axial(content: &Content<'_>, draws: &mut Draws) -> Raster<1> {
    render(View::Axial, content, draws)
}

pub(super) fn coronal(content: &Content<'_>, draws: &mut Draws) -> Raster<1> {
    render(View::Coronal, content, draws)
}

pub(super) fn sagittal(content: &Content<'_>, draws: &mut Draws) -> Raster<1> {
    render(View::Sagittal, content, draws)
}

/// Densities after windowing.
const AIR: f32 = 0.02;
const FAT: f32 = 0.20;
const SOFT: f32 = 0.45;
const BONE: f32 = 0.92;

/// A scan being drawn.
struct Scan {
    raster: Raster<1>,
    view: View,
    /// Towards the spine: 1 is right, -1 left.
    inner: f32,
    /// Of the box.
    x: f32,
    y: f32,
    scale: f32,
    turn: f32,
}

fn render(view: View, content: &Content<'_>, draws: &mut Draws) -> Raster<1> {
    // The patient's left is on the right of the picture.
    let mut inner = if matches!(content.class, 1 | 4 | 7) { -1.0 } else { 1.0 };
    if view == View::Sagittal && draws.chance(0.42) {
        inner = -inner;
    }
    let mut scan = Scan {
        raster: surroundings(content.size, draws),
        view,
        inner,
        x: draws.around(0.5, 0.03),
        y: draws.around(0.5, 0.03),
        scale: draws.range(0.88, 1.12),
        turn: draws.around(0.0, 0.025),
    };
    match content.class {
        0 => bladder(&mut scan, draws),
        1 | 2 => femur(&mut scan, draws),
        3 => heart(&mut scan, draws),
        4 | 5 => kidney(&mut scan, draws),
        6 => liver(&mut scan, draws),
        7 | 8 => lung(&mut scan, content.class == 7, draws),
        9 => pancreas(&mut scan, draws),
        _ => spleen(&mut scan, draws),
    }
    let mut raster = scan.raster;
    // Windows and doses differ between scanners.
    let gain = draws.around(1.0, 0.13);
    raster.expose(gain, SOFT * (1.0 - gain) + draws.around(0.0, 0.05));
    // Reformatted views interpolate between slices, and are smoother.
    raster.grain(draws, if view == View::Axial { 0.034 } else { 0.026 });
    raster
}

/// Soft tissue, fat and a few neighbours around the border.
fn surroundings(size: usize, draws: &mut Draws) -> Raster<1> {
    let mut raster = Raster::new(size, [draws.range(0.26, 0.44)]);
    let plane = clouds(draws, size, 5, 5);
    raster.add_plane(&plane, [0.13]);
    let turn = draws.unit();
    for neighbour in 0..draws.count(2, 5) {
        let turns = turn + neighbour as f32 * 0.23 + draws.range(-0.05, 0.05);
        let far = draws.range(0.42, 0.62);
        let at = Ellipse::new(
            0.5 + far * cosine(turns),
            0.5 + far * sine(turns),
            draws.range(0.08, 0.22),
            draws.range(0.06, 0.16),
            draws.unit(),
        );
        let density = [FAT, SOFT, 0.55, 0.65, AIR][draws.count(0, 4)];
        raster.render(&at.soft(0.05), [density], 0.85);
    }
    raster
}

impl Scan {
    /// An ellipse in the frame of the box, in units of its size; mirrored for organs of the other side.
    fn part(&self, x: f32, y: f32, a: f32, b: f32, turns: f32) -> Ellipse {
        let (sin, cos) = (sine(self.turn), cosine(self.turn));
        let (dx, dy) = (x * self.inner * self.scale, y * self.scale);
        Ellipse::new(
            self.x + dx * cos - dy * sin,
            self.y + dx * sin + dy * cos,
            a * self.scale,
            b * self.scale,
            self.inner * turns + self.turn,
        )
    }

    fn put(&mut self, part: Ellipse, density: f32) {
        self.raster.render(&part, [density], 0.95);
    }

    /// An organ with a random outline, its texture, and a thin rim of fat around it.
    fn body(&mut self, part: Ellipse, waves: f32, density: f32, texture: f32, draws: &mut Draws) -> Mask {
        let outline = Lobed::random(part, waves, draws);
        self.raster.render(&outline.around(part.scaled(1.1)), [FAT], 0.45);
        let mask = Mask::of(self.raster.size(), &outline);
        self.raster.fill(&mask, [density], 0.97);
        let plane = clouds(draws, self.raster.size(), 9, 9);
        self.raster.shade(|place, old| [old[0] + texture * mask.cover()[place.index] * plane[place.index]]);
        mask
    }

    /// The column of vertebrae (axial: one vertebra) on the inner side.
    fn spine(&mut self, far: f32, draws: &mut Draws) {
        match self.view {
            View::Axial => {
                let at = self.part(far, 0.36, 0.15, 0.13, 0.0);
                self.put(at, BONE * draws.range(0.8, 1.0));
                self.put(at.scaled(0.6), 0.66);
            }
            View::Coronal => {
                for vertebra in 0..4 {
                    let at = self.part(far, -0.45 + 0.3 * vertebra as f32, 0.12, 0.11, 0.0);
                    self.put(at, BONE * draws.range(0.75, 0.95));
                }
            }
            View::Sagittal => {
                if draws.chance(0.5) {
                    let at = self.part(far, draws.range(-0.3, 0.3), 0.10, 0.12, 0.0);
                    self.put(at, BONE * draws.range(0.7, 0.95));
                }
            }
        }
    }

    /// Ribs cut across along the outer side.
    fn ribs(&mut self, outer: f32, draws: &mut Draws) {
        let count = if self.view == View::Axial { 3 } else { 4 };
        let phase = draws.range(-0.06, 0.06);
        for rib in 0..count {
            let along = (rib as f32 - 1.3) * 0.26 + phase;
            let at = match self.view {
                View::Axial => self.part(outer * cosine(0.4 * along), 1.1 * along * outer.abs(), 0.045, 0.09, 0.02),
                _ => self.part(outer, along, 0.055, 0.04, 0.0),
            };
            self.put(at, BONE * draws.range(0.7, 0.95));
        }
    }
}

fn bladder(scan: &mut Scan, draws: &mut Draws) {
    let (a, b) = match scan.view {
        View::Axial => (0.42, 0.34),
        View::Coronal => (0.40, 0.36),
        View::Sagittal => (0.36, 0.40),
    };
    let density = draws.around(0.40, 0.05);
    if scan.view != View::Sagittal || draws.chance(0.6) {
        for side in [-1.0, 1.0] {
            let bone = scan.part(side * 0.52, 0.24, 0.10, 0.2, 0.0);
            scan.put(bone, BONE * draws.range(0.75, 1.0));
        }
    }
    let part = scan.part(0.0, 0.0, a, b, draws.around(0.0, 0.05));
    let wall = scan.body(part.scaled(1.06), 0.05, density + 0.12, 0.0, draws);
    scan.raster.fill(&wall, [density + 0.1], 0.3);
    scan.body(part, 0.05, density, 0.015, draws);
}

fn femur(scan: &mut Scan, draws: &mut Draws) {
    let muscle = draws.around(0.48, 0.04);
    scan.raster.expose(0.5, 0.5 * muscle);
    let marrow = draws.around(0.58, 0.06);
    if scan.view == View::Axial {
        let part = scan.part(-0.04, 0.0, 0.30, 0.27, draws.unit());
        scan.body(part, 0.10, BONE, 0.04, draws);
        scan.put(part.scaled(draws.range(0.55, 0.75)).soft(0.06), marrow);
        let hip = scan.part(0.48, -0.1, 0.16, 0.26, 0.02);
        scan.put(hip, BONE * draws.range(0.7, 0.95));
        return;
    }
    // Head, neck and shaft; the head lies on the inner side.
    let lean = if scan.view == View::Coronal { 1.0 } else { 0.45 };
    let parts = [
        scan.part(0.16 * lean, -0.26, 0.20, 0.19, 0.0),
        scan.part(0.02 * lean, -0.08, 0.24, 0.12, -0.13),
        scan.part(-0.10 * lean, 0.22, 0.12, 0.40, -0.01),
    ];
    let mut mask = Mask::new(scan.raster.size());
    for part in &parts {
        mask.join(part);
    }
    scan.raster.fill(&mask, [BONE * draws.range(0.88, 1.0)], 0.97);
    for part in parts {
        scan.raster.render(&part.scaled(0.6).soft(0.06), [marrow], 0.8);
    }
    let hip = scan.part(0.42 * lean, -0.40, 0.16, 0.12, 0.1);
    scan.put(hip, BONE * draws.range(0.7, 0.95));
}

fn heart(scan: &mut Scan, draws: &mut Draws) {
    for side in [-1.0, 1.0] {
        let lung = scan.part(side * 0.50, -0.12, 0.24, 0.45, 0.0);
        scan.put(lung, AIR + draws.range(0.02, 0.10));
    }
    let (a, b, lean) = match scan.view {
        View::Axial => (0.42, 0.33, 0.09),
        View::Coronal => (0.37, 0.38, 0.12),
        View::Sagittal => (0.36, 0.40, 0.06),
    };
    let part = scan.part(0.0, 0.0, a, b, lean);
    let density = draws.around(0.54, 0.04);
    scan.body(part, 0.10, density, 0.02, draws);
    let contrast = draws.range(0.06, 0.26);
    for (share, turns, size) in [(0.42, 0.08, 0.40), (0.42, 0.58, 0.36), (0.5, 0.33, 0.26)] {
        let (x, y) = part.point(share, turns + draws.range(-0.05, 0.05));
        let middle = part.point(0.0, 0.0);
        let chamber = part.scaled(size).moved(x - middle.0, y - middle.1).soft(0.07);
        scan.raster.add(&chamber, [contrast]);
    }
}

fn kidney(scan: &mut Scan, draws: &mut Draws) {
    scan.raster.expose(0.7, 0.05);
    scan.spine(0.52, draws);
    let (a, b) = if scan.view == View::Axial { (0.30, 0.35) } else { (0.25, 0.42) };
    let part = scan.part(-0.04, 0.0, a, b, draws.around(0.04, 0.03));
    let density = draws.around(0.66, 0.07);
    scan.body(part, 0.07, density, 0.03, draws);
    let depth = draws.range(0.05, 0.16);
    let sinus = scan.part(0.16 - depth * 0.6, 0.02, 0.12, 0.20, 0.02).soft(0.08);
    scan.raster.render(&sinus, [FAT + draws.range(0.05, 0.25)], 0.8);
    let medulla = draws.range(-0.10, 0.02);
    for pyramid in 0..5 {
        let (x, y) = part.point(0.58, 0.25 + 0.125 * (pyramid as f32 + 0.5) * 2.0);
        scan.raster.add(&Ellipse::round(x, y, 0.045).soft(0.05), [medulla]);
    }
}

fn liver(scan: &mut Scan, draws: &mut Draws) {
    let (a, b, lean) = match scan.view {
        View::Axial => (0.47, 0.40, 0.05),
        View::Coronal => (0.44, 0.42, -0.06),
        View::Sagittal => (0.38, 0.45, 0.03),
    };
    let lung = scan.part(0.1, -0.62, 0.5, 0.28, 0.0);
    if scan.view != View::Axial {
        scan.put(lung, AIR + 0.05);
    }
    scan.ribs(-0.52, draws);
    let part = scan.part(-0.03, 0.02, a, b, lean + draws.around(0.0, 0.02));
    let density = draws.around(0.55, 0.05);
    let mask = scan.body(part, 0.15, density, 0.02, draws);
    // Portal and hepatic veins, brighter after contrast and darker before.
    let contrast = draws.range(-0.08, 0.16);
    let mut veins = Mask::new(scan.raster.size());
    let root = part.point(0.3, draws.unit());
    for _ in 0..draws.count(2, 4) {
        veins.path(&wander(root, draws.unit(), 0.06, 0.09, 4, draws), 0.04, 0.012);
    }
    veins.keep(&mask);
    scan.raster.fill(&veins, [density + contrast], 0.85);
}

fn lung(scan: &mut Scan, left: bool, draws: &mut Draws) {
    scan.raster.expose(0.5, 0.28);
    let (a, b) = match scan.view {
        View::Axial => (0.37, 0.43),
        View::Coronal => (0.33, 0.45),
        View::Sagittal => (0.40, 0.43),
    };
    if scan.view == View::Sagittal {
        scan.ribs(-0.5, draws);
        scan.ribs(0.5, draws);
    } else {
        scan.ribs(-0.47, draws);
        scan.spine(0.5, draws);
    }
    let part = scan.part(0.0, 0.0, a, b, draws.around(0.0, 0.02));
    let outline = Lobed::random(part, 0.09, draws);
    let mut mask = Mask::of(scan.raster.size(), &outline);
    // The heart dents the left lung, the liver lifts the right one.
    let dent = if left { scan.part(0.30, 0.16, 0.19, 0.22, 0.0) } else { scan.part(0.02, 0.52, 0.34, 0.2, 0.0) };
    if scan.view != View::Sagittal || draws.chance(0.75) {
        mask.cut(&dent.scaled(draws.range(0.7, 1.1)).soft(0.05));
    }
    scan.raster.fill(&mask, [AIR + draws.range(0.0, 0.1)], 0.97);
    let mut vessels = Mask::new(scan.raster.size());
    let root = scan.part(0.22, 0.0, 0.1, 0.1, 0.0).point(0.0, 0.0);
    for _ in 0..draws.count(4, 8) {
        vessels.path(&wander(root, draws.unit(), 0.07, 0.09, 5, draws), 0.03, 0.008);
    }
    vessels.keep(&mask);
    scan.raster.fill(&vessels, [draws.range(0.35, 0.6)], 0.7);
}

fn pancreas(scan: &mut Scan, draws: &mut Draws) {
    scan.raster.expose(0.8, 0.06);
    // Bowel around it, with air, fluid or contrast.
    for _ in 0..draws.count(1, 3) {
        let (x, y) = (draws.range(-0.42, 0.42), draws.sign() * draws.range(0.26, 0.42));
        let loop_ = scan.part(x, y, draws.range(0.10, 0.17), draws.range(0.08, 0.14), 0.0);
        scan.put(loop_, 0.52);
        scan.put(loop_.scaled(0.6), [AIR, SOFT, 0.8][draws.count(0, 2)]);
    }
    let density = draws.around(0.52, 0.05);
    let (length, lift) = match scan.view {
        View::Axial => (0.36, 0.12),
        View::Coronal => (0.34, 0.2),
        View::Sagittal => (0.18, 0.05),
    };
    let mut mask = Mask::new(scan.raster.size());
    let bow = draws.range(0.4, 1.4) * lift;
    for lobule in 0..7 {
        let along = lobule as f32 / 3.0 - 1.0;
        let thick = draws.range(0.08, 0.12) * (1.25 - 0.4 * along);
        let at = scan.part(
            along * length,
            bow * (along * along - 0.5) - 0.06 * along,
            thick,
            thick * draws.range(0.7, 1.0),
            draws.unit(),
        );
        mask.join(&Lobed::random(at, 0.15, draws));
    }
    scan.raster.fill(&mask, [density], 0.95);
    let plane = clouds(draws, scan.raster.size(), 12, 12);
    scan.raster.shade(|place, old| [old[0] + 0.08 * mask.cover()[place.index] * plane[place.index]]);
}

fn spleen(scan: &mut Scan, draws: &mut Draws) {
    // On the patient's left: its outer side is the right of the picture.
    scan.inner = if scan.view == View::Sagittal { draws.sign() } else { -1.0 };
    let stomach = scan.part(0.40, -0.22, 0.2, 0.22, 0.0);
    scan.put(stomach, [AIR, SOFT, 0.6][draws.count(0, 2)]);
    if scan.view != View::Axial {
        let lung = scan.part(-0.1, -0.58, 0.45, 0.2, 0.0);
        scan.put(lung, AIR + 0.04);
    }
    scan.ribs(-0.50, draws);
    let (a, b, lean) = match scan.view {
        View::Axial => (0.26, 0.42, -0.07),
        View::Coronal => (0.27, 0.40, 0.05),
        View::Sagittal => (0.30, 0.40, 0.08),
    };
    let part = scan.part(-0.08, 0.0, a, b, lean + draws.around(0.0, 0.03));
    let density = draws.around(0.60, 0.05);
    let mask = scan.body(part, 0.10, density, 0.02, draws);
    // The hilum hollows the inner side.
    let (x, y) = part.point(1.15, 0.0);
    let (x, y) = if (x - scan.x) * scan.inner > 0.0 { (x, y) } else { part.point(1.15, 0.5) };
    let hollow = Ellipse::round(x, y, draws.range(0.10, 0.2)).soft(0.05);
    let mut bite = Mask::of(scan.raster.size(), &hollow);
    bite.keep(&mask);
    scan.raster.fill(&bite, [FAT + 0.08], 0.85);
    let vessel = Stroke::new((x, y), (x + 0.2 * scan.inner, y), 0.04);
    scan.raster.render(&vessel, [0.62], 0.7 * step(0.0, 1.0, draws.unit()));
}
