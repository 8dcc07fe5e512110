//! Writes every backbone as ONNX with the logits that a runtime should find, and predicts when asked, to be timed.
//! `scripts/compare/onnx` runs it.
//!
//! ```text
//! cargo run -p medley-models --example onnx -- INPUTS.safetensors FOLDER
//! ```
//!
//! The inputs are `images` `[N, 3, 28, 28]` and `volumes` `[N, 3, 28, 28, 28]`, fp32. Afterwards each line of standard input, a name and
//! a number, is answered by that many predictions of all images and the word `done`.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program for a script")]

use std::collections::BTreeMap;
use std::io::BufRead as _;
use std::path::{Path, PathBuf};

use medley_models::conformance::task;
use medley_models::onnx::{Answer, Export, Pixels, TaskExport, export};
use medley_models::{
    BuildOptions, ComputePlan, Convolutions, MultiTaskNet, NetConfig, Segment, backbones, environment, weights,
};
use medley_onnx::Information;
use serde_json::{Value, json};
use tch::Tensor;

const SECOND: usize = 1;

fn main() {
    let arguments: Vec<PathBuf> = std::env::args().skip(1).map(PathBuf::from).collect();
    let [inputs, folder] = arguments.as_slice() else { panic!("usage: onnx INPUTS.safetensors FOLDER") };
    environment::set_threads(1);
    let _guard = tch::no_grad_guard();
    let inputs: BTreeMap<String, Tensor> =
        weights::read(&fs_err::read(inputs).unwrap()).unwrap().0.into_iter().collect();
    let mut nets = BTreeMap::new();
    for (name, config) in configs() {
        let config: NetConfig = serde_json::from_value(config).unwrap();
        let volumes = config.backbone.name.ends_with("_3d");
        let images = &inputs[if volumes { "volumes" } else { "images" }];
        let convolutions = Convolutions::Winograd;
        let plan = ComputePlan { convolutions, ..ComputePlan::default() };
        let options = BuildOptions { plan, input_size: images.size()[2], ..BuildOptions::default() };
        let tasks = [task("first", 5), task("second", 9)];
        let net = MultiTaskNet::build(&config.validated().unwrap(), &tasks, &options).unwrap();
        disturb(&net, images);
        write(&net, images, folder, &name);
        println!("{name}");
        nets.insert(name, (net, images));
    }
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let (name, count) = line.rsplit_once(' ').unwrap();
        let (net, images) = &nets[name];
        let inference = net.inference();
        for _ in 0..count.parse().unwrap() {
            inference.forward(images, &whole(images, SECOND)).unwrap();
        }
        println!("done");
    }
}

/// Every backbone as published, and the options that change a graph.
fn configs() -> Vec<(String, Value)> {
    let mut configs: Vec<(String, Value)> = backbones::all()
        .iter()
        .map(|entry| (entry.name.to_owned(), json!({"backbone": {"name": entry.name}})))
        .collect();
    let imagenet = |name: &str| json!({"backbone": {"name": name, "stem": "imagenet"}, "input_size": 64});
    for name in ["resnet18", "vgg11_bn", "vit_tiny", "densenet121", "convnext_tiny", "efficientnet_b0"] {
        configs.push((format!("{name}, resized to 64"), imagenet(name)));
    }
    let volume = |form: &str| json!({"backbone": {"name": "resnet18_3d", "convolution": form}});
    configs.push(("resnet18_3d, 2.5d".into(), volume("2.5d")));
    configs.push(("resnet18_3d, acs".into(), volume("acs")));
    let options =
        json!({"backbone": {"name": "resnet18"}, "batch_norm": "per_task", "adapters": true, "task_embedding": 16});
    configs.push(("resnet18, all of a task's own".into(), options));
    configs.push(("resnet9, width 16".into(), json!({"backbone": {"name": "resnet9", "width": 16}})));
    configs
}

fn whole(images: &Tensor, task: usize) -> [Segment; 1] {
    [Segment { task, start: 0, len: images.size()[0] }]
}

/// Moves parameters and running statistics away from where they start, so that a scale that is forgotten is seen.
fn disturb(net: &MultiTaskNet, images: &Tensor) {
    for (_, mut parameter) in net.parameters() {
        let values = Tensor::arange(parameter.numel() as i64, (parameter.kind(), parameter.device()));
        let _ = parameter.g_add_(&((values * 1.7).sin() * 0.02).view(parameter.size().as_slice()));
    }
    for task in 0..2 {
        net.forward(&images.narrow(0, 0, 4), &[Segment { task, start: 0, len: 4 }], true).unwrap();
    }
}

fn write(net: &MultiTaskNet, images: &Tensor, folder: &Path, name: &str) {
    let logits = net.forward(images, &whole(images, SECOND), false).unwrap();
    let bytes = weights::to_bytes(&[("logits".to_owned(), logits[0].shallow_clone())], &BTreeMap::new()).unwrap();
    fs_err::write(folder.join(format!("{name}.safetensors")), bytes).unwrap();
    for (suffix, half) in [("onnx", false), ("half.onnx", true)] {
        let tasks = vec![TaskExport::new(SECOND, Answer::Logits)];
        let wanted = Export { tasks, pixels: Pixels::Normalised, half, ..Export::default() };
        let bytes = export(net, &wanted, &Information::default()).unwrap();
        fs_err::write(folder.join(format!("{name}.{suffix}")), bytes).unwrap();
    }
}
