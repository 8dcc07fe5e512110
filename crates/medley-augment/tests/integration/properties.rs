//! Laws of geometry, of mixing and of views.

use std::sync::Arc;

use medley_augment::geometry::Axis;
use medley_augment::mix::{MixConfig, Mixer, mix_targets};
use medley_augment::{
    AssemblerOptions, AugmentError, BatchAssembler, BatchRequest, Filter, Map, Normalisation, Padding, Plan,
    PolicyConfig, Random, Rendered, Renderer, SampleRef, TaskSource, TestTimeView,
};
use medley_core::{ImageShape, ImageSource as _, Images};
use proptest::prelude::*;

fn shapes() -> impl Strategy<Value = ImageShape> {
    (proptest::option::of(1_usize..6), 1_usize..9, 1_usize..9, 1_usize..5)
        .prop_map(|(depth, height, width, channels)| ImageShape { depth, height, width, channels })
}

/// A shape with an image of it.
fn images() -> impl Strategy<Value = (ImageShape, Vec<u8>)> {
    shapes().prop_flat_map(|shape| (Just(shape), proptest::collection::vec(any::<u8>(), shape.len())))
}

fn axes() -> impl Strategy<Value = Axis> {
    prop_oneof![Just(Axis::Depth), Just(Axis::Height), Just(Axis::Width)]
}

fn samplings() -> impl Strategy<Value = (Filter, Padding)> {
    let filter = prop_oneof![Just(Filter::Bilinear), Just(Filter::Bicubic)];
    (filter, prop_oneof![Just(Padding::Reflect), Just(Padding::Edge), Just(Padding::Zero)])
}

fn render(shape: ImageShape, image: &[u8], maps: &[Map], padding: Padding) -> Vec<u8> {
    let mut plan = Plan::new(shape);
    for map in maps {
        plan.warp(*map);
    }
    Renderer::default().render(&plan, Filter::Bilinear, padding, image).to_bytes(shape.channels)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_flip_twice_is_nothing((shape, image) in images(), axis in axes()) {
        let flip = Map::flip(axis);
        prop_assert_eq!(&render(shape, &image, &[flip, flip], Padding::Zero), &image);
        let once = render(shape, &image, &[flip], Padding::Zero);
        prop_assert_eq!(&render(shape, &once, &[flip], Padding::Zero), &image);
    }

    #[test]
    fn four_quarter_turns_are_nothing(side in 1_usize..9, channels in 1_usize..4, seed: u64) {
        let shape = ImageShape::flat(side, side, channels);
        let mut random = Random::from_seed(seed);
        let image: Vec<u8> = (0..shape.len()).map(|_| random.bits() as u8).collect();
        let turn = TestTimeView::QuarterTurn.map();
        let mut turned = image.clone();
        for _ in 0..4 {
            turned = render(shape, &turned, &[turn], Padding::Zero);
        }
        prop_assert_eq!(&turned, &image);
        prop_assert_eq!(render(shape, &image, &[turn; 4], Padding::Zero), image);
    }

    #[test]
    fn moves_of_pixels_keep_every_pixel((shape, image) in images(), axis in axes()) {
        let mut moved = render(shape, &image, &[Map::flip(axis)], Padding::Zero);
        let mut image = image;
        moved.sort_unstable();
        image.sort_unstable();
        prop_assert_eq!(moved, image);
    }

    #[test]
    fn steps_one_by_one_are_steps_at_once((shape, image) in images(), down in -3_i32..4, axis in axes()) {
        // Without padding in between: a shift that goes there and back.
        let there = Map::shift([0.0, f64::from(down), 0.0]);
        let back = Map::shift([0.0, f64::from(-down), 0.0]);
        let flip = Map::flip(axis);
        let at_once = render(shape, &image, &[there, back, flip], Padding::Zero);
        prop_assert_eq!(at_once, render(shape, &image, &[flip], Padding::Zero));
    }

    /// The general resampler, asked for a map that takes pixels to pixels, does what the mover of pixels does.
    #[test]
    fn both_ways_to_move_pixels_agree(
        (shape, image) in images(), axis in axes(), shift in [-4_i32..5, -4..5, -4..5], (filter, padding) in samplings(),
    ) {
        let shift = if shape.depth.is_some() { shift } else { [0, shift[1], shift[2]] };
        let map = Map::flip(axis).then(Map::shift(shift.map(f64::from)));
        let exact = render(shape, &image, &[map], padding);
        // Off the lattice by less than shows.
        let mut beside = map;
        beside.offset[1] += 1e-7;
        let mut plan = Plan::new(shape);
        plan.warp(beside);
        let mut renderer = Renderer::default();
        let rendered = renderer.render(&plan, filter, padding, &image);
        prop_assert!(matches!(rendered, Rendered::Planes(_)));
        for (found, wanted) in rendered.to_bytes(shape.channels).iter().zip(&exact) {
            prop_assert!(found.abs_diff(*wanted) <= 1, "{} {}", found, wanted);
        }
    }

    #[test]
    fn turning_there_and_back_in_one_plan_is_nothing((shape, image) in images(), degrees in -180.0_f64..180.0) {
        let turn = |degrees| Map::affine(degrees, [0.0, 0.0], 1.0, [0.0, 0.0]);
        let found = render(shape, &image, &[turn(degrees), turn(-degrees)], Padding::Reflect);
        prop_assert_eq!(found, image);
    }

    /// No map makes the sampler leave the image: values stay between the least and the most (bilinear never overshoots).
    #[test]
    fn no_map_leaves_the_range_of_the_image(
        (shape, image) in images(), entries in proptest::array::uniform12(-1e12_f64..1e12), small in 0_u8..3, padding in samplings(),
    ) {
        let scale = [1.0, 1e-11, 1e-13][usize::from(small)];
        let [a, b, c, d, e, f, g, h, i, offset @ ..] = entries.map(|entry| entry * scale);
        let map = Map { matrix: [[a, b, c], [d, e, f], [g, h, i]], offset };
        let mut plan = Plan::new(shape);
        plan.warp(map);
        let mut renderer = Renderer::default();
        let Rendered::Planes(planes) = renderer.render(&plan, Filter::Bilinear, padding.1, &image) else {
            return Ok(());
        };
        let least = if padding.1 == Padding::Zero { 0 } else { *image.iter().min().unwrap() };
        let most = *image.iter().max().unwrap();
        let (least, most) = (f32::from(least) / 255.0 - 1e-6, f32::from(most) / 255.0 + 1e-6);
        prop_assert!(planes.iter().all(|value| (least..=most).contains(value)), "{:?}", planes);
    }

    #[test]
    fn mixed_labels_sum_to_one(
        mixup in 0.0_f32..2.0, cutmix in 0.0_f32..2.0, probability in 0.0_f32..=1.0, seed: u64,
        tasks in proptest::collection::vec(0_usize..3, 1..20),
    ) {
        let mut batch = batch(&tasks);
        let before = batch.clone();
        let config = MixConfig { mixup_alpha: mixup, cutmix_alpha: cutmix, probability };
        let pairs = Mixer::new(&config, seed).unwrap().mix(&mut batch, 3);
        let mut again = before.clone();
        prop_assert_eq!(&Mixer::new(&config, seed).unwrap().mix(&mut again, 3), &pairs);
        prop_assert_eq!(&again.pixels, &batch.pixels);
        let size = batch.shape.len();
        let mut targets: Vec<f32> = (0..tasks.len() * 4).map(|at| if at % 4 == at / 4 % 4 { 1.0 } else { 0.0 }).collect();
        mix_targets(&mut targets, 4, &pairs);
        for (row, pair) in pairs.iter().enumerate() {
            prop_assert!((targets[row * 4..][..4].iter().sum::<f32>() - 1.0).abs() < 1e-6);
            prop_assert!((0.0..=1.0).contains(&pair.share));
            prop_assert_eq!(tasks[row], tasks[pair.partner], "mixed across tasks");
            let own = &before.pixels[row * size..][..size];
            if pair.partner == row {
                prop_assert_eq!(&batch.pixels[row * size..][..size], own);
            } else {
                // Images here are constant, so the mean says how much of each is in the mixture.
                let other = before.pixels[pair.partner * size];
                let mean = batch.pixels[row * size..][..size].iter().sum::<f32>() / size as f32;
                let wanted = own[0] * pair.share + other * (1.0 - pair.share);
                prop_assert!((mean - wanted).abs() < 1e-4, "{} {}", mean, wanted);
            }
        }
    }
}

/// A batch of constant images, each of another value.
fn batch(tasks: &[usize]) -> medley_augment::Batch {
    let shape = ImageShape::flat(6, 5, 2);
    let samples = tasks.iter().zip(0..).map(|(&task, index)| SampleRef { task, index }).collect();
    let pixels = (0..tasks.len()).flat_map(|row| vec![row as f32 / 10.0 - 1.0; shape.len()]).collect();
    medley_augment::Batch { request: BatchRequest { epoch: 2, samples }, shape, pixels }
}

#[test]
fn mixing_mixes() {
    let mut mixer = Mixer::new(&MixConfig { mixup_alpha: 1.0, cutmix_alpha: 1.0, probability: 1.0 }, 0).unwrap();
    let pairs = mixer.mix(&mut batch(&[0; 16]), 0);
    assert!(pairs.iter().enumerate().all(|(row, pair)| pair.partner != row));
    assert!(pairs.iter().any(|pair| (0.1..0.9).contains(&pair.share)));
    let other = mixer.mix(&mut batch(&[0; 16]), 1);
    assert_ne!(pairs, other, "every batch must be mixed anew");
    for bad in [
        MixConfig { mixup_alpha: -1.0, ..MixConfig::default() },
        MixConfig { cutmix_alpha: f32::NAN, ..MixConfig::default() },
        MixConfig { probability: 1.5, ..MixConfig::default() },
    ] {
        assert!(matches!(Mixer::new(&bad, 0), Err(AugmentError::OutOfRange { .. })), "{bad:?}");
    }
}

#[test]
fn views_are_what_they_are_called() {
    #[rustfmt::skip]
    let image = [
        1, 2,
        3, 4,
    ];
    let shape = ImageShape::flat(2, 2, 1);
    let see = |view: TestTimeView| render(shape, &image, &[view.map()], Padding::Zero);
    assert_eq!(see(TestTimeView::Identity), [1, 2, 3, 4]);
    assert_eq!(see(TestTimeView::HorizontalFlip), [2, 1, 4, 3]);
    assert_eq!(see(TestTimeView::VerticalFlip), [3, 4, 1, 2]);
    assert_eq!(see(TestTimeView::QuarterTurn), [3, 1, 4, 2]);
    assert_eq!(see(TestTimeView::HalfTurn), [4, 3, 2, 1]);
    assert_eq!(see(TestTimeView::ThreeQuarterTurn), [2, 4, 1, 3]);
    assert_eq!(see(TestTimeView::Transpose), [1, 3, 2, 4]);
    assert_eq!(see(TestTimeView::AntiTranspose), [4, 2, 3, 1]);
    assert_eq!(see(TestTimeView::Shift { down: 1, right: 0 }), [0, 0, 1, 2]);
    let kinds: std::collections::BTreeSet<_> = TestTimeView::DIHEDRAL.iter().map(|view| see(*view)).collect();
    assert_eq!(kinds.len(), 8);
}

#[test]
fn views_of_batches_are_views_of_images() {
    let images = Images::new(ImageShape::flat(3, 3, 1), 2, (0..18).collect()).unwrap();
    let source = TaskSource {
        images: Arc::new(images.clone()),
        policy: PolicyConfig { padding: Padding::Edge, ..PolicyConfig::none() },
        normalisation: Normalisation { mean: vec![0.0], std: vec![1.0 / 255.0] },
    };
    let options = AssemblerOptions { seed: 0, workers: 1, prefetch: 1, channels: 1 };
    let assembler = BatchAssembler::new(vec![source], options).unwrap();
    let request = BatchRequest { epoch: 0, samples: vec![SampleRef { task: 0, index: 1 }] };
    for view in
        TestTimeView::DIHEDRAL.into_iter().chain([TestTimeView::Shift { down: -1, right: 1 }, TestTimeView::DepthFlip])
    {
        let mut pixels = Vec::new();
        assembler.assemble_view(&request, view, &mut pixels).unwrap();
        let batch = assembler.stream_view(vec![request.clone()], view).unwrap().next().unwrap();
        assert_eq!(batch.pixels, pixels);
        let wanted = render(images.shape(), images.image(1), &[view.map()], Padding::Edge);
        assert_eq!(pixels.iter().map(|value| value.round() as u8).collect::<Vec<_>>(), wanted, "{view:?}");
    }
}

#[test]
fn turns_of_oblong_images_are_no_view() {
    let oblong = ImageShape::flat(3, 4, 1);
    assert!(TestTimeView::HalfTurn.check(oblong).is_ok());
    let error = TestTimeView::QuarterTurn.check(oblong).unwrap_err().to_string();
    assert!(error.contains("3x4x1 cannot be seen as QuarterTurn"), "{error}");
    assert!(TestTimeView::Shift { down: 2000, right: 0 }.check(oblong).is_err());
    let views: Vec<TestTimeView> =
        toml::from_str::<toml::Table>("views = ['identity', { shift = { down = 1, right = -2 } }]").unwrap()["views"]
            .clone()
            .try_into()
            .unwrap();
    assert_eq!(views, [TestTimeView::Identity, TestTimeView::Shift { down: 1, right: -2 }]);
}
