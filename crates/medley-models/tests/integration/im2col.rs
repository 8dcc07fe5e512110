//! Networks whose deep layers have their weights' gradients by im2col, beside the same networks by libtorch alone.

use medley_models::conformance::{noise, task};
use medley_models::{
    BackboneConfig, BatchNormScope, BuildOptions, ComputePlan, Convolutions, MultiTaskNet, NetConfig, Precision,
    Segment,
};
use tch::{Kind, Tensor};

const SEGMENTS: [Segment; 2] = [Segment { task: 0, start: 0, len: 3 }, Segment { task: 1, start: 3, len: 5 }];

/// Logits of both tasks, and the gradient of every parameter with its name.
fn passes(config: &NetConfig, convolutions: Convolutions) -> (Vec<Tensor>, Vec<(String, Tensor)>) {
    let plan = ComputePlan { convolutions, precision: Precision::Bf16, ..ComputePlan::default() };
    let options = BuildOptions { plan, seed: 3, ..BuildOptions::default() };
    let tasks = [task("a", 3), task("b", 5)];
    let net = MultiTaskNet::build(&config.clone().validated().unwrap(), &tasks, &options).unwrap();
    let logits = net.forward(&noise(1, 8, 3, 28).unwrap(), &SEGMENTS, true).unwrap();
    let sums: Vec<Tensor> = logits.iter().map(|logits| logits.square().sum(Kind::Float)).collect();
    let gradients = net.gradients(&(&sums[0] + &sums[1])).unwrap();
    let names = net.parameters().into_iter().map(|(name, _)| name);
    let gradients = names.zip(gradients).map(|(name, gradient)| (name, gradient.unwrap())).collect();
    (logits.into_iter().map(|logits| logits.detach()).collect(), gradients)
}

#[test]
fn only_the_gradients_of_deep_weights_differ_and_by_rounding() {
    tch::set_num_threads(1);
    let of = |name: &str, width: usize| NetConfig {
        backbone: BackboneConfig::with_width(name, width),
        ..NetConfig::default()
    };
    let per_task = NetConfig { batch_norm: BatchNormScope::PerTask, ..of("resnet9", 32) };
    for config in [of("resnet18", 32), per_task] {
        let (logits, ours) = passes(&config, Convolutions::Im2col);
        let (expected, theirs) = passes(&config, Convolutions::Libtorch);
        assert_eq!(logits, expected);
        let mut computed = 0;
        for ((name, ours), (_, theirs)) in ours.iter().zip(&theirs) {
            if ours == theirs {
                continue;
            }
            assert_eq!(ours.dim(), 4, "{name} is no weight of a convolution");
            computed += 1;
            let difference = (ours - theirs).norm().double_value(&[]) / theirs.norm().double_value(&[]);
            assert!(difference < 1e-2, "{name}: {difference}");
        }
        assert!(computed >= 2, "{config:?}: {computed} layers");
    }
}
