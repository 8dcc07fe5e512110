//! Replicas compute what one network computes.

use std::collections::BTreeMap;

use medley_models::conformance::{noise, task};
use medley_models::{
    BackboneConfig, BatchNormScope, BuildOptions, ComputePlan, MultiTaskNet, NetConfig, Precision, Segment, weights,
};
use tch::{Device, Kind, Tensor};

fn build(config: &NetConfig, replicas: usize) -> MultiTaskNet {
    let tasks = [task("a", 3), task("b", 2), task("c", 4)];
    let plan = ComputePlan { replicas, ..ComputePlan::default() };
    let options = BuildOptions { plan, seed: 3, ..BuildOptions::default() };
    MultiTaskNet::build(&config.validated().unwrap(), &tasks, &options).unwrap()
}

fn config(name: &str, width: usize) -> NetConfig {
    NetConfig { backbone: BackboneConfig::with_width(name, width), ..NetConfig::default() }
}

/// Three tasks of unequal size; one has a single row.
fn segments() -> [Segment; 3] {
    [
        Segment { task: 1, start: 0, len: 6 },
        Segment { task: 0, start: 6, len: 1 },
        Segment { task: 2, start: 7, len: 4 },
    ]
}

fn images() -> Tensor {
    noise(1, 11, 3, 28).unwrap()
}

/// Logits and gradients of one training pass.
fn step(net: &MultiTaskNet) -> (Vec<Tensor>, BTreeMap<String, Tensor>) {
    let logits = net.forward(&images(), &segments(), true).unwrap();
    let loss: Tensor = logits.iter().map(|logits| logits.square().sum(Kind::Float)).sum();
    let gradients = net.gradients(&loss).unwrap().into_iter().map(Option::unwrap);
    let gradients = net.parameters().into_iter().map(|(name, _)| name).zip(gradients).collect();
    (logits, gradients)
}

fn close(left: &Tensor, right: &Tensor) -> bool {
    let scale = right.abs().max().double_value(&[]).max(1e-6);
    (left - right).abs().max().double_value(&[]) < 1e-4 * scale
}

#[test]
fn without_batch_norm_the_numbers_are_those_of_one_network() {
    // Dropout before the heads and stochastic depth inside: draws belong to rows, not to replicas.
    for config in [config("convnext_tiny", 8), config("mlp", 32), config("vit_tiny", 64)] {
        let config = NetConfig { dropout: 0.3, ..config };
        let (logits, gradients) = step(&build(&config, 1));
        for replicas in [2, 3, 16] {
            let (other_logits, other_gradients) = step(&build(&config, replicas));
            for (left, right) in other_logits.iter().zip(&logits) {
                assert!(close(left, right), "logits of {} with {replicas} replicas", config.backbone.name);
            }
            for (name, gradient) in &gradients {
                assert!(close(&other_gradients[name], gradient), "{name} with {replicas} replicas");
            }
        }
    }
}

#[test]
fn frozen_parameters_have_no_gradient_and_the_others_the_same() {
    let config = config("resnet9", 8);
    let gradients_of = |net: &MultiTaskNet| -> BTreeMap<String, Option<Tensor>> {
        let logits = net.forward(&images(), &segments(), true).unwrap();
        let loss: Tensor = logits.iter().map(|logits| logits.square().sum(Kind::Float)).sum();
        let names = net.parameters().into_iter().map(|(name, _)| name);
        names.zip(net.gradients(&loss).unwrap()).collect()
    };
    for replicas in [1, 3] {
        let free = gradients_of(&build(&config, replicas));
        let first = free.keys().find(|name| name.starts_with("backbone.")).unwrap().clone();
        for frozen in [first.as_str(), "backbone.", "heads."] {
            let mut net = build(&config, replicas);
            net.freeze(|name| name.starts_with(frozen)).unwrap();
            for (name, gradient) in gradients_of(&net) {
                let expected = free[&name].as_ref().filter(|_| !name.starts_with(frozen));
                assert_eq!(gradient.is_some(), expected.is_some(), "{name}, {frozen} frozen, {replicas} replicas");
                assert!(gradient.is_none_or(|gradient| gradient.equal(expected.unwrap())), "{name}, {frozen} frozen");
            }
            net.freeze(|_| false).unwrap();
            for (name, gradient) in gradients_of(&net) {
                assert!(gradient.unwrap().equal(free[&name].as_ref().unwrap()), "{name}, {frozen} not frozen any more");
            }
        }
    }
}

#[test]
fn evaluation_and_inference_are_those_of_one_network() {
    let config = NetConfig { batch_norm: BatchNormScope::PerTask, ..config("resnet9", 8) };
    let (one, three) = (build(&config, 1), build(&config, 3));
    let all = |net: &MultiTaskNet| -> Vec<_> { net.parameters().into_iter().chain(net.buffers()).collect() };
    for net in [&one, &three] {
        step(net);
    }
    // Loaded values reach the replicas: their parameters are the network's own, and their statistics follow it.
    let bytes = weights::to_bytes(&all(&one), &BTreeMap::new()).unwrap();
    weights::load_into(&bytes, &all(&three)).unwrap();
    let _guard = tch::no_grad_guard();
    let expected = one.forward(&images(), &segments(), false).unwrap();
    let inference = three.inference();
    for logits in [three.forward(&images(), &segments(), false), inference.forward(&images(), &segments())] {
        for (left, right) in logits.unwrap().iter().zip(&expected) {
            assert!(close(left, right));
        }
    }
    // A new inference prepares new weights, also in the replicas.
    for (_, mut parameter) in three.parameters() {
        let _ = parameter.g_mul_scalar_(1.01);
    }
    let expected = three.forward(&images(), &segments(), false).unwrap();
    for (left, right) in three.inference().forward(&images(), &segments()).unwrap().iter().zip(&expected) {
        assert!(close(left, right));
    }
}

#[test]
fn bits_repeat_and_every_parameter_learns() {
    let configs = [
        config("resnet9", 8),
        NetConfig { batch_norm: BatchNormScope::PerTask, adapters: true, task_embedding: 4, ..config("resnet9", 8) },
    ];
    for config in configs {
        let state = |net: &MultiTaskNet| {
            let (logits, gradients) = step(net);
            let logits = logits.into_iter().enumerate().map(|(index, logits)| (format!("logits{index}"), logits));
            let named: Vec<_> = logits.chain(gradients).chain(net.buffers()).collect();
            weights::to_bytes(&named, &BTreeMap::new()).unwrap()
        };
        let (first, second) = (build(&config, 2), build(&config, 2));
        for _ in 0..3 {
            assert_eq!(state(&first), state(&second));
        }
        for (name, gradient) in step(&first).1 {
            assert!(gradient.abs().max().double_value(&[]) > 0.0, "{name}");
        }
    }
}

#[test]
fn running_statistics_are_the_mean_over_rows() {
    let config = NetConfig { batch_norm: BatchNormScope::PerTaskStatistics, ..config("resnet9", 8) };
    let (one, two) = (build(&config, 1), build(&config, 2));
    step(&one);
    step(&two);
    for ((name, single), (_, joined)) in one.buffers().iter().zip(&two.buffers()) {
        if name.starts_with("backbone.prep.bn.") && name.ends_with("running_mean") {
            // Of the first layer only: later ones see activations that were normalised by other statistics.
            assert!(close(joined, single), "{name}");
        }
        assert!(joined.isfinite().all().int64_value(&[]) == 1, "{name}");
        let moved = (joined - if name.ends_with("var") { 1.0 } else { 0.0 }).abs().max().double_value(&[]);
        assert!(moved > 0.0, "{name} has not moved");
    }
}

#[test]
fn an_error_in_a_share_is_reported_and_the_next_pass_works() {
    let net = build(&config("simple_cnn", 4), 2);
    let one_pixel = Tensor::zeros([4, 3, 1, 1], (Kind::Float, tch::Device::Cpu));
    let all = [Segment { task: 0, start: 0, len: 4 }];
    let error = net.forward(&one_pixel, &all, true).unwrap_err().to_string();
    assert!(!error.contains('\n') && error.contains("computing images of size [4, 3, 1, 1]"), "{error}");
    step(&net);
}

#[test]
fn counts_that_make_no_sense_are_refused() {
    for (device, replicas) in [(Device::Cpu, 0), (Device::Cpu, 257), (Device::Cuda(0), 2)] {
        let plan = ComputePlan { device, replicas, ..ComputePlan::default() };
        let options = BuildOptions { plan, ..BuildOptions::default() };
        let net = config("mlp", 8).validated().unwrap();
        let message = MultiTaskNet::build(&net, &[task("a", 2)], &options).unwrap_err().to_string();
        assert!(message.starts_with(&format!("`replicas` is {replicas}")), "{message}");
    }
}

#[test]
fn bfloat16_works_in_replicas() {
    let plan = ComputePlan { precision: Precision::Bf16, replicas: 2, ..ComputePlan::default() };
    let options = BuildOptions { plan, ..BuildOptions::default() };
    let config = config("resnet18", 8).validated().unwrap();
    let net = MultiTaskNet::build(&config, &[task("a", 2), task("b", 2), task("c", 2)], &options).unwrap();
    let (logits, gradients) = step(&net);
    assert!(logits.iter().all(|logits| logits.kind() == Kind::Float));
    assert!(gradients.values().all(|gradient| gradient.kind() == Kind::Float));
}

#[test]
fn gradients_need_the_training_pass_that_the_loss_is_of() {
    let net = build(&config("mlp", 32), 2);
    let loss = |train| -> Tensor {
        let logits = net.forward(&images(), &segments(), train).unwrap();
        logits.iter().map(|logits| logits.square().sum(Kind::Float)).sum()
    };
    let trained = loss(true);
    let evaluated = loss(false);
    for loss in [&trained, &evaluated] {
        let message = net.gradients(loss).unwrap_err().to_string();
        assert!(message.contains("in training"), "{message}");
    }
    assert!(net.gradients(&loss(true)).unwrap().iter().all(Option::is_some));
}
