//! Things that lie on the glass or are burnt into the image.

use std::f32::consts::{PI, TAU};

use crate::planes::LUMA;
use crate::{ImagePlanes, Random};

/// Blends a colour over every pixel: `paint` says for (y, x) with the side as 1 how opaque it is and which colour.
fn overlay(image: &mut ImagePlanes<'_>, paint: impl Fn(f32, f32) -> (f32, [f32; 3])) {
    let [_, height, width] = image.lengths();
    let channels = image.shape().channels;
    let area = image.area();
    let side = height.max(width) as f32;
    let pixels = image.pixels_mut();
    for place in 0..height * width {
        let (y, x) = ((place / width) as f32 + 0.5, (place % width) as f32 + 0.5);
        let (alpha, colour) = paint(y / side, x / side);
        if alpha <= 0.0 {
            continue;
        }
        let alpha = alpha.min(1.0);
        let grey: f32 = colour.iter().zip(LUMA).map(|(value, weight)| value * weight).sum();
        for (channel, plane) in pixels.chunks_exact_mut(area).enumerate() {
            let ink = if channels == 3 { colour[channel] } else { grey };
            for value in plane.iter_mut().skip(place).step_by(height * width) {
                *value = (*value + alpha * (ink - *value)).clamp(0.0, 1.0);
            }
        }
    }
}

/// 1 inside, 0 outside, with a slope of this width at distance 0.
fn edge(distance: f32, width: f32) -> f32 {
    (0.5 - distance / width).clamp(0.0, 1.0)
}

/// Haematoxylin, eosin, rust and black.
const STAINS: [[f32; 3]; 4] = [[0.24, 0.14, 0.42], [0.72, 0.2, 0.42], [0.35, 0.2, 0.1], [0.06, 0.05, 0.08]];

/// So many irregular spots.
pub(super) fn stains(image: &mut ImagePlanes<'_>, count: u32, random: &mut Random) {
    for _ in 0..count {
        let (cy, cx, radius) = (random.unit(), random.unit(), random.between(0.04, 0.11));
        let colour = STAINS[random.below(STAINS.len() as u32) as usize];
        // A circle with three random waves around its rim.
        let waves: [[f32; 2]; 3] = std::array::from_fn(|_| [random.between(-0.25, 0.25), random.between(0.0, TAU)]);
        overlay(image, |y, x| {
            let (dy, dx) = (y - cy, x - cx);
            let angle = libm::atan2f(dy, dx);
            let wave = |number: usize| waves[number][0] * libm::cosf((number + 2) as f32 * angle + waves[number][1]);
            let rim = radius * (1.0 + wave(0) + wave(1) + wave(2));
            (0.9 * edge((dy * dy + dx * dx).sqrt() - rim, 0.03), colour)
        });
    }
}

/// So many bubbles: bright within, dark at the rim, where light is bent away.
pub(super) fn bubbles(image: &mut ImagePlanes<'_>, count: u32, most: f32, random: &mut Random) {
    for _ in 0..count {
        let (cy, cx, radius) = (random.unit(), random.unit(), random.between(0.5 * most, most));
        let distance = move |y: f32, x: f32| ((y - cy) * (y - cy) + (x - cx) * (x - cx)).sqrt() / radius;
        overlay(image, |y, x| (0.45 * edge(distance(y, x) - 0.85, 0.2), [0.95, 0.95, 0.97]));
        overlay(image, |y, x| {
            let from_rim = (distance(y, x) - 0.95) / 0.12;
            (0.75 * libm::expf(-from_rim * from_rim), [0.12, 0.12, 0.14])
        });
    }
}

/// Black outside a circle; `radius` has half the shorter side as 1.
pub(super) fn black_corner(image: &mut ImagePlanes<'_>, radius: f32) {
    let [_, height, width] = image.lengths();
    let side = height.max(width) as f32;
    let (cy, cx) = (height as f32 / side / 2.0, width as f32 / side / 2.0);
    let rim = radius * cy.min(cx);
    overlay(image, |y, x| {
        let distance = ((y - cy) * (y - cy) + (x - cx) * (x - cx)).sqrt();
        (edge(rim - distance, 0.03), [0.0; 3])
    });
}

/// Digits of 3 x 5 cells, rows from the top, three bits each.
const DIGITS: [u16; 10] = [
    0b111_101_101_101_111,
    0b010_110_010_010_111,
    0b111_001_111_100_111,
    0b111_001_111_001_111,
    0b101_101_111_001_001,
    0b111_100_111_001_111,
    0b111_100_111_101_111,
    0b111_001_010_010_010,
    0b111_101_111_101_111,
    0b111_101_111_001_111,
];

/// So many digits, white or black, somewhere, a little turned.
pub(super) fn characters(image: &mut ImagePlanes<'_>, count: u32, severity: u32, random: &mut Random) {
    let tall = 0.13 + 0.01 * severity as f32;
    for _ in 0..count {
        let digit = DIGITS[random.below(10) as usize];
        let (cy, cx) = (random.between(0.1, 0.9), random.between(0.1, 0.9));
        let (sin, cos) = libm::sincosf(random.between(-PI / 12.0, PI / 12.0));
        let ink = if random.chance(0.5) { [0.95; 3] } else { [0.05; 3] };
        overlay(image, |y, x| {
            let (dy, dx) = (y - cy, x - cx);
            let cell = tall / 5.0;
            let row = ((dy * cos - dx * sin) / cell + 2.5).floor();
            let column = ((dy * sin + dx * cos) / cell + 1.5).floor();
            let lit = (0.0..5.0).contains(&row) && (0.0..3.0).contains(&column);
            let bit = 14.0 - (row * 3.0 + column);
            let lit = lit && digit >> bit as u32 & 1 == 1;
            (f32::from(u8::from(lit)), ink)
        });
    }
}
