//! Colours of numbers, from tables in which equal steps look equal.

/// `inferno` of matplotlib (Smith and van der Walt, CC0), every eighth colour: from black over red to light yellow.
const INFERNO: [[u8; 3]; 33] = [
    [0, 0, 4],
    [4, 3, 18],
    [11, 7, 36],
    [21, 11, 55],
    [33, 12, 74],
    [47, 10, 91],
    [61, 9, 101],
    [74, 12, 107],
    [87, 16, 110],
    [100, 21, 110],
    [113, 25, 110],
    [125, 30, 109],
    [138, 34, 106],
    [151, 39, 102],
    [163, 44, 97],
    [176, 49, 91],
    [188, 55, 84],
    [199, 62, 76],
    [210, 70, 68],
    [219, 80, 59],
    [228, 90, 49],
    [235, 102, 40],
    [241, 115, 29],
    [246, 128, 19],
    [249, 142, 9],
    [251, 157, 7],
    [252, 172, 17],
    [251, 188, 33],
    [249, 203, 53],
    [245, 219, 76],
    [242, 234, 105],
    [243, 246, 138],
    [252, 255, 164],
];

/// `berlin` of Crameri's scientific colour maps (MIT), every eighth colour: blue below 0, black at 0, red above.
const BERLIN: [[u8; 3]; 33] = [
    [158, 176, 255],
    [140, 174, 246],
    [121, 171, 237],
    [101, 167, 226],
    [81, 159, 211],
    [65, 148, 193],
    [54, 133, 173],
    [46, 118, 153],
    [40, 104, 134],
    [34, 89, 115],
    [29, 75, 97],
    [24, 61, 79],
    [20, 48, 62],
    [17, 36, 46],
    [17, 26, 32],
    [18, 18, 20],
    [25, 12, 9],
    [34, 12, 2],
    [43, 14, 1],
    [53, 16, 0],
    [65, 18, 1],
    [77, 22, 2],
    [91, 29, 8],
    [108, 39, 17],
    [125, 52, 30],
    [142, 66, 46],
    [158, 81, 63],
    [174, 96, 81],
    [190, 111, 99],
    [206, 127, 118],
    [223, 143, 137],
    [240, 159, 156],
    [255, 173, 173],
];

/// The colour of a share, 0 to 1 of a map without signs, -1 to 1 of one with signs; beyond, that of the end.
pub(crate) fn colour(share: f32, signed: bool) -> [u8; 3] {
    if signed { at(&BERLIN, f32::midpoint(share, 1.0)) } else { at(&INFERNO, share) }
}

fn at(table: &[[u8; 3]; 33], share: f32) -> [u8; 3] {
    let place = share.clamp(0.0, 1.0) * 32.0;
    let low = (place as usize).min(31);
    let part = place - low as f32;
    let blend = |low: u8, high: u8| (f32::from(low) * (1.0 - part) + f32::from(high) * part + 0.5) as u8;
    let [low, high] = [table[low], table[low + 1]];
    [0, 1, 2].map(|channel| blend(low[channel], high[channel]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_and_middles_are_those_of_the_tables() {
        assert_eq!(
            (colour(0.0, false), colour(1.0, false), colour(7.0, false)),
            ([0, 0, 4], [252, 255, 164], [252, 255, 164])
        );
        assert_eq!(
            (colour(-1.0, true), colour(0.0, true), colour(1.0, true)),
            ([158, 176, 255], [25, 12, 9], [255, 173, 173])
        );
        assert_eq!(colour(1.0 / 64.0, false), [2, 2, 11]);
    }

    #[test]
    fn more_is_lighter() {
        // Rec. 709 luma, in a thousandth.
        let luma = |[r, g, b]: [u8; 3]| 2126 * u32::from(r) + 7152 * u32::from(g) + 722 * u32::from(b);
        let shares = |from: f32| (0..=100).map(move |step| from * step as f32 / 100.0);
        for (from, signed) in [(1.0, false), (1.0, true), (-1.0, true)] {
            let lumas: Vec<u32> = shares(from).map(|share| luma(colour(share, signed))).collect();
            assert!(lumas.windows(2).all(|pair| pair[0] <= pair[1] + 15_000), "{signed} {lumas:?}");
            assert!(lumas[0] < 300_000 && lumas[100] > 1_700_000);
        }
    }
}
