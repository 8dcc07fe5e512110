//! What every optimizer must do.

use tch::{Device, Kind, Tensor, nn};

use super::{Optimizer, OptimizerChoice, Parameter, clip_scale, gradient_norm};

/// An optimizer, and the number format it may multiply matrices in.
#[derive(Clone, Copy)]
struct Subject<'a> {
    choice: &'a OptimizerChoice,
    kind: Kind,
}

impl Subject<'_> {
    fn build(self, parameters: &[(String, Tensor)], threads: usize) -> Box<dyn Optimizer> {
        self.build_with(parameters, threads, 0.05)
    }

    fn build_with(self, parameters: &[(String, Tensor)], threads: usize, weight_decay: f64) -> Box<dyn Optimizer> {
        let parameters = parameters.iter().map(|(name, tensor)| Parameter::plain(name, tensor, weight_decay)).collect();
        self.choice.build(parameters, threads, self.kind).unwrap()
    }
}

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

    fn gradients(&self) -> Vec<Option<Tensor>> {
        let parameters: Vec<&Tensor> = self.parameters.iter().map(|(_, tensor)| tensor).collect();
        Tensor::run_backward(&[self.loss()], &parameters, false, false).into_iter().map(Some).collect()
    }

    fn values(&self) -> Vec<f32> {
        let flat: Vec<Tensor> = self.parameters.iter().map(|(_, tensor)| tensor.detach().flatten(0, -1)).collect();
        Vec::try_from(Tensor::cat(&flat, 0)).unwrap()
    }
}

/// The loss falls; going on from a saved state gives the bits of going on undisturbed; threads do not change the bits; memory
/// and tensors give the same to within rounding; frozen parameters stay, those that are so for a while too; a scaled learning rate
/// is one that is higher. What is asked to the bit is asked in bfloat16, too, in which Muon multiplies.
pub(super) fn check_optimizer(choice: &OptimizerChoice) {
    for kind in [Kind::Float, Kind::BFloat16] {
        let subject = Subject { choice, kind };
        learns_and_resumes(subject);
        does_not_depend_on_threads(subject);
        groups_are_heeded(subject);
        freezing_waits(subject);
    }
    memory_and_tensors_agree(Subject { choice, kind: Kind::Float });
}

fn learns_and_resumes(subject: Subject<'_>) {
    let run = |problem: &Problem, optimizer: &mut dyn super::Optimizer, steps: usize| {
        for _ in 0..steps {
            let gradients = problem.gradients();
            let scale = clip_scale(gradient_norm(&gradients).unwrap(), 1.0);
            optimizer.step(&gradients, scale, 1e-2).unwrap();
        }
    };
    let straight = Problem::fresh();
    let before = straight.loss().double_value(&[]);
    let mut optimizer = subject.build(&straight.parameters, 1);
    run(&straight, optimizer.as_mut(), 5);
    let saved: Vec<(String, Tensor)> = optimizer.state().iter().map(|(n, t)| (n.clone(), t.copy())).collect();
    assert!(saved.is_sorted_by(|a, b| a.0 < b.0), "state names are sorted and distinct");
    let middle: Vec<Tensor> = straight.parameters.iter().map(|(_, tensor)| tensor.detach().copy()).collect();
    run(&straight, optimizer.as_mut(), 5);
    assert!(straight.loss().double_value(&[]) < before);

    let resumed = Problem::fresh();
    let mut optimizer = subject.build(&resumed.parameters, 1);
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

/// Values that differ, of either sign and of all sizes.
fn values(shape: &[i64], phase: f64) -> Tensor {
    let len = shape.iter().product::<i64>();
    ((Tensor::arange(len, (Kind::Float, Device::Cpu)) * 0.37 + phase).sin() * 0.5).view(shape)
}

/// What a few steps make of parameters of these values, one gradient missing in the first.
fn moved(subject: Subject<'_>, parameters: &[Tensor], threads: usize) -> Vec<Tensor> {
    let device = parameters[0].device();
    let named: Vec<(String, Tensor)> =
        parameters.iter().enumerate().map(|(index, tensor)| (index.to_string(), tensor.shallow_clone())).collect();
    let mut optimizer = subject.build(&named, threads);
    for step in 0..4 {
        let gradient = |(index, tensor): (usize, &Tensor)| {
            (step > 0 || index > 0).then(|| values(&tensor.size(), f64::from(step) + index as f64).to_device(device))
        };
        let gradients: Vec<_> = parameters.iter().enumerate().map(gradient).collect();
        optimizer.step(&gradients, 0.25, 1e-2).unwrap();
    }
    parameters.iter().map(Tensor::copy).collect()
}

fn does_not_depend_on_threads(subject: Subject<'_>) {
    let parameters = || [values(&[700, 1000], 0.1), values(&[3], 0.2), values(&[64, 3, 3, 3], 0.3)];
    let one = moved(subject, &parameters(), 1);
    for threads in [2, 3, 16] {
        let several = moved(subject, &parameters(), threads);
        assert!(one.iter().zip(&several).all(|(left, right)| left.equal(right)), "{threads} threads");
    }
}

fn memory_and_tensors_agree(subject: Subject<'_>) {
    let parameters = || [values(&[6, 5], 0.1), values(&[4], 0.2)];
    let by_memory = moved(subject, &parameters(), 1);
    // Parameters with gaps are left to tensor operations.
    let spread = parameters().map(|tensor| {
        let wide = Tensor::zeros([&tensor.size()[..], &[2]].concat(), (Kind::Float, Device::Cpu));
        wide.select(-1, 0).copy_(&tensor);
        wide.select(-1, 0)
    });
    for (left, right) in by_memory.iter().zip(moved(subject, &spread, 1)) {
        assert!(left.allclose(&right, 1e-5, 1e-6, false), "{left} {right}");
    }
    assert!(!by_memory[0].allclose(&parameters()[0], 1e-3, 1e-3, false), "nothing moved");
}

/// A GPU gives what the CPU gives, to within rounding.
pub(super) fn check_on_gpu(choice: &OptimizerChoice, device: Device) {
    let subject = Subject { choice, kind: Kind::Float };
    let parameters = |device| [values(&[6, 5], 0.1).to_device(device), values(&[4], 0.2).to_device(device)];
    let expected = moved(subject, &parameters(Device::Cpu), 1);
    for (ours, theirs) in moved(subject, &parameters(device), 1).iter().zip(&expected) {
        assert_eq!(ours.device(), device);
        assert!(ours.to_device(Device::Cpu).allclose(theirs, 1e-5, 1e-6, false), "{ours} {theirs}");
    }
}

fn groups_are_heeded(subject: Subject<'_>) {
    let stepped = |scale: f64, frozen: bool, learning_rate: f64| {
        let tensor = values(&[6, 5], 0.1);
        let parameter = Parameter { learning_rate_scale: scale, frozen, ..Parameter::plain("weight", &tensor, 0.05) };
        let mut optimizer = subject.choice.build(vec![parameter], 1, subject.kind).unwrap();
        optimizer.step(&[Some(values(&[6, 5], 0.7))], 1.0, learning_rate).unwrap();
        (tensor, optimizer.state().len())
    };
    let (frozen, states) = stepped(1.0, true, 1e-2);
    assert!(frozen.equal(&values(&[6, 5], 0.1)) && states <= 1, "frozen parameters stay, and nothing is kept for them");
    assert!(stepped(10.0, false, 1e-3).0.equal(&stepped(1.0, false, 1e-3 * 10.0).0), "the learning rate is scaled");
}

/// A parameter that was frozen from the start learns as with a fresh optimizer, and one that was frozen later goes on from where it
/// was; saved in between, too.
fn freezing_waits(subject: Subject<'_>) {
    const FROZEN: [Option<&str>; 9] =
        [Some("late"), Some("late"), None, Some("early"), Some("early"), None, None, None, None];
    let fresh = || [("early".to_owned(), values(&[6, 5], 0.1)), ("late".to_owned(), values(&[6, 5], 0.1))];
    let gradient = |step: usize| values(&[6, 5], 0.7 + step as f64);
    let undisturbed = {
        let [early, _] = fresh();
        let mut optimizer = subject.build(std::slice::from_ref(&early), 1);
        (0..7).for_each(|step| optimizer.step(&[Some(gradient(step))], 1.0, 1e-2).unwrap());
        early.1
    };
    for saved_before in 0..FROZEN.len() {
        let mut parameters = fresh();
        let mut optimizer = subject.build(&parameters, 1);
        // How many steps each has made: it gets the gradients in order, when it is not frozen.
        let mut made = [0; 2];
        for (step, frozen) in FROZEN.into_iter().enumerate() {
            if step == saved_before {
                let copied = parameters.each_ref().map(|(name, tensor)| (name.clone(), tensor.copy()));
                let mut other = subject.build(&copied, 1);
                // A run that goes on knows what was frozen at some time.
                for name in FROZEN[..step].iter().flatten() {
                    other.freeze(&|parameter| parameter == *name).unwrap();
                }
                for ((name, mut target), (saved, source)) in other.state().into_iter().zip(optimizer.state()) {
                    assert_eq!(name, saved);
                    target.copy_(&source);
                }
                (parameters, optimizer) = (copied, other);
            }
            optimizer.freeze(&|name| frozen == Some(name)).unwrap();
            let gradients = parameters.each_ref().map(|(name, _)| name.as_str()).map(|name| {
                let made = &mut made[usize::from(name == "late")];
                (frozen != Some(name)).then(|| {
                    *made += 1;
                    gradient(*made - 1)
                })
            });
            let before = parameters.each_ref().map(|(_, tensor)| tensor.copy());
            optimizer.step(&gradients, 1.0, 1e-2).unwrap();
            for ((name, tensor), before) in parameters.iter().zip(&before) {
                assert_eq!(tensor.equal(before), frozen == Some(name.as_str()), "{name} in step {step}");
            }
        }
        assert_eq!(made, [7, 7]);
        for (name, tensor) in &parameters {
            assert!(tensor.equal(&undisturbed), "{name}, saved before step {saved_before}");
        }
    }
}

/// Ten steps of ours and of libtorch's on the matrix of the same problem stay together. The bias is in neither: libtorch decays it.
pub(super) fn compare_with_libtorch(
    choice: &OptimizerChoice,
    weight_decay: f64,
    theirs: impl Fn(&nn::VarStore) -> nn::Optimizer,
) {
    let store = nn::VarStore::new(Device::Cpu);
    let start = Problem::fresh();
    let weight = store.root().var_copy("weight", &start.parameters[1].1);
    let reference = Problem::new(weight, Tensor::zeros([2], (Kind::Float, Device::Cpu)));
    let mut their_optimizer = theirs(&store);

    let ours = Problem::fresh();
    let only_weight = vec![("weight".to_owned(), ours.parameters[1].1.shallow_clone())];
    let mut our_optimizer = Subject { choice, kind: Kind::Float }.build_with(&only_weight, 1, weight_decay);
    for step in 0..10 {
        their_optimizer.backward_step(&reference.loss());
        our_optimizer.step(&ours.gradients()[1..], 1.0, 1e-2).unwrap();
        for (a, b) in ours.values().iter().zip(reference.values()) {
            assert!((a - b).abs() < 1e-6, "step {step}: {a} and {b}");
        }
    }
}
