//! The conformance suite on every backbone, and the names of its parameters.

use medley_models::conformance::{check_backbone, task};
use medley_models::{BackboneConfig, BuildOptions, MultiTaskNet, NetConfig, backbones, environment};

fn conforms(name: &str, width: usize) {
    // Tests run beside each other; threads inside operations would wait for those of the others.
    environment::set_threads(1);
    let config = BackboneConfig { width: (width > 0).then_some(width), ..BackboneConfig::named(name) };
    if let Err(violation) = check_backbone(&config) {
        panic!("{name}: {violation}");
    }
}

/// Name and shape of every tensor at the published width.
fn names(name: &str) -> String {
    let config = NetConfig { backbone: BackboneConfig::named(name), ..NetConfig::default() };
    let net =
        MultiTaskNet::build(&config.validated().unwrap(), &[task("breastmnist", 2)], &BuildOptions::default()).unwrap();
    let mut lines = vec![format!("{} parameters", net.parameter_count())];
    lines.extend(net.parameters().iter().map(|(name, tensor)| format!("{name} {:?}", tensor.size())));
    lines.extend(net.buffers().iter().map(|(name, tensor)| format!("buffer {name} {:?}", tensor.size())));
    lines.join("\n")
}

macro_rules! backbones {
    ($($name:ident: $width:literal),* $(,)?) => {
        $(mod $name {
            #[test]
            fn conforms() {
                super::conforms(stringify!($name), $width);
            }

            #[test]
            fn names() {
                insta::assert_snapshot!(concat!(stringify!($name), "_names"), super::names(stringify!($name)));
            }
        })*

        #[test]
        fn every_backbone_is_tested() {
            let registered: Vec<_> = backbones::all().iter().map(|entry| entry.name).collect();
            assert_eq!(registered, [$(stringify!($name)),*]);
        }
    };
}

backbones! {
    linear: 0,
    mlp: 32,
    simple_cnn: 8,
    resnet9: 8,
    resnet18: 8,
    resnet50: 4,
    wide_resnet: 8,
    vgg11_bn: 8,
    vgg16_bn: 8,
    densenet121: 8,
    convnext_tiny: 8,
    efficientnet_b0: 8,
    vit_tiny: 64,
    resnet18_3d: 4,
    resnet50_3d: 2,
}
