//! Networks whose maps are known, and what is refused.

use medley_explain::{ExplainError, Explanation, Method, Network, Options, Pass, TaskNetwork, explain};
use medley_models::conformance::{noise, task, volume_noise};
use medley_models::{BackboneConfig, BuildOptions, ModelError, MultiTaskNet, NetConfig, environment};
use tch::{Kind, Tensor};

fn net(backbone: &str, width: Option<usize>, size: i64) -> MultiTaskNet {
    environment::set_threads(1);
    let backbone = BackboneConfig { width, ..BackboneConfig::named(backbone) };
    let config = NetConfig { backbone, ..NetConfig::default() }.validated().unwrap();
    let options = BuildOptions { input_size: size, seed: 3, ..BuildOptions::default() };
    MultiTaskNet::build(&config, &[task("a", 2), task("b", 3)], &options).unwrap()
}

/// Two channels of features that are there to be seen: the image's first channel, and minus its second; the head weighs their means.
struct ByHand {
    /// `[outputs, 2]`.
    weights: Tensor,
}

impl Network for ByHand {
    fn pass(&self, images: &Tensor) -> Result<Pass, ModelError> {
        let map = Tensor::f_cat(&[images.narrow(1, 0, 1), -images.narrow(1, 1, 1)], 1)?;
        let logits = map.f_mean_dim([2_i64, 3].as_slice(), false, Kind::Float)?.f_mm(&self.weights.tr())?;
        Ok(Pass { logits, feature_map: Some(map) })
    }

    fn name(&self) -> &'static str {
        "by hand"
    }
}

fn close(seen: &[f32], expected: &[f32], within: f32) {
    assert_eq!(seen.len(), expected.len());
    for (seen, expected) in seen.iter().zip(expected) {
        assert!((seen - expected).abs() <= within, "{seen}, not {expected}");
    }
}

#[test]
fn grad_cam_of_a_network_made_by_hand() {
    let weights = Tensor::from_slice(&[2.0_f32, 0.5, -1.0, 3.0]).view([2, 2]);
    let images = Tensor::from_slice(&[1.0_f32, -2.0, 3.0, 0.5, 4.0, 1.0, -1.0, 2.0]).view([1, 2, 2, 2]);
    let ask = |class| {
        explain(&ByHand { weights: weights.shallow_clone() }, &images, &[class], &Options::new(Method::GradCam))
            .unwrap()
    };
    // Each channel's mean gradient is its weight over the four places.
    let by_hand = |[a, b]: [f32; 2]| -> Vec<f32> {
        [(1.0, -4.0), (-2.0, -1.0), (3.0, 1.0), (0.5, -2.0)].map(|(x, y)| ((a * x + b * y) / 4.0_f32).max(0.0)).to_vec()
    };
    close(ask(0)[0].map.values(), &by_hand([2.0, 0.5]), 1e-6);
    close(ask(1)[0].map.values(), &by_hand([-1.0, 3.0]), 1e-6);
    assert!((ask(0)[0].logit - (2.0 * 2.5 / 4.0 + 0.5 * -6.0 / 4.0)).abs() < 1e-6);
}

#[test]
fn integrated_gradients_of_a_linear_network_are_weight_times_difference() {
    let net = net("linear", None, 5);
    let images = noise(1, 3, 3, 5).unwrap();
    let baseline = [0.25_f32, -0.5, 1.0];
    let weight = net.parameters().into_iter().find(|(name, _)| name == "heads.b.weight").unwrap().1.detach();
    let options = Options {
        baseline: baseline.to_vec(),
        batch_size: 2,
        ..Options::new(Method::IntegratedGradients { steps: 3 })
    };
    let classes = [2, 0, 1];
    let seen = explain(&TaskNetwork::new(&net, 1), &images, &classes, &options).unwrap();
    for (row, (one, &class)) in seen.iter().zip(&classes).enumerate() {
        let difference = images.get(row as i64) - Tensor::from_slice(&baseline).view([3, 1, 1]);
        let expected = (weight.get(class as i64).view([3, 5, 5]) * difference).sum_dim_intlist(
            [0_i64].as_slice(),
            false,
            Kind::Float,
        );
        close(one.map.values(), &Vec::try_from(expected.contiguous().view([-1])).unwrap(), 1e-6);
        assert!(one.residual.unwrap().abs() < 1e-5);
        assert!(one.map.is_signed() && one.baseline_logit.is_some());
    }
}

#[test]
fn occlusion_of_a_linear_network_is_what_the_window_held() {
    let net = net("linear", None, 4);
    let images = noise(2, 1, 3, 4).unwrap();
    let ask = |window, stride| {
        explain(&TaskNetwork::new(&net, 0), &images, &[1], &Options::new(Method::Occlusion { window, stride })).unwrap()
    };
    let gradients =
        explain(&TaskNetwork::new(&net, 0), &images, &[1], &Options::new(Method::INTEGRATED_GRADIENTS)).unwrap();
    // Windows of one pixel hide what integrated gradients give to the pixel.
    close(ask(1, 1)[0].map.values(), gradients[0].map.values(), 1e-6);
    // Windows side by side: each place has the sum of its window.
    let pixels = gradients[0].map.values();
    let block =
        |y: usize, x: usize| pixels[4 * y + x] + pixels[4 * y + x + 1] + pixels[4 * y + 4 + x] + pixels[4 * y + 5 + x];
    let seen = ask(2, 2);
    for (y, x) in [(0, 0), (1, 3), (3, 2)] {
        let expected = block(y / 2 * 2, x / 2 * 2);
        assert!((seen[0].map.values()[4 * y + x] - expected).abs() < 1e-5);
    }
}

#[test]
fn a_batch_is_explained_as_its_images_are() {
    let net = net("simple_cnn", Some(4), 12);
    let images = noise(4, 5, 3, 12).unwrap();
    let classes = [0, 2, 1, 0, 2];
    for method in
        [Method::GradCam, Method::IntegratedGradients { steps: 5 }, Method::Occlusion { window: 4, stride: 3 }]
    {
        let ask = |images: &Tensor, classes: &[usize], batch_size| {
            let options = Options { batch_size, ..Options::new(method) };
            explain(&TaskNetwork::new(&net, 1), images, classes, &options).unwrap()
        };
        let together = ask(&images, &classes, 64);
        assert_eq!(together, ask(&images, &classes, 64), "{method}: the same bits twice");
        for batch_size in [1, 2, 7] {
            for (row, (one, other)) in together.iter().zip(ask(&images, &classes, batch_size)).enumerate() {
                close(other.map.values(), one.map.values(), 1e-5);
                assert_eq!((row, one.class), (row, classes[row]));
            }
        }
        // Under a guard of the caller's too, and gradients of parameters are left alone.
        assert_eq!(together, tch::no_grad(|| ask(&images, &classes, 64)));
        assert!(net.parameters().iter().all(|(_, tensor)| !tensor.grad().defined()));
    }
}

#[test]
fn every_backbone_is_explained_or_refused_by_name() {
    let refused: Vec<String> = medley_models::registry()
        .iter()
        .filter(|entry| !entry.volumes)
        .filter_map(|entry| {
            let width = (entry.default_width > 0).then_some(if entry.name == "vit_tiny" { 64 } else { 8 });
            let net = net(entry.name, width, 28);
            let images = noise(5, 1, 3, 28).unwrap();
            let steps = Options::new(Method::IntegratedGradients { steps: 1 });
            assert_eq!(explain(&TaskNetwork::new(&net, 0), &images, &[1], &steps).unwrap()[0].map.shape(), [28, 28]);
            match explain(&TaskNetwork::new(&net, 0), &images, &[1], &Options::new(Method::GradCam)) {
                Ok(maps) => {
                    assert!(maps[0].map.shape()[0] > 1, "{}: {:?}", entry.name, maps[0].map.shape());
                    None
                }
                Err(ExplainError::NoFeatureMap { network }) => Some(network),
                Err(error) => panic!("{}: {error}", entry.name),
            }
        })
        .collect();
    assert_eq!(refused, ["linear", "mlp", "vgg11_bn", "vgg16_bn", "vit_tiny"]);
}

#[test]
fn volumes_have_maps_of_three_axes() {
    let net = net("resnet18_3d", Some(4), 16);
    let images = volume_noise(6, 1, 3, 16).unwrap();
    let ask = |method| explain(&TaskNetwork::new(&net, 1), &images, &[2], &Options::new(method)).unwrap().remove(0);
    let shape = |one: &Explanation| one.map.shape().to_vec();
    assert_eq!(shape(&ask(Method::GradCam)), [2, 2, 2]);
    assert_eq!(shape(&ask(Method::IntegratedGradients { steps: 2 })), [16, 16, 16]);
    assert_eq!(shape(&ask(Method::Occlusion { window: 8, stride: 8 })), [16, 16, 16]);
    assert_eq!(Method::occlusion_of(28, true), Method::Occlusion { window: 4, stride: 4 });
    assert_eq!(Method::occlusion_of(28, false), Method::Occlusion { window: 4, stride: 2 });
}

#[test]
fn what_cannot_be_asked_is_refused() {
    let net = net("simple_cnn", Some(4), 12);
    let images = noise(4, 2, 3, 12).unwrap();
    let ask = |images: &Tensor, classes: &[usize], options: Options| {
        explain(&TaskNetwork::new(&net, 1), images, classes, &options).unwrap_err()
    };
    let cam = Options::new(Method::GradCam);
    assert!(matches!(ask(&images, &[0, 3], cam.clone()), ExplainError::Class { class: 3, outputs: 3 }));
    assert!(matches!(ask(&images, &[0], cam.clone()), ExplainError::Input { .. }));
    assert!(matches!(ask(&images.get(0), &[0], cam.clone()), ExplainError::Input { .. }));
    assert!(matches!(ask(&noise(4, 2, 1, 12).unwrap(), &[0, 0], cam.clone()), ExplainError::Model(_)));
    let batch = Options { batch_size: 0, ..cam.clone() };
    assert!(matches!(ask(&images, &[0, 0], batch), ExplainError::Option { option: "batch_size", .. }));
    for baseline in [vec![0.0], vec![0.0, f32::NAN, 0.0]] {
        let options = Options { baseline, ..cam.clone() };
        assert!(matches!(ask(&images, &[0, 0], options), ExplainError::Input { .. }));
    }
    for (method, expected) in [
        (Method::IntegratedGradients { steps: 0 }, "steps"),
        (Method::IntegratedGradients { steps: 1_000_000 }, "steps"),
        (Method::Occlusion { window: 13, stride: 1 }, "window"),
        (Method::Occlusion { window: 0, stride: 0 }, "window"),
        (Method::Occlusion { window: 4, stride: 5 }, "stride"),
        (Method::Occlusion { window: 4, stride: 0 }, "stride"),
    ] {
        let error = ask(&images, &[0, 0], Options::new(method));
        assert!(matches!(&error, ExplainError::Option { option, .. } if *option == expected), "{error}");
    }
    let broken = Tensor::from_slice(&[0.0_f32, 1.0, f32::NAN, 1.0]).view([2, 2]);
    let two = noise(7, 3, 2, 4).unwrap();
    let error = explain(&ByHand { weights: broken }, &two, &[0, 1, 0], &cam).unwrap_err();
    assert!(matches!(error, ExplainError::NotFinite { .. }), "{error}");
}
