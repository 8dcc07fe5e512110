//! How each modality is drawn. Every painter varies position, size, brightness and noise at random, so that no fixed
//! pixel tells the class: what does is texture, shape and count.

#![allow(
    clippy::similar_names,
    clippy::items_after_statements,
    reason = "side and size, ring and rng are clear here, and a table of kinds belongs beside its use"
)]

use std::f32::consts::{PI, TAU};

use medley_core::Modality;
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use super::canvas::{Blob, Canvas, Colour, grey};

/// Paints one image of a class of a task. `view` tells the three organ sets apart.
pub(super) fn paint(modality: Modality, view: u8, class: usize, size: usize, rng: &mut ChaCha8Rng) -> Canvas {
    match modality {
        Modality::Pathology => pathology(class, size, rng),
        Modality::Dermatoscope => dermatoscope(class, size, rng),
        Modality::Oct => oct(class, size, rng),
        Modality::ChestXray => chest_xray(class, size, rng),
        Modality::Fundus => fundus(class, size, rng),
        Modality::Ultrasound => ultrasound(class, size, rng),
        Modality::BloodMicroscope => blood(class, size, rng),
        Modality::KidneyMicroscope => kidney(class, size, rng),
        _ => organ(view, class, size, rng),
    }
}

/// Stained tissue: nine kinds by background stain, number and size of nuclei, and the direction of fibres.
fn pathology(class: usize, size: usize, rng: &mut ChaCha8Rng) -> Canvas {
    // background, nuclei at the least, spread, radius, elongation, fibres
    const KINDS: [(Colour, usize, usize, f32, f32, f32); 9] = [
        ([0.93, 0.90, 0.93], 1, 3, 0.035, 1.0, 0.0),
        ([0.90, 0.88, 0.90], 0, 1, 0.030, 1.0, 0.0),
        ([0.78, 0.60, 0.74], 6, 8, 0.028, 1.2, 0.05),
        ([0.70, 0.52, 0.74], 38, 14, 0.034, 1.0, 0.0),
        ([0.82, 0.74, 0.88], 3, 5, 0.035, 1.3, 0.10),
        ([0.84, 0.56, 0.74], 8, 6, 0.030, 3.0, 0.12),
        ([0.80, 0.62, 0.78], 14, 6, 0.045, 1.5, 0.03),
        ([0.83, 0.58, 0.74], 16, 8, 0.030, 2.6, 0.12),
        ([0.74, 0.54, 0.74], 22, 8, 0.055, 1.4, 0.03),
    ];
    let (background, least, spread, radius, elongation, fibres) = KINDS[class.min(8)];
    let stain = rng.random_range(-0.07..0.07);
    let mut canvas = Canvas::new(size, background.map(|value| value + stain));
    canvas.clouds(rng, 5, 0.07);
    let direction = rng.random_range(0.0..PI);
    if fibres > 0.0 {
        let (sin, cos) = direction.sin_cos();
        let (period, phase) = (rng.random_range(22.0..34.0), rng.random_range(0.0..TAU));
        canvas.map(|x, y, old| {
            let wave = fibres * (period * (x * sin - y * cos) + phase).sin();
            [old[0] + wave, old[1] + wave, old[2] + 0.5 * wave]
        });
    }
    if class == 0 {
        // Fat cells: bright vacuoles with thin walls.
        for _ in 0..rng.random_range(3..6) {
            let (x, y, r) = (rng.random_range(0.0..1.0), rng.random_range(0.0..1.0), rng.random_range(0.16..0.30));
            canvas.blob(Blob { edge: 0.1, ..Blob::round(x, y, r) }, [0.80, 0.62, 0.76], 0.8);
            canvas.blob(Blob { edge: 0.1, ..Blob::round(x, y, r * 0.88) }, [0.96, 0.95, 0.96], 0.95);
        }
    }
    for _ in 0..least + rng.random_range(0..=spread) {
        let scale = radius * rng.random_range(0.75..1.3);
        let aligned = if elongation > 2.0 { direction } else { rng.random_range(0.0..PI) };
        let blob = Blob {
            x: rng.random_range(0.0..1.0),
            y: rng.random_range(0.0..1.0),
            a: scale * elongation,
            b: scale,
            angle: aligned + rng.random_range(-0.2..0.2),
            edge: 0.5,
        };
        let dark = rng.random_range(-0.06..0.08);
        canvas.blob(blob, [0.36 + dark, 0.22 + dark, 0.52 + dark], 0.85);
    }
    canvas.noise(rng, 0.025, true);
    canvas
}

/// A lesion on skin: seven kinds by colour, symmetry, border and inner structure.
fn dermatoscope(class: usize, size: usize, rng: &mut ChaCha8Rng) -> Canvas {
    let tone = rng.random_range(-0.10..0.08);
    let skin = [0.82 + tone, 0.64 + tone, 0.57 + tone];
    let mut canvas = Canvas::new(size, skin);
    canvas.clouds(rng, 3, 0.05);
    // colour, ragged border, asymmetry, inner dots, veil
    const KINDS: [(Colour, f32, f32, usize, f32); 7] = [
        ([0.66, 0.44, 0.40], 0.10, 0.3, 3, 0.1),
        ([0.74, 0.46, 0.45], 0.05, 0.2, 6, 0.0),
        ([0.56, 0.40, 0.32], 0.12, 0.1, 14, 0.2),
        ([0.70, 0.48, 0.42], 0.02, 0.0, 1, 0.6),
        ([0.40, 0.26, 0.22], 0.20, 0.6, 8, 0.3),
        ([0.50, 0.33, 0.26], 0.04, 0.1, 4, 0.0),
        ([0.66, 0.20, 0.24], 0.03, 0.1, 5, 0.0),
    ];
    let (colour, ragged, asymmetry, dots, veil) = KINDS[class.min(6)];
    let (x, y) = (rng.random_range(0.38..0.62), rng.random_range(0.38..0.62));
    let radius = rng.random_range(0.18..0.32);
    let waves = [0; 4].map(|_| ragged * rng.random_range(-1.0..1.0));
    let shade = rng.random_range(-0.06..0.06);
    let angle = rng.random_range(0.0..PI);
    let lesion = Blob { x, y, a: radius, b: radius * rng.random_range(0.7..1.0), angle, edge: 0.25 };
    canvas.wavy(lesion, waves, colour.map(|value| value + shade), 0.9);
    if asymmetry > 0.0 {
        let shift = asymmetry * radius;
        let second =
            Blob { x: x + shift * angle.cos(), y: y + shift * angle.sin(), a: radius * 0.6, b: radius * 0.5, ..lesion };
        canvas.wavy(second, waves, colour.map(|value| value * 0.65), 0.6);
    }
    for _ in 0..dots {
        let (r, t) = (radius * rng.random_range(0.0..0.9), rng.random_range(0.0..TAU));
        let dot = Blob::round(x + r * t.cos(), y + r * t.sin(), rng.random_range(0.02..0.04));
        canvas.blob(dot, colour.map(|value| value * 0.6), 0.6);
    }
    canvas.blob(Blob::round(x, y, radius * 0.5), grey(0.85), veil * rng.random_range(0.4..0.8));
    // Hairs cross any lesion.
    for _ in 0..rng.random_range(0..4) {
        let (from, to) = ((rng.random_range(0.0..1.0), 0.0), (rng.random_range(0.0..1.0), 1.0));
        canvas.line(from, to, 0.012, [0.20, 0.14, 0.12], 0.6);
    }
    canvas.noise(rng, 0.02, false);
    canvas
}

/// Layers of the retina: neovascularisation lifts them, oedema opens dark cysts, drusen make small bumps, or nothing.
fn oct(class: usize, size: usize, rng: &mut ChaCha8Rng) -> Canvas {
    let mut canvas = Canvas::new(size, grey(0.07));
    let (base, tilt, curve) =
        (rng.random_range(0.42..0.62), rng.random_range(-0.15..0.15), rng.random_range(-0.25..0.05));
    let pit = rng.random_range(0.3..0.7);
    let (place, height) = (rng.random_range(0.25..0.75), rng.random_range(0.10..0.20));
    let bumps: Vec<(f32, f32)> =
        (0..rng.random_range(3..6)).map(|_| (rng.random_range(0.1..0.9), rng.random_range(0.03..0.06))).collect();
    let gauss = |x: f32, centre: f32, width: f32| (-((x - centre) / width).powi(2)).exp();
    let (gain, thickness) = (rng.random_range(0.75..1.1), rng.random_range(0.20..0.28));
    canvas.map(|x, y, _| {
        let floor = base + tilt * (x - 0.5) + curve * (x - 0.5).powi(2);
        let lift = match class {
            0 => height * gauss(x, place, 0.14),
            2 => bumps.iter().map(|&(at, tall)| tall * gauss(x, at, 0.035)).sum(),
            _ => 0.0,
        };
        let swelling = if class == 1 { 0.08 * gauss(x, place, 0.2) } else { 0.0 };
        let bottom = floor - lift;
        let top = floor - thickness - swelling - 0.6 * lift + 0.07 * gauss(x, pit, 0.09);
        let layer = |at: f32, width: f32| gauss(y, at, width);
        let inside = if y > top && y < bottom { 0.28 } else { 0.0 };
        let bands = 0.6 * layer(top, 0.03) + 0.8 * layer(floor, 0.03) + 0.45 * layer(bottom - 0.07, 0.02);
        let choroid = if y > floor { 0.35 * (-(y - floor) / 0.12).exp() } else { 0.0 };
        let fluid = if class == 0 && y > bottom && y < floor { 0.18 } else { 0.0 };
        grey(0.06 + gain * (inside + bands + choroid + fluid))
    });
    if class == 1 {
        for _ in 0..rng.random_range(2..5) {
            let x = place + rng.random_range(-0.16..0.16);
            let y = base + tilt * (x - 0.5) - thickness * rng.random_range(0.4..0.8);
            let (a, b) = (rng.random_range(0.03..0.06), rng.random_range(0.025..0.05));
            canvas.blob(Blob { x, y, a, b, angle: 0.0, edge: 0.4 }, grey(0.03), 0.9);
        }
    }
    canvas.speckle(rng, 0.22);
    canvas.noise(rng, 0.03, false);
    canvas
}

/// A chest: dark lungs between bright ribs; pneumonia veils them in patches.
fn chest_xray(class: usize, size: usize, rng: &mut ChaCha8Rng) -> Canvas {
    let mut canvas = Canvas::new(size, grey(rng.random_range(0.50..0.66)));
    let (shift, wide) = (rng.random_range(-0.05..0.05), rng.random_range(0.85..1.15));
    let depth = rng.random_range(0.16..0.30);
    for side in [-1.0, 1.0] {
        let x = 0.5 + shift + side * 0.20 * wide;
        let lung = Blob { x, y: 0.48 + shift, a: 0.15 * wide, b: 0.32, angle: -side * 0.12, edge: 0.35 };
        canvas.blob(lung, grey(depth), 0.9);
        if class == 1 {
            for _ in 0..rng.random_range(1..4) {
                let (dx, dy) = (rng.random_range(-0.10..0.10), rng.random_range(-0.18..0.24));
                let patch = Blob { edge: 1.2, ..Blob::round(x + dx, 0.5 + dy, rng.random_range(0.06..0.13)) };
                canvas.blob(patch, grey(rng.random_range(0.45..0.62)), rng.random_range(0.35..0.75));
            }
        }
    }
    let heart = Blob { x: 0.54 + shift, y: 0.64, a: 0.14, b: 0.17, angle: 0.4, edge: 0.4 };
    canvas.blob(heart, grey(0.68), 0.8);
    let (period, phase) = (rng.random_range(38.0..48.0), rng.random_range(0.0..TAU));
    canvas.map(|x, y, old| {
        let rib = 0.05 * (period * (y + 0.5 * (x - 0.5).powi(2)) + phase).sin();
        old.map(|value| value + rib)
    });
    canvas.clouds(rng, 4, 0.06);
    canvas.noise(rng, 0.03, false);
    canvas
}

/// A fundus: disc, vessels, and lesions whose number rises with the grade.
fn fundus(class: usize, size: usize, rng: &mut ChaCha8Rng) -> Canvas {
    let mut canvas = Canvas::new(size, [0.02, 0.01, 0.01]);
    let tone = rng.random_range(-0.12..0.10);
    canvas.blob(Blob { edge: 0.06, ..Blob::round(0.5, 0.5, 0.47) }, [0.62 + tone, 0.30 + tone * 0.6, 0.14], 1.0);
    canvas.clouds(rng, 3, 0.05);
    let side = if rng.random_bool(0.5) { 1.0 } else { -1.0 };
    let disc = (0.5 + side * rng.random_range(0.20..0.27), rng.random_range(0.44..0.56));
    canvas.blob(Blob::round(disc.0, disc.1, 0.075), [0.92, 0.70, 0.42], 0.95);
    for _ in 0..5 {
        let to = (0.5 - side * rng.random_range(-0.1..0.4), rng.random_range(0.08..0.92));
        canvas.line(disc, to, 0.014, [0.42 + tone, 0.13, 0.09], 0.6);
    }
    // Grades overlap on purpose: the number of lesions is a random count around the grade's own.
    let expected = [0.2, 2.0, 5.5, 11.0, 18.0][class.min(4)];
    let count = (expected * rng.random_range(0.5..1.5) + rng.random_range(0.0..1.2_f32)) as usize;
    for _ in 0..count {
        let (r, t) = (rng.random_range(0.05..0.40_f32), rng.random_range(0.0..TAU));
        let (x, y) = (0.5 + r * t.cos(), 0.5 + r * t.sin());
        let (colour, radius) = if rng.random_bool(0.6) {
            ([0.34, 0.08, 0.06], rng.random_range(0.018..0.035))
        } else {
            ([0.90, 0.80, 0.40], rng.random_range(0.015..0.03))
        };
        canvas.blob(Blob::round(x, y, radius), colour, 0.85);
    }
    canvas.noise(rng, 0.02, false);
    canvas
}

/// Breast ultrasound: a spiculated dark mass with a shadow (class 0), or a smooth one, or none (class 1).
fn ultrasound(class: usize, size: usize, rng: &mut ChaCha8Rng) -> Canvas {
    let mut canvas = Canvas::new(size, grey(rng.random_range(0.36..0.52)));
    let (period, phase) = (rng.random_range(12.0..24.0), rng.random_range(0.0..TAU));
    canvas.map(|x, y, old| old.map(|value| value + 0.08 * (period * y + 2.0 * x + phase).sin()));
    canvas.clouds(rng, 4, 0.10);
    let malignant = class == 0;
    if malignant || rng.random_bool(0.75) {
        let (x, y) = (rng.random_range(0.32..0.68), rng.random_range(0.32..0.58));
        let a = rng.random_range(0.12..0.22);
        let (roundness, ragged) =
            if malignant { (rng.random_range(0.75..1.2), 0.16) } else { (rng.random_range(0.5..0.8), 0.03) };
        let waves = [0; 4].map(|_| ragged * rng.random_range(-1.0..1.0));
        let angle = rng.random_range(-0.35..0.35);
        let mass = Blob { x, y, a, b: a * roundness, angle, edge: if malignant { 0.45 } else { 0.2 } };
        canvas.wavy(mass, waves, grey(0.10), 0.85);
        // Malignant masses tend to throw a shadow, cysts to brighten what is behind them.
        let behind = if malignant == rng.random_bool(0.8) { 0.16 } else { 0.60 };
        let tail = Blob { x, y: y + a * roundness + 0.16, a: a * 0.7, b: 0.2, angle: 0.0, edge: 0.9 };
        canvas.blob(tail, grey(behind), 0.4);
    }
    canvas.speckle(rng, 0.30);
    canvas.noise(rng, 0.02, false);
    canvas
}

/// A blood cell among red cells: eight kinds by size, lobes of the nucleus, granules and colour of the plasma.
fn blood(class: usize, size: usize, rng: &mut ChaCha8Rng) -> Canvas {
    // cell radius, plasma, lobes, nucleus radius, granules, granule colour
    const KINDS: [(f32, Colour, usize, f32, usize, Colour); 8] = [
        (0.24, [0.72, 0.62, 0.80], 2, 0.13, 26, [0.25, 0.12, 0.42]),
        (0.27, [0.90, 0.72, 0.66], 2, 0.12, 26, [0.86, 0.42, 0.30]),
        (0.20, [0.74, 0.66, 0.84], 1, 0.15, 0, [0.0; 3]),
        (0.28, [0.78, 0.68, 0.80], 1, 0.17, 14, [0.60, 0.34, 0.62]),
        (0.18, [0.70, 0.74, 0.90], 1, 0.15, 0, [0.0; 3]),
        (0.29, [0.74, 0.72, 0.82], 1, 0.19, 0, [0.0; 3]),
        (0.25, [0.88, 0.78, 0.80], 4, 0.085, 8, [0.74, 0.52, 0.66]),
        (0.075, [0.62, 0.48, 0.74], 0, 0.0, 5, [0.46, 0.28, 0.60]),
    ];
    let (radius, plasma, lobes, nucleus, granules, granule) = KINDS[class.min(7)];
    let tint = rng.random_range(-0.06..0.06);
    let mut canvas = Canvas::new(size, [0.92 + tint, 0.86 + tint, 0.84 + tint]);
    canvas.clouds(rng, 3, 0.03);
    for _ in 0..rng.random_range(3..6) {
        let t = rng.random_range(0.0..TAU);
        let (x, y) = (0.5 + 0.48 * t.cos(), 0.5 + 0.48 * t.sin());
        canvas.blob(Blob { edge: 0.2, ..Blob::round(x, y, 0.17) }, [0.88, 0.64, 0.62], 0.85);
        canvas.blob(Blob { edge: 0.9, ..Blob::round(x, y, 0.08) }, [0.93, 0.78, 0.76], 0.7);
    }
    let (x, y) = (rng.random_range(0.42..0.58), rng.random_range(0.42..0.58));
    let radius = radius * rng.random_range(0.88..1.12);
    canvas.blob(Blob { edge: 0.15, ..Blob::round(x, y, radius) }, plasma.map(|value| value + tint), 0.95);
    let turn = rng.random_range(0.0..TAU);
    for lobe in 0..lobes {
        let t = turn + lobe as f32 * if lobes == 4 { 1.2 } else { PI };
        let offset = if lobes == 1 { 0.15 * radius } else { 0.5 * radius };
        let flat = if class == 5 { 0.6 } else { 0.9 };
        let blob = Blob {
            x: x + offset * t.cos(),
            y: y + offset * t.sin(),
            a: nucleus,
            b: nucleus * flat,
            angle: t,
            edge: 0.25,
        };
        canvas.blob(blob, [0.40 + tint, 0.22, 0.54], 0.92);
    }
    for _ in 0..granules {
        let (r, t) = (radius * rng.random_range(0.0..0.9_f32), rng.random_range(0.0..TAU));
        canvas.blob(Blob::round(x + r * t.cos(), y + r * t.sin(), 0.022), granule, 0.75);
    }
    canvas.noise(rng, 0.02, true);
    canvas
}

/// Kidney cells under the microscope: eight kinds by number, size and arrangement of bright nuclei in a dim field.
fn kidney(class: usize, size: usize, rng: &mut ChaCha8Rng) -> Canvas {
    // nuclei, radius, ring around, elongation, brightness of the rest
    const KINDS: [(usize, f32, f32, f32, f32); 8] = [
        (1, 0.16, 0.0, 1.1, 0.06),
        (2, 0.12, 0.0, 1.2, 0.10),
        (1, 0.10, 0.26, 1.0, 0.08),
        (1, 0.11, 0.0, 2.4, 0.05),
        (3, 0.10, 0.0, 1.1, 0.12),
        (1, 0.22, 0.0, 1.0, 0.10),
        (1, 0.14, 0.0, 1.5, 0.10),
        (4, 0.07, 0.20, 1.2, 0.14),
    ];
    let (count, radius, ring, elongation, field) = KINDS[class.min(7)];
    let mut canvas = Canvas::new(size, grey(field + rng.random_range(0.0..0.05)));
    canvas.clouds(rng, 4, 0.05);
    let gain = rng.random_range(0.55..0.95);
    let centre = (rng.random_range(0.42..0.58), rng.random_range(0.42..0.58));
    let turn = rng.random_range(0.0..TAU);
    if ring > 0.0 {
        let outer = ring * rng.random_range(0.9..1.15);
        canvas.blob(Blob { edge: 0.3, ..Blob::round(centre.0, centre.1, outer) }, grey(0.35 * gain), 0.8);
        canvas.blob(Blob { edge: 0.3, ..Blob::round(centre.0, centre.1, outer * 0.7) }, grey(field), 0.8);
    }
    for index in 0..count {
        let t = turn + TAU * index as f32 / count as f32;
        let offset = if count == 1 { 0.0 } else { 0.2 };
        let scale = radius * rng.random_range(0.85..1.2);
        let blob = Blob {
            x: centre.0 + offset * t.cos(),
            y: centre.1 + offset * t.sin(),
            a: scale * elongation,
            b: scale,
            angle: rng.random_range(0.0..PI),
            edge: 0.5,
        };
        canvas.blob(blob, grey(gain), 0.9);
    }
    for _ in 0..rng.random_range(0..3) {
        let (x, y) = (rng.random_range(0.0..1.0), rng.random_range(0.0..1.0));
        canvas.blob(Blob { edge: 1.0, ..Blob::round(x, y, 0.08) }, grey(0.4 * gain), 0.5);
    }
    canvas.speckle(rng, 0.12);
    canvas.noise(rng, 0.02, false);
    canvas
}

/// One of eleven organs in an abdominal slice, cropped around it; its neighbours show at the border. The three views
/// stretch and turn the same outlines.
fn organ(view: u8, class: usize, size: usize, rng: &mut ChaCha8Rng) -> Canvas {
    // half axes, waves, brightness, texture, inner hole
    const KINDS: [(f32, f32, [f32; 4], f32, f32, f32); 11] = [
        (0.20, 0.16, [0.00, 0.00, 0.00, 0.00], 0.42, 0.02, 0.0),
        (0.14, 0.30, [0.05, 0.00, 0.00, 0.00], 0.85, 0.10, 0.5),
        (0.14, 0.30, [-0.05, 0.05, 0.00, 0.00], 0.85, 0.16, 0.5),
        (0.28, 0.24, [0.12, 0.04, 0.00, 0.00], 0.62, 0.12, 0.0),
        (0.16, 0.23, [0.10, 0.00, 0.00, 0.00], 0.66, 0.03, 0.3),
        (0.16, 0.23, [-0.10, 0.00, 0.00, 0.00], 0.66, 0.03, 0.3),
        (0.38, 0.32, [0.10, 0.05, 0.00, 0.00], 0.58, 0.02, 0.0),
        (0.28, 0.36, [0.05, 0.00, 0.03, 0.00], 0.12, 0.06, 0.0),
        (0.28, 0.36, [-0.05, 0.00, 0.03, 0.02], 0.12, 0.10, 0.0),
        (0.32, 0.12, [0.10, 0.10, 0.05, 0.00], 0.55, 0.04, 0.0),
        (0.24, 0.18, [0.15, 0.00, 0.00, 0.00], 0.64, 0.02, 0.0),
    ];
    let (a, b, waves, brightness, texture, hole) = KINDS[class.min(10)];
    let mut canvas = Canvas::new(size, grey(rng.random_range(0.30..0.44)));
    canvas.clouds(rng, 4, 0.12);
    for _ in 0..4 {
        let t = rng.random_range(0.0..TAU);
        let near = Blob::round(0.5 + 0.48 * t.cos(), 0.5 + 0.48 * t.sin(), rng.random_range(0.10..0.2));
        canvas.blob(near, grey(rng.random_range(0.15..0.8)), 0.7);
    }
    let (stretch, turn) = [(1.0, 0.0), (0.82, 0.5), (1.2, 1.1)][usize::from(view).min(2)];
    let scale = rng.random_range(0.85..1.15);
    let blob = Blob {
        x: 0.5 + rng.random_range(-0.06..0.06),
        y: 0.5 + rng.random_range(-0.06..0.06),
        a: a * scale * stretch,
        b: b * scale,
        angle: turn + rng.random_range(-0.25..0.25),
        edge: 0.18,
    };
    let level = brightness + rng.random_range(-0.07..0.07);
    canvas.wavy(blob, waves, grey(level), 0.95);
    if hole > 0.0 {
        let inner = Blob { a: blob.a * hole, b: blob.b * hole, edge: 0.5, ..blob };
        canvas.blob(inner, grey(level - 0.25), 0.8);
    }
    let (period, phase) = (rng.random_range(30.0..50.0), rng.random_range(0.0..TAU));
    canvas.map(|x, y, old| old.map(|value| value + texture * (period * (x + 0.6 * y) + phase).sin()));
    canvas.noise(rng, 0.03, false);
    canvas
}
