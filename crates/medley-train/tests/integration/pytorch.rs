//! Agreement with PyTorch: losses with their gradients, and optimizers step by step. `scripts/fixtures/train_pytorch.py` makes the
//! fixture.

use std::path::Path;

use medley_core::{ImageShape, Labels, Modality, Origin, TaskKind, TaskSpec};
use medley_train::components::losses::{LossConfig, TaskLoss};
use medley_train::components::optimizers::{OptimizerConfig, Parameter};
use medley_train::components::task_weights::{TaskWeightsConfig, WeightPosition, WeightState};
use serde::Deserialize;
use tch::{Device, Kind, Tensor};

/// The fixture is computed in 64 bits, ours in 32.
const TOLERANCE: f64 = 2e-6;

#[derive(Deserialize)]
struct Fixture {
    losses: Vec<LossCase>,
    optimizers: Vec<OptimizerCase>,
    famo: Vec<FamoStep>,
}

#[derive(Deserialize)]
struct LossCase {
    loss: toml::Table,
    kind: String,
    labels: Vec<Vec<u16>>,
    logits: Vec<f32>,
    values: Vec<f64>,
    gradient: Vec<f64>,
}

#[derive(Deserialize)]
struct FamoStep {
    before: Vec<f64>,
    after: Vec<f64>,
    weights: Vec<f64>,
}

#[derive(Deserialize)]
struct OptimizerCase {
    optimizer: toml::Table,
    weight_decay: f64,
    frozen_steps: usize,
    start: Vec<f32>,
    gradients: Vec<Vec<f64>>,
    learning_rates: Vec<f64>,
    values: Vec<Vec<f64>>,
}

fn fixture() -> Fixture {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pytorch.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn assert_close(tensor: &Tensor, expected: &[f64], what: &str) {
    let actual: Vec<f64> = Vec::try_from(tensor.detach().flatten(0, -1).to_kind(Kind::Double)).unwrap();
    assert_eq!(actual.len(), expected.len(), "{what}");
    for (actual, expected) in actual.iter().zip(expected) {
        assert!((actual - expected).abs() <= TOLERANCE * expected.abs().max(1.0), "{what}: {actual}, not {expected}");
    }
}

#[test]
fn losses_and_their_gradients_are_those_of_pytorch() {
    let cases = fixture().losses;
    assert_eq!(cases.len(), 28);
    for LossCase { loss, kind, labels, logits, values, gradient } in cases {
        let what = format!("{kind}, {loss}");
        let outputs = logits.len() / labels.len();
        let task = TaskSpec {
            name: "example".into(),
            title: "Example".into(),
            kind: if kind == "labels" { TaskKind::MultiLabel } else { TaskKind::MultiClass },
            modality: Modality::Ultrasound,
            classes: (0..outputs).map(|class| class.to_string()).collect(),
            shape: ImageShape::flat(28, 28, 1),
            origin: Origin::Official,
        };
        let (rows, width) = (labels.len(), labels[0].len());
        let labels = Labels::multi(labels.concat(), rows, width).unwrap();
        let loss = TaskLoss::new(&LossConfig::from_table(loss).unwrap(), &task, &labels, Device::Cpu);
        let targets = loss.targets(&labels, &(0..rows).collect::<Vec<_>>()).unwrap();
        let logits = Tensor::from_slice(&logits).view([rows as i64, outputs as i64]).set_requires_grad(true);
        let per_row = loss.per_row(&logits, &targets).unwrap();
        per_row.sum(Kind::Float).backward();
        assert_close(&per_row, &values, &what);
        assert_close(&logits.grad(), &gradient, &format!("gradient, {what}"));
    }
}

#[test]
fn optimizers_step_as_those_of_pytorch_also_what_was_frozen_first() {
    let cases = fixture().optimizers;
    assert_eq!(cases.len(), 18);
    for case in cases {
        let what = format!("{}, decay {}, frozen {}", case.optimizer, case.weight_decay, case.frozen_steps);
        let config = OptimizerConfig::from_table(case.optimizer).unwrap();
        // With two dimensions, as others are not decayed.
        let tensor = Tensor::from_slice(&case.start).view([2, -1]);
        let parameter = Parameter::plain("weight", &tensor, case.weight_decay);
        let mut optimizer = config.build(vec![parameter], 1, Kind::Float).unwrap();
        for (step, (gradient, rate)) in case.gradients.iter().zip(&case.learning_rates).enumerate() {
            optimizer.freeze(&|_| step < case.frozen_steps).unwrap();
            let gradient = Tensor::from_slice(gradient).to_kind(Kind::Float).view([2, -1]);
            optimizer.step(&[Some(gradient)], 1.0, *rate).unwrap();
            assert_close(&tensor, &case.values[step], &format!("step {step}, {what}"));
        }
    }
}

#[test]
fn famo_weighs_tasks_as_its_authors() {
    let famo = TaskWeightsConfig::from_table(toml::from_str("name = 'famo'\ndecay = 0.01").unwrap()).unwrap().choice;
    let (mut state, tasks) = (WeightState::default(), ["a", "b", "c"].map(str::to_owned));
    let all = |losses: &[f64]| losses.iter().copied().map(Some).collect::<Vec<_>>();
    for (step, FamoStep { before, after, weights }) in fixture().famo.into_iter().enumerate() {
        let position = WeightPosition { seed: 0, step: step as u64, tasks: &tasks };
        let actual = famo.weights_of_losses(&state, position, &all(&before));
        for (actual, expected) in actual.iter().zip(weights) {
            assert!((actual - expected).abs() < 1e-8, "step {step}: {actual}, not {expected}");
        }
        famo.learn_from_both(&mut state, &all(&before), &all(&after));
    }
}
