//! Agreement with captum. `scripts/fixtures/explain_captum.py` makes the fixture; parameters and images are filled by the same formula
//! here and there.

use medley_explain::{Explanation, Method, Options, TaskNetwork, explain};
use medley_models::conformance::task;
use medley_models::{BackboneConfig, BuildOptions, MultiTaskNet, NetConfig, environment};
use serde::Deserialize;
use tch::Tensor;

#[derive(Deserialize)]
struct Fixture {
    width: usize,
    side: i64,
    classes: Vec<usize>,
    baseline: Vec<f32>,
    steps: usize,
    window: usize,
    stride: usize,
    networks: Vec<Network>,
}

#[derive(Deserialize)]
struct Network {
    backbone: String,
    logits: Vec<f64>,
    grad_cam: Vec<f64>,
    grad_cam_large: Vec<f64>,
    integrated_gradients: Vec<f64>,
    residuals: Vec<f64>,
    occlusion: Vec<f64>,
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

fn fill(name: &str, tensor: &mut Tensor) {
    let (size, count) = (tensor.size(), tensor.numel());
    let u = uniform(name, count);
    let values: Vec<f32> = if name.ends_with("running_var") || (size.len() == 1 && name.ends_with("weight")) {
        u.map(|u| (0.5 + u) as f32).collect()
    } else if size.len() == 1 {
        u.map(|u| (0.2 * (2.0 * u - 1.0)) as f32).collect()
    } else {
        let bound = (3.0 / (count as f64 / size[0] as f64)).sqrt();
        u.map(|u| ((2.0 * u - 1.0) * bound) as f32).collect()
    };
    tensor.copy_(&Tensor::from_slice(&values).view(size.as_slice()));
}

fn filled(fixture: &Fixture, backbone: &str) -> MultiTaskNet {
    let backbone = BackboneConfig::with_width(backbone, fixture.width);
    let config = NetConfig { backbone, ..NetConfig::default() }.validated().unwrap();
    let options = BuildOptions { input_size: fixture.side, ..BuildOptions::default() };
    let net = MultiTaskNet::build(&config, &[task("a", 3)], &options).unwrap();
    let _guard = tch::no_grad_guard();
    for (name, mut tensor) in net.parameters().into_iter().chain(net.buffers()) {
        fill(&name, &mut tensor);
    }
    net
}

fn images(fixture: &Fixture) -> Tensor {
    let shape = [fixture.classes.len() as i64, 3, fixture.side, fixture.side];
    let values: Vec<f32> =
        uniform("images", shape.iter().product::<i64>() as usize).map(|u| (2.0 * u - 1.0) as f32).collect();
    Tensor::from_slice(&values).view(shape)
}

/// The largest difference, as a share of the largest value.
fn difference(seen: impl IntoIterator<Item = f64>, expected: &[f64]) -> f64 {
    let seen: Vec<f64> = seen.into_iter().collect();
    assert_eq!(seen.len(), expected.len());
    let scale = expected.iter().fold(0.0, |most: f64, value| most.max(value.abs()));
    assert!(scale > 0.0);
    seen.iter().zip(expected).map(|(a, b)| (a - b).abs() / scale).fold(0.0, f64::max)
}

fn values(explanations: &[Explanation]) -> Vec<f64> {
    explanations.iter().flat_map(|one| one.map.values()).map(|&value| f64::from(value)).collect()
}

#[test]
fn maps_are_those_of_captum() {
    environment::set_threads(1);
    let fixture: Fixture = serde_json::from_str(include_str!("../fixtures/captum.json")).unwrap();
    let images = images(&fixture);
    assert_eq!(fixture.networks.len(), 2);
    for expected in &fixture.networks {
        let net = filled(&fixture, &expected.backbone);
        let ask = |method| {
            let options = Options { baseline: fixture.baseline.clone(), ..Options::new(method) };
            explain(&TaskNetwork::new(&net, 0), &images, &fixture.classes, &options).unwrap()
        };
        let close = |what: &str, seen: Vec<f64>, expected: &[f64]| {
            let off = difference(seen, expected);
            assert!(off < 1e-4, "{what}: off by {off} of the largest");
        };
        let cam = ask(Method::GradCam);
        let chosen: Vec<f64> =
            fixture.classes.iter().enumerate().map(|(row, class)| expected.logits[3 * row + class]).collect();
        close("logits", cam.iter().map(|one| one.logit).collect(), &chosen);
        close("grad-cam", values(&cam), &expected.grad_cam);
        let side = fixture.side as usize;
        let large = cam.iter().flat_map(|one| one.map.resized(&[side, side]).unwrap().values().to_vec());
        close("grad-cam, enlarged", large.map(f64::from).collect(), &expected.grad_cam_large);
        let gradients = ask(Method::IntegratedGradients { steps: fixture.steps });
        close("integrated gradients", values(&gradients), &expected.integrated_gradients);
        let residuals: Vec<f64> = gradients.iter().map(|one| one.residual.unwrap()).collect();
        for (seen, expected) in residuals.iter().zip(&expected.residuals) {
            assert!((seen - expected).abs() < 1e-5, "residual {seen}, not {expected}");
        }
        let occlusion = ask(Method::Occlusion { window: fixture.window, stride: fixture.stride });
        close("occlusion", values(&occlusion), &expected.occlusion);
    }
}
