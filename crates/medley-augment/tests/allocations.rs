//! In the steady state no memory is allocated per image.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, unsafe_code, reason = "an allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use medley_augment::{
    AssemblerOptions, BatchAssembler, BatchRequest, Normalisation, PolicyConfig, SampleRef, TaskSource,
};
use medley_core::{ImageShape, Images};

struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: everything is the system's; counting touches a thread-local without a destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: as our caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as our caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: as our caller promises.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Every transform but JPEG compression, whose codec allocates.
const POLICY: &str = "
steps = [
    { type = 'flip', axis = 'horizontal' },
    { type = 'dihedral' },
    { type = 'right_angle_turns' },
    { type = 'shift', pixels = 2 },
    { type = 'affine', degrees = 10.0, translate = 0.1, scale = [0.9, 1.1], shear = 5.0, probability = 0.8 },
    { type = 'elastic', deviation = 0.02, probability = 0.5 },
    { type = 'brightness', amount = 0.2 },
    { type = 'contrast', amount = 0.2 },
    { type = 'gamma', exponent = [0.8, 1.2] },
    { type = 'saturation', amount = 0.2 },
    { type = 'hue', turn = 0.1 },
    { type = 'colour_jitter', brightness = 0.2, contrast = 0.2, saturation = 0.2, hue = 0.05 },
    { type = 'channel_jitter', scale = 0.1, shift = 0.1 },
    { type = 'intensity', factor = [0.9, 1.0] },
    { type = 'gaussian_blur', deviation = [0.1, 1.5] },
    { type = 'sharpness', factor = [0.5, 2.0] },
    { type = 'gaussian_noise', deviation = [0.0, 0.1] },
    { type = 'poisson_noise', photons = [50.0, 500.0] },
    { type = 'speckle_noise', deviation = [0.0, 0.1] },
    { type = 'cutout', size = 6, fill = 'mean' },
    { type = 'random_erasing', fill = 'noise' },
    { type = 'rand_augment' },
    { type = 'trivial_augment' },
    { type = 'augmix' },
    { type = 'corruption', kind = 'defocus_blur', severity = 2 },
    { type = 'corruption', kind = 'motion_blur', severity = 2 },
    { type = 'corruption', kind = 'zoom_blur', severity = 2 },
    { type = 'corruption', kind = 'pixelate', severity = 2 },
    { type = 'corruption', kind = 'impulse_noise', severity = 2 },
    { type = 'corruption', kind = 'bubble', severity = 2 },
    { type = 'corruption', kind = 'stain_deposit', severity = 2 },
    { type = 'corruption', kind = 'characters', severity = 2 },
]
";

#[test]
fn no_memory_is_allocated_per_image() {
    for policy in [POLICY, "steps = [{ type = 'dihedral' }, { type = 'shift', pixels = 2 }]", "steps = []"] {
        let source = |channels: usize| {
            let shape = ImageShape::flat(28, 28, channels);
            let bytes = (0..shape.len() * 64).map(|index| (index * 31 % 253) as u8).collect();
            TaskSource {
                images: Arc::new(Images::new(shape, 64, bytes).unwrap()),
                policy: toml::from_str::<PolicyConfig>(policy).unwrap(),
                normalisation: Normalisation::half(channels),
            }
        };
        let options = AssemblerOptions { seed: 0, workers: 0, prefetch: 1, channels: 3 };
        let assembler = BatchAssembler::new(vec![source(3), source(1)], options).unwrap();
        let request = |epoch| BatchRequest {
            epoch,
            samples: (0..128).map(|row| SampleRef { task: row % 2, index: row / 2 }).collect(),
        };
        let mut pixels = Vec::new();
        for epoch in 0..4 {
            assembler.assemble(&request(epoch), true, &mut pixels);
        }
        for epoch in 4..8 {
            let request = request(epoch);
            let before = COUNT.get();
            assembler.assemble(&request, true, &mut pixels);
            let count = COUNT.get() - before;
            // The plan of the batch; nothing that grows with its 128 images.
            assert!(count <= 3, "{count} allocations for a batch of 128 with {policy}");
        }
    }
}
