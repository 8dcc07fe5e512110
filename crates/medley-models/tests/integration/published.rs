//! One task of a multi-task network is the plain network that is exported for it.

use std::collections::BTreeMap;

use medley_models::conformance::{noise, task, volume_noise};
use medley_models::init::Init;
use medley_models::{
    BackboneConfig, BatchNormScope, BuildOptions, ModelError, MultiTaskNet, NetConfig, Segment, backbones, published,
    weights,
};
use tch::Tensor;

fn disturbed(config: &NetConfig) -> MultiTaskNet {
    let tasks = [task("first", 4), task("second", 4)];
    let net = MultiTaskNet::build(&config.validated().unwrap(), &tasks, &BuildOptions::default()).unwrap();
    let _guard = tch::no_grad_guard();
    for (name, mut tensor) in net.parameters().into_iter().chain(net.buffers()) {
        let values = Init::Uniform { bound: 0.1 }.values(5, &name, tensor.numel()).unwrap();
        let _ = tensor.g_add_(&Tensor::from_slice(&values).view_as(&tensor));
        if name.ends_with("running_var") {
            let _ = tensor.abs_();
        }
    }
    net
}

fn both_ways(config: &NetConfig) {
    let net = disturbed(config);
    let volumes = net.config().backbone().volumes;
    let images = if volumes { volume_noise(1, 4, 3, 28) } else { noise(1, 4, 3, 28) }.unwrap();
    let _guard = tch::no_grad_guard();
    for index in 0..2 {
        let segment = [Segment { task: index, start: 0, len: 4 }];
        let expected = net.forward(&images, &segment, false).unwrap().remove(0);
        let bytes = weights::to_bytes(&published::export(&net, index).unwrap(), &BTreeMap::new()).unwrap();
        let plain = NetConfig { backbone: config.backbone.clone(), ..NetConfig::default() };
        let plain =
            MultiTaskNet::build(&plain.validated().unwrap(), &[task("other", 4)], &BuildOptions::default()).unwrap();
        published::import(&bytes, &plain, Some(0)).unwrap();
        let seen = plain.forward(&images, &[Segment { task: 0, start: 0, len: 4 }], false).unwrap().remove(0);
        let scale = expected.abs().max().double_value(&[]);
        let difference = (seen - &expected).abs().max().double_value(&[]);
        assert!(difference < 1e-4 * scale, "{} task {index}: {difference} of {scale}", config.backbone.name);

        // Into every task's copy; only adapters and embeddings could tell the tasks apart then.
        if !config.adapters && config.task_embedding == 0 {
            let other = disturbed(config);
            published::import(&bytes, &other, Some(1)).unwrap();
            let seen = other.forward(&images, &[Segment { task: 1, start: 0, len: 4 }], false).unwrap().remove(0);
            assert!(seen.allclose(&expected, 1e-4, 1e-4 * scale, false), "{}", config.backbone.name);
        }
    }
}

#[test]
fn every_backbone_goes_both_ways() {
    for entry in backbones::all() {
        let width = entry.width.map(|_| (8_usize).next_multiple_of(entry.width_step as usize));
        let backbone = BackboneConfig { width, ..BackboneConfig::named(entry.name) };
        both_ways(&NetConfig {
            backbone,
            batch_norm: if entry.batch_norm { BatchNormScope::PerTask } else { BatchNormScope::Shared },
            adapters: entry.adapters,
            task_embedding: if entry.norms { 3 } else { 0 },
            ..NetConfig::default()
        });
    }
}

#[test]
fn every_scope_of_batch_norm_goes_both_ways() {
    use BatchNormScope::{PerTask, PerTaskAffine, PerTaskStatistics, Shared};
    for batch_norm in [Shared, PerTask, PerTaskStatistics, PerTaskAffine] {
        both_ways(&NetConfig {
            backbone: BackboneConfig::with_width("resnet18", 8),
            batch_norm,
            ..NetConfig::default()
        });
    }
}

fn small() -> MultiTaskNet {
    let config = NetConfig { backbone: BackboneConfig::with_width("resnet18", 8), ..NetConfig::default() };
    MultiTaskNet::build(&config.validated().unwrap(), &[task("first", 4)], &BuildOptions::default()).unwrap()
}

#[test]
fn names_are_the_published_ones() {
    let names: Vec<_> = published::export(&small(), 0).unwrap().into_iter().map(|(name, _)| name).collect();
    assert!(names.contains(&"layer2.0.downsample.1.running_var".into()));
    assert!(names.contains(&"fc.bias".into()));
    assert!(names.iter().all(|name| !name.contains("backbone") && !name.contains("first")));
}

#[test]
fn names_of_the_official_benchmark_are_understood() {
    let net = small();
    let rename = |name: String| {
        let name = name.replace(".downsample.", ".shortcut.");
        format!("module.{}", name.strip_prefix("fc.").map_or(name.clone(), |rest| format!("linear.{rest}")))
    };
    let mut tensors: Vec<_> =
        published::export(&net, 0).unwrap().into_iter().map(|(name, tensor)| (rename(name), tensor * 2.0)).collect();
    tensors.push(("module.bn1.num_batches_tracked".into(), Tensor::from_slice(&[3_i64])));
    let bytes = weights::to_bytes(&tensors, &BTreeMap::new()).unwrap();
    let before: BTreeMap<_, _> =
        net.parameters().into_iter().map(|(name, tensor)| (name, tensor.detach().copy())).collect();
    published::import(&bytes, &net, None).unwrap();
    for (name, tensor) in net.parameters() {
        let factor = if name.starts_with("heads.") { 1.0 } else { 2.0 };
        assert!(tensor.equal(&(&before[&name] * factor)), "{name}");
    }
}

#[test]
fn what_does_not_fit_is_listed_and_nothing_changes() {
    let net = small();
    let mut tensors = published::export(&net, 0).unwrap();
    for (_, tensor) in &mut tensors {
        *tensor = &*tensor + 1.0;
    }
    tensors.retain(|(name, _)| name != "bn1.weight");
    tensors.push(("bn9.weight".into(), Tensor::from_slice(&[1.0_f32])));
    let bytes = weights::to_bytes(&tensors, &BTreeMap::new()).unwrap();
    let before = weights::to_bytes(&net.parameters(), &BTreeMap::new()).unwrap();
    match published::import(&bytes, &net, Some(0)).unwrap_err() {
        ModelError::Misfit { missing, unexpected, wrong_shape, wrong_dtype } => {
            assert_eq!((missing, unexpected), (vec!["bn1.weight".into()], vec!["bn9.weight".into()]));
            assert!(wrong_shape.is_empty() && wrong_dtype.is_empty());
        }
        other => panic!("{other}"),
    }
    assert_eq!(before, weights::to_bytes(&net.parameters(), &BTreeMap::new()).unwrap());
    assert!(matches!(published::export(&net, 1), Err(ModelError::Input { .. })));
}

#[test]
fn a_task_may_be_called_as_a_layer_is() {
    let backbone = BackboneConfig::with_width("resnet18", 8);
    let config = NetConfig { backbone, batch_norm: BatchNormScope::PerTask, ..NetConfig::default() };
    let build = |seed, names: [&str; 2]| {
        let tasks = names.map(|name| task(name, 4));
        MultiTaskNet::build(&config.validated().unwrap(), &tasks, &BuildOptions { seed, ..BuildOptions::default() })
            .unwrap()
    };
    let bytes = weights::to_bytes(&published::export(&build(1, ["a", "b"]), 0).unwrap(), &BTreeMap::new()).unwrap();
    for names in [["bn1", "conv1"], ["layer1", "weight"]] {
        let net = build(2, names);
        published::import(&bytes, &net, None).unwrap();
        let again = weights::to_bytes(&published::export(&net, 1).unwrap(), &BTreeMap::new()).unwrap();
        let trunk = |bytes: &[u8]| -> Vec<(String, Tensor)> {
            let (tensors, _) = weights::read(bytes).unwrap();
            tensors.into_iter().filter(|(name, _)| !name.starts_with("fc.")).collect()
        };
        for ((name, left), (_, right)) in trunk(&bytes).iter().zip(&trunk(&again)) {
            assert!(left.equal(right), "{name} with tasks {names:?}");
        }
    }
}
