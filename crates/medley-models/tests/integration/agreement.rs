//! Agreement with torchvision, timm and `ACSConv`. `scripts/fixtures/models_agreement.py` makes the fixture; parameters and
//! images are filled by the same formula here and there.

use std::collections::BTreeMap;

use medley_models::conformance::task;
use medley_models::{
    BackboneConfig, BuildOptions, ComputePlan, Convolutions, MemoryLayout, MultiTaskNet, NetConfig, OwnKernels,
    Segment, backbones, environment, image_batch, volume_batch,
};
use serde::Deserialize;
use tch::{Kind, Tensor};

const BATCH: i64 = 3;

#[derive(Deserialize)]
struct Fixture {
    models: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    name: String,
    backbone: BackboneConfig,
    size: i64,
    parameters: usize,
    logits: Vec<f64>,
    training: Option<Training>,
}

#[derive(Deserialize)]
struct Training {
    logits: Vec<f64>,
    gradient_norms: BTreeMap<String, f64>,
    statistics: BTreeMap<String, f64>,
}

/// CRC-32 as zlib computes it, bit by bit.
fn crc32(text: &str) -> u32 {
    !text.bytes().fold(!0, |state, byte| {
        (0..8).fold(state ^ u32::from(byte), |state, _| (state >> 1) ^ (0xEDB8_8320 & 0_u32.wrapping_sub(state & 1)))
    })
}

/// `count` numbers on [0, 1) from the name alone.
fn uniform(name: &str, count: usize) -> impl Iterator<Item = f64> {
    let seed = crc32(name);
    (0..count as u32).map(move |index| {
        let mut mixed = index.wrapping_mul(2_654_435_761).wrapping_add(seed);
        mixed ^= mixed >> 15;
        mixed = mixed.wrapping_mul(2_246_822_519);
        mixed ^= mixed >> 13;
        f64::from(mixed >> 8) / f64::from(1 << 24)
    })
}

/// What the tensor of that name and shape is filled with.
fn filling(name: &str, tensor: &Tensor) -> Tensor {
    let size = tensor.size();
    let count = tensor.numel();
    let u = uniform(name, count);
    let values: Vec<f32> = if name.contains("layer_scale") {
        u.map(|u| (0.5 * u) as f32).collect()
    } else if name.ends_with("running_var") || (size.len() == 1 && name.ends_with("weight")) {
        u.map(|u| (0.5 + u) as f32).collect()
    } else if size.len() == 1 || size[0] == 1 {
        u.map(|u| (0.2 * (2.0 * u - 1.0)) as f32).collect()
    } else {
        let bound = (3.0 / (count as f64 / size[0] as f64)).sqrt();
        u.map(|u| ((2.0 * u - 1.0) * bound) as f32).collect()
    };
    Tensor::from_slice(&values).view(size.as_slice())
}

/// Images `[N, C, ..]` filled in that order, through the channels-last door.
fn images(model: &Model, volumes: bool) -> Tensor {
    let side = model.size;
    let shape: Vec<i64> = [&[BATCH, 3], &vec![side; if volumes { 3 } else { 2 }][..]].concat();
    let values: Vec<f32> =
        uniform("images", shape.iter().product::<i64>() as usize).map(|u| (2.0 * u - 1.0) as f32).collect();
    let first = Tensor::from_slice(&values).view(shape.as_slice());
    let order: &[i64] = if volumes { &[0, 2, 3, 4, 1] } else { &[0, 2, 3, 1] };
    let pixels: Vec<f32> = Vec::try_from(first.permute(order).contiguous().flatten(0, -1)).unwrap();
    let batch = if volumes {
        volume_batch(&pixels, BATCH, side, side, side, 3).unwrap()
    } else {
        image_batch(&pixels, BATCH, side, side, 3).unwrap()
    };
    assert!(batch.equal(&first));
    batch
}

/// Our name of a tensor of theirs.
fn our_name(theirs: &str, head: &str) -> String {
    match theirs.strip_prefix(head).and_then(|rest| rest.strip_prefix('.')) {
        Some(rest) => format!("heads.t.{rest}"),
        None => format!("backbone.{theirs}"),
    }
}

fn largest_difference(ours: &Tensor, theirs: &[f64]) -> f64 {
    let ours: Vec<f64> = Vec::try_from(ours.to_kind(Kind::Double).flatten(0, -1)).unwrap();
    assert_eq!(ours.len(), theirs.len());
    ours.iter().zip(theirs).map(|(ours, theirs)| (ours - theirs).abs()).fold(0.0, f64::max)
}

/// A network and the name of its head. `fillings` are made for the first network of a model: there are up to 134 million numbers.
fn build(model: &Model, plan: ComputePlan, fillings: &mut BTreeMap<String, Tensor>) -> (MultiTaskNet, String) {
    let entry = backbones::find(&model.backbone.name).unwrap();
    let head = entry.pretrained.map_or("fc", |pretrained| pretrained.head).to_owned();
    let config = NetConfig { backbone: model.backbone.clone(), ..NetConfig::default() };
    let options = BuildOptions { plan, input_size: model.size, ..BuildOptions::default() };
    let net = MultiTaskNet::build(&config.validated().unwrap(), &[task("t", 7)], &options).unwrap();
    let count: usize = net.parameters().iter().map(|(_, tensor)| tensor.numel()).sum();
    assert_eq!((count, net.parameter_count()), (model.parameters, model.parameters), "{}", model.name);
    let _guard = tch::no_grad_guard();
    for (name, tensor) in net.parameters().iter().chain(&net.buffers()) {
        let theirs = name
            .strip_prefix("backbone.")
            .map_or_else(|| format!("{head}.{}", name.strip_prefix("heads.t.").unwrap()), str::to_owned);
        let filling = fillings.entry(theirs).or_insert_with_key(|theirs| filling(theirs, tensor));
        tensor.shallow_clone().copy_(filling);
    }
    (net, head)
}

fn agrees(model: &Model) {
    // Tests run beside each other; threads inside operations would wait for those of the others.
    environment::set_threads(1);
    let volumes = model.backbone.convolution.is_some();
    let images = images(model, volumes);
    let segments = [Segment { task: 0, start: 0, len: BATCH }];
    let plan = ComputePlan::default();
    let other_layout = ComputePlan { memory_layout: MemoryLayout::Contiguous, ..plan };
    let other_kernels = ComputePlan { convolutions: Convolutions::Winograd, ..plan };
    let mut fillings = BTreeMap::new();
    for plan in [plan, other_layout, other_kernels] {
        // The same layers on larger images, or before a classifier of a hundred million weights, would take the time of many other
        // tests.
        let repeats_others = plan == other_kernels && model.size > 28
            || plan != ComputePlan::default() && model.parameters > 100_000_000;
        if repeats_others {
            continue;
        }
        let (net, head) = build(model, plan, &mut fillings);
        if plan == other_kernels && net.own_kernels() == OwnKernels::default() {
            continue;
        }
        let logits = tch::no_grad(|| net.forward(&images, &segments, false)).unwrap();
        let difference = largest_difference(&logits[0], &model.logits);
        assert!(difference < 1e-4, "{}, {plan:?}: logits differ by {difference}", model.name);
        let folded = net.inference().forward(&images, &segments).unwrap();
        let difference = largest_difference(&folded[0], &model.logits);
        assert!(difference < 1e-4, "{}, {plan:?}: folded logits differ by {difference}", model.name);
        if let (Some(training), MemoryLayout::ChannelsLast) = (&model.training, plan.memory_layout) {
            trains_alike(model, training, &net, &head, &images);
        }
    }
}

/// Logits of batch statistics, the norm of every gradient, and what the running statistics became.
fn trains_alike(model: &Model, training: &Training, net: &MultiTaskNet, head: &str, images: &Tensor) {
    let name = &model.name;
    let logits = net.forward(images, &[Segment { task: 0, start: 0, len: BATCH }], true).unwrap().remove(0);
    let difference = largest_difference(&logits, &training.logits);
    // Normalising by the statistics of a few values amplifies rounding, layer after layer; a wrong layer is off by far more.
    assert!(difference < 1e-3, "{name}: training logits differ by {difference}");
    let weights: Vec<f32> = uniform("loss", logits.numel()).map(|u| u as f32).collect();
    let loss = (&logits * Tensor::from_slice(&weights).view_as(&logits)).sum(Kind::Float);
    let names = net.parameters().into_iter().map(|(name, _)| name);
    let gradients: BTreeMap<_, _> = names.zip(net.gradients(&loss).unwrap()).collect();
    let largest = training.gradient_norms.values().copied().fold(0.0, f64::max);
    assert_eq!(gradients.len(), training.gradient_norms.len(), "{name}");
    for (theirs, &expected) in &training.gradient_norms {
        let gradient = gradients[&our_name(theirs, head)].as_ref().unwrap();
        let norm = gradient.to_kind(Kind::Double).norm().double_value(&[]);
        // Biases before BatchNorm and keys of attention have a gradient of zero but for rounding.
        assert!((norm - expected).abs() < 1e-2 * expected + 1e-4 * largest, "{name}, {theirs}: {norm}, not {expected}");
    }
    let buffers: BTreeMap<_, _> = net.buffers().into_iter().collect();
    assert_eq!(buffers.len(), training.statistics.len(), "{name}");
    for (theirs, &expected) in &training.statistics {
        let mean = buffers[&our_name(theirs, head)].mean(Kind::Double).double_value(&[]);
        assert!((mean - expected).abs() < 1e-4 * (1.0 + expected.abs()), "{name}, {theirs}: {mean}, not {expected}");
    }
}

macro_rules! agreement {
    ($($test:ident: $name:literal),* $(,)?) => {
        $(#[test]
        fn $test() {
            let fixture: Fixture = serde_json::from_str(include_str!("../fixtures/agreement.json")).unwrap();
            agrees(fixture.models.iter().find(|model| model.name == $name).unwrap());
        })*

        #[test]
        fn every_model_is_compared() {
            let fixture: Fixture = serde_json::from_str(include_str!("../fixtures/agreement.json")).unwrap();
            let names: Vec<_> = fixture.models.iter().map(|model| model.name.as_str()).collect();
            assert_eq!(names, [$($name),*]);
        }
    };
}

agreement! {
    resnet18: "torchvision resnet18",
    resnet50: "torchvision resnet50",
    official_resnet18: "official resnet18",
    official_resnet50: "official resnet50",
    vgg11_bn: "torchvision vgg11_bn",
    vgg16_bn: "torchvision vgg16_bn",
    densenet121: "torchvision densenet121",
    convnext_tiny: "torchvision convnext_tiny",
    efficientnet_b0: "torchvision efficientnet_b0",
    vit_tiny: "timm vit_tiny_patch16_224",
    vit_tiny_small: "timm vit_tiny, patches of 4",
    resnet18_3d: "resnet18, 3d",
    resnet18_slices: "resnet18, 2.5d",
    resnet18_acs: "ACSConv resnet18",
}
