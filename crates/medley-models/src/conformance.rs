//! What every backbone must do. Call [`check_backbone`] from a test and the suite is yours.

pub mod graph;

use std::collections::BTreeMap;
use std::io::Write as _;

use medley_core::seed::{Purpose, stream};
use medley_core::{ImageShape, Modality, Origin, TaskKind, TaskSpec};
use rand::Rng as _;
use tch::{Device, Kind, Tensor};

use crate::backbones::{Entry, Stem};
use crate::config::{BackboneConfig, BatchNormScope, NetConfig};
use crate::environment;
use crate::init::Init;
use crate::onnx::{self, Answer, Export, Pixels, TaskExport};
use crate::{BuildOptions, ComputePlan, MemoryLayout, ModelError, MultiTaskNet, Precision, Segment, weights};

/// A rule that a backbone breaks.
#[derive(Debug, thiserror::Error)]
pub enum Violation {
    /// An error where there should be none.
    #[error("{rule}: {source}")]
    Failed {
        /// The rule that was being checked.
        rule: &'static str,
        /// What was reported.
        source: ModelError,
    },
    /// Another result than the rule asks for.
    #[error("{rule}: {problem}")]
    Broken {
        /// The rule.
        rule: &'static str,
        /// What was seen.
        problem: String,
    },
}

/// A task for tests: `classes` classes, 28x28 RGB.
pub fn task(name: &str, classes: usize) -> TaskSpec {
    TaskSpec {
        name: name.to_owned(),
        title: name.to_owned(),
        kind: if classes == 2 { TaskKind::Binary } else { TaskKind::MultiClass },
        modality: Modality::Other,
        classes: (0..classes).map(|class| class.to_string()).collect(),
        shape: ImageShape::flat(28, 28, 3),
        origin: Origin::Synthetic,
    }
}

/// Images of uniform noise on `[-1, 1)`, a function of the seed: `[n, channels, size, size]` f32.
///
/// # Errors
/// [`ModelError::Torch`] when memory runs out.
pub fn noise(seed: u64, n: i64, channels: i64, size: i64) -> Result<Tensor, ModelError> {
    crate::image_batch(&uniform(seed, n * size * size * channels), n, size, size, channels)
}

/// Volumes of uniform noise: `[n, channels, size, size, size]` f32.
///
/// # Errors
/// [`ModelError::Torch`] when memory runs out.
pub fn volume_noise(seed: u64, n: i64, channels: i64, size: i64) -> Result<Tensor, ModelError> {
    crate::volume_batch(&uniform(seed, n * size * size * size * channels), n, size, size, size, channels)
}

fn uniform(seed: u64, len: i64) -> Vec<f32> {
    let mut rng = stream(seed, Purpose::Synthetic, &[]);
    (0..len).map(|_| (rng.next_u32() >> 8) as f32 / (1 << 23) as f32 - 1.0).collect()
}

/// The first GPU, for a test that needs one. Where there is none, the test is left out, and standard error says so even where
/// the output of tests is captured; with `MEDLEY_REQUIRE_CUDA=1` in the environment it fails instead.
///
/// # Panics
/// Without a usable GPU, if `MEDLEY_REQUIRE_CUDA` is set.
pub fn cuda_or_skip(test: &str) -> Option<Device> {
    let device = Device::Cuda(0);
    let Err(problem) = environment::require_cuda(device) else { return Some(device) };
    let required = std::env::var_os("MEDLEY_REQUIRE_CUDA").is_some_and(|value| !value.is_empty() && value != "0");
    assert!(!required, "`{test}` needs a GPU, and MEDLEY_REQUIRE_CUDA is set: {problem}");
    // Not by `eprintln!`: the test harness captures that.
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {problem}");
    None
}

/// Runs the whole suite on one backbone: shapes for small and large inputs in every precision and layout, names without
/// duplicates, equal bits from equal seeds, a gradient for every parameter with every multi-task option, running statistics
/// that only training moves, a batch of one, folded inference, the exported graph, what explains logits, save and load, and
/// 32 images learnt by heart. Seconds for small widths.
///
/// # Errors
/// The first [`Violation`].
pub fn check_backbone(config: &BackboneConfig) -> Result<(), Violation> {
    let entry = crate::backbones::find(&config.name).under("the name is registered")?;
    let suite = Suite { config, entry };
    suite.shapes()?;
    suite.sizes()?;
    suite.seeds()?;
    suite.gradients()?;
    suite.modes()?;
    suite.inference()?;
    suite.export()?;
    suite.tracing()?;
    suite.save_and_load()?;
    suite.overfits()
}

struct Suite<'a> {
    config: &'a BackboneConfig,
    entry: &'static Entry,
}

/// `?` for results of the crate, naming the rule.
trait Under<T> {
    fn under(self, rule: &'static str) -> Result<T, Violation>;
}

impl<T, E: Into<ModelError>> Under<T> for Result<T, E> {
    fn under(self, rule: &'static str) -> Result<T, Violation> {
        self.map_err(|source| Violation::Failed { rule, source: source.into() })
    }
}

fn demand(holds: bool, rule: &'static str, problem: impl FnOnce() -> String) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(Violation::Broken { rule, problem: problem() }) }
}

/// Two tasks in one batch of `n`.
fn halves(n: i64) -> [Segment; 2] {
    [Segment { task: 0, start: 0, len: n / 2 }, Segment { task: 1, start: n / 2, len: n - n / 2 }]
}

fn built(config: &NetConfig, options: &BuildOptions) -> Result<MultiTaskNet, ModelError> {
    MultiTaskNet::build(&config.validated()?, &[task("first", 3), task("second", 2)], options)
}

impl Suite<'_> {
    /// The network as it is by default.
    fn plain(&self, options: &BuildOptions) -> Result<MultiTaskNet, ModelError> {
        self.net(&NetConfig::default(), options)
    }

    fn net(&self, config: &NetConfig, options: &BuildOptions) -> Result<MultiTaskNet, ModelError> {
        built(&NetConfig { backbone: self.config.clone(), ..config.clone() }, options)
    }

    /// For images of 28 pixels a side, or volumes of 16: those take long.
    fn options(&self) -> BuildOptions {
        BuildOptions { input_size: if self.entry.volumes { 16 } else { 28 }, ..BuildOptions::default() }
    }

    /// Noise of the right number of axes and that size.
    fn images(&self, seed: u64, n: i64, channels: i64) -> Result<Tensor, ModelError> {
        self.sized(seed, n, channels, self.options().input_size)
    }

    fn sized(&self, seed: u64, n: i64, channels: i64, size: i64) -> Result<Tensor, ModelError> {
        if self.entry.volumes { volume_noise(seed, n, channels, size) } else { noise(seed, n, channels, size) }
    }

    /// Every multi-task option that the backbone has, alone, and all together.
    fn variants(&self) -> Vec<NetConfig> {
        let plain = NetConfig::default();
        let mut variants = vec![plain.clone()];
        if self.entry.batch_norm {
            for batch_norm in
                [BatchNormScope::PerTask, BatchNormScope::PerTaskStatistics, BatchNormScope::PerTaskAffine]
            {
                variants.push(NetConfig { batch_norm, ..plain.clone() });
            }
        }
        if self.entry.adapters {
            variants.push(NetConfig { adapters: true, ..plain.clone() });
        }
        if self.entry.norms {
            variants.push(NetConfig { task_embedding: 4, ..plain.clone() });
            let batch_norm = if self.entry.batch_norm { BatchNormScope::PerTask } else { BatchNormScope::Shared };
            variants.push(NetConfig { task_embedding: 4, adapters: self.entry.adapters, batch_norm, ..plain });
        }
        variants
    }

    fn shapes(&self) -> Result<(), Violation> {
        const RULE: &str = "logits are finite fp32 of shape [len, outputs]";
        for precision in [Precision::Fp32, Precision::Bf16] {
            for memory_layout in [MemoryLayout::Contiguous, MemoryLayout::ChannelsLast] {
                for channels in [1, 3] {
                    let plan = ComputePlan { precision, memory_layout, ..ComputePlan::default() };
                    let options = BuildOptions { plan, input_channels: channels, ..self.options() };
                    let net = self.plain(&options).under(RULE)?;
                    let logits =
                        net.forward(&self.images(1, 3, channels).under(RULE)?, &halves(3), true).under(RULE)?;
                    let seen: Vec<_> = logits.iter().map(|logits| (logits.size(), logits.kind())).collect();
                    let expected = [(vec![1, 3], Kind::Float), (vec![2, 2], Kind::Float)];
                    demand(seen == expected, RULE, || format!("{seen:?} in {options:?}"))?;
                    let finite = logits.iter().all(|logits| all(&logits.isfinite()));
                    demand(finite, RULE, || format!("not finite in {options:?}"))?;
                }
            }
        }
        Ok(())
    }

    fn sizes(&self) -> Result<(), Violation> {
        const RULE: &str = "legal sizes give logits, others an error";
        let _guard = tch::no_grad_guard();
        let mut sizes = vec![self.entry.smallest_input, 32];
        if !self.entry.volumes {
            sizes.push(64);
        }
        for size in sizes {
            let net = self.plain(&BuildOptions { input_size: size, ..self.options() }).under(RULE)?;
            let logits = net.forward(&self.sized(1, 2, 3, size).under(RULE)?, &halves(2), false).under(RULE)?;
            demand(logits[0].size() == [1, 3], RULE, || format!("{:?} at {size}", logits[0].size()))?;
        }
        for size in [-1, 0, self.entry.smallest_input - 1, i64::MAX] {
            let options = BuildOptions { input_size: size, ..self.options() };
            demand(self.plain(&options).is_err(), RULE, || format!("a network for {size} pixels was built"))?;
        }
        let net = self.plain(&self.options()).under(RULE)?;
        let grey = self.images(1, 2, 1).under(RULE)?;
        demand(net.forward(&grey, &halves(2), false).is_err(), RULE, || "one channel passed for three".into())
    }

    fn seeds(&self) -> Result<(), Violation> {
        const RULE: &str = "a seed decides the parameters";
        let bits = |seed, memory_layout| -> Result<Vec<u8>, Violation> {
            let plan = ComputePlan { memory_layout, ..ComputePlan::default() };
            let options = BuildOptions { plan, seed, ..self.options() };
            weights::to_bytes(&self.plain(&options).under(RULE)?.parameters(), &BTreeMap::new()).under(RULE)
        };
        let first = bits(1, MemoryLayout::Contiguous)?;
        demand(first == bits(1, MemoryLayout::ChannelsLast)?, RULE, || "the layout changed the parameters".into())?;
        demand(first != bits(2, MemoryLayout::Contiguous)?, RULE, || "two seeds gave the same parameters".into())
    }

    fn gradients(&self) -> Result<(), Violation> {
        const RULE: &str = "a gradient reaches every parameter";
        for config in self.variants() {
            let net = self.net(&config, &self.options()).under(RULE)?;
            let logits = net.forward(&self.images(2, 8, 3).under(RULE)?, &halves(8), true).under(RULE)?;
            let gradients = net.gradients(&loss(&logits)).under(RULE)?;
            for ((name, parameter), gradient) in net.parameters().into_iter().zip(gradients) {
                let reached = gradient.is_some_and(|gradient| {
                    gradient.size() == parameter.size() && all(&gradient.isfinite()) && any(&gradient.ne(0.0))
                });
                demand(reached, RULE, || format!("`{name}` with {config:?}"))?;
            }
            let total: usize = net.parameters().iter().map(|(_, tensor)| tensor.numel()).sum();
            demand(total == net.parameter_count(), RULE, || "the parameter count is wrong".into())?;
        }
        Ok(())
    }

    fn modes(&self) -> Result<(), Violation> {
        const RULE: &str = "evaluation changes nothing and rows do not see each other";
        let _guard = tch::no_grad_guard();
        let net = self.plain(&self.options()).under(RULE)?;
        let images = self.images(3, 4, 3).under(RULE)?;
        net.forward(&images, &halves(4), true).under(RULE)?;
        let state = |net: &MultiTaskNet| weights::to_bytes(&net.buffers(), &BTreeMap::new()).under(RULE);
        let before = state(&net)?;
        let together = net.forward(&images, &halves(4), false).under(RULE)?;
        let one = Segment { task: 0, start: 0, len: 1 };
        let alone = net.forward(&images.narrow(0, 0, 1), &[one], false).under(RULE)?;
        demand(before == state(&net)?, RULE, || "a buffer changed".into())?;
        let difference = (together[0].narrow(0, 0, 1) - &alone[0]).abs().max().double_value(&[]);
        demand(difference < 1e-4, RULE, || format!("a row alone differs by {difference}"))?;
        if !self.entry.batch_norm {
            let train = |noise| net.forward_with_noise(&images, &halves(4), noise).under(RULE);
            let same = |left: &[Tensor], right: &[Tensor]| left.iter().zip(right).all(|(l, r)| l.equal(r));
            let first = train(1)?;
            // What draws no noise and has no statistics of the batch is one function in either mode.
            let differs = same(&first, &train(2)?) && !same(&first, &together);
            demand(!differs, RULE, || "training gives other logits, without BatchNorm or noise".into())?;
        }
        if !net.buffers().is_empty() {
            net.forward(&images, &halves(4), true).under(RULE)?;
            demand(before != state(&net)?, RULE, || "training moved no running statistics".into())?;
        }
        Ok(())
    }

    fn inference(&self) -> Result<(), Violation> {
        const RULE: &str = "folded inference gives the logits of evaluation";
        let _guard = tch::no_grad_guard();
        let images = self.images(6, 4, 3).under(RULE)?;
        for config in self.variants() {
            for precision in [Precision::Fp32, Precision::Bf16] {
                let plan = ComputePlan { precision, ..ComputePlan::default() };
                let net = self.net(&config, &BuildOptions { plan, ..self.options() }).under(RULE)?;
                disturb(&net).under(RULE)?;
                net.forward(&images, &halves(4), true).under(RULE)?;
                let expected = net.forward(&images, &halves(4), false).under(RULE)?;
                let inference = net.inference();
                for _ in 0..2 {
                    let seen = inference.forward(&images, &halves(4)).under(RULE)?;
                    for (seen, expected) in seen.iter().zip(&expected) {
                        let scale = expected.abs().max().double_value(&[]).max(1e-3);
                        let difference = (seen - expected).abs().max().double_value(&[]) / scale;
                        let limit = if precision == Precision::Fp32 { 1e-4 } else { 0.1 };
                        demand(difference < limit, RULE, || {
                            format!("off by {difference} with {config:?}, {precision:?}")
                        })?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The form for larger images: with the other stem if there is one, of what is resized.
    fn resizing(&self) -> NetConfig {
        let stem = self.entry.stems.then_some(Stem::Imagenet);
        let backbone = BackboneConfig { stem, ..self.config.clone() };
        let side = if self.entry.volumes { 32 } else { 64 };
        NetConfig { backbone, input_size: Some(side), ..NetConfig::default() }
    }

    fn export(&self) -> Result<(), Violation> {
        const RULE: &str = "the exported graph gives the logits of evaluation";
        let _guard = tch::no_grad_guard();
        let images = self.images(7, 4, 3).under(RULE)?;
        let tasks = [0, 1].map(|task| TaskExport::new(task, Answer::Logits)).to_vec();
        let wanted = Export { tasks, pixels: Pixels::Normalised, ..Export::default() };
        let variants = self.variants().into_iter().map(|config| NetConfig { backbone: self.config.clone(), ..config });
        for config in variants.chain([self.resizing()]) {
            let net = built(&config, &self.options()).under(RULE)?;
            disturb(&net).under(RULE)?;
            net.forward(&images, &halves(4), true).under(RULE)?;
            let expected = net.forward(&images, &halves(4), false).under(RULE)?;
            let bytes = onnx::export(&net, &wanted, &medley_onnx::Information::default()).under(RULE)?;
            let seen = graph::evaluate(&bytes, &images)
                .map_err(|problem| Violation::Broken { rule: RULE, problem: format!("{problem}, with {config:?}") })?;
            for ((segment, expected), name) in halves(4).iter().zip(&expected).zip(["first_logits", "second_logits"]) {
                let Some(seen) = seen.get(name) else {
                    return demand(false, RULE, || format!("there is no output `{name}`"));
                };
                let seen = seen.narrow(0, segment.start, segment.len);
                let scale = expected.abs().max().double_value(&[]).max(1e-3);
                let difference = (seen - expected).abs().max().double_value(&[]) / scale;
                demand(difference < 1e-4, RULE, || format!("off by {difference} with {config:?}"))?;
            }
        }
        Ok(())
    }

    fn tracing(&self) -> Result<(), Violation> {
        const RULE: &str = "what explains logits goes with them";
        let net = self.plain(&self.options()).under(RULE)?;
        let images = self.images(8, 4, 3).under(RULE)?.f_set_requires_grad(true).under(RULE)?;
        let trace = net.trace(&images, &halves(4)).under(RULE)?;
        let expected = tch::no_grad(|| net.forward(&images, &halves(4), false)).under(RULE)?;
        let same = trace.logits.iter().zip(&expected).all(|(seen, expected)| seen.equal(expected));
        demand(same, RULE, || "the logits are not those of evaluation".into())?;
        let rows = trace.features.size()[0];
        demand(rows == 4, RULE, || format!("features of {rows} rows"))?;
        let mut derived = vec![("images", images.shallow_clone())];
        derived.extend(trace.feature_map.as_ref().map(|map| ("the feature map", map.shallow_clone())));
        let inputs: Vec<&Tensor> = derived.iter().map(|(_, tensor)| tensor).collect();
        let gradients = Tensor::f_run_backward(&[loss(&trace.logits)], &inputs, false, false).under(RULE)?;
        for ((what, tensor), gradient) in derived.iter().zip(&gradients) {
            let places = tensor.dim() == images.dim() && gradient.size() == tensor.size();
            let reached = places && all(&gradient.isfinite()) && any(&gradient.ne(0.0));
            demand(reached, RULE, || format!("no gradient with respect to {what}"))?;
        }
        Ok(())
    }

    fn save_and_load(&self) -> Result<(), Violation> {
        const RULE: &str = "save, load, same bits";
        let _guard = tch::no_grad_guard();
        let state = |net: &MultiTaskNet| -> Vec<_> { net.parameters().into_iter().chain(net.buffers()).collect() };
        let images = self.images(4, 6, 3).under(RULE)?;
        for config in self.variants() {
            let first = self.net(&config, &BuildOptions { seed: 1, ..self.options() }).under(RULE)?;
            let second = self.net(&config, &BuildOptions { seed: 2, ..self.options() }).under(RULE)?;
            first.forward(&images, &halves(6), true).under(RULE)?;
            let bytes = weights::to_bytes(&state(&first), &BTreeMap::new()).under(RULE)?;
            weights::load_into(&bytes, &state(&second)).under(RULE)?;
            let logits = |net: &MultiTaskNet| net.forward(&images, &halves(6), false).under(RULE);
            let same = logits(&first)?.iter().zip(&logits(&second)?).all(|(left, right)| left.equal(right));
            demand(same, RULE, || format!("logits differ with {config:?}"))?;
        }
        Ok(())
    }

    fn overfits(&self) -> Result<(), Violation> {
        const RULE: &str = "32 random images are learnt by heart";
        const STEPS: usize = 200;
        let net = self.plain(&BuildOptions { seed: 5, ..self.options() }).under(RULE)?;
        let images = self.images(5, 32, 3).under(RULE)?;
        let segments = halves(32);
        let labels = [(0..16).map(|row| row % 3).collect::<Vec<i64>>(), (0..16).map(|row| row % 2).collect()];
        let labels: Vec<Tensor> = labels.iter().map(|labels| Tensor::from_slice(labels)).collect();
        let mut adam = Adam::new(net.parameters());
        for _ in 0..STEPS {
            let logits = net.forward(&images, &segments, true).under(RULE)?;
            let right: i64 = logits
                .iter()
                .zip(&labels)
                .map(|(logits, labels)| logits.argmax(1, false).eq_tensor(labels).sum(Kind::Int64).int64_value(&[]))
                .sum();
            if right == 32 {
                return Ok(());
            }
            let losses = logits.iter().zip(&labels).map(|(logits, labels)| logits.cross_entropy_for_logits(labels));
            adam.step(&net.gradients(&losses.sum()).under(RULE)?);
        }
        demand(false, RULE, || format!("not after {STEPS} steps"))
    }
}

/// Kingma and Ba 2015 at its default settings; the trainer has better ones.
struct Adam {
    parameters: Vec<(Tensor, Tensor, Tensor)>,
    steps: i32,
}

impl Adam {
    fn new(parameters: Vec<(String, Tensor)>) -> Self {
        let parameters = parameters.into_iter().map(|(_, p)| {
            let (mean, square) = (p.zeros_like(), p.zeros_like());
            (p, mean, square)
        });
        Self { parameters: parameters.collect(), steps: 0 }
    }

    fn step(&mut self, gradients: &[Option<Tensor>]) {
        let _guard = tch::no_grad_guard();
        self.steps += 1;
        let (first, second) = (1.0 - 0.9_f64.powi(self.steps), 1.0 - 0.999_f64.powi(self.steps));
        for ((parameter, mean, square), gradient) in self.parameters.iter_mut().zip(gradients) {
            let Some(gradient) = gradient else { continue };
            *mean = &*mean * 0.9 + gradient * 0.1;
            *square = &*square * 0.999 + gradient.square() * 0.001;
            let change = (&*mean / first) / ((&*square / second).sqrt() + 1e-8) * 1e-3;
            let _ = parameter.g_sub_(&change);
        }
    }
}

/// Moves every parameter a little, so that no scale is 1 and no shift or adapter 0.
fn disturb(net: &MultiTaskNet) -> Result<(), ModelError> {
    for (name, mut parameter) in net.parameters() {
        let values = Init::Uniform { bound: 0.05 }.values(17, &name, parameter.numel())?;
        let _ = parameter.f_add_(&Tensor::f_from_slice(&values)?.f_view(parameter.size().as_slice())?)?;
    }
    Ok(())
}

/// Some scalar that depends on every logit, and on no sum of them that `BatchNorm` would cancel.
fn loss(logits: &[Tensor]) -> Tensor {
    logits.iter().map(|logits| logits.cross_entropy_for_logits(&logits.argmin(1, false))).sum()
}

fn all(mask: &Tensor) -> bool {
    mask.all().int64_value(&[]) == 1
}

fn any(mask: &Tensor) -> bool {
    mask.any().int64_value(&[]) == 1
}
