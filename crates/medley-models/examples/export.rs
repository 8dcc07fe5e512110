//! Writes a network's weights for PyTorch, and the logits that PyTorch should find. `scripts/compare/models-loader` runs it.
//!
//! ```text
//! cargo run -p medley-models --example export -- FOLDER
//! ```

#![allow(clippy::unwrap_used, reason = "a program for a script")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use medley_models::conformance::{noise, task};
use medley_models::{
    BackboneConfig, BatchNormScope, BuildOptions, MultiTaskNet, NetConfig, Segment, published, weights,
};

fn main() {
    let folder = PathBuf::from(std::env::args().nth(1).expect("usage: export FOLDER"));
    let config = NetConfig {
        backbone: BackboneConfig::named("resnet18"),
        batch_norm: BatchNormScope::PerTask,
        adapters: true,
        ..NetConfig::default()
    };
    let options = BuildOptions { input_size: 64, ..BuildOptions::default() };
    let net =
        MultiTaskNet::build(&config.validated().unwrap(), &[task("first", 5), task("second", 9)], &options).unwrap();
    let segments = [Segment { task: 0, start: 0, len: 4 }, Segment { task: 1, start: 4, len: 4 }];
    let images = noise(1, 8, 3, 64).unwrap();
    let _guard = tch::no_grad_guard();
    // Moves the running statistics of both tasks away from where they start.
    net.forward(&images, &segments, true).unwrap();
    let logits = net.forward(&images, &segments, false).unwrap().remove(1);
    let save = |name: &str, tensors: &weights::NamedTensors| {
        let bytes = weights::to_bytes(tensors, &BTreeMap::new()).unwrap();
        fs_err::write(folder.join(name), &bytes).unwrap();
    };
    save("weights.safetensors", &published::export(&net, 1).unwrap());
    save("expected.safetensors", &vec![("images".into(), images.narrow(0, 4, 4)), ("logits".into(), logits)]);
}
