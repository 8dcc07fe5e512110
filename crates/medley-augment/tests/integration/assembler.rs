//! What a stream of batches promises: the same bits for any number of workers and any batch size, in order, and a clean end.

use std::collections::BTreeSet;
use std::sync::Arc;

use medley_augment::{
    AssemblerOptions, AugmentError, BatchAssembler, BatchRequest, Normalisation, PolicyConfig, SampleRef, TaskSource,
    TransformConfig,
};
use medley_core::{ImageShape, ImageSource, Images, Modality};
use proptest::prelude::*;

use crate::common;

const COUNT: usize = 9;

/// Images of no particular sense in which every byte differs from its neighbours.
fn images(shape: ImageShape, salt: usize) -> Arc<dyn ImageSource> {
    let bytes = (0..shape.len() * COUNT).map(|i| ((i + salt).wrapping_mul(0x9e37_79b9) >> 13) as u8).collect();
    Arc::new(Images::new(shape, COUNT, bytes).unwrap())
}

fn source(channels: usize, policy: PolicyConfig) -> TaskSource {
    let images = images(ImageShape::flat(8, 8, channels), channels);
    TaskSource { normalisation: Normalisation::measure(images.as_ref()), images, policy }
}

/// One step of every transform there is.
fn everything() -> PolicyConfig {
    let mut policy: PolicyConfig = toml::from_str(common::EVERYTHING).unwrap();
    policy.steps.push(toml::from_str("type = 'random_corruption'\nmodality = 'pathology'").unwrap());
    policy
}

fn assembler(seed: u64, workers: usize, prefetch: usize) -> BatchAssembler {
    let sources =
        vec![source(3, everything()), source(1, PolicyConfig::builtin(Modality::ChestXray)), source(1, everything())];
    BatchAssembler::new(sources, AssemblerOptions { seed, workers, prefetch, channels: 3 }).unwrap()
}

fn requests(samples: &[SampleRef], batch_size: usize, epoch: u64) -> Vec<BatchRequest> {
    samples.chunks(batch_size).map(|samples| BatchRequest { epoch, samples: samples.to_vec() }).collect()
}

/// Each once: copies in a batch vary each on its own.
fn samples() -> impl Strategy<Value = Vec<SampleRef>> {
    let sample = (0_usize..3, 0..COUNT).prop_map(|(task, index)| SampleRef { task, index });
    proptest::collection::vec(sample, 1..40).prop_map(|mut samples| {
        let mut seen = BTreeSet::new();
        samples.retain(|sample| seen.insert((sample.task, sample.index)));
        samples
    })
}

fn bits(assembler: &BatchAssembler, requests: Vec<BatchRequest>, augment: bool) -> Vec<u32> {
    let mut stream = assembler.stream(requests, augment);
    let mut all = Vec::new();
    while let Some(batch) = stream.next() {
        all.extend(batch.pixels.iter().map(|value| value.to_bits()));
        stream.recycle(batch);
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn bits_do_not_depend_on_workers_or_batch_size(
        seed: u64, epoch in 0_u64..5, samples in samples(), batch_size in 1_usize..12, prefetch in 1_usize..5, augment: bool,
    ) {
        let alone = bits(&assembler(seed, 0, 1), requests(&samples, 1, epoch), augment);
        prop_assert_eq!(alone.len(), samples.len() * 8 * 8 * 3);
        for workers in [0, 1, 2, 5] {
            let found = bits(&assembler(seed, workers, prefetch), requests(&samples, batch_size, epoch), augment);
            prop_assert!(found == alone, "{} workers", workers);
        }
    }

    #[test]
    fn batches_come_in_order(samples in samples(), workers in 0_usize..4, prefetch in 1_usize..4) {
        let requests = requests(&samples, 3, 7);
        let stream = assembler(0, workers, prefetch).stream(requests.clone(), true);
        prop_assert_eq!(stream.map(|batch| batch.request).collect::<Vec<_>>(), requests);
    }

    #[test]
    fn dropping_a_stream_early_ends_it(take in 0_usize..5, workers in 0_usize..4, prefetch in 1_usize..4) {
        let endless = (0..).map(|epoch| BatchRequest { epoch, samples: vec![SampleRef { task: 0, index: 0 }; 4] });
        let mut stream = assembler(0, workers, prefetch).stream(endless, true);
        prop_assert_eq!(stream.by_ref().take(take).count(), take);
    }
}

#[test]
fn everything_is_everything() {
    let name = |step: &TransformConfig| serde_json::to_value(step).unwrap()["type"].as_str().unwrap().to_owned();
    let found: BTreeSet<_> = everything().steps.iter().map(name).collect();
    assert_eq!(found, TransformConfig::NAMES.iter().map(|&name| name.to_owned()).collect());
}

#[test]
fn epochs_seeds_tasks_and_images_differ() {
    let one = |seed, epoch, task, index| {
        bits(&assembler(seed, 0, 1), requests(&[SampleRef { task, index }; 1], 1, epoch), true)
    };
    let base = one(0, 0, 0, 0);
    assert_eq!(base, one(0, 0, 0, 0));
    for other in [one(1, 0, 0, 0), one(0, 1, 0, 0), one(0, 0, 1, 0), one(0, 0, 0, 1)] {
        assert_ne!(base, other);
    }
}

#[test]
fn copies_side_by_side_vary_each_on_its_own() {
    let sample = SampleRef { task: 0, index: 0 };
    let three = bits(&assembler(0, 0, 1), requests(&[sample; 3], 3, 0), true);
    let one = bits(&assembler(0, 0, 1), requests(&[sample], 1, 0), true);
    let copies: Vec<_> = three.chunks(one.len()).collect();
    assert_eq!((copies.len(), copies[0]), (3, &one[..]));
    assert!(copies[0] != copies[1] && copies[1] != copies[2] && copies[0] != copies[2]);
    // With another image between them.
    let between = bits(&assembler(0, 0, 1), requests(&[sample, SampleRef { task: 0, index: 1 }, sample], 3, 0), true);
    let apart: Vec<_> = between.chunks(one.len()).collect();
    assert_eq!((apart[0], apart[2]), (copies[0], copies[1]));
}

#[test]
fn without_augmentation_pixels_are_only_normalised() {
    let source = source(1, PolicyConfig::builtin(Modality::ChestXray));
    let (images, normalisation) = (Arc::clone(&source.images), source.normalisation.clone());
    let options = AssemblerOptions { seed: 0, workers: 0, prefetch: 1, channels: 3 };
    let assembler = BatchAssembler::new(vec![source], options).unwrap();
    let mut pixels = Vec::new();
    let request = BatchRequest { epoch: 0, samples: vec![SampleRef { task: 0, index: 4 }] };
    assembler.assemble(&request, false, &mut pixels);
    for (rgb, &byte) in pixels.chunks_exact(3).zip(images.image(4)) {
        let wanted = (f32::from(byte) / 255.0 - normalisation.mean[0]) / normalisation.std[0];
        assert!(rgb.iter().all(|value| (value - wanted).abs() < 1e-5), "{rgb:?} {wanted}");
    }
}

#[test]
fn a_stream_can_be_waited_for_and_refilled() {
    let assembler = assembler(0, 1, 2);
    let mut stream = assembler.stream(requests(&[SampleRef { task: 0, index: 0 }; 20], 5, 0), true);
    assert_eq!(stream.shape(), ImageShape::flat(8, 8, 3));
    let first = stream.next().unwrap();
    let begin = first.pixels.as_ptr();
    stream.recycle(first);
    let same = stream.by_ref().any(|batch| batch.pixels.as_ptr() == begin);
    assert!(same, "the buffer was not used again");
    assert!(stream.next().is_none());
    assert!(stream.next().is_none());
    assert!(stream.waited() > std::time::Duration::ZERO);
}

#[test]
fn a_request_for_a_missing_image_panics_in_the_consumer() {
    for workers in [0, 2] {
        let mut stream = assembler(0, workers, 2).stream(requests(&[SampleRef { task: 0, index: COUNT }], 1, 0), false);
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| stream.next()));
        assert!(result.is_err(), "{workers} workers");
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let options = |channels| AssemblerOptions { seed: 0, workers: 0, prefetch: 1, channels };
    let new = |sources, channels| BatchAssembler::new(sources, options(channels)).err().unwrap();
    let none = || source(3, PolicyConfig::none());
    assert_eq!(new(vec![], 3), AugmentError::NoSources);
    assert_eq!(new(vec![none()], 1), AugmentError::ChannelMismatch { source_index: 0, actual: 3, expected: 1 });
    let larger = TaskSource { images: images(ImageShape::flat(9, 8, 3), 0), ..none() };
    let error = new(vec![none(), larger], 3);
    assert!(error.to_string().starts_with("images of source 1 are 9x8, but those before are 8x8"), "{error}");
    let volume = TaskSource { images: images(ImageShape::volume(2, 8, 8, 3), 0), ..none() };
    assert!(new(vec![none(), volume], 3).to_string().contains("2x8x8"));
    let wrong = TaskSource { normalisation: Normalisation::half(1), ..none() };
    assert!(matches!(new(vec![wrong], 3), AugmentError::Normalisation { source_index: 0, channels: 3, .. }));
    let empty = TaskSource { images: images(ImageShape::flat(0, 8, 3), 0), ..none() };
    assert!(matches!(new(vec![empty], 3), AugmentError::ImageSize { source_index: 0, .. }));
    let bad = AssemblerOptions { prefetch: 0, ..options(3) };
    assert!(BatchAssembler::new(vec![none()], bad).is_err());
}
