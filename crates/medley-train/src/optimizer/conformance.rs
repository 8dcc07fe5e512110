//! What every optimizer must do.

use tch::{Device, Kind, Tensor, nn};

use super::{build, clear_gradients, clip_gradients};
use crate::config::schema::OptimizerConfig;

/// A least-squares problem with a matrix and a bias.
struct Problem {
    parameters: Vec<(String, Tensor)>,
    input: Tensor,
    target: Tensor,
}

impl Problem {
    fn new(weight: Tensor, bias: Tensor) -> Self {
        let _guard = tch::no_grad_guard();
        let input = Tensor::arange(12, (Kind::Float, Device::Cpu)).view([4, 3]) / 6.0 - 1.0;
        let target = Tensor::arange(8, (Kind::Float, Device::Cpu)).view([4, 2]) / 4.0 - 0.5;
        Self { parameters: vec![("bias".into(), bias), ("weight".into(), weight)], input, target }
    }

    fn fresh() -> Self {
        let weight = (Tensor::arange(6, (Kind::Float, Device::Cpu)).view([2, 3]) / 10.0).set_requires_grad(true);
        let bias = Tensor::zeros([2], (Kind::Float, Device::Cpu)).set_requires_grad(true);
        Self::new(weight, bias)
    }

    fn loss(&self) -> Tensor {
        let output = self.input.matmul(&self.parameters[1].1.tr()) + &self.parameters[0].1;
        (output - &self.target).square().mean(Kind::Float)
    }

    fn values(&self) -> Vec<f32> {
        let flat: Vec<Tensor> = self.parameters.iter().map(|(_, tensor)| tensor.detach().flatten(0, -1)).collect();
        Vec::try_from(Tensor::cat(&flat, 0)).unwrap()
    }
}

/// The loss falls, and going on from a saved state gives the bits of going on undisturbed.
pub(super) fn check_optimizer(config: &OptimizerConfig) {
    let run = |problem: &Problem, optimizer: &mut dyn super::Optimizer, steps: usize| {
        for _ in 0..steps {
            clear_gradients(&problem.parameters);
            problem.loss().backward();
            clip_gradients(&problem.parameters, config.gradient_clip).unwrap();
            optimizer.step(1e-2).unwrap();
        }
    };
    let straight = Problem::fresh();
    let before = straight.loss().double_value(&[]);
    let mut optimizer = build(config, &straight.parameters).unwrap();
    run(&straight, optimizer.as_mut(), 5);
    let saved: Vec<(String, Tensor)> = optimizer.state().iter().map(|(n, t)| (n.clone(), t.copy())).collect();
    assert!(saved.is_sorted_by(|a, b| a.0 < b.0), "state names are sorted and distinct");
    let middle: Vec<Tensor> = straight.parameters.iter().map(|(_, tensor)| tensor.detach().copy()).collect();
    run(&straight, optimizer.as_mut(), 5);
    assert!(straight.loss().double_value(&[]) < before);

    let resumed = Problem::fresh();
    let mut optimizer = build(config, &resumed.parameters).unwrap();
    {
        let _guard = tch::no_grad_guard();
        for ((_, target), source) in resumed.parameters.iter().zip(&middle) {
            target.shallow_clone().copy_(source);
        }
        for ((_, mut target), (_, source)) in optimizer.state().into_iter().zip(&saved) {
            target.copy_(source);
        }
    }
    run(&resumed, optimizer.as_mut(), 5);
    assert_eq!(straight.values(), resumed.values());
}

/// Ten steps of ours and of libtorch's on the same problem stay together. Only without decay on the bias, which libtorch decays
/// and we do not: the caller's libtorch optimizer may decay, so the bias is compared when there is no decay.
pub(super) fn compare_with_libtorch(config: &OptimizerConfig, theirs: impl Fn(&nn::VarStore) -> nn::Optimizer) {
    let store = nn::VarStore::new(Device::Cpu);
    let start = Problem::fresh();
    let weight = store.root().var_copy("weight", &start.parameters[1].1);
    let reference = Problem::new(weight, Tensor::zeros([2], (Kind::Float, Device::Cpu)));
    let mut their_optimizer = theirs(&store);

    let ours = Problem::fresh();
    let only_weight = vec![("weight".to_owned(), ours.parameters[1].1.shallow_clone())];
    let mut our_optimizer = build(config, &only_weight).unwrap();
    for step in 0..10 {
        their_optimizer.backward_step(&reference.loss());
        clear_gradients(&ours.parameters);
        ours.loss().backward();
        our_optimizer.step(1e-2).unwrap();
        for (a, b) in ours.values().iter().zip(reference.values()) {
            assert!((a - b).abs() < 1e-6, "step {step}: {a} and {b}");
        }
    }
}
