//! An image's answer, whatever batch it falls into.

use medley_models::conformance::{noise, task};
use medley_models::{
    BackboneConfig, BuildOptions, ComputePlan, Convolutions, Inference, MultiTaskNet, NetConfig, Precision, Segment,
};
use tch::Tensor;

const IMAGES: i64 = 40;

fn net(name: &str, width: usize, outputs: usize, convolutions: Convolutions, precision: Precision) -> MultiTaskNet {
    let config = NetConfig { backbone: BackboneConfig::with_width(name, width), ..NetConfig::default() };
    let plan = ComputePlan { convolutions, precision, ..ComputePlan::default() };
    let options = BuildOptions { plan, seed: 3, ..BuildOptions::default() };
    MultiTaskNet::build(&config.validated().unwrap(), &[task("a", outputs)], &options).unwrap()
}

fn logits(inference: &Inference<'_>, images: &Tensor) -> Tensor {
    let segment = Segment { task: 0, start: 0, len: images.size()[0] };
    inference.forward(images, &[segment]).unwrap().remove(0)
}

#[test]
fn bits_do_not_depend_on_the_batch() {
    tch::set_num_threads(1);
    let images = noise(1, IMAGES, 3, 28).unwrap();
    for (name, width, outputs, convolutions, precision) in [
        ("resnet9", 16, 2, Convolutions::Winograd, Precision::Fp32),
        ("resnet9", 16, 14, Convolutions::Winograd, Precision::Fp32),
        ("resnet9", 16, 5, Convolutions::Winograd, Precision::Bf16),
        ("resnet9", 16, 7, Convolutions::Libtorch, Precision::Fp32),
        ("resnet18", 16, 5, Convolutions::Winograd, Precision::Fp32),
        ("resnet18", 8, 9, Convolutions::Libtorch, Precision::Fp32),
    ] {
        let net = net(name, width, outputs, convolutions, precision);
        let inference = net.inference();
        let together = logits(&inference, &images);
        for (start, len) in [(0, 1), (5, 1), (39, 1), (3, 2), (1, 3), (30, 7), (2, 8), (7, 33)] {
            let some = logits(&inference, &images.narrow(0, start, len));
            assert_eq!(some, together.narrow(0, start, len), "{name} {convolutions:?}: {len} images from {start} on");
        }
    }
}
