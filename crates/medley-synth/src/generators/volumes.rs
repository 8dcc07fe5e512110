//! The six volumetric sets: organs, lung nodules, adrenal glands, rib fractures, brain vessels and synapses.

use super::Content;
use crate::draws::Draws;
use crate::shapes::PIXEL;
use crate::volume::{Ball, Point, Tube, Turn, Volume, clouds, direction, dot, minus, plus, times};

/// `OrganMNIST3D`: one of eleven organs in its box, with what lies beside it.
pub(super) fn organ(content: &Content<'_>, draws: &mut Draws) -> Volume {
    // Half axes (z, y, x), density, what is inside, and on which side the spine lies. The order of classes is that of the 3D set.
    const KINDS: [(Point, f32, Inside, f32); 11] = [
        ([0.40, 0.38, 0.45], 0.55, Inside::Vessels(0.68), 1.0),
        ([0.42, 0.28, 0.26], 0.66, Inside::Sinus, 1.0),
        ([0.42, 0.28, 0.26], 0.66, Inside::Sinus, -1.0),
        ([0.44, 0.20, 0.20], 0.92, Inside::Marrow, 1.0),
        ([0.44, 0.20, 0.20], 0.92, Inside::Marrow, -1.0),
        ([0.34, 0.36, 0.40], 0.40, Inside::Nothing, 0.0),
        ([0.38, 0.36, 0.40], 0.54, Inside::Chambers, 0.0),
        ([0.45, 0.40, 0.33], 0.06, Inside::Vessels(0.45), 1.0),
        ([0.45, 0.40, 0.33], 0.06, Inside::Vessels(0.45), -1.0),
        ([0.38, 0.40, 0.26], 0.60, Inside::Nothing, -1.0),
        ([0.15, 0.18, 0.40], 0.52, Inside::Lobules, 0.0),
    ];
    let (axes, density, inside, side) = KINDS[content.class.min(KINDS.len() - 1)];
    let size = content.size;
    let mut scan = Volume::new(size, draws.range(0.28, 0.42));
    let field = clouds(draws, size, 4);
    scan.add(&field, 0.12);
    for _ in 0..draws.count(2, 5) {
        let centre = plus([0.5; 3], times(direction(draws), draws.range(0.5, 0.65)));
        let axes = [(); 3].map(|()| draws.range(0.08, 0.2));
        let near = Ball::new(centre, axes, Turn::random(draws, 1.0)).soft(0.05);
        scan.render(&near, [0.05, 0.20, 0.45, 0.65][draws.count(0, 3)], 0.85);
    }
    let turn = Turn::random(draws, 0.07);
    if side != 0.0 {
        // The spine, on the inner side: the patient's left is at larger x.
        for vertebra in 0..3 {
            let at = turn.place([0.33 * (vertebra as f32 - 1.0), 0.25, 0.46 * side]);
            scan.render(&Ball::new(at, [0.13, 0.13, 0.11], turn), draws.range(0.75, 0.95), 0.95);
        }
    }
    let centre = plus([0.5; 3], [(); 3].map(|()| draws.around(0.0, 0.025)));
    let body = Ball::new(centre, axes, turn).scaled(draws.range(0.9, 1.1));
    let density = density + draws.around(0.0, 0.04);
    let bumps = clouds(draws, size, 4);
    let inside_mask = rough(&mut scan, &body, &bumps, 0.10, density);
    inside.draw(&mut scan, &body, &inside_mask, density, side, draws);
    let gain = draws.around(1.0, 0.12);
    scan.expose(gain, 0.45 * (1.0 - gain) + draws.around(0.0, 0.04));
    scan.grain(draws, 0.04);
    scan
}

/// What an organ holds.
#[derive(Debug, Clone, Copy)]
enum Inside {
    Nothing,
    Vessels(f32),
    Sinus,
    Marrow,
    Chambers,
    Lobules,
}

impl Inside {
    fn draw(self, scan: &mut Volume, body: &Ball, mask: &[f32], density: f32, side: f32, draws: &mut Draws) {
        match self {
            Self::Nothing => {}
            Self::Vessels(level) => {
                let mut tree = Volume::new(scan.size(), 0.0);
                for _ in 0..draws.count(4, 8) {
                    branch(&mut tree, body.centre, direction(draws), 0.024, 4, draws);
                }
                let vessels = tree.voxels().to_vec();
                scan.shade(|_, index, old| old + mask[index] * vessels[index] * 0.8 * (level - old));
            }
            Self::Sinus => {
                let at = plus(body.centre, [0.0, 0.0, side * body.axes[2] * 0.7]);
                scan.render(&Ball::new(at, [0.2, 0.1, 0.11], body.turn).soft(0.08), 0.3, 0.85);
            }
            Self::Marrow => {
                scan.render(&body.scaled(0.66).soft(0.06), draws.range(0.5, 0.66), 0.9);
                let head = plus(body.centre, [-0.26, 0.0, side * 0.17]);
                scan.render(&Ball::round(head, 0.17), density, 0.95);
                scan.render(&Ball::round(head, 0.11).soft(0.05), 0.58, 0.9);
            }
            Self::Chambers => {
                let contrast = density + draws.range(0.06, 0.24);
                for _ in 0..4 {
                    let at = plus(body.centre, times(direction(draws), 0.17));
                    scan.render(&Ball::round(at, draws.range(0.09, 0.14)).soft(0.06), contrast, 0.8);
                }
            }
            Self::Lobules => {
                for lobule in 0..6 {
                    let x = 0.13 * (lobule as f32 - 2.5);
                    let at = plus(body.centre, body.turn.apply([draws.range(-0.08, 0.08), x * x - 0.06, x]));
                    scan.render(&Ball::round(at, draws.range(0.08, 0.12)), density, 0.9);
                }
            }
        }
    }
}

/// A ball with a rough outline; returns where it is.
fn rough(scan: &mut Volume, ball: &Ball, bumps: &[f32], strength: f32, density: f32) -> Vec<f32> {
    let mut mask = vec![0.0; bumps.len()];
    scan.shade(|at, index, old| {
        let local = ball.turn.undo(minus(at, ball.centre));
        let scaled = [0, 1, 2].map(|i| local[i] / ball.axes[i]);
        let inside = 1.0 + strength * bumps[index] - dot(scaled, scaled).sqrt();
        mask[index] = (0.5 + inside * 0.2 / ball.edge).clamp(0.0, 1.0);
        old + mask[index] * (density - old)
    });
    mask
}

/// A vessel that bends and narrows.
fn branch(volume: &mut Volume, from: Point, towards: Point, radius: f32, steps: usize, draws: &mut Draws) {
    let (mut at, mut towards) = (from, towards);
    for step in 0..steps {
        let next = plus(at, times(towards, 0.10));
        let width = |step: usize| (radius * (1.0 - 0.6 * step as f32 / steps as f32)).max(0.018);
        volume.join(&Tube { from: at, to: next, radii: (width(step), width(step + 1)) });
        at = next;
        let bent = plus(towards, times(direction(draws), 0.35));
        towards = times(bent, 1.0 / dot(bent, bent).sqrt().max(0.1));
    }
}

/// `NoduleMNIST3D`: benign nodules are small and smooth, malignant ones larger, lobed and spiculated; neither always.
pub(super) fn nodule(content: &Content<'_>, draws: &mut Draws) -> Volume {
    let malignant = content.class == 1;
    let size = content.size;
    let mut scan = Volume::new(size, draws.range(0.06, 0.2));
    let field = clouds(draws, size, 6);
    scan.add(&field, 0.05);
    for _ in 0..draws.count(2, 6) {
        let from = plus([0.5; 3], times(direction(draws), draws.range(0.3, 0.6)));
        let mut tree = Volume::new(size, 0.0);
        let (towards, radius) = (direction(draws), draws.range(0.015, 0.035));
        branch(&mut tree, from, towards, radius, 5, draws);
        let level = draws.range(0.35, 0.65);
        let vessels = tree.voxels().to_vec();
        scan.shade(|_, index, old| old + vessels[index] * (level - old));
    }
    if draws.chance(0.35) {
        // The chest wall.
        let towards = direction(draws);
        let wall = draws.range(0.28, 0.45);
        scan.shade(|at, _, old| {
            let beyond = (0.5 + 28.0 * (dot(minus(at, [0.5; 3]), towards) - wall)).clamp(0.0, 1.0);
            old + beyond * (0.62 - old)
        });
    }
    let radius = draws.around(if malignant { 0.20 } else { 0.13 }, 0.04).max(0.06);
    let axes = [(); 3].map(|()| radius * draws.range(0.85, 1.15));
    let ball = Ball::new([(); 3].map(|()| draws.around(0.5, 0.02)), axes, Turn::random(draws, 1.0));
    let roughness = draws.around(if malignant { 0.34 } else { 0.12 }, 0.09).max(0.0);
    let bumps = clouds(draws, size, 7);
    rough(&mut scan, &ball, &bumps, roughness, draws.range(0.5, 0.75));
    let spicules = if malignant { draws.count(3, 11) } else { draws.count(0, 3) };
    for _ in 0..spicules {
        let towards = direction(draws);
        let from = plus(ball.centre, times(towards, 0.8 * radius));
        let to = plus(ball.centre, times(towards, radius + draws.range(0.05, 0.14)));
        scan.render(&Tube { from, to, radii: (0.03, 0.008) }, 0.55, 0.8);
    }
    if !malignant && draws.chance(0.25) {
        scan.render(&ball.scaled(0.4), 0.95, 0.9);
    }
    scan.grain(draws, 0.04);
    scan
}

/// `AdrenalMNIST3D`: a thin body with two limbs, segmented; hyperplasia thickens it and adds nodules.
pub(super) fn adrenal(content: &Content<'_>, draws: &mut Draws) -> Volume {
    let thick = content.class == 1;
    let turn = Turn::random(draws, 0.25);
    let mut gland = Volume::new(content.size, 0.0);
    let radius = draws.around(if thick { 0.060 } else { 0.044 }, 0.010).max(0.024);
    let lengths = [draws.range(0.15, 0.36), draws.range(0.18, 0.42), draws.range(0.06, 0.38)];
    let spread = draws.range(0.10, 0.22);
    let root = [0.0, -0.04, 0.0];
    for (limb, length) in lengths.into_iter().enumerate() {
        let (y, x) = [(-0.5, 0.1), (1.0, spread * 4.0), (0.9, -spread * 4.0)][limb];
        let steps = 4;
        let mut at = root;
        for step in 0..steps {
            // The gland is a sheet: limbs run along z as well.
            let bend = draws.range(-0.03, 0.03);
            let next = plus(at, [0.02 * draws.normal(), y * length / 4.0, x * length / 4.0 + bend]);
            let width = radius * draws.range(0.8, 1.2);
            for rise in [-1.0, 0.0, 1.0] {
                let lift = [rise * draws.range(0.04, 0.13) * (1.0 - 0.15 * step as f32), 0.0, 0.0];
                let ends = (turn.place(plus(at, lift)), turn.place(plus(next, lift)));
                gland.join(&Tube { from: ends.0, to: ends.1, radii: (width, width * 0.9) });
            }
            at = next;
        }
        let nodular = if thick { 0.45 } else { 0.10 };
        if draws.chance(nodular) {
            gland.join(&Ball::round(turn.place(at), radius * draws.range(1.5, 2.2)));
        }
    }
    gland.binarise();
    gland
}

/// `FractureMNIST3D`: a rib with a kink (buckle), a gap (nondisplaced), or a gap and a step (displaced).
pub(super) fn fracture(content: &Content<'_>, draws: &mut Draws) -> Volume {
    let size = content.size;
    let turn = Turn::random(draws, 1.0);
    let mut scan = Volume::new(size, draws.range(0.30, 0.42));
    let field = clouds(draws, size, 4);
    scan.add(&field, 0.10);
    let lung = direction(draws);
    let wall = draws.range(0.18, 0.35);
    scan.shade(|at, _, old| {
        let beyond = (0.5 + 20.0 * (dot(minus(at, [0.5; 3]), lung) - wall)).clamp(0.0, 1.0);
        old + beyond * (0.06 - old)
    });
    let (shift, gap, kink) = match content.class {
        0 => (draws.range(0.0, 0.025), 0.0, draws.range(0.08, 0.22)),
        1 => (draws.range(0.0, 0.045), draws.range(0.025, 0.055), draws.range(0.0, 0.10)),
        _ => (draws.range(0.07, 0.16), draws.range(0.03, 0.09), draws.range(0.0, 0.12)),
    };
    let radius = draws.range(0.085, 0.125);
    let bow = draws.range(0.1, 0.4);
    // The middle line: a bow, with a kink and a step where it broke.
    let middle = |t: f32| {
        let side = if t > 0.0 { shift } else { 0.0 };
        turn.place([side, bow * (t * t - 0.1) + kink * (0.25 - t.abs()).max(0.0), t])
    };
    let mut bone = Volume::new(size, 0.0);
    let mut marrow = Volume::new(size, 0.0);
    for step in -8_i8..8 {
        let (from, to) = (f32::from(step) * 0.09, f32::from(step + 1) * 0.09);
        let half = if from >= 0.0 { 1e-3 } else { -1e-3 };
        let ends = (middle(from + half), middle(to - 1e-3));
        bone.join(&Tube { from: ends.0, to: ends.1, radii: (radius, radius) });
        marrow.join(&Tube { from: ends.0, to: ends.1, radii: (0.55 * radius, 0.55 * radius) });
    }
    if gap > 0.0 {
        let slant = direction(draws);
        let along = minus(middle(0.05), middle(-0.05));
        let normal = plus(times(along, 10.0), times(slant, 0.5));
        let normal = times(normal, 1.0 / dot(normal, normal).sqrt().max(0.1));
        let at = middle(0.0);
        bone.shade(|place, _, old| {
            let far = dot(minus(place, at), normal).abs();
            old * ((far - 0.5 * gap) / PIXEL + 0.5).clamp(0.0, 1.0)
        });
    }
    let (cortex, inner) = (draws.range(0.8, 0.98), draws.range(0.45, 0.62));
    let (bone, marrow) = (bone.voxels().to_vec(), marrow.voxels().to_vec());
    scan.shade(|_, index, old| {
        let level = cortex + marrow[index] * (inner - cortex);
        old + bone[index] * (level - old)
    });
    scan.grain(draws, 0.05);
    scan
}

/// `VesselMNIST3D`: a branching vessel, segmented; an aneurysm bulges where it branches.
pub(super) fn vessel(content: &Content<'_>, draws: &mut Draws) -> Volume {
    let turn = Turn::random(draws, 1.0);
    let mut tree = Volume::new(content.size, 0.0);
    let radius = draws.range(0.05, 0.10);
    let fork = [draws.around(0.0, 0.06), draws.around(0.0, 0.06), draws.around(0.0, 0.06)];
    let mut at = [-0.5, draws.range(-0.2, 0.2), draws.range(-0.2, 0.2)];
    for step in 1..=4 {
        let share = step as f32 / 4.0;
        let straight = [0, 1, 2].map(|i| at[i] + (fork[i] - at[i]) * share);
        let next =
            if step == 4 { fork } else { plus(straight, [0.0, draws.range(-0.06, 0.06), draws.range(-0.06, 0.06)]) };
        tree.join(&Tube { from: turn.place(at), to: turn.place(next), radii: (radius, radius) });
        at = next;
    }
    let branches = draws.count(1, 3);
    for _ in 0..branches {
        let towards = plus([0.8, 0.0, 0.0], times(direction(draws), 0.7));
        let (from, towards) = (turn.place(fork), turn.apply(towards));
        branch(&mut tree, from, towards, radius * draws.range(0.6, 1.0), 6, draws);
    }
    if draws.chance(0.3) {
        // A kink or a wide piece, in any vessel.
        let along = turn.place(times(fork, 0.3));
        tree.join(&Ball::round(along, radius * draws.range(0.9, 1.35)));
    }
    if content.class == 1 {
        let bulge = radius * draws.range(1.3, 2.3);
        let away = times(direction(draws), radius + 0.6 * bulge);
        let axes = [bulge, bulge * draws.range(0.75, 1.1), bulge * draws.range(0.75, 1.1)];
        tree.join(&Ball::new(turn.place(plus(fork, away)), axes, turn));
    }
    tree.binarise();
    tree
}

/// `SynapseMNIST3D`: two membranes in electron microscopy. Excitatory synapses have a thick density on one side and round vesicles on
/// the other, inhibitory ones thin even densities and flat vesicles.
pub(super) fn synapse(content: &Content<'_>, draws: &mut Draws) -> Volume {
    let excitatory = content.class == 1;
    let size = content.size;
    let turn = Turn::random(draws, 1.0);
    let mut tissue = Volume::new(size, draws.range(0.55, 0.70));
    for (cells, strength) in [(4, 0.08), (10, 0.06)] {
        let field = clouds(draws, size, cells);
        tissue.add(&field, strength);
    }
    let warp = clouds(draws, size, 3);
    let bow = draws.range(-0.5, 0.5);
    let extent = draws.range(0.18, 0.34);
    let thick = draws.around(if excitatory { 0.075 } else { 0.035 }, 0.016).max(0.012);
    let level = draws.range(0.08, 0.25);
    let cleft = draws.range(0.02, 0.035);
    // Other membranes pass near.
    let others: Vec<(Point, f32)> =
        (0..draws.count(1, 3)).map(|_| (direction(draws), draws.sign() * draws.range(0.25, 0.42))).collect();
    tissue.shade(|at, index, old| {
        let local = turn.undo(minus(at, [0.5; 3]));
        let radius = (local[1] * local[1] + local[2] * local[2]).sqrt();
        let height = local[0] + bow * radius * radius + 0.05 * warp[index];
        let within = (0.5 + (extent - radius) * 14.0).clamp(0.0, 1.0);
        let slab = |from: f32, to: f32| {
            let inside = (height - from).min(to - height);
            (0.5 + inside / PIXEL).clamp(0.0, 1.0)
        };
        let post = slab(cleft, cleft + thick) * within;
        let pre = slab(-cleft - 0.03, -cleft) * within;
        let membrane = slab(-cleft - 0.012, -cleft + 0.012).max(slab(cleft - 0.012, cleft + 0.012)) * 0.6;
        let mut dark = post.max(0.8 * pre).max(membrane);
        for &(normal, far) in &others {
            let distance = (dot(minus(at, [0.5; 3]), normal) - far + 0.08 * warp[index]).abs();
            dark = dark.max(0.6 * (1.0 - distance * 30.0).clamp(0.0, 1.0));
        }
        old + dark * (level - old)
    });
    // Vesicles lie before the membrane.
    for _ in 0..draws.count(5, 14) {
        let at = [-draws.range(0.1, 0.38), draws.range(-0.25, 0.25), draws.range(-0.25, 0.25)];
        let flat = draws.around(if excitatory { 1.0 } else { 0.6 }, 0.15).clamp(0.35, 1.2);
        let radius = draws.range(0.028, 0.042);
        let centre = turn.place(at);
        let vesicle = Ball::new(centre, [radius * flat, radius, radius], turn);
        tissue.render(&vesicle.scaled(1.3), 0.3, 0.7);
        tissue.render(&vesicle.scaled(0.7), 0.75, 0.7);
    }
    tissue.grain(draws, 0.06);
    tissue.expose(draws.range(0.85, 1.1), draws.range(-0.08, 0.05));
    tissue
}
