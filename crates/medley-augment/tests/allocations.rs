//! In the steady state no memory is allocated per image. A program of its own: its allocator counts for the whole process.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, unsafe_code, reason = "an allocator that counts")]

mod common;

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

#[test]
fn no_memory_is_allocated_per_image() {
    for policy in [common::EVERYTHING, "steps = [{ type = 'dihedral' }, { type = 'shift', pixels = 2 }]", "steps = []"]
    {
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
