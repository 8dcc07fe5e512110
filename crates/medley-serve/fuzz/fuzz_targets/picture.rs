//! A file of any content as a picture: of a flat model, of one in colour, and of volumes.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use medley_core::ImageShape;
use medley_pictures::{Alpha, Budget, Resizing, Rules, SixteenBit, input_of};

static RULES: LazyLock<Rules> = LazyLock::new(|| Rules {
    max_pixels: 1 << 16,
    budget: Budget::new(8 << 20),
    sixteen_bit: SixteenBit::FullRange,
    alpha: Alpha::Black,
    ..Rules::default()
});

fuzz_target!(|bytes: &[u8]| {
    for shape in [ImageShape::flat(28, 28, 1), ImageShape::flat(28, 28, 3), ImageShape::volume(8, 8, 8, 1)] {
        if let Ok(input) = input_of(bytes, shape, Resizing::default(), &RULES) {
            assert_eq!(input.pixels.len(), shape.len());
        }
    }
});
