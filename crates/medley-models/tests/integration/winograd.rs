//! Networks computed by kernels of our own in bfloat16, beside the same networks by libtorch.

use medley_models::conformance::{noise, task};
use medley_models::layers::VolumeConvolution;
use medley_models::{
    BackboneConfig, BatchNormScope, BuildOptions, ComputePlan, Convolutions, MultiTaskNet, NetConfig, Precision,
    Segment,
};
use tch::{Kind, Tensor};

const SEGMENTS: [Segment; 2] = [Segment { task: 0, start: 0, len: 9 }, Segment { task: 1, start: 9, len: 15 }];

/// Logits of both tasks in training, the gradient of every parameter, and the running statistics, each with its name.
fn passes(config: &NetConfig, plan: ComputePlan) -> Vec<(String, Tensor)> {
    let options = BuildOptions { plan, seed: 3, ..BuildOptions::default() };
    let tasks = [task("a", 3), task("b", 5)];
    let net = MultiTaskNet::build(&config.clone().validated().unwrap(), &tasks, &options).unwrap();
    let images = match config.backbone.convolution {
        None => noise(1, 24, 3, 28).unwrap(),
        Some(_) => noise(1, 24, 3 * 10, 10).unwrap().view([24, 3, 10, 10, 10]),
    };
    let logits = net.forward(&images, &SEGMENTS, true).unwrap();
    let sums: Vec<Tensor> = logits.iter().map(|logits| logits.square().sum(Kind::Float)).collect();
    let gradients = net.gradients(&(&sums[0] + &sums[1])).unwrap();
    let names = net.parameters().into_iter().map(|(name, _)| name);
    let gradients = names.zip(gradients).map(|(name, gradient)| (name, gradient.unwrap()));
    let logits = logits.into_iter().map(|logits| ("logits".to_owned(), logits.detach()));
    logits.chain(gradients).chain(net.buffers().into_iter().map(|(name, buffer)| (name, buffer.copy()))).collect()
}

#[test]
fn in_bfloat16_networks_are_as_near_to_fp32_as_those_of_libtorch() {
    tch::set_num_threads(1);
    let of = |name: &str| NetConfig { backbone: BackboneConfig::with_width(name, 16), ..NetConfig::default() };
    let per_task = NetConfig { batch_norm: BatchNormScope::PerTask, ..of("resnet9") };
    // One weight for all tasks, modulated for each.
    let statistics = NetConfig { batch_norm: BatchNormScope::PerTaskStatistics, ..of("resnet9") };
    let modulated = NetConfig { task_embedding: 4, ..statistics.clone() };
    let volumes = |convolution| {
        let mut config = of("resnet18_3d");
        config.backbone.convolution = Some(convolution);
        config
    };
    let [planes, cubes] = [VolumeConvolution::Acs, VolumeConvolution::Full].map(volumes);
    for config in [of("resnet18"), of("resnet9"), per_task, statistics, modulated, planes, cubes] {
        let exact = passes(&config, ComputePlan::default());
        let [ours, theirs] = [Convolutions::Winograd, Convolutions::Libtorch].map(|convolutions| {
            passes(&config, ComputePlan { convolutions, precision: Precision::Bf16, ..ComputePlan::default() })
        });
        let error = |found: &[(String, Tensor)]| -> Vec<f64> {
            let pairs = found.iter().zip(&exact);
            pairs.map(|((_, a), (_, b))| (a - b).norm().double_value(&[]) / b.norm().double_value(&[])).collect()
        };
        let (ours, theirs) = (error(&ours), error(&theirs));
        let mean = |errors: &[f64]| errors.iter().sum::<f64>() / errors.len() as f64;
        assert!(ours != theirs, "{config:?}: the kernels were not used");
        assert!(mean(&ours) < 1.5 * mean(&theirs), "{config:?}: {} and {}", mean(&ours), mean(&theirs));
        for (((name, _), ours), theirs) in exact.iter().zip(&ours).zip(&theirs) {
            assert!(*ours < 3.0 * theirs + 0.02, "{name}: {ours} and {theirs}");
        }
    }
}

#[test]
fn replicas_of_a_network_have_the_same_bits_each_time() {
    let config = NetConfig { backbone: BackboneConfig::with_width("resnet9", 16), ..NetConfig::default() };
    let (convolutions, precision) = (Convolutions::Winograd, Precision::Bf16);
    let plan = ComputePlan { convolutions, precision, replicas: 2, ..ComputePlan::default() };
    let [first, second] = [0, 1].map(|_| passes(&config, plan));
    assert!(first.iter().zip(&second).all(|(a, b)| a == b));
}
